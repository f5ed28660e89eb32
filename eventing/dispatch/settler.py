"""The settler: gathers what ended and makes it durable, one step after the other (DATAPATH 1)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Protocol

from msgspec import structs

from eventing.dispatch.lane import DeliveryLane
from eventing.dispatch.window import Window
from eventing.dispatch.work import Flight, Work
from eventing.errors import ChannelUnavailable
from eventing.ports.channel import Channel
from eventing.ports.records import DeadLetter, EntryResult, NewEntry, Settled, Settlement
from eventing.telemetry.logs import Log

MAX_RESULTS = 512
MAX_HANDOVERS = 2048
"""Of one settlement, about: an event that a thousand triggers wait for must not hold up the appends of all brokers."""
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 2.0
TIGHT = 1.0
"""Seconds after the reader had to wait for the window in which nothing that makes room is put off."""


class DeadStored(Protocol):
    """``new``: whether this settlement brought the letter into the store."""

    def __call__(self, letter: DeadLetter, *, new: bool) -> None: ...


@dataclass(frozen=True, slots=True)
class Result:
    """A leased entry's end, with the lanes whose books it changes: the one it leaves and, where it moves, the one it enters.
    ``work``: of an entry with an ordering key, which its lane holds until it is settled: where a claim finds that its lease
    lapsed meanwhile, it is settled under the new one, and doesn't begin again when later ones of its key may have begun."""

    result: EntryResult
    lane: DeliveryLane
    to: DeliveryLane | None
    size: int
    work: Work | None = None

    def renewed(self) -> Result:
        """The same under the lease that holds now."""
        work = self.work
        if work is None or work.token is None or work.token == self.result.token:
            return self
        return replace(self, result=structs.replace(self.result, token=work.token))

    @property
    def weight(self) -> int:
        """Bytes that this result alone keeps in memory."""
        return sum(reply.size for reply in self.result.replies) + sum(letter.size for letter in self.result.dead)


@dataclass(frozen=True, slots=True)
class HandOver:
    """An entry of an ordered lane, which goes into the backlog before its flight is done. ``size``: of its event."""

    entry: NewEntry
    lane: DeliveryLane
    size: int


