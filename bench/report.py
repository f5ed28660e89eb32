"""What was measured, for a person and for a program."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from bench.cases import CASES
from bench.figures import difference, medians, ratio
from bench.options import Options
from bench.programme import Outcome
from bench.site import Run

FORMAT = 1
_COLUMNS = (
    ("events/s", "rate", 0),
    ("deliveries/s", "delivery_rate", 0),
    ("p50 ms", "p50_ms", 2),
    ("p99 ms", "p99_ms", 2),
    ("CPU us", "cpu_us", 1),
    ("load us", "load_cpu_us", 1),
    ("RSS MB", "rss_mb", 0),
)
_COMPARED = ("events/s", "p99", "CPU us")
_TABLED = frozenset(name for _, name, _ in _COLUMNS) | {"seconds", "events", "accepted_rate", "max_ms", "rss_peak_mb", "ready_s"}
_ELSEWHERE = {"repeats", "rss_idle_mb", "cpu_us_per_delivery", "late_p50_ms", "late_max_ms"}
_WIDTH = 15

Pairs = tuple[list[Mapping[str, float]], list[Mapping[str, float]]]


def table(outcome: Outcome, machine: Mapping[str, Any]) -> str:
    """Medians, a line per case; below it what only some cases have, and everything that went wrong."""
    blocks = [
        [", ".join(f"{name}: {value}" for name, value in machine.items() if value is not None)],
        [f"a 202 means: {level}" for level in outcome.durability],
        list(_main(outcome)),
        list(_special(outcome)),
        list(_troubles(outcome)),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _main(outcome: Outcome) -> Iterator[str]:
    titles = [title for title, _, _ in _COLUMNS]
    compared = [f"{'+' if name == 'CPU us' else 'x '}{name}" for name in _COMPARED]
    yield f"{'case':<{_WIDTH}}" + "".join(f"{title:>13}" for title in (*titles, *compared, "against"))
    for name, runs in outcome.cases.items():
        found = medians(good(runs))
        if "rate" not in found:
            continue
        cells = [_cell(found.get(key), digits) for _, key, digits in _COLUMNS]
        pairs = paired(runs, outcome.bases.get(name, []))
        cells += [_cell(ratio(*pairs, "rate"), 2), _cell(ratio(*pairs, "p99_ms"), 2), _cell(difference(*pairs, "cpu_us"), 1)]
        yield f"{name:<{_WIDTH}}" + "".join(cells) + f"{CASES[name].against or '-':>13}"


def _cell(value: float | None, digits: int) -> str:
    return f"{'-':>13}" if value is None else f"{value:>13,.{digits}f}"


def _special(outcome: Outcome) -> Iterator[str]:
    """Figures that have no column, three a line."""
    for name, runs in outcome.cases.items():
        found = {key: value for key, value in medians(good(runs)).items() if key not in _TABLED | _ELSEWHERE}
        shown = [f"{key} {value:,.{0 if value >= 1000 else 2}f}" for key, value in found.items()]
        for start in range(0, len(shown), 3):
            yield f"{name if start == 0 else '':<{_WIDTH}}" + "".join(f"{text:<38}" for text in shown[start : start + 3]).rstrip()


def _troubles(outcome: Outcome) -> Iterator[str]:
    for run in outcome.runs:
        if run.figures.get("repeats"):
            yield f"{run.case} (pair {run.pair + 1}): {run.figures['repeats']:,.0f} deliveries were repeats"
        for note in run.notes:
            yield f"{run.case} (pair {run.pair + 1}): {note}"
        for failure in run.failures:
            yield f"{run.case} (pair {run.pair + 1}): FAILED: {failure}"


def good(runs: Sequence[Run]) -> list[Mapping[str, float]]:
    """The figures of runs that count."""
    return [run.figures for run in runs if not run.failures and not run.refused]


def paired(case: Sequence[Run], base: Sequence[Run]) -> Pairs:
    """The figures of the pairs in which both runs count."""
    partners = {run.pair: run for run in base if not run.failures and not run.refused}
    pairs = [(run, partners[run.pair]) for run in case if not run.failures and not run.refused and run.pair in partners]
    return [mine.figures for mine, _ in pairs], [its.figures for _, its in pairs]


def document(outcome: Outcome, machine: Mapping[str, Any], options: Options) -> str:
    """JSON: the machine, what was asked for, and of each case its medians and every run."""
    cases = {
        name: {
            "about": CASES[name].about,
            "against": CASES[name].against,
            "medians": medians(good(runs)),
            "runs": [asdict(run) for run in runs],
            "base_runs": [asdict(run) for run in outcome.bases.get(name, [])],
        }
        for name, runs in outcome.cases.items()
    }
    asked = {
        "pairs": options.pairs,
        "seconds": options.amount.seconds,
        "events": options.amount.events,
        "parked": options.parked,
        "triggers": options.triggers,
        "channel": options.channel,
    }
    whole = {
        "format": FORMAT,
        "failed": outcome.failed,
        "machine": machine,
        "durability": outcome.durability,
        "options": asked,
        "cases": cases,
        "other_runs": [asdict(run) for run in outcome.before],
    }
    return json.dumps(whole, indent=1) + "\n"
