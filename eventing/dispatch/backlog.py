"""The backlog worker of a broker: claims what is due, when there is a slot for it, and nobody polls (DATAPATH 3, 4)."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Mapping
from itertools import count

from eventing.dispatch.lane import DeliveryLane
from eventing.dispatch.sender import Encoded
from eventing.dispatch.work import Work
from eventing.errors import ChannelUnavailable
from eventing.ports.channel import Channel
from eventing.ports.records import Lane
from eventing.telemetry.logs import Log

REFRESH = 10.0
"""Seconds after which the channel is asked for the true state, whatever this process believes."""
MARGIN = 10.0
"""Seconds a lease outlives the attempt's time-out."""
CLAIM_BYTES = 8 * 1024 * 1024
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 5.0
SOME_SLOTS = 4
BREATH = 0.01
"""A claim waits until one in `SOME_SLOTS` slots is free, or `BREATH` seconds: entries are read in batches, not one by one."""


class BacklogWorker:
    """One task. A heap holds when to look at which lane; ``lanes`` is the broker's current set, by trigger uid and lane."""

    def __init__(
        self,
        channel: Channel,
        broker: str,
        lanes: Callable[[], Mapping[tuple[str, Lane], DeliveryLane]],
        log: Log,
        *,
        monotonic: Callable[[], float],
    ) -> None:
        self._channel = channel
        self._broker = broker
        self._lanes = lanes
        self._log = log
        self._monotonic = monotonic
        self._heap: list[tuple[float, int, DeliveryLane]] = []
        self._scheduled: dict[DeliveryLane, float] = {}
        self._order = count()
        self._wake = asyncio.Event()

    def stir(self, lane: DeliveryLane) -> None:
        """Look at the lane when its next entry is due; called whenever its backlog, slots or gate changed."""
        if lane.removed or lane.stopped or lane.claiming or (lane.next_due is None and not lane.stale):
            return
        due = lane.next_due
        wait = 0.0 if lane.stale or due is None else max(0.0, due - self._channel.now())
        free = lane.free()
        if wait == 0.0 and free < max(1, lane.slots // SOME_SLOTS) and not lane.stale:
            if free <= 0:
                return  # the worker that ends next stirs again
            wait = BREATH
        self._at(lane, self._monotonic() + wait)

    def _at(self, lane: DeliveryLane, when: float) -> None:
        known = self._scheduled.get(lane)
        if known is not None and known <= when:
            return
        self._scheduled[lane] = when
        heapq.heappush(self._heap, (when, next(self._order), lane))
        if self._heap[0][2] is lane:
            self._wake.set()

    async def run(self) -> None:
        """Until cancelled. Raises `ChannelClosed`, `ChannelCorrupt`."""
        refresh_at = self._monotonic()
        pause = FIRST_PAUSE
        while True:
            try:
                if self._monotonic() >= refresh_at:
                    await self._refresh()
                    refresh_at = self._monotonic() + REFRESH
                while self._heap and self._heap[0][0] <= self._monotonic():
                    when, _, lane = heapq.heappop(self._heap)
                    if self._scheduled.get(lane) != when:
                        continue  # an earlier look took its place
                    del self._scheduled[lane]
                    await self._look(lane)
                pause = FIRST_PAUSE
            except ChannelUnavailable as error:
                self._log.warning("backlog can't be read, trying again", broker=self._broker, reason=str(error), pause=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
                refresh_at = self._monotonic()
                continue
            until = min(refresh_at, self._heap[0][0] if self._heap else refresh_at)
            self._wake.clear()
            try:
                async with asyncio.timeout(max(0.0, until - self._monotonic())):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _refresh(self) -> None:
        """Take the channel's word for every lane: what other processes left, what a crash left, what was miscounted."""
        states = await self._channel.backlog.states(self._broker)
        lanes = self._lanes()
        seen = set()
        for state in states:
            lane = lanes.get((state.trigger, state.lane))
            if lane is None:
                continue
            seen.add(lane)
            lane.stale = False
            lane.entries, lane.bytes = state.entries, state.bytes
            if state.next_due is not None:
                if lane.next_due is None and state.next_due <= self._channel.now():
                    lane.behind = True
                lane.waits(state.next_due)
        for lane in lanes.values():
            lane.stale = False
            if lane not in seen and not lane.claiming:
                lane.entries = lane.bytes = 0

    async def _look(self, lane: DeliveryLane) -> None:
        if lane.removed or lane.claiming:
            return
        if lane.stale:
            await self._refresh()
        if lane.next_due is None:
            return
        if lane.next_due > self._channel.now():
            self.stir(lane)
            return
        now = self._monotonic()
        allowed = min(lane.free(), lane.gate.allowed(now) - len(lane.queue))
        if allowed <= 0:
            change = lane.gate.next_change(now)
            if change is not None and lane.free() > 0:
                self._at(lane, max(change, now + BREATH))
            return  # paused or full: a plan, or the worker that ends next, stirs again
        # What is booked while the claim runs may be missing in its answer: it is merged, never overwritten.
        before, lane.next_due = lane.next_due, None
        lane.claiming = True
        claim = None
        try:
            claim = await self._channel.backlog.claim(
                self._broker,
                lane.plan.uid,
                lane.kind,
                allowed,
                lane.room(CLAIM_BYTES),
                self._channel.now() + lane.plan.policy.timeout + MARGIN,
            )
        finally:
            lane.claiming = False
            due = before if claim is None else claim.next_due
            if due is not None and (lane.next_due is None or due < lane.next_due):
                lane.next_due = due
        lane.behind = claim.next_due is not None and claim.next_due <= self._channel.now()
        refused = [
            entry
            for entry in claim.entries
            if lane.removed or lane.stopped or not lane.claimed(Work.claimed(lane, entry, Encoded(entry.record.event)))
        ]
        if refused:
            # Others hold the memory: they give it back within their time-outs.
            await self._channel.backlog.release(self._broker, [(entry.key, entry.lease.token) for entry in refused])
            due = min(entry.due for entry in refused)
            lane.next_due = due if lane.next_due is None else min(due, lane.next_due)
            lane.behind = True
            if not lane.removed:
                self._at(lane, self._monotonic() + BREATH * 5)
            return
        self.stir(lane)
