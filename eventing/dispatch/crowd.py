"""Lanes whose queues are long though their subscribers keep up: the reader waits for them a moment.

Events may come in faster than they are delivered, for they come in bulk and ingress costs less. The log is the place for them to
wait: there they cost one read, in a trigger's backlog a row, a claim and a settlement each. But a lane that makes no headway
must not keep the reader from the other triggers (guarantee 3), so it is waited for only as long as its queue gets shorter
quickly, and only until another lane has nothing left to do: what that one could deliver would wait in the log.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

TICK = 0.025
"""Seconds between two looks at whether a lane makes headway."""
HEADWAY = 8
"""One in so many of what it has queued must have ended since the last look."""


class Queueing(Protocol):
    """What is asked of a lane. ``finished``: how many of its deliveries ended so far."""

    finished: int

    @property
    def queued(self) -> int: ...


class Crowd:
    """The crowded lanes of one broker; one reader waits for them."""

    def __init__(self) -> None:
        self._lanes: dict[Queueing, int] = {}
        self._empty = asyncio.Event()
        self.waited_for = False
        """The reader waits now."""

    def __len__(self) -> int:
        return len(self._lanes)

    def enter(self, lane: Queueing) -> None:
        """Its queue became long."""
        self._lanes[lane] = lane.finished

    def leave(self, lane: Queueing) -> None:
        """Its queue is short again, or it starts nothing more."""
        self._lanes.pop(lane, None)
        if not self._lanes:
            self._empty.set()

    def ran_dry(self) -> None:
        """A lane that the reader feeds has nothing left: the reader goes on, and waits for none until it enters again."""
        self._lanes.clear()
        self._empty.set()

    async def dispersed(self) -> None:
        """Wait until no lane is crowded, but for those that make no headway: they aren't waited for until they enter again. Or
        until one ran dry."""
        self.waited_for = True
        try:
            while self._lanes:
                self._empty.clear()
                try:
                    async with asyncio.timeout(TICK):
                        await self._empty.wait()
                except TimeoutError:
                    self._look()
        finally:
            self.waited_for = False

    def _look(self) -> None:
        for lane, before in list(self._lanes.items()):
            if (lane.finished - before) * HEADWAY < lane.queued:
                self.leave(lane)
            else:
                self._lanes[lane] = lane.finished