class Settler:
    """For one broker. What waits here is bounded: flights by the window, results by `able`, for which whoever claims entries
    waits first. While a settlement fails nothing more may be claimed: what was delivered and not settled is repeated after a
    crash, and a lease may lapse before its result gets through.

    ``name``: the broker's, for the log. ``dead_stored``: told of each letter that is in the built-in store now.
    """

    def __init__(self, channel: Channel, broker: str, name: str, window: Window, log: Log, *, dead_stored: DeadStored) -> None:
        self._channel = channel
        self._broker = broker
        self._name = name
        self._window = window
        self._log = log
        self._dead_stored = dead_stored
        # One queue for both: an entry is handed over in an earlier settlement than its result comes, or in the same.
        self._waiting: deque[Flight | Result | HandOver] = deque()
        self._results = 0
        self._bytes = 0
        self._failing = False
        self._owed = 0
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._able = asyncio.Event()
        self._able.set()

    def flight(self, flight: Flight) -> None:
        self._waiting.append(flight)
        self._stir()

    def result(self, result: Result) -> None:
        self._waiting.append(result)
        self._results += 1
        self._bytes += result.weight
        self._judge()
        self._stir()

    def hand_over(self, item: HandOver) -> None:
        """Its flight must not be settled before it."""
        self._waiting.append(item)
        self._stir()

    def grow(self, flight: Flight, size: int) -> None:
        """The flight holds that many more bytes, of replies, until it is settled."""
        flight.size += size
        self._window.grow(size)

    def _stir(self) -> None:
        self._idle.clear()
        self._wake.set()

    async def settled(self) -> None:
        """Wait until nothing is left to settle."""
        await self._idle.wait()

    async def able(self) -> None:
        """Wait until more may be claimed from the backlog."""
        await self._able.wait()

    @property
    def is_able(self) -> bool:
        """Whether `able` would return at once."""
        return self._able.is_set()

    def _judge(self) -> None:
        if (
            self._failing
            or self._owed > 0
            or self._results >= self._window.limit
            or (self._results and self._bytes >= self._window.max_bytes)
        ):
            self._able.clear()
        else:
            self._able.set()

    async def run(self) -> None:
        """Until cancelled. Raises `Fenced` and `ChannelClosed`: then this process must not go on with the broker."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._settle(*self._take())
            self._idle.set()

    def _take(self) -> tuple[list[Flight], list[Result], list[HandOver]]:
        flights: list[Flight] = []
        results: list[Result] = []
        in_order: list[HandOver] = []
        handovers = 0
        while self._waiting and len(results) < MAX_RESULTS and handovers < MAX_HANDOVERS:
            item = self._waiting.popleft()
            if isinstance(item, Result):
                results.append(item)
            elif isinstance(item, HandOver):
                in_order.append(item)
                handovers += 1
            else:
                flights.append(item)
                handovers += len(item.handovers)
        return flights, results, in_order

    async def _settle(self, flights: list[Flight], results: list[Result], in_order: list[HandOver]) -> None:
        results = [item if item.work is None else item.renewed() for item in results]
        settlement = Settlement(
            done=[flight.record.position for flight in flights],
            handovers=[*(item.entry for item in in_order), *(entry for flight in flights for entry, _ in flight.handovers)],
            replies=list(chain.from_iterable(flight.replies for flight in flights)),
            dead=list(chain.from_iterable(flight.dead for flight in flights)),
            results=[item.result for item in results],
            # A window that was too small a moment ago is so still: each settlement put off would hold the reader up again.
            prompt=asyncio.get_running_loop().time() - self._window.waited_at < TIGHT,
        )
        pause = FIRST_PAUSE
        while True:
            try:
                settled = await self._channel.settle(self._broker, settlement)
                break
            except ChannelUnavailable as error:
                # Its outcome is unknown: the same settlement again before any other, for as long as it takes.
                self._log.error("settling failed, trying again", broker=self._name, reason=str(error), pause=pause)
                self._failing = True
                self._judge()
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
        if self._failing:
            # What waited meanwhile goes first: its leases may have lapsed, and nobody else may take the entries before.
            self._failing, self._owed = False, self._results - len(results)
        else:
            self._owed = max(0, self._owed - len(results))
        self._results -= len(results)
        self._bytes -= sum(item.weight for item in results)
        self._judge()
        if in_order:
            self._book_in_order(in_order, settled)
        self._book(flights, results, settled)

    def _book_in_order(self, in_order: Sequence[HandOver], settled: Settled) -> None:
        for item in in_order:
            entry, lane = item.entry, item.lane
            waits = entry.lease is None and entry.key not in settled.behind
            lane.entered(item.size, entry.due if waits else None)
            if lane.order is not None and entry.ordering_key is not None and lane.order.stored(entry.ordering_key):
                lane.sure()

    def _book(self, flights: Sequence[Flight], results: Sequence[Result], settled: Settled) -> None:
        for flight in flights:
            self._window.leave(flight.size)
            for entry, lane in flight.handovers:
                lane.entered(flight.event_size, None if entry.lease is not None else entry.due)
            self._buried(flight.dead, settled)
            flight.release()
        again: list[Result] = []
        for item in results:
            if item.work is not None:
                if item.result.key in settled.lost and item.work.token != item.result.token:
                    again.append(item)
                    continue
                item.lane.held.pop(item.result.key, None)
            if item.result.key in settled.lost:
                # Whoever holds the lease now settles it; this process learns of it again through the backlog's states.
                item.lane.refresh()
                for letter in item.result.dead:
                    self._dead_stored(letter, new=False)
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
            if settled.fronts:
                front = settled.fronts.get((item.result.key.trigger, item.result.key.lane))
                if front is not None:
                    item.lane.waits(front)
            self._buried(item.result.dead, settled)
        if again:
            # Claimed here again while it was settled: under the new lease, before all that came later.
            self._waiting.extendleft(reversed(again))
            self._results += len(again)
            self._bytes += sum(item.weight for item in again)
            self._judge()

    def _buried(self, letters: Sequence[DeadLetter], settled: Settled) -> None:
        for letter in letters:
            self._dead_stored(letter, new=(letter.trigger, letter.position) not in settled.known)
