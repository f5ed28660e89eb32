"""docs/metrics.md and the table in the code say the same."""

from __future__ import annotations

import re
from pathlib import Path

from eventing.telemetry.names import METRICS

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"


def rows(columns: int) -> list[list[str]]:
    """Cells of the tables with that many columns whose first cell is a metric."""
    lines = (line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `eventing_"))
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if len(row) == columns]


def code(cell: str) -> tuple[str, ...]:
    return tuple(re.findall(r"`([^`]+)`", cell))


def test_names_types_and_labels() -> None:
    documented = [(code(row[0])[0], row[1], code(row[2])) for row in rows(4)]
    assert documented == [(d.name, d.kind.value, d.labels) for d in METRICS]


def test_words() -> None:
    documented = [(code(row[0])[0], code(row[1])[0], code(row[2])) for row in rows(3)]
    assert documented == [(d.name, d.labels[-1], d.words) for d in METRICS if d.words]


def test_names_follow_prometheus() -> None:
    assert len({d.name for d in METRICS}) == len(METRICS)
    for definition in METRICS:
        assert re.fullmatch(r"eventing(_[a-z]+)+", definition.name)
        assert definition.name.endswith("_total") == (definition.kind.value == "counter")
        assert definition.name.removesuffix("_timestamp_seconds").endswith("_seconds") == (definition.kind.value == "histogram")
