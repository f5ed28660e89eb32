"""The settler: gathers what ended and makes it durable, one step after the other (DATAPATH 1)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain

from eventing.dispatch.lane import DeliveryLane
from eventing.dispatch.window import Window
from eventing.dispatch.work import Flight
from eventing.errors import ChannelUnavailable
from eventing.ports.channel import Channel
from eventing.ports.records import DeadLetter, EntryKey, EntryResult, Settlement
from eventing.telemetry.logs import Log

MAX_RESULTS = 512
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 2.0


@dataclass(frozen=True, slots=True)
class Result:
    """A leased entry's end, with the lanes whose books it changes: the one it leaves and, where it moves, the one it enters."""

    result: EntryResult
    lane: DeliveryLane
    to: DeliveryLane | None
    size: int


class Settler:
    """For one broker. What waits here is bounded by the window and by the slots of the triggers: nothing else may enter.

    ``dead_stored``: told of each letter that entered the built-in store.
    """

    def __init__(
        self, channel: Channel, broker: str, window: Window, log: Log, *, dead_stored: Callable[[DeadLetter], None]
    ) -> None:
        self._channel = channel
        self._broker = broker
        self._window = window
        self._log = log
        self._dead_stored = dead_stored
        self._flights: deque[Flight] = deque()
        self._results: deque[Result] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def flight(self, flight: Flight) -> None:
        self._flights.append(flight)
        self._stir()

    def result(self, result: Result) -> None:
        self._results.append(result)
        self._stir()

    def _stir(self) -> None:
        self._idle.clear()
        self._wake.set()

    async def settled(self) -> None:
        """Wait until nothing is left to settle."""
        await self._idle.wait()

    async def run(self) -> None:
        """Until cancelled. Raises `Fenced` and `ChannelClosed`: then this process must not go on with the broker."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._flights or self._results:
                # All flights first, the window bounds them: an entry is handed over in an earlier settlement than its result
                # comes, or in the same.
                flights = list(self._flights)
                self._flights.clear()
                results = [self._results.popleft() for _ in range(min(MAX_RESULTS, len(self._results)))]
                await self._settle(flights, results)
            self._idle.set()

    async def _settle(self, flights: list[Flight], results: list[Result]) -> None:
        settlement = Settlement(
            done=[flight.record.position for flight in flights],
            handovers=[entry for flight in flights for entry, _ in flight.handovers],
            replies=list(chain.from_iterable(flight.replies for flight in flights)),
            dead=list(chain.from_iterable(flight.dead for flight in flights)),
            results=[item.result for item in results],
        )
        pause = FIRST_PAUSE
        while True:
            try:
                settled = await self._channel.settle(self._broker, settlement)
                break
            except ChannelUnavailable as error:
                # Its outcome is unknown: the same settlement again before any other, for as long as it takes.
                self._log.error("settling failed, trying again", broker=self._broker, reason=str(error), pause=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
        self._book(flights, results, settled.lost)

    def _book(self, flights: list[Flight], results: list[Result], lost: frozenset[EntryKey]) -> None:
        for flight in flights:
            self._window.leave(flight.size)
            for entry, lane in flight.handovers:
                lane.entered(flight.size, None if entry.lease is not None else entry.due)
            for letter in flight.dead:
                self._dead_stored(letter)
            flight.release()
        for item in results:
            if item.result.key in lost:
                # Whoever holds the lease now settles it; this process learns of it again through the backlog's states.
                item.lane.refresh()
                continue
            then = item.result.then
            if item.to is None:
                item.lane.left(item.size)
            elif item.to is item.lane:
                assert then is not None
                item.lane.waits(then.due)
            else:
                assert then is not None
                item.lane.left(item.size)
                item.to.entered(item.size, then.due)
            for letter in item.result.dead:
                self._dead_stored(letter)
