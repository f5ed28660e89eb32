"""Which of many filters match an event, without asking each of them.

Each filter is stored under one cheap necessary condition (`eventing.filters.cover`), or one per alternative. An event
looks its attributes up and evaluates only the filters it finds, so that the cost follows from what may match and not
from how many filters there are. Filters without such a condition (`not`) are evaluated for every event.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Generic, TypeVar

from eventing.event import Event, canonical
from eventing.filters.base import Filter
from eventing.filters.cover import Condition, Kind, cover, crowd
from eventing.filters.dialects import Everything

Key = TypeVar("Key")


class _Bucket:
    """The filters stored under one condition, by rank: those that need no further look, and those that do."""

    __slots__ = ("checked", "sure")

    def __init__(self) -> None:
        self.sure: list[int] = []
        self.checked: list[tuple[int, Filter]] = []

    def collect(self, event: Event, hits: list[int]) -> None:
        if self.sure:
            hits += self.sure
        for rank, filter_ in self.checked:
            if filter_.matches(event):
                hits.append(rank)


class _Prefixes:
    """Finds all stored prefixes of a text. They are sorted, and each knows the longest other one that it starts with:
    every prefix of a text is the nearest stored text at or below it, or an ancestor of that."""

    __slots__ = ("_buckets", "_parents", "_texts")

    def __init__(self, buckets: dict[str, _Bucket]) -> None:
        self._texts = sorted(buckets)
        self._buckets = [buckets[text] for text in self._texts]
        self._parents: list[int] = []
        open_: list[int] = []
        for number, text in enumerate(self._texts):
            while open_ and not text.startswith(self._texts[open_[-1]]):
                open_.pop()
            self._parents.append(open_[-1] if open_ else -1)
            open_.append(number)

    def collect(self, text: str, event: Event, hits: list[int]) -> None:
        number = bisect_right(self._texts, text) - 1
        while number >= 0 and not text.startswith(self._texts[number]):
            number = self._parents[number]
        while number >= 0:
            self._buckets[number].collect(event, hits)
            number = self._parents[number]


class _Attribute:
    """All that is stored under one attribute's name."""

    __slots__ = ("exact", "prefixes", "present", "suffixes")

    def __init__(self, stored: dict[Kind, dict[str, _Bucket]]) -> None:
        self.exact = stored.get(Kind.EXACT, {})
        self.prefixes = _Prefixes(stored[Kind.PREFIX]) if Kind.PREFIX in stored else None
        reversed_ = {text[::-1]: bucket for text, bucket in stored.get(Kind.SUFFIX, {}).items()}
        self.suffixes = _Prefixes(reversed_) if reversed_ else None
        self.present = stored.get(Kind.PRESENT, {}).get("")

    def collect(self, text: str, event: Event, hits: list[int]) -> None:
        bucket = self.exact.get(text)
        if bucket is not None:
            bucket.collect(event, hits)
        if self.prefixes is not None:
            self.prefixes.collect(text, event, hits)
        if self.suffixes is not None:
            self.suffixes.collect(text[::-1], event, hits)
        if self.present is not None:
            self.present.collect(event, hits)


class FilterIndex(Generic[Key]):
    """An immutable index of filters, each under a key of the caller's; it is built anew when a filter changes."""

    def __init__(self, items: Iterable[tuple[Key, Filter]]) -> None:
        pairs = list(items)
        self._keys = [key for key, _ in pairs]
        self._everything: list[int] = []
        self._scanned: list[tuple[int, Filter]] = []
        crowded = crowd(filter_ for _, filter_ in pairs)
        stored: dict[str, dict[Kind, dict[str, _Bucket]]] = {}
        for rank, (_, filter_) in enumerate(pairs):
            found = cover(filter_, crowded)
            if isinstance(filter_, Everything):
                self._everything.append(rank)
            elif found is None:
                self._scanned.append((rank, filter_))
            else:
                for condition in found.conditions:
                    bucket = _bucket(stored, condition)
                    if found.complete:
                        bucket.sure.append(rank)
                    else:
                        bucket.checked.append((rank, filter_))
        self._attributes = {name: _Attribute(kinds) for name, kinds in stored.items()}
        self._all = [self._keys[rank] for rank in self._everything] if not self._attributes and not self._scanned else None

    def __len__(self) -> int:
        return len(self._keys)

    def match(self, event: Event) -> list[Key]:
        """The keys of all filters that match, each once, in the order they were given in."""
        if self._all is not None:
            return self._all.copy()
        hits = self._everything.copy()
        attributes = self._attributes
        for name, value in event.items():
            attribute = attributes.get(name)
            if attribute is not None:
                attribute.collect(value if type(value) is str else canonical(value), event, hits)
        for rank, filter_ in self._scanned:
            if filter_.matches(event):
                hits.append(rank)
        if len(hits) > 1:
            # A filter stored under several alternatives may be found through more than one of them.
            hits = sorted(set(hits))
        keys = self._keys
        return [keys[rank] for rank in hits]


def _bucket(stored: dict[str, dict[Kind, dict[str, _Bucket]]], condition: Condition) -> _Bucket:
    kind, name, text = condition
    return stored.setdefault(name, {}).setdefault(kind, {}).setdefault(text, _Bucket())
