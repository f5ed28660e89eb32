"""Which parts of an expression the index uses, and which it must not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from eventing.event import AttributeValue, Event
from eventing.filters import Cesql, Filter, FilterIndex
from eventing.filters.cover import Kind, cover, crowd
from tests.support.filters import asked, happened


def conditions(text: str) -> set[tuple[str, str, str]] | None:
    filter_: Filter = Cesql.compile(text)
    found = cover(filter_, crowd([filter_]))
    if found is None:
        return None
    assert not found.complete
    return {(kind.name.lower(), name, value) for kind, name, value in found.conditions}


@pytest.mark.requirement("T7", "Q2", "Q8")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("type = 'a'", {("exact", "type", "a")}),
        ("TYPE = 'a'", {("exact", "type", "a")}),
        ("'a' = type", {("exact", "type", "a")}),
        ("name = ''", {("exact", "name", "")}),
        ("type LIKE 'a'", {("exact", "type", "a")}),
        ("type LIKE 'a%'", {("prefix", "type", "a")}),
        ("type LIKE 'a_b%'", {("prefix", "type", "a")}),
        (r"type LIKE 'a\_b%'", {("prefix", "type", "a_b")}),
        ("type LIKE '%a'", {("suffix", "type", "a")}),
        ("type LIKE '%_a'", {("suffix", "type", "a")}),
        ("name LIKE '%'", {("present", "name", "")}),
        ("name LIKE '%a%'", {("present", "name", "")}),
        ("type IN ('a', 'b')", {("exact", "type", "a"), ("exact", "type", "b")}),
        ("EXISTS name", {("present", "name", "")}),
        ("name", {("exact", "name", "true")}),
        ("type = 'a' AND amount > 5", {("exact", "type", "a")}),
        ("amount > 5 AND type = 'a'", {("exact", "type", "a")}),
        ("type = 'a' OR type LIKE 'b%'", {("exact", "type", "a"), ("prefix", "type", "b")}),
        ("(type = 'a' OR type = 'b') AND NOT EXISTS x", {("exact", "type", "a"), ("exact", "type", "b")}),
        ("amount > 5", {("present", "amount", "")}),
        ("LENGTH(name) > 5", {("present", "name", "")}),
        ("name != 'a'", {("present", "name", "")}),
        ("name NOT LIKE 'a%'", {("present", "name", "")}),
        ("name NOT IN ('a')", {("present", "name", "")}),
        ("name IN (other)", {("present", "name", "")}),
        # Casts: other texts than the literal's own are equal to it.
        ("amount = 5", {("present", "amount", "")}),
        ("flag = true", {("present", "flag", "")}),
        ("'05' = amount", {("exact", "amount", "05"), ("exact", "amount", "5")}),
        ("'TRUE' = flag", {("exact", "flag", "TRUE"), ("exact", "flag", "true")}),
        ("amount IN ('05')", {("exact", "amount", "05"), ("exact", "amount", "5")}),
        ("flag IN (7)", {("exact", "flag", "7"), ("exact", "flag", "true")}),
        # What isn't surely evaluated says nothing.
        ("NOT EXISTS name", None),
        ("NOT EXISTS name OR name = 'a'", None),
        ("true OR name = 'a'", None),
        ("1 = 1", None),
        ("NOT (name = 'a' AND other = 'b')", {("present", "name", "")}),
        ("name = 'a' XOR EXISTS other", {("present", "name", "")}),
    ],
)
def test_the_index_uses_what_must_hold_for_an_expression_and_nothing_else(
    text: str, expected: set[tuple[str, str, str]] | None
) -> None:
    assert conditions(text) == expected


@pytest.mark.requirement("T7", "Q8")
@pytest.mark.parametrize(
    ("text", "attributes"),
    [
        ("'05' = amount", {"amount": 5}),
        ("'TRUE' = flag", {"flag": True}),
        ("flag IN (7)", {"flag": True}),
        ("amount IN ('005', true)", {"amount": 1}),
        ("amount = 5", {"amount": "+5"}),
        ("flag = true", {"flag": "TruE"}),
        ("flag = true", {"flag": -3}),
        ("name = ''", {"name": ""}),
        ("name LIKE ''", {"name": ""}),
        ("amount LIKE '5%'", {"amount": 57}),
        ("flag AND type = 't'", {"flag": "TRUE"}),
        ("amount", {"amount": True}),
        ("NOT EXISTS name OR name = 'x'", {}),
        ("type = 'x' OR EXISTS name", {"name": ""}),
    ],
)
def test_the_index_finds_what_only_a_cast_makes_equal(text: str, attributes: dict[str, AttributeValue]) -> None:
    filter_ = Cesql.compile(text)
    assert filter_.matches(happened(**attributes))
    assert FilterIndex([("x", filter_)]).match(happened(**attributes)) == ["x"]


@pytest.mark.parametrize(
    ("text", "event"),
    [
        (lambda n: f"type = 't{n}' AND amount > 1", happened(type="t7", amount=2)),
        (lambda n: f"amount > 1 AND type IN ('t{n}', 'u{n}')", happened(type="u7", amount=2)),
        (lambda n: f"type = 't' AND source LIKE '/{n}/%'", happened(source="/7/x")),
        (lambda n: f"LENGTH(type) = 1 AND source LIKE '%/{n}'", happened(source="x/7")),
        (lambda n: f"EXISTS a{n} AND NOT EXISTS name", happened(a7="")),
        (lambda n: f"type = 't{n}' OR type = 'u{n}'", happened(type="u7")),
    ],
)
def test_of_many_expressions_only_those_that_may_match_are_evaluated(text: Callable[[int], str], event: Event) -> None:
    assert asked(lambda number: Cesql.compile(text(number)), event, count=300) == (1, [7])


def test_the_kinds_of_conditions_are_those_of_the_index() -> None:
    assert {kind.name.lower() for kind in Kind} == {"exact", "prefix", "suffix", "present"}
