"""The catalogue is whole, and the document says what a run showed."""

from __future__ import annotations

import pytest

from tests.requirements.catalogue import Requirement, Section, read
from tests.requirements.document import Case, render, verdict

RULE = Requirement("I1", "MUST", "A rule.", "a text")
DEVIATING = Requirement("I2", "MUST", "Another.", "a text", "Not here.")
PASSED = Case("tests/unit/test_x.py", "test_a_thing_is_so", "passed")


def test_every_entry_has_a_level_a_text_and_a_source() -> None:
    sections = read()
    assert [section.letter for section in sections] == list("IFBTQDRO")
    for section in sections:
        numbers = [requirement.id for requirement in section.requirements]
        assert numbers == [f"{section.letter}{number}" for number in range(1, len(numbers) + 1)]


@pytest.mark.parametrize(
    ("requirement", "outcomes", "expected"),
    [
        (RULE, [], "open"),
        (RULE, ["passed"], "holds"),
        (RULE, ["passed", "skipped"], "not run"),
        (RULE, ["passed", "skipped", "failed"], "fails"),
        (DEVIATING, [], "deviates"),
        (DEVIATING, ["passed"], "deviates"),
        (DEVIATING, ["failed"], "fails"),
    ],
)
def test_a_rule_holds_only_if_all_its_cases_passed(requirement: Requirement, outcomes: list[str], expected: str) -> None:
    assert verdict(requirement, [Case("f", "test_x", outcome) for outcome in outcomes]) == expected


def test_the_document_lists_cases_by_file_and_counts_the_variants_of_one() -> None:
    section = Section("I", "Taking events", (RULE, DEVIATING))
    text = render([section], {"I1": [PASSED, PASSED, Case("tests/a.py", "test_b", "failed")]}, "# Title")
    assert text.splitlines()[2:5] == [
        "| Section | Requirements | Hold | Deviate | Cases |",
        "| --- | --- | --- | --- | --- |",
        "| [I. Taking events](#i-taking-events) | 2 | 0 | 1 | 2 |",
    ]
    assert "### I1: fails\n\nMUST: A rule.\n*a text*\n\n- [tests/a.py](../tests/a.py)\n  - b: failed\n" in text
    assert "- [tests/unit/test_x.py](../tests/unit/test_x.py)\n  - a thing is so (2 cases)\n" in text
    assert "### I2: deviates\n\nMUST: Another.\n*a text*\n\n**Deviation.** Not here.\n" in text
