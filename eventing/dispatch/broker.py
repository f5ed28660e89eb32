"""A broker's dispatcher: one reader, the index, the window, and a lane for each trigger (DESIGN, "The way of an event")."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any

from eventing.dispatch.backlog import MARGIN, BacklogWorker
from eventing.dispatch.deliver import Deliverer
from eventing.dispatch.lane import DEFAULT_SLOTS, DeliveryLane
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
from eventing.ports.records import DeadLetter, EntryKey, EntryLease, Lane, NewEntry, Record
from eventing.resources.plan import BrokerPlan, TriggerPlan
from eventing.telemetry.handles import BrokerGauges, BrokerMetrics, TriggerGauges
from eventing.telemetry.logs import Log
from eventing.telemetry.metrics import Metrics

READ_AHEAD = 256
DEAD_LETTERS_EVERY = 30.0
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 5.0


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
        self._window = Window(settings.window, settings.window_bytes)
        self._in_order: deque[Flight] = deque()
        self._flown = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None
        self._workers = 0
        self._no_workers = asyncio.Event()
        self._no_workers.set()
        # Tokens are unique over processes too: a late result of a dead process must not pass for ours.
        self._token = map(f"{os.urandom(6).hex()}-{{}}".format, itertools.count())
        self._dead_bytes = 0
        self._dead_letters: dict[str, int] = {}
        self._reader: Reader | None = None
        self._reader_task: asyncio.Task[None] | None = None
        self._settler = Settler(channel, plan.uid, self._window, log, dead_stored=self._dead_stored)
        self._backlog = BacklogWorker(channel, plan.uid, lambda: self._lanes, log, monotonic=self._loop.time)
        self._deliverer = Deliverer(
            sender,
            channel,
            self._settler,
            self._lane_of,
            log,
            monotonic=self._loop.time,
            wall=settings.wall,
            fault=fault,
            store_has_room=self._store_has_room,
        )
        self._reading = asyncio.Event()
        self.started = asyncio.Event()

    # The plan.

    def update(self, triggers: Iterable[TriggerPlan]) -> None:
        """Take over a new set of triggers: known ones keep their lanes, and with them what runs and what is counted."""
        plans = {trigger.uid: trigger for trigger in triggers}
        for (uid, _), lane in self._lanes.items():
            if uid not in plans:
                lane.removed = True
                lane.metrics.not_ready()
        self._lanes = {key: lane for key, lane in self._lanes.items() if key[0] in plans}
        for plan in plans.values():
            for kind in Lane:
                if (plan.uid, kind) not in self._lanes:
                    self._lanes[plan.uid, kind] = self._new_lane(plan, kind)
                    self._lanes[plan.uid, kind].refresh()
                lane = self._lanes[plan.uid, kind]
                lane.plan = plan
                lane.gate.configure(
                    plan.max_in_flight or DEFAULT_SLOTS, breaker=plan.policy.retry is None and kind is Lane.SUBSCRIBER
                )
                if plan.paused and kind is Lane.SUBSCRIBER:
                    lane.gate.pause()
                else:
                    lane.gate.resume()
                lane.metrics.ready()
                self._backlog.stir(lane)
        self._index = FilterIndex((self._lanes[uid, Lane.SUBSCRIBER], plan.filter) for uid, plan in plans.items())

    def _new_lane(self, plan: TriggerPlan, kind: Lane) -> DeliveryLane:
        metrics = self._metrics.trigger(plan.uid, f"{plan.namespace}/{plan.name}", self._broker_metrics)
        lane = DeliveryLane(
            plan,
            kind,
            Gate(plan.max_in_flight or DEFAULT_SLOTS, breaker=_breaker(plan, kind)),
            self._shares,
            metrics,
            deliver=self._deliverer.deliver,
            spawn=self._spawn,
            stir=self._backlog.stir,
        )
        metrics.gauges = lambda: self._gauges(plan.uid)
        return lane

    def _gauges(self, uid: str) -> TriggerGauges:
        lanes = [lane for kind in Lane if (lane := self._lanes.get((uid, kind))) is not None]
        return TriggerGauges(
            in_flight=sum(lane.gate.running for lane in lanes),
            backlog=tuple((lane.kind, lane.entries, lane.bytes) for lane in lanes),
            dead_letters=self._dead_letters.get(uid, 0),
        )

    def _lane_of(self, uid: str, kind: Lane) -> DeliveryLane | None:
        return self._lanes.get((uid, kind))

    @property
    def lanes(self) -> Mapping[tuple[str, Lane], DeliveryLane]:
        return self._lanes

    # Its life.

    async def run(self) -> None:
        """Read and deliver until cancelled; `drain` ends it in order. Raises `Fenced`, `ChannelCorrupt`, `ChannelClosed`."""
        self._broker_metrics.gauges = lambda: BrokerGauges(self._lag(), self._window.events)
        await self._count_dead_letters()
        reader = self._reader = await self._channel.reader(self.plan.uid)
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                tasks.create_task(self._settler.run(), name=f"settle {self._name}")
                tasks.create_task(self._backlog.run(), name=f"backlog {self._name}")
                tasks.create_task(self._hand_over_late(), name=f"hand over {self._name}")
                tasks.create_task(self._watch_dead_letters(), name=f"dead letters {self._name}")
                self._reader_task = tasks.create_task(self._read(reader), name=f"read {self._name}")
        finally:
            # Not before everything that was read is settled: what a closed reader gave out is for the next one.
            self._reader = None
            await reader.close()

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

    async def _read(self, reader: Reader) -> None:
        pause = FIRST_PAUSE
        self.started.set()
        while True:
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
            for record in records:
                self._start(record, now)

    def _start(self, record: Record, now: float) -> None:
        flight = Flight(record, now)
        self._window.enter(flight.size)
        self._broker_metrics.read += 1
        matched = self._index.match(record.event)
        if not matched:
            self._broker_metrics.unmatched += 1
            self._settler.flight(flight)
            return
        flight.pending = 1  # held until every match is placed
        for lane in matched:
            lane.metrics.matched += 1
            self._offer(flight, lane, now)
        flight.pending -= 1
        if flight.pending == 0:
            self._settler.flight(flight)
            return
        self._in_order.append(flight)
        self._flown.set()

    def _offer(self, flight: Flight, lane: DeliveryLane, now: float) -> None:
        why = lane.takes(flight.size, now)
        if not why:
            flight.pending += 1
            work = Work.direct(lane, flight)
            flight.works.append(work)
            lane.push(work)
            return
        record = flight.record
        key = EntryKey(lane.plan.uid, record.position)
        at = self._channel.now()
        if lane.bytes + flight.size > self._settings.backlog_bytes and self._store_has_room():
            # Owed beyond the bound (DATAPATH 9): the newest goes to the dead letters, where a person can bring it back.
            flight.dead.append(DeadLetter(lane.plan.uid, record.position, record.event, "backlog_full", (), 0, at))
            lane.metrics.dead("backlog_full")
            return
        lane.behind = True
        lane.metrics.park(why)
        flight.handovers.append((NewEntry(key, at), lane))

    async def _count_dead_letters(self) -> None:
        self._dead_bytes = await self._channel.dead_letters.size(self.plan.uid)
        self._dead_letters = await self._channel.dead_letters.count(self.plan.uid)

    async def _watch_dead_letters(self) -> None:
        """Others take letters out, and age does: now and then the channel's word is taken."""
        while True:
            await asyncio.sleep(DEAD_LETTERS_EVERY)
            with contextlib.suppress(ChannelUnavailable):  # asked again the next time
                await self._count_dead_letters()

    def _store_has_room(self) -> bool:
        return self._dead_bytes < self._settings.dead_letter_bytes

    def _dead_stored(self, letter: DeadLetter) -> None:
        self._dead_bytes += letter.event.size
        self._dead_letters[letter.trigger] = self._dead_letters.get(letter.trigger, 0) + 1

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
            self._flown.clear()

    def _hand_over(self, flight: Flight) -> None:
        now = self._channel.now()
        for work in flight.works:
            if work.flight is None:
                continue
            work.flight = None
            if work.running:
                lease = EntryLease(next(self._token), now + work.lane.plan.policy.timeout + MARGIN)
                work.token = lease.token
                flight.handovers.append((NewEntry(work.key, now, lease=lease), work.lane))
                work.lane.metrics.park("slow")
            else:
                work.abandoned = True
                work.lane.behind = True
                flight.handovers.append((NewEntry(work.key, now), work.lane))
                work.lane.metrics.park("slots")
        flight.pending = 0
        self._settler.flight(flight)

    async def drain(self, timeout: float) -> bool:
        """Stop reading, hand over what waits, let what runs end within ``timeout`` seconds, settle all of it.
        Whether everything was settled; what was not is repeated by the next process."""
        if self._reader_task is not None:
            self._reader_task.cancel()
        put_back = []
        for lane in self._lanes.values():
            put_back += [(work.key, work.token) for work in lane.stop() if work.token is not None]
        while self._in_order:
            flight = self._in_order.popleft()
            if flight.pending:
                self._hand_over(flight)
        try:
            async with asyncio.timeout(timeout):
                if put_back:
                    await self._channel.backlog.release(self.plan.uid, put_back)
                await self._settler.settled()
                await self._no_workers.wait()
                await self._settler.settled()
        except (TimeoutError, ChannelUnavailable):
            return False
        return True


def _breaker(plan: TriggerPlan, kind: Lane) -> bool:
    # With an explicit policy each event gets exactly its attempts, whatever the subscriber does (DATAPATH 5).
    return plan.policy.retry is None and kind is Lane.SUBSCRIBER
