"""What was measured, for a person and for a program."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from bench.cases import CASES
from bench.figures import medians, ratio
from bench.options import Options
from bench.programme import Outcome
from bench.site import Run

_COLUMNS = (
    ("events/s", "rate", 0),
    ("deliveries/s", "delivery_rate", 0),
    ("p50 ms", "p50_ms", 2),
    ("p99 ms", "p99_ms", 2),
    ("CPU us", "cpu_us", 1),
    ("load us", "load_cpu_us", 1),
    ("RSS MB", "rss_mb", 0),
)


def good(runs: Sequence[Run]) -> list[Mapping[str, float]]:
    """The figures of runs that count."""
    return [run.figures for run in runs if not run.failures and not run.refused]


def table(outcome: Outcome, machine: Mapping[str, Any]) -> str:
    """Medians, a line per case."""
    lines = [", ".join(f"{name} {value}" for name, value in machine.items()), ""]
    lines.append(f"{'case':<14}" + "".join(f"{title:>14}" for title, _, _ in _COLUMNS) + f"{'to base':>10}")
    for name, runs in outcome.cases.items():
        found = medians(good(runs))
        cells = [f"{found[key]:>14,.{digits}f}" if key in found else f"{'-':>14}" for _, key, digits in _COLUMNS]
        compared = ratio(*_paired(runs, outcome.bases.get(name, [])), "rate")
        lines.append(f"{name:<14}" + "".join(cells) + (f"{compared:>10.2f}" if compared is not None else f"{'-':>10}"))
    return "\n".join(lines) + "\n"


def _paired(case: Sequence[Run], base: Sequence[Run]) -> tuple[list[Mapping[str, float]], list[Mapping[str, float]]]:
    """The pairs of which both count."""
    partners = {run.pair: run for run in base if not run.failures}
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
        "channel": options.channel,
    }
    return json.dumps({"machine": machine, "options": asked, "cases": cases}, indent=1) + "\n"
