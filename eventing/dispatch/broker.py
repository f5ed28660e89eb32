"""A broker's dispatcher: one reader, the index, the window, and a lane for each trigger (DESIGN, "The way of an event")."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections import deque
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from typing import Any

from eventing.dispatch.backlog import BacklogWorker
from eventing.dispatch.crowd import Crowd
from eventing.dispatch.dead_letters import DeadLetterCount
from eventing.dispatch.deliver import MARGIN, Deliverer
from eventing.dispatch.giving_back import give_back
from eventing.dispatch.lane import DEFAULT_SLOTS, DeliveryLane, has_breaker
from eventing.dispatch.opening import FIRST_PAUSE, LONGEST_PAUSE, open_reader
from eventing.dispatch.ordering import Orderer
from eventing.dispatch.sender import Sender
from eventing.dispatch.settings import DispatchSettings
from eventing.dispatch.settler import Settler
from eventing.dispatch.shares import Shares
from eventing.dispatch.window import Window
from eventing.dispatch.work import Flight, Work
from eventing.errors import ChannelUnavailable
from eventing.filters import FilterIndex
from eventing.policy.gate import Gate
from eventing.ports.channel import Channel, Reader
from eventing.ports.records import DeadLetter, EntryKey, EntryLease, Lane, NewEntry, Position, Record
from eventing.resources.plan import BrokerPlan, TriggerPlan
from eventing.telemetry.handles import BrokerGauges, BrokerMetrics, TriggerGauges
from eventing.telemetry.logs import Log
from eventing.telemetry.metrics import Metrics

READ_AHEAD = 256
PLACED_AT_ONCE = 1024  # matches, then all else has its turn: an event that 1,000 triggers match takes milliseconds to place


class BrokerDispatcher:
    """Owns everything of one broker in this process. ``update`` gives it the triggers; ``run`` is its life."""

    def __init__(
        self,
        plan: BrokerPlan,
        channel: Channel,
        sender: Sender,
        shares: Shares,
        metrics: Metrics,
        log: Log,
        settings: DispatchSettings,
        *,
        fault: Callable[[str], None],
    ) -> None:
        self.plan = plan
        self._channel = channel
        self._shares = shares
        self._metrics = metrics
        self._log = log
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._name = f"{plan.namespace}/{plan.name}"
        self._broker_metrics: BrokerMetrics = metrics.broker(plan.uid, self._name)
        self._lanes: dict[tuple[str, Lane], DeliveryLane] = {}
        self._index: FilterIndex[DeliveryLane] = FilterIndex(())
        self._crowd = Crowd()
        self._window = Window(settings.window, settings.window_bytes)
        self._in_order: deque[Flight] = deque()
        self._flown = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None
        self._workers = 0
        self._no_workers = asyncio.Event()
        self._no_workers.set()
        # Tokens are unique over processes too: a late result of a dead process must not pass for ours.
        self._token = map(f"{os.urandom(6).hex()}-{{}}".format, itertools.count())
        self._dead = DeadLetterCount(channel, plan.uid, settings.dead_letter_bytes)
        self._draining = False
        self._reader: Reader | None = None
        self._reader_task: asyncio.Task[None] | None = None
        self._placing = 0
        self._settler = Settler(channel, plan.uid, self._name, self._window, log, dead_stored=self._dead.stored)
        self._leaving: dict[tuple[str, Lane], DeliveryLane] = {}
        self._backlog = BacklogWorker(
            channel, plan.uid, self._name, lambda: self._lanes, log, monotonic=self._loop.time, able=self._settler.able
        )
        self._orderer = Orderer(
            channel, plan.uid, self._name, self._settler, log, passed=self._passed, lease=self._lease_of_running
        )
        self._deliverer = Deliverer(
            sender,
            plan.uid,
            channel,
            self._settler,
            self._lane_of,
            log,
            monotonic=self._loop.time,
            wall=settings.wall,
            fault=fault,
            dead=self._dead,
            backlog_bytes=settings.backlog_bytes,
            spawn=self._spawn,
            orderer=self._orderer,
        )
        self.started = asyncio.Event()

    # The plan.

    def update(self, triggers: Iterable[TriggerPlan]) -> None:
        """Take over a new set of triggers: known ones keep their lanes, and with them what runs and what is counted."""
        plans = {trigger.uid: trigger for trigger in triggers}
        self._leaving = {key: lane for key, lane in self._leaving.items() if lane.lingers}
        gone = {key: lane for key, lane in self._lanes.items() if key[0] not in plans}
        for key, lane in gone.items():
            del self._lanes[key]
            self._retire(key, lane)
        if gone:
            lanes = set(gone.values())
            for flight in list(self._in_order):
                if flight.pending:  # not ended yet, also not along with one before it that has the same ordering key
                    self._hand_over(flight, only=lanes)
        for plan in plans.values():
            for kind in Lane:
                known = self._lanes.get((plan.uid, kind))
                lane = known or self._leaving.pop((plan.uid, kind), None) or self._new_lane(plan, kind)
                self._lanes[plan.uid, kind] = lane
                lane.plan = plan
                self._orderer.follow(lane, anew=known is None)
                if known is None:
                    lane.revive()
                    lane.refresh()
                lane.gate.configure(plan.max_in_flight or DEFAULT_SLOTS, breaker=has_breaker(plan, kind))
                # Dead letters go elsewhere: what the subscriber can bear says nothing of their sink.
                lane.gate.limit(plan.rate if kind is Lane.SUBSCRIBER else None, self._loop.time())
                if plan.paused and kind is Lane.SUBSCRIBER:
                    lane.gate.pause()
                else:
                    lane.gate.resume()
                lane.metrics.ready()
                self._backlog.stir(lane)
        self._index = FilterIndex((self._lanes[uid, Lane.SUBSCRIBER], plan.filter) for uid, plan in plans.items())

    def _retire(self, key: tuple[str, Lane], lane: DeliveryLane) -> None:
        """The trigger is gone: what runs goes on to its end, what waits stays in the backlog for the grace time."""
        lane.removed = True
        lane.metrics.not_ready()
        self._leaving[key] = lane
        waiting = lane.stop()
        for work in waiting:
            work.abandoned = True
        if self._tasks is not None and any(work.token is not None for work in waiting):
            self._spawn(self._give_back(key, waiting))

    async def _give_back(self, key: tuple[str, Lane], waiting: Sequence[Work]) -> None:
        await self._release(waiting)
        lane = self._lanes.get(key)
        if lane is not None:
            lane.refresh()

    async def _release(self, waiting: Iterable[Work]) -> None:
        held = [(work.key, work.token) for work in waiting if work.token is not None]
        await give_back(self._channel, self.plan.uid, held, self._log, broker=self._name)

    def _new_lane(self, plan: TriggerPlan, kind: Lane) -> DeliveryLane:
        metrics = self._metrics.trigger(plan.uid, f"{plan.namespace}/{plan.name}", self._broker_metrics)
        lane = DeliveryLane(
            plan,
            kind,
            Gate(plan.max_in_flight or DEFAULT_SLOTS, breaker=has_breaker(plan, kind)),
            self._shares,
            metrics,
            start=self._deliverer.start,
            crowd=self._crowd,
            stir=self._backlog.stir,
        )
        metrics.gauges = lambda: self._gauges(plan.uid)
        return lane

    def _gauges(self, uid: str) -> TriggerGauges:
        lanes = [lane for kind in Lane if (lane := self._lanes.get((uid, kind))) is not None]
        return TriggerGauges(
            in_flight=sum(lane.gate.running for lane in lanes),
            backlog=tuple((lane.kind, lane.entries, lane.bytes) for lane in lanes),
            dead_letters=self._dead.of(uid),
        )

    def _lane_of(self, uid: str, kind: Lane) -> DeliveryLane | None:
        return self._lanes.get((uid, kind))

    @property
    def takes_claims(self) -> bool:
        """Whether the backlog goes on; not while results wait for a store that is slow or fails."""
        return self._settler.is_able

    @property
    def window_bytes(self) -> int:
        """How many bytes this broker's window may hold: all windows together have half of the memory (DATAPATH 4)."""
        return self._window.max_bytes

    @window_bytes.setter
    def window_bytes(self, max_bytes: int) -> None:
        self._window.resize(max_bytes)

    @property
    def lanes(self) -> Mapping[tuple[str, Lane], DeliveryLane]:
        return self._lanes

    # Its life.

    async def run(self) -> None:
        """Read and deliver until cancelled; `drain` ends it in order. Raises `Fenced`, `ChannelCorrupt`, `ChannelClosed`."""
        self._broker_metrics.gauges = lambda: BrokerGauges(self._lag(), self._window.events)
        reader = self._reader = await open_reader(self._channel, self.plan.uid, self._name, self._dead.count, self._log)
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                tasks.create_task(self._settler.run(), name=f"settle {self._name}")
                tasks.create_task(self._backlog.run(), name=f"backlog {self._name}")
                tasks.create_task(self._orderer.run(), name=f"order {self._name}")
                tasks.create_task(self._hand_over_late(), name=f"hand over {self._name}")
                tasks.create_task(self._dead.run(), name=f"dead letters {self._name}")
                self._reader_task = tasks.create_task(self._read(reader), name=f"read {self._name}")
                try:
                    await self._loop.create_future()  # until it is cancelled, or one of the tasks fails
                finally:
                    self._deliverer.abort()
        finally:
            # Not before everything that was read is settled: what a closed reader gave out is for the next one.
            self._reader = None
            await reader.close()
            self._let_go()

    def _let_go(self) -> None:
        """The handles outlive this broker; what they ask for their gauges doesn't."""
        self._broker_metrics.gauges = None
        for lane in (*self._lanes.values(), *self._leaving.values()):
            lane.metrics.gauges = None

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        assert self._tasks is not None
        self._workers += 1
        self._no_workers.clear()
        self._tasks.create_task(work).add_done_callback(self._worker_ended)

    def _worker_ended(self, _task: asyncio.Task[None]) -> None:
        self._workers -= 1
        if self._workers == 0:
            self._no_workers.set()

    def _lag(self) -> int:
        return self._reader.wanted() if self._reader is not None else 0

    def _passed(self, position: Position) -> bool:
        return self._reader is not None and not self._placing and self._reader.passed(position)

    async def _read(self, reader: Reader) -> None:
        pause = FIRST_PAUSE
        self.started.set()
        while not self._draining:
            if self._crowd:
                await self._crowd.dispersed()
            events, size = await self._window.room()
            try:
                records = await reader.read(min(events, READ_AHEAD), size)
            except ChannelUnavailable as error:
                self._log.warning("events can't be read, trying again", broker=self._name, reason=str(error), pause=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
                continue
            pause = FIRST_PAUSE
            now = self._loop.time()
            self._placing = PLACED_AT_ONCE
            for record in records:
                self._placing -= self._start(record, now)
                if self._placing <= 0:
                    self._placing = PLACED_AT_ONCE
                    await asyncio.sleep(0)
            self._placing = 0
            if self._orderer.catching_up:
                self._orderer.read_on()

    def _start(self, record: Record, now: float) -> int:
        """How many triggers match."""
        flight = Flight(record, now)
        self._window.enter(flight.size)
        self._broker_metrics.read += 1
        matched = self._index.match(record.event)
        if not matched:
            self._broker_metrics.unmatched += 1
        flight.pending = 1  # held until every match is placed
        for lane in matched:
            lane.metrics.matched += 1
            self._offer(flight, lane, now)
        flight.pending -= 1
        if flight.pending:
            self._in_order.append(flight)
            self._flown.set()
        else:
            self._settler.flight(flight)
        return len(matched)

    def _offer(self, flight: Flight, lane: DeliveryLane, now: float) -> None:
        why = self._orderer.takes(lane, flight, now) if lane.ordered else lane.takes(flight.size, now)
        if not why:
            flight.pending += 1
            work = Work.direct(lane, flight)
            flight.works.append(work)
            (self._orderer.join if lane.ordered else lane.push)(work)
            return
        record = flight.record
        key = EntryKey(lane.plan.uid, record.position)
        at = self._channel.now()
        if lane.bytes + flight.size > self._settings.backlog_bytes and self._dead.has_room():
            # Owed beyond the bound (DATAPATH 9): the newest goes to the dead letters, where a person can bring it back.
            letter = DeadLetter.of(record, lane.plan.uid, "backlog_full", (), 0, at)
            self._dead.coming((letter,))
            flight.dead.append(letter)
            lane.metrics.dead("backlog_full")
            return
        lane.metrics.park(why)
        if lane.ordered:
            self._orderer.park(lane, flight, at)
            return
        lane.behind = True
        flight.handovers.append((NewEntry(key, at), lane))

    # Nothing pins the cursor (DATAPATH 2).

    async def _hand_over_late(self) -> None:
        limit = self._settings.hand_over_after
        while True:
            await self._flown.wait()
            while self._in_order:
                flight = self._in_order[0]
                wait = flight.read_at + limit - self._loop.time()
                if flight.pending and wait > 0:
                    await asyncio.sleep(wait)
                    continue
                self._in_order.popleft()
                if flight.pending:
                    self._hand_over(flight)
                    await asyncio.sleep(0)  # one that 1,000 triggers match takes milliseconds, and many may be late at once
            self._flown.clear()

    def _hand_over(self, flight: Flight, only: Collection[DeliveryLane] | None = None) -> None:
        """Into the backlog with what has not ended; ``only``: with what is for these lanes."""
        now = self._channel.now()
        flight.pending += 1  # held until all of it is placed
        for work in flight.works:
            if work.flight is None or (only is not None and work.lane not in only):
                continue
            if work.ordering_key is not None:
                self._orderer.clear(work.lane, work.ordering_key)
                continue
            work.flight = None
            flight.pending -= 1
            if work.running:
                flight.handovers.append((NewEntry(work.key, now, lease=self._lease_of_running(work)), work.lane))
                work.lane.metrics.park("slow")
            else:
                work.abandoned = True
                work.lane.behind = True
                flight.handovers.append((NewEntry(work.key, now), work.lane))
                work.lane.metrics.park("slots")
        flight.pending -= 1
        if not flight.pending:
            self._settler.flight(flight)

    def _lease_of_running(self, work: Work) -> EntryLease:
        """Of a delivery whose attempt runs on after it was handed over: until that must have ended."""
        left = max(0.0, work.deadline - self._loop.time())
        lease = EntryLease(next(self._token), self._channel.now() + left + MARGIN)
        work.token = lease.token
        work.lane.held[work.key] = work
        return lease

    async def drain(self, timeout: float) -> bool:
        """Stop reading, hand over what waits, let what runs end within ``timeout`` seconds, settle all of it.
        Whether everything was settled; what was not is repeated by the next process."""
        self._draining = True
        if self._reader_task is not None:
            self._reader_task.cancel()
        waiting = [work for lane in self._lanes.values() for work in lane.stop()]
        while self._in_order:
            flight = self._in_order.popleft()
            if flight.pending:
                self._hand_over(flight)
        try:
            async with asyncio.timeout(timeout):
                await self._release(waiting)
                await self._settler.settled()
                while self._workers or self._deliverer.under_way:
                    await self._no_workers.wait()
                    await self._deliverer.quiet()
                await self._settler.settled()
        except TimeoutError:
            return False
        return True
