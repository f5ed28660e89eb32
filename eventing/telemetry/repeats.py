"""Holds back lines that repeat themselves: a failing subscriber must not fill the disk, nor hide other lines."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

BURST = 5
PERIOD = 10.0
CAPACITY = 1_024


@dataclass(slots=True)
class _Seen:
    since: float
    written: int
    held_back: int


@dataclass(frozen=True, slots=True)
class HeldBack:
    """``count`` lines of this key were not written."""

    key: Hashable
    count: int


class Repeats:
    """At most ``burst`` lines of one key in ``period`` seconds. The table is bounded: the oldest key goes first.

    Pure: times are monotonic seconds passed in.
    """

    def __init__(self, burst: int = BURST, period: float = PERIOD, capacity: int = CAPACITY) -> None:
        self._burst, self._period, self._capacity = burst, period, capacity
        self._seen: OrderedDict[Hashable, _Seen] = OrderedDict()

    def admit(self, key: Hashable, now: float) -> bool:
        """Whether a line of this key may be written now. Call `due` before, so that counts come out in time."""
        seen = self._seen.get(key)
        if seen is None:
            self._seen[key] = _Seen(now, 1, 0)
            return True
        if seen.written < self._burst:
            seen.written += 1
            return True
        seen.held_back += 1
        return False

    def due(self, now: float, *, everything: bool = False) -> list[HeldBack]:
        """Forget the keys whose period is over (or all of them, or what is above the capacity) and tell what they held back."""
        told = []
        while self._seen:
            key, seen = next(iter(self._seen.items()))
            if not everything and now - seen.since < self._period and len(self._seen) < self._capacity:
                break
            del self._seen[key]
            if seen.held_back:
                told.append(HeldBack(key, seen.held_back))
        return told
