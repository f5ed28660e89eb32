"""How many attempts may start per unit of time: what the annotation `eventing-engine.dev/rate` says, and the bucket that counts.

The bucket holds one second's worth of attempts, at least one, and fills at the rate. So in any time t at most
``burst`` + rate x t attempts start, and a trigger that was idle sends at most one second's worth at once.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

FASTEST = 100_000.0
"""Attempts per second. Beyond it a limit limits nothing that one process could reach."""
SLOWEST = 1 / 86_400
"""Attempts per second: one a day."""

TICKS = 2**24
"""Of a second: a power of two, so that ticks and seconds turn into each other exactly."""

_UNITS = {"s": 1, "m": 60, "h": 3600}
_FORM = re.compile(r"(?P<count>[0-9]{1,9}(?:\.[0-9]{1,6})?)(?:/(?P<unit>[a-z]{1,10}))?", re.ASCII)
_WANTED = 'must be a number of attempts and a unit, s, m or h, as "100/s", "6/m" or "0.5/h"; a number alone is per second'


@dataclass(frozen=True, slots=True)
class Rate:
    """``per_second``: attempts, between `SLOWEST` and `FASTEST`; `ValueError` otherwise."""

    per_second: float

    def __post_init__(self) -> None:
        if not SLOWEST <= self.per_second <= FASTEST:
            raise ValueError("must be from one a day (0.041667/h) to 100000/s")

    @property
    def interval(self) -> float:
        """Seconds between two attempts at this rate."""
        return 1 / self.per_second

    @property
    def burst(self) -> int:
        """How many may start at once after a time without any: one second's worth, at least 1."""
        return max(1, math.floor(self.per_second))


def parse(text: str) -> Rate:
    """`100/s`, `6/m`, `0.5/h`; a number alone is per second. Raises `ValueError` with the rule that is broken."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(_WANTED)
    unit = found["unit"] or "s"
    if unit not in _UNITS:
        raise ValueError(f"unknown unit {unit!r}, must be s, m or h")
    count = float(found["count"])
    if count == 0:
        raise ValueError('must be more than 0; to stop deliveries there is eventing-engine.dev/paused: "true"')
    return Rate(count / _UNITS[unit])


class Bucket:
    """Tokens, one for each attempt. Every method takes ``now``, seconds on a monotonic clock.

    It begins with one token: what a process had left is not known to the next one, and restarts in a row must not add up to
    more than an attempt each. Kept as one number, the moment at which it will be full: time that passes needs no bookkeeping.
    It counts in whole ticks, so that no rounding makes two questions disagree; an interval is rounded up to them.
    """

    __slots__ = ("_burst", "_full_at", "_interval", "rate")

    def __init__(self, rate: Rate, now: float, *, tokens: float = 1.0) -> None:
        """``tokens``: to begin with, a part of one too; never more than the burst."""
        self.rate = rate
        self._interval, self._burst = math.ceil(TICKS / rate.per_second), rate.burst
        self._full_at = _ticks(now) + math.ceil((self._burst - min(tokens, self._burst)) * self._interval)

    def available(self, now: float) -> int:
        """Whole tokens."""
        missing = self._full_at - _ticks(now)
        return self._burst if missing <= 0 else max(0, self._burst + -missing // self._interval)

    def when(self, tokens: int) -> float:
        """The moment from which that many, up to the burst, are there; long past where they were there before."""
        return (self._full_at - (self._burst - tokens) * self._interval) / TICKS

    def next_token(self, now: float) -> float | None:
        """When one more will be there; None where it is full."""
        available = self.available(now)
        return None if available == self._burst else self.when(available + 1)

    def take(self, now: float) -> None:
        """Take a token that is `available`."""
        self._full_at = max(self._full_at, _ticks(now)) + self._interval

    def give_back(self) -> None:
        """Give back a token that was taken: its attempt was not made."""
        self._full_at -= self._interval

    def changed(self, rate: Rate, now: float) -> Bucket:
        """A bucket for another rate, with the tokens of this one as far as it holds them: neither does a change give away a new
        burst, nor does the wait of a slow rate go on at a quick one."""
        return Bucket(rate, now, tokens=self._burst - max(0, self._full_at - _ticks(now)) / self._interval)


def _ticks(now: float) -> int:
    return math.floor(now * TICKS)
