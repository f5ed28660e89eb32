"""Compiled closures against the naive evaluator, and the index against both."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventing.errors import InvalidFilter
from eventing.event import Event
from eventing.filters import Cesql, Exact, Filter, Prefix, explain
from eventing.filters.cesql import Expression
from tests.support.filters import assert_index_is_plain_evaluation, nested
from tests.unit.cesql.expressions import EVENTS, EXPRESSIONS, written
from tests.unit.cesql.naive import Expression as Tree
from tests.unit.cesql.naive import evaluate, knows_all_functions


@pytest.mark.requirement("Q1", "Q2", "Q3", "Q4", "Q5", "Q6", "Q7", "Q8", "Q9", "Q11")
@settings(max_examples=1500, deadline=None)
@given(EXPRESSIONS, st.lists(EVENTS, min_size=1, max_size=4))
def test_a_compiled_expression_gives_what_a_naive_reading_of_the_specification_gives(tree: Tree, events: list[Event]) -> None:
    expression = Expression.compile(written(tree))
    for event in events:
        result = expression.evaluate(event)
        value, error = evaluate(tree, event.attributes)
        assert (result.value, result.error and result.error.kind.value) == (value, error)
        assert type(result.value) is type(value)


@pytest.mark.requirement("T7", "T9")
@settings(max_examples=800, deadline=None)
@given(EXPRESSIONS, st.lists(EVENTS, min_size=1, max_size=4))
def test_a_filter_matches_only_where_the_value_is_true_without_an_error(tree: Tree, events: list[Event]) -> None:
    true = [evaluate(tree, event.attributes) for event in events]
    expected = [error is None and value is True for value, error in true]
    try:
        filter_ = Cesql.compile(written(tree))
    except InvalidFilter:
        # What parses is refused only where it names a function that doesn't exist, or can never be true.
        assert not knows_all_functions(tree) or not any(expected)
        return
    for event, matches in zip(events, expected, strict=True):
        assert filter_.matches(event) is matches
        verdict = explain(filter_, event)
        assert verdict.matched is matches
        assert verdict.reason
        assert verdict.reason.isprintable()


TEXT = st.sampled_from(["a", "ab", "true", "5", "x"])
PAIRS = st.dictionaries(st.sampled_from(["type", "source", "flag", "amount"]), TEXT, min_size=1, max_size=2).map(
    lambda pairs: tuple(pairs.items())
)


@st.composite
def expressions(draw: st.DrawFn) -> Filter:
    tree = draw(EXPRESSIONS)
    with contextlib.suppress(InvalidFilter):
        return Cesql.compile(written(tree))
    return Cesql.compile("type = 'a' OR flag")


FILTERS = nested(expressions() | expressions() | st.builds(Exact, PAIRS) | st.builds(Prefix, PAIRS), max_leaves=4)


@pytest.mark.requirement("T4", "T7")
@settings(max_examples=600, deadline=None)
@given(st.lists(FILTERS, max_size=8), st.lists(EVENTS, min_size=1, max_size=4))
def test_the_index_finds_what_plain_evaluation_finds_whatever_the_dialects(filters: list[Filter], events: list[Event]) -> None:
    assert_index_is_plain_evaluation(filters, events)
