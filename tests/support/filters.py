"""What the tests of filters and of the index share."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

from eventing.event import AttributeValue, Event
from eventing.filters import All, Any, Filter, FilterIndex, Not


def happened(**attributes: AttributeValue) -> Event:
    """An event with these attributes beside, or in place of, the least there must be: type `t`, source `/s`."""
    return Event({"specversion": "1.0", "id": "1", "source": "/s", "type": "t", **attributes})


class Counting:
    """A filter that matches everything and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def matches(self, event: Event) -> bool:
        self.asked += 1
        return True


def asked(shape: Callable[[int], Filter], event: Event, count: int = 2000) -> tuple[int, list[int]]:
    """Of so many filters behind one index, how many were evaluated for an event, and which ones it found."""
    counters = [Counting() for _ in range(count)]
    index: FilterIndex[int] = FilterIndex((number, All((counters[number], shape(number)))) for number in range(count))
    found = index.match(event)
    return sum(counter.asked for counter in counters), found


def nested(leaves: st.SearchStrategy[Filter], max_leaves: int) -> st.SearchStrategy[Filter]:
    """Such filters within `all`, `any` and `not`."""

    def around(inner: st.SearchStrategy[Filter]) -> st.SearchStrategy[Filter]:
        some = st.lists(inner, min_size=1, max_size=3).map(tuple)
        return st.builds(All, some) | st.builds(Any, some) | st.builds(Not, inner)

    return st.recursive(leaves, around, max_leaves=max_leaves)


def assert_index_is_plain_evaluation(filters: list[Filter], events: list[Event]) -> None:
    index = FilterIndex(enumerate(filters))
    for event in events:
        assert index.match(event) == [number for number, filter_ in enumerate(filters) if filter_.matches(event)]
