"""Order per key: the I/O around `policy.order`. What may start is pushed to its lane, what may not is handed over, and the
backlog is asked which keys it holds (DATAPATH 3, 12)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import islice

from eventing.dispatch.lane import DeliveryLane
from eventing.dispatch.runs import Runs
from eventing.dispatch.settler import HandOver, Settler
from eventing.dispatch.work import Flight, Work
from eventing.errors import ChannelUnavailable
from eventing.policy.order import KeyOrder, Turn, ordering_key
from eventing.ports.channel import Channel
from eventing.ports.records import EntryKey, EntryLease, Lane, NewEntry, Position
from eventing.telemetry.logs import Log

KEYS_AT_ONCE = 512
LANES_AT_ONCE = 32
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 2.0


class Orderer:
    """For one broker. A hand-over of an ordered trigger goes to the settler at once, not with its flight: another trigger may
    hold the flight up, and the next event of the key must not come into the backlog first.

    ``passed``: whether the reader has come past a position. ``lease``: for the entry of a delivery that runs. ``name``: the
    broker's, for the log.
    """

    def __init__(
        self,
        channel: Channel,
        broker: str,
        name: str,
        settler: Settler,
        log: Log,
        *,
        passed: Callable[[Position], bool],
        lease: Callable[[Work], EntryLease],
    ) -> None:
        self._channel = channel
        self._broker = broker
        self._name = name
        self._settler = settler
        self._log = log
        self._passed = passed
        self._lease = lease
        self._asking: dict[DeliveryLane, None] = {}
        self._catching_up: set[DeliveryLane] = set()
        self._wake = asyncio.Event()

    def follow(self, lane: DeliveryLane, *, anew: bool) -> None:
        """The lane's plan may have changed; ``anew``: its trigger is there (again). Order holds among the events that are read
        from the moment it is asked for."""
        ordered = lane.plan.ordered and lane.kind is Lane.SUBSCRIBER
        if ordered and (anew or not lane.ordered):
            if lane.order is None:
                lane.order, lane.runs = KeyOrder(), Runs(lane)
            lane.order.restart()
            lane.unsure = True
            self._ask(lane)
        elif not ordered:
            lane.sure()
        lane.ordered = ordered

    def takes(self, lane: DeliveryLane, flight: Flight, now: float) -> str:
        """Take an event's bytes for `join`; the answer is empty then, else the word for why it goes to the backlog (`park`)."""
        order = lane.order
        assert order is not None
        return "order" if order.turn(ordering_key(flight.record.event)) is Turn.PARK else lane.takes(flight.size, now)

    def join(self, work: Work) -> None:
        """A delivery in the window that was taken: it runs as soon as its key lets it."""
        lane, key = work.lane, ordering_key(work.record.event)
        order = lane.order
        assert order is not None
        work.ordering_key = key
        turn = order.join(key, work)
        if turn is Turn.START:
            lane.push(work)
        elif turn is Turn.ASK:
            self._ask(lane)

    def park(self, lane: DeliveryLane, flight: Flight, due: float) -> None:
        """Hand over an event that was just read, behind all that is here of its key."""
        order, key = lane.order, ordering_key(flight.record.event)
        assert order is not None
        self.clear(lane, key)
        order.parked(key)
        entry = NewEntry(EntryKey(lane.plan.uid, flight.record.position), due, ordering_key=key)
        self._settler.hand_over(HandOver(entry, lane, flight.event_size))

    def ended(self, work: Work) -> None:
        """A delivery out of the window ended for good: the next one of its key may run."""
        order = work.lane.order
        assert order is not None
        assert work.ordering_key is not None
        following = order.ended(work.ordering_key)
        if following is not None:
            work.lane.push(following)

    def put_back(self, work: Work, then: NewEntry) -> None:
        """A delivery out of the window has to wait, as this entry, and with it all that is here of its key."""
        assert work.ordering_key is not None
        self.clear(work.lane, work.ordering_key, back=work, then=then)

    def clear(self, lane: DeliveryLane, key: str, *, back: Work | None = None, then: NewEntry | None = None) -> None:
        """Hand over all that is here of a key, in order; of these ``back`` as the entry ``then``. The first may be running: then
        its entry is leased until its attempt must have ended."""
        order = lane.order
        assert order is not None
        now, started = self._channel.now(), order.started(key)
        for work in order.park(key):
            flight = work.flight
            assert flight is not None
            work.flight = None
            entry = then if work is back else None
            if entry is None:
                entry = NewEntry(work.key, now, lease=self._lease(work) if work.running else None, ordering_key=key)
                lane.metrics.park("slow" if work.running else "order")
                if not started:
                    lane.gone(work.size)  # it is in no queue that would give its bytes back
                work.abandoned = not work.running
            started = False
            self._settler.hand_over(HandOver(entry, lane, flight.event_size))
            flight.pending -= 1
            if flight.pending == 0:
                self._settler.flight(flight)

    # What the backlog holds.

    def _ask(self, lane: DeliveryLane) -> None:
        self._asking[lane] = None
        self._wake.set()

    @property
    def catching_up(self) -> bool:
        """Whether `read_on` is to be called after each read."""
        return bool(self._catching_up)

    def read_on(self) -> None:
        """The reader went on: lanes that it has come past what they wait for may claim (soon)."""
        for lane in list(self._catching_up):
            order = lane.order
            assert order is not None
            if order.catch_up is None:
                self._catching_up.discard(lane)
            elif self._passed(order.catch_up):
                self._catching_up.discard(lane)
                if order.caught_up():
                    lane.sure()

    async def run(self) -> None:
        """Until cancelled. Raises `ChannelClosed`, `ChannelCorrupt`."""
        pause = FIRST_PAUSE
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._asking:
                lanes = list(islice(self._asking, LANES_AT_ONCE))
                for lane in lanes:
                    del self._asking[lane]
                failures = [why for why in await asyncio.gather(*map(self._put, lanes)) if why]
                if not failures:
                    pause = FIRST_PAUSE
                    continue
                self._log.warning(
                    "the backlog can't be asked for ordering keys, trying again",
                    broker=self._name,
                    reason=failures[0],
                    pause=pause,
                )
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    async def _put(self, lane: DeliveryLane) -> str:
        """Put one question; empty where it was answered, else why not."""
        order = lane.order
        assert order is not None
        question = order.question(KEYS_AT_ONCE)
        if not question.keys and order.known:
            return ""
        try:
            held = await self._channel.backlog.keys(self._broker, lane.plan.uid, lane.kind, question.keys)
        except ChannelUnavailable as error:
            order.unanswered(question)
            self._asking[lane] = None
            return str(error)
        answer = order.answered(question, held.held, held.last)
        for key in answer.park:
            self.clear(lane, key)
        for work in answer.start:
            lane.push(work)
        if order.known:
            lane.sure()
        else:
            self._catching_up.add(lane)
            self.read_on()
        if order.asks:
            self._asking[lane] = None
        return ""
