"""The backlog worker of a broker: claims what is due, when there is a slot for it, and nobody polls (DATAPATH 3, 4)."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import count

from eventing.dispatch.deliver import MARGIN
from eventing.dispatch.giving_back import give_back
from eventing.dispatch.lane import DeliveryLane
from eventing.dispatch.runs import goes_on, queued
from eventing.errors import ChannelUnavailable
from eventing.ports.backlog import Claim
from eventing.ports.channel import Channel
from eventing.ports.records import Entry, Lane
from eventing.telemetry.logs import Log

REFRESH = 10.0
"""Seconds after which the channel is asked for the true state, whatever this process believes."""
CLAIM_BYTES = 8 * 1024 * 1024
CLAIMS_AT_ONCE = 32
"""Of different lanes: with thousands of them one after the other would be slow."""
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 5.0
SOME_SLOTS = 4
BREATH = 0.01
"""A claim waits until one in `SOME_SLOTS` slots is free, or `BREATH` seconds: entries are read in batches, not one by one."""
RATED = 0.05
"""Seconds until the next claim after one that took all that a trigger's rate had to give, so that entries are read in batches.
It is far less than a burst lasts, so the rate loses nothing by it."""


class BacklogWorker:
    """A heap holds when to look at which lane; ``lanes`` is the broker's current set, by trigger uid and lane. ``able``
    waits until results can be settled again: nothing is claimed before (`Settler.able`). ``name``: the broker's, for the log."""

    def __init__(
        self,
        channel: Channel,
        broker: str,
        name: str,
        lanes: Callable[[], Mapping[tuple[str, Lane], DeliveryLane]],
        log: Log,
        *,
        monotonic: Callable[[], float],
        able: Callable[[], Awaitable[None]],
    ) -> None:
        self._channel = channel
        self._broker = broker
        self._name = name
        self._lanes = lanes
        self._log = log
        self._monotonic = monotonic
        self._able = able
        self._heap: list[tuple[float, int, DeliveryLane]] = []
        self._scheduled: dict[DeliveryLane, float] = {}
        self._order = count()
        self._wake = asyncio.Event()
        self._refresh_at = monotonic()
        self._pause = FIRST_PAUSE
        self._claims = asyncio.Semaphore(CLAIMS_AT_ONCE)

    def stir(self, lane: DeliveryLane) -> None:
        """Look at the lane when its next entry is due; called whenever its backlog, slots or gate changed."""
        if lane.removed or lane.stopped or lane.claiming or lane.unsure or (lane.next_due is None and not lane.stale):
            return
        due = lane.next_due
        wait = 0.0 if lane.stale or due is None else max(0.0, due - self._channel.now())
        free = lane.free()
        if wait == 0.0 and free < max(1, lane.slots // SOME_SLOTS) and not lane.stale:
            if free <= 0:
                # The worker that ends next stirs again. New matches queue up behind what is due, or it would never get a slot.
                lane.behind = True
                return
            wait = BREATH
        self._at(lane, self._monotonic() + wait)

    def _at(self, lane: DeliveryLane, when: float) -> None:
        known = self._scheduled.get(lane)
        if known is not None and known <= when:
            return
        self._scheduled[lane] = when
        heapq.heappush(self._heap, (when, next(self._order), lane))
        if len(self._heap) > 64 + 2 * len(self._scheduled):
            # Places that an earlier look took over stay until their time comes, which may be far off.
            self._heap = [(at, next(self._order), other) for other, at in self._scheduled.items()]
            heapq.heapify(self._heap)
        if self._heap[0][2] is lane:
            self._wake.set()

    async def run(self) -> None:
        """Until cancelled. Raises `ChannelClosed`, `ChannelCorrupt`."""
        async with asyncio.TaskGroup() as claims:
            while True:
                await self._round(claims)
                until = min(self._refresh_at, self._heap[0][0] if self._heap else self._refresh_at)
                self._wake.clear()
                try:
                    async with asyncio.timeout(max(0.0, until - self._monotonic())):
                        await self._wake.wait()
                except TimeoutError:
                    pass

    async def _round(self, claims: asyncio.TaskGroup) -> None:
        if self._monotonic() >= self._refresh_at:
            await self._refresh()
        while self._heap and self._heap[0][0] <= self._monotonic():
            when, _, lane = heapq.heappop(self._heap)
            if self._scheduled.get(lane) != when:
                continue  # an earlier look took its place
            del self._scheduled[lane]
            if lane.stale or self._monotonic() >= self._refresh_at:
                await self._refresh()
            await self._able()
            if self._wants(lane):
                await self._claims.acquire()
                self._look(lane, claims)

    async def _refresh(self) -> None:
        """Take the channel's word for every lane: what other processes left, what a crash left, what was miscounted."""
        self._refresh_at = self._monotonic() + REFRESH
        lanes = self._lanes()
        for lane in lanes.values():
            lane.stale = False  # before it is asked: what becomes doubtful meanwhile is asked for again
        try:
            states = await self._channel.backlog.states(self._broker)
        except ChannelUnavailable as error:
            self._refresh_at = self._monotonic() + self._trouble(error)
            return
        lanes = self._lanes()
        seen = set()
        for state in states:
            lane_ = lanes.get((state.trigger, state.lane))
            if lane_ is None:
                continue
            seen.add(lane_)
            lane_.entries, lane_.bytes = state.entries, state.bytes
            if state.next_due is not None:
                if lane_.next_due is None and state.next_due <= self._channel.now():
                    lane_.behind = True
                lane_.waits(state.next_due)
        for lane in lanes.values():
            if lane not in seen and not lane.claiming:
                lane.entries = lane.bytes = 0

    def _trouble(self, error: ChannelUnavailable) -> float:
        """Seconds until it is tried again."""
        pause, self._pause = self._pause, min(self._pause * 2, LONGEST_PAUSE)
        self._log.warning("backlog can't be read, trying again", broker=self._name, reason=str(error), pause=pause)
        return pause

    def _wants(self, lane: DeliveryLane) -> bool:
        return not (lane.removed or lane.stopped or lane.claiming or lane.unsure or lane.next_due is None)

    def _look(self, lane: DeliveryLane, claims: asyncio.TaskGroup) -> None:
        """Start a claim if one is in place now; the semaphore is taken and given back here, or at the claim's end."""
        allowed = self._allowed(lane)
        if not allowed:
            self._claims.release()
            return
        # What is booked while the claim runs may be missing in its answer: it is merged, never overwritten.
        lane.claiming = True
        claims.create_task(self._claim(lane, allowed)).add_done_callback(lambda _task: self._claims.release())

    def _allowed(self, lane: DeliveryLane) -> int:
        if not self._wants(lane):
            return 0
        assert lane.next_due is not None
        if lane.next_due > self._channel.now():
            self.stir(lane)
            return 0
        now = self._monotonic()
        if now < lane.rests_until:
            self._at(lane, lane.rests_until)
            return 0
        free = lane.free()
        allowed = min(free, lane.gate.allowed(now) - len(lane.queue))
        if allowed > 0:
            if lane.plan.rate is not None and lane.gate.reason(now, allowed + len(lane.queue)) == "rate":
                lane.rests_until = now + RATED
            return allowed
        if free <= 0:
            lane.behind = True
        else:
            change = lane.gate.next_change(now)
            if change is not None:
                # What is due has the next place: new matches must not take each token that a rate lets through.
                lane.behind = True
                self._at(lane, max(change, now + BREATH))
        return 0  # paused or full: a plan, or the worker that ends next, stirs again

    async def _claim(self, lane: DeliveryLane, allowed: int) -> None:
        before, lane.next_due = lane.next_due, None
        claim: Claim | None = None
        trouble: ChannelUnavailable | None = None
        try:
            claim = await self._channel.backlog.claim(
                self._broker,
                lane.plan.uid,
                lane.kind,
                allowed,
                lane.room(CLAIM_BYTES),
                self._channel.now() + lane.plan.policy.timeout + MARGIN,
                0 if lane.runs is None else lane.runs.room(self._monotonic(), allowed),
            )
        except ChannelUnavailable as error:
            trouble = error
        finally:
            lane.claiming = False
            due = before if claim is None else claim.next_due
            if due is not None and (lane.next_due is None or due < lane.next_due):
                lane.next_due = due
        if claim is None:
            assert trouble is not None
            self._at(lane, self._monotonic() + self._trouble(trouble))
            return
        self._pause = FIRST_PAUSE
        lane.behind = claim.next_due is not None and claim.next_due <= self._channel.now()
        await self._queue(lane, claim)

    async def _queue(self, lane: DeliveryLane, claim: Claim) -> None:
        refused: Sequence[Entry]
        if lane.removed or lane.stopped:
            refused = [entry for entry in claim.entries if not goes_on(lane, entry)]
        elif lane.runs is not None:
            refused = lane.runs.take(claim.entries)
        else:
            refused = [entry for entry in claim.entries if not queued(lane, entry)]
        if not refused:
            self.stir(lane)
            return
        # Others hold the memory: they give it back within their time-outs.
        due = min(entry.due for entry in refused)
        held = [(entry.key, entry.lease.token) for entry in refused]
        if not await give_back(self._channel, self._broker, held, self._log, broker=self._name, trigger=lane.metrics.name):
            return
        lane.next_due = due if lane.next_due is None else min(due, lane.next_due)
        lane.behind = True
        if not (lane.removed or lane.stopped):
            self._at(lane, self._monotonic() + BREATH * 5)
