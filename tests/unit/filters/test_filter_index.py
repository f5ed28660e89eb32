"""The index says what plain evaluation says, and looks at few filters."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventing.event import AttributeValue, Event
from eventing.filters import All, Any, Attributes, Everything, Exact, Filter, FilterIndex, Not, Prefix, Suffix, explain
from tests.support.filters import asked, assert_index_is_plain_evaluation, happened, nested

# A small alphabet and few names, so that filters and events meet often and prefixes nest.
NAMES = ["type", "source", "subject", "flag"]
TEXT = st.text("ab/", min_size=1, max_size=4)
PAIRS = st.dictionaries(st.sampled_from(NAMES), TEXT | st.sampled_from(["true", "5", "tr"]), min_size=1, max_size=3).map(
    lambda pairs: tuple(pairs.items())
)
LEGACY = st.dictionaries(st.sampled_from(NAMES), TEXT | st.just(""), min_size=1, max_size=3).map(
    lambda pairs: tuple(pairs.items())
)
LEAVES = st.builds(Exact, PAIRS) | st.builds(Prefix, PAIRS) | st.builds(Suffix, PAIRS) | st.builds(Attributes, LEGACY)
FILTERS: st.SearchStrategy[Filter] = st.just(Everything()) | nested(LEAVES, max_leaves=5)
VALUES: st.SearchStrategy[AttributeValue] = TEXT | st.booleans() | st.integers(-9, 9) | st.just("")
EVENTS = st.builds(
    lambda required, extra: Event({"specversion": "1.0", "id": "1", "source": required[0], "type": required[1], **extra}),
    st.tuples(TEXT, TEXT),
    st.dictionaries(st.sampled_from(["subject", "flag", "other"]), VALUES),
)


@pytest.mark.requirement("T4", "T8")
@settings(max_examples=1500, deadline=None)
@given(st.lists(FILTERS, max_size=12), st.lists(EVENTS, min_size=1, max_size=5))
def test_the_index_finds_what_plain_evaluation_finds(filters: list[Filter], events: list[Event]) -> None:
    assert_index_is_plain_evaluation(filters, events)


@settings(max_examples=1000, deadline=None)
@given(FILTERS, EVENTS)
def test_explanation_agrees_with_the_filter(filter_: Filter, event: Event) -> None:
    verdict = explain(filter_, event)
    assert verdict.matched is filter_.matches(event)
    assert verdict.reason


def test_many_random_filters_equal_plain_evaluation() -> None:
    """Larger sets than hypothesis makes, so that crowded and nested conditions are chosen between."""
    rng = random.Random(20240)

    def text() -> str:
        return "".join(rng.choice("ab/") for _ in range(rng.randint(1, 6)))

    def pairs() -> tuple[tuple[str, str], ...]:
        return tuple((name, text()) for name in rng.sample(NAMES, rng.randint(1, 3)))

    def filter_(depth: int = 0) -> Filter:
        kind = rng.randrange(7 if depth < 3 else 4)
        if kind < 4:
            return (Exact, Prefix, Suffix, Attributes)[kind](pairs())
        if kind == 4:
            return Not(filter_(depth + 1))
        return (All, Any)[kind - 5](tuple(filter_(depth + 1) for _ in range(rng.randint(1, 3))))

    filters = [filter_() for _ in range(600)]
    index = FilterIndex(enumerate(filters))
    found = 0
    for _ in range(400):
        event = Event({"specversion": "1.0", "id": "1", "source": text(), "type": text(), "subject": text()})
        expected = [number for number, one in enumerate(filters) if one.matches(event)]
        assert index.match(event) == expected
        found += len(expected)
    assert found > 1000


def test_only_candidates_are_evaluated() -> None:
    assert asked(lambda n: Exact((("type", f"t{n}"),)), happened(type="t7")) == (1, [7])
    assert asked(lambda n: Prefix((("source", f"/{n}/"),)), happened(source="/70/x")) == (1, [70])
    assert asked(lambda n: Suffix((("source", f"/{n}"),)), happened(source="x/12")) == (1, [12])
    assert asked(lambda n: Attributes(((f"a{n}", ""),)), happened(a9=True)) == (1, [9])
    assert asked(lambda n: Any((Exact((("type", f"t{n}"),)), Exact((("type", f"u{n}"),)))), happened(type="u3")) == (1, [3])


def test_the_selective_condition_is_chosen() -> None:
    """All share the type and the prefix; the subject tells them apart, wherever it stands."""
    shared = Exact((("type", "t"),))
    assert asked(lambda n: Exact((("type", "t"), ("subject", f"s{n}"))), happened(subject="s5")) == (1, [5])
    assert asked(lambda n: All((shared, Prefix((("subject", f"s{n}/"),)))), happened(subject="s5/x")) == (1, [5])
    assert asked(lambda n: Attributes((("type", ""), ("subject", f"s{n}"))), happened(subject="s5")) == (1, [5])
    assert asked(lambda n: All((shared, Any((shared, Exact((("id", f"{n}"),)))))), happened(type="u")) == (0, [])


def test_a_filter_found_through_two_alternatives_is_reported_once() -> None:
    both = Any((Exact((("type", "t"),)), Prefix((("source", "/"),)), Suffix((("source", "s"),))))
    assert FilterIndex([("a", both), ("b", Everything())]).match(happened()) == ["a", "b"]


def test_order_is_the_given_one_and_keys_need_not_be_unique() -> None:
    items: list[tuple[str, Filter]] = [
        ("z", Not(Exact((("type", "x"),)))),
        ("a", Exact((("type", "t"),))),
        ("m", Everything()),
        ("a", Prefix((("source", "/"),))),
    ]
    assert FilterIndex(items).match(happened()) == ["z", "a", "m", "a"]
    assert len(FilterIndex(items)) == 4


def test_empty_index() -> None:
    assert FilterIndex[str]([]).match(happened()) == []
