"""docs/performance.md lists what `python -m bench` has."""

from __future__ import annotations

import re

import pytest

from bench.cases import CASES
from bench.options import parse
from bench.programme import Outcome
from bench.report import table
from bench.site import Run
from tests.docs.test_reference import plain, rows

PAGE = "performance.md"


def test_every_case_is_documented() -> None:
    documented = {plain(row[0]): plain(row[2]) for row in rows(PAGE, "Cases")}
    assert documented == {name: case.against or "none" for name, case in CASES.items()}


def test_every_option_is_documented_with_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--help"])
    page = capsys.readouterr().out
    documented = {plain(row[0]).split()[0]: plain(row[2]) for row in rows(PAGE, "Run it")}
    assert set(documented) == set(re.findall(r"--[a-z][a-z-]+", page)) - {"--help"}
    for option, value in documented.items():
        told = [line for line in page.splitlines() if line.strip().startswith(option + " ") and "default: " in line]
        if told and value[0].isdigit():
            assert f"default: {value})" in told[0], option


def test_every_column_is_documented() -> None:
    outcome = Outcome(cases={"base": [Run("base", 0, {"rate": 1.0})]})
    (header,) = [line for line in table(outcome, {}).splitlines() if line.startswith("case ")]
    documented = [plain(name) for row in rows(PAGE, "How to read the table") for name in row[0].split(", ")]
    assert "".join(header.split()) == "case" + "".join("".join(name.split()) for name in documented) + "against"
