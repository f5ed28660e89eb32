"""A wall clock that a test sets."""

from __future__ import annotations


class FakeClock:
    """Call it for the time (as `ChannelContext.wall`); `advance` moves it, back as well where the argument is negative."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._now = start

    def __call__(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += seconds

    def set(self, at: float) -> None:
        self._now = at
