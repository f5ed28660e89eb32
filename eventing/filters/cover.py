"""Necessary conditions of a filter: what must hold for an event before the filter needs a look.

A *cover* of a filter is a set of simple conditions of which at least one holds whenever the filter matches. The index
stores a filter under its cover; the fewer filters share those conditions, the fewer are looked at in vain.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from eventing.filters.base import Filter
from eventing.filters.cesql.filter import Cesql
from eventing.filters.dialects import All, Any, Attributes, Exact, Pairs, Prefix, Suffix


class Kind(IntEnum):
    EXACT = 0
    PREFIX = 1
    SUFFIX = 2
    PRESENT = 3


Condition: TypeAlias = tuple[Kind, str, str]
"""Kind, attribute and text; the text of `PRESENT` is empty."""

_WEIGHT = {Kind.EXACT: 1, Kind.PREFIX: 4, Kind.SUFFIX: 4, Kind.PRESENT: 16}
"""How many more events a condition lets through than an exact one: a rough guess that only decides between alternatives."""


@dataclass(frozen=True, slots=True)
class Cover:
    """``complete``: the filter matches exactly when one of the conditions holds, nothing is left to check.
    ``cost``: how crowded the conditions are; compares covers of one filter."""

    conditions: frozenset[Condition]
    complete: bool
    cost: int


def crowd(filters: Iterable[Filter]) -> Counter[Condition]:
    """How many of the filters could be stored under each condition."""
    count: Counter[Condition] = Counter()
    for filter_ in filters:
        count.update(set(_conditions(filter_)))
    return count


def cover(filter_: Filter, crowded: Counter[Condition]) -> Cover | None:
    """The cheapest cover, or None where the filter has none (`not`, some expressions, a dialect unknown here)."""
    match filter_:
        case Exact() | Prefix() | Suffix() | Attributes():
            return _best([_single(condition, crowded) for condition in _conditions(filter_)])
        case All(filters):
            return _best([cover(inner, crowded) for inner in filters])
        case Any(filters):
            return _union([cover(inner, crowded) for inner in filters])
        case Cesql(necessary=necessary) if necessary is not None:
            return _incomplete(cover(necessary, crowded))
        case _:
            return None


def _conditions(filter_: Filter) -> Iterator[Condition]:
    match filter_:
        case Exact(pairs):
            yield from _of(Kind.EXACT, pairs)
        case Prefix(pairs):
            yield from _of(Kind.PREFIX, pairs)
        case Suffix(pairs):
            yield from _of(Kind.SUFFIX, pairs)
        case Attributes(pairs):
            for name, wanted in pairs:
                yield (Kind.EXACT if wanted else Kind.PRESENT), name, wanted
        case All(filters) | Any(filters):
            for inner in filters:
                yield from _conditions(inner)
        case Cesql(necessary=necessary) if necessary is not None:
            yield from _conditions(necessary)


def _of(kind: Kind, pairs: Pairs) -> Iterator[Condition]:
    for name, wanted in pairs:
        yield kind, name, wanted


def _single(condition: Condition, crowded: Counter[Condition]) -> Cover:
    return Cover(frozenset((condition,)), True, crowded[condition] * _WEIGHT[condition[0]])


def _best(covers: list[Cover | None]) -> Cover | None:
    """Of conditions that must all hold, any one with a cover will do."""
    found = [one for one in covers if one is not None]
    if not found:
        return None
    best = min(found, key=lambda one: one.cost)
    return best if len(covers) == 1 else _incomplete(best)


def _incomplete(one: Cover | None) -> Cover | None:
    """The filter asks for more than these conditions."""
    return None if one is None else Cover(one.conditions, False, one.cost)


def _union(covers: list[Cover | None]) -> Cover | None:
    """Of alternatives, each one needs a cover."""
    conditions: frozenset[Condition] = frozenset()
    complete, cost = True, 0
    for one in covers:
        if one is None:
            return None
        conditions |= one.conditions
        complete = complete and one.complete
        cost += one.cost
    return Cover(conditions, complete, cost)
