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
DISTURBED = 0.2
"""Cores that other programs may use during a run without a word."""
_COLUMNS = (
    ("events/s", "rate", 0),
    ("deliveries/s", "delivery_rate", 0),
    ("p50 ms", "p50_ms", 2),
    ("p99 ms", "p99_ms", 2),
    ("CPU us", "cpu_us", 1),
    ("load us", "load_cpu_us", 1),
    ("idle MB", "rss_idle_mb", 0),
    ("RSS MB", "rss_mb", 0),
)
_COMPARED = (("x events/s", "rate", 2), ("x p99", "p99_ms", 2))
_MORE = ("+CPU us", "cpu_us", 1)
_AGAINST = "against"
_NOT_SHOWN = frozenset(name for _, name, _ in _COLUMNS) | {
    *("seconds", "events", "accepted_rate", "max_ms", "rss_peak_mb", "ready_s", "repeats"),
    *("cpu_us_per_delivery", "late_p50_ms", "late_max_ms", "others_cores"),
}
"""Figures of a line of the table that are not shown below it again."""
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
    titles = [title for title, _, _ in (*_COLUMNS, *_COMPARED, _MORE)]
    yield f"{'case':<{_WIDTH}}" + "".join(_cell(title, title) for title in titles) + f"  {_AGAINST}"
    for name, runs in outcome.cases.items():
        found = medians(good(runs))
        if "rate" not in found:
            continue
        pairs = paired(runs, outcome.bases.get(name, []))
        cells = [_number(title, found.get(key), digits) for title, key, digits in _COLUMNS]
        cells += [_number(title, ratio(*pairs, key), digits) for title, key, digits in _COMPARED]
        cells.append(_number(_MORE[0], difference(*pairs, _MORE[1]), _MORE[2]))
        yield f"{name:<{_WIDTH}}" + "".join(cells) + f"  {CASES[name].against or '-'}"


def _number(title: str, value: float | None, digits: int) -> str:
    return _cell(title, "-" if value is None else f"{value:,.{digits}f}")


def _cell(title: str, text: str) -> str:
    return f"{text:>{max(9, len(title) + 2)}}"


def _special(outcome: Outcome) -> Iterator[str]:
    """Figures that have no column, three a line."""
    for name, runs in outcome.cases.items():
        found = medians(good(runs))
        hidden = _NOT_SHOWN if "rate" in found else frozenset({"repeats"})
        shown = [f"{key} {value:,.{0 if value >= 1000 else 2}f}" for key, value in found.items() if key not in hidden]
        for start in range(0, len(shown), 3):
            yield f"{name if start == 0 else '':<{_WIDTH}}" + "".join(f"{text:<38}" for text in shown[start : start + 3]).rstrip()


def _troubles(outcome: Outcome) -> Iterator[str]:
    disturbed = [run.figures["others_cores"] for run in outcome.runs if run.figures.get("others_cores", 0.0) > DISTURBED]
    if disturbed:
        yield (
            f"in {len(disturbed)} runs something else used the machine (up to {max(disturbed):.1f} cores): "
            "their rates and latencies are too bad, CPU us is nearer to the truth"
        )
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
