"""A trigger's lane: its queue, slots and gate in this process, and what is known of its backlog (DATAPATH 3, 4)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from eventing.dispatch.crowd import Crowd
from eventing.dispatch.shares import Shares
from eventing.policy.gate import Gate
from eventing.policy.order import KeyOrder
from eventing.ports.records import EntryKey, Lane
from eventing.resources.plan import TriggerPlan
from eventing.telemetry.handles import TriggerMetrics

if TYPE_CHECKING:
    from eventing.dispatch.runs import Runs
    from eventing.dispatch.work import Work

DEFAULT_SLOTS = 64
CROWD_PER_SLOT, QUEUE_PER_SLOT = 4, 8
"""How many first deliveries may wait in memory for each slot before the reader waits for the lane, as long as it makes headway
(`dispatch.crowd`), and before more go to the backlog."""


def has_breaker(plan: TriggerPlan, kind: Lane) -> bool:
    """With an explicit policy each event gets exactly its attempts, whatever the subscriber does (DATAPATH 5)."""
    return plan.policy.retry is None and kind is Lane.SUBSCRIBER


class DeliveryLane:
    """One lane of one trigger: to its subscriber, or to its dead-letter sink.

    ``start`` begins a delivery, at the end of which `ended` is called; ``stir`` tells the backlog worker to look at this lane
    again; ``crowd`` is told when the queue is long. ``finished``: how many deliveries ended. ``entries``, ``bytes`` and
    ``next_due`` are this process's view of the lane's backlog. ``held``: the leased entries that wait or run here, by key; those
    with an ordering key until they are settled.
    ``order``, ``runs``: of an ordered trigger, which it stays until the lane goes; ``ordered``: whether new events go by it.
    ``unsure``: it isn't known yet what may be claimed in order. ``rests_until``: nothing is claimed before, on the loop's clock.
    """

    def __init__(
        self,
        plan: TriggerPlan,
        kind: Lane,
        gate: Gate,
        shares: Shares,
        metrics: TriggerMetrics,
        *,
        start: Callable[[Work], None],
        crowd: Crowd,
        stir: Callable[[DeliveryLane], None],
    ) -> None:
        self.plan = plan
        self.kind = kind
        self.gate = gate
        self.metrics = metrics
        self.queue: deque[Work] = deque()
        self.running = 0
        self.claiming = False
        self.removed = False
        self.stopped = False
        self.behind = False
        self.entries = 0
        self.bytes = 0
        self.next_due: float | None = None
        self.stale = False
        self.rests_until = 0.0
        self.held: dict[EntryKey, Work] = {}
        self.order: KeyOrder[Work] | None = None
        self.runs: Runs | None = None
        self.ordered = False
        self.unsure = False
        self._shares = shares
        self._owner = f"{plan.uid}/{kind}"
        self._start = start
        self._starting = False
        self._crowd = crowd
        self._crowded = False
        self.finished = 0
        self._stir = stir

    @property
    def slots(self) -> int:
        """How many deliveries of this lane run at once in this process."""
        own, share = self.plan.max_in_flight or DEFAULT_SLOTS, self._shares.slots
        return own if own < share else share

    def free(self) -> int:
        """Slots that neither a running nor a queued delivery has."""
        return self.slots - self.running - len(self.queue)

    def takes(self, size: int, now: float) -> str:
        """Take a first delivery's bytes so that it may be pushed; the answer is empty then, else the word for why it goes
        to the backlog instead."""
        gate = self.gate
        if not gate.unhindered(now):
            reason = gate.reason(now, len(self.queue))
            if reason is not None:
                return reason
            if not self.behind and gate.running < self.slots and gate.allowed(now) <= 0:
                return "breaker"  # half open: what may start is for the backlog
        if self.behind:
            return "behind"
        if self.stopped:
            return "closing"
        if self.queue and len(self.queue) >= self.slots * QUEUE_PER_SLOT:
            return "slots"
        if not self._shares.take(self._owner, size):
            return "bytes"
        return ""

    def room(self, limit: int) -> int:
        """Bytes that claimed entries may bring into memory now."""
        return max(1, min(limit, self._shares.room(self._owner)))

    def claimed(self, work: Work) -> bool:
        """Queue a claimed entry. False: there is no room for its bytes now."""
        if not self.holds(work):
            return False
        self.push(work)
        return True

    def holds(self, work: Work) -> bool:
        """Take the bytes of a claimed entry. False: there is no room for them now."""
        if not self._shares.take(self._owner, work.size):
            return False
        self.held[work.key] = work
        return True

    def push(self, work: Work) -> None:
        """Queue a delivery whose bytes are taken; it begins as soon as a slot is free."""
        self.queue.append(work)
        if not self._starting:
            self._go_on()
        if not self._crowded and len(self.queue) >= self.slots * CROWD_PER_SLOT:
            self._crowded = True
            self._crowd.enter(self)

    @property
    def queued(self) -> int:
        """Deliveries that wait for a slot."""
        return len(self.queue)

    def _thin_out(self) -> None:
        self._crowded = False
        self._crowd.leave(self)

    def gone(self, size: int) -> None:
        """A delivery's bytes left memory."""
        self._shares.give(self._owner, size)

    def ended(self, work: Work) -> None:
        """A delivery that was started has come to its end."""
        self._shares.give(self._owner, work.size)
        self.running -= 1
        self.finished += 1
        if self.queue and not self._starting:
            self._go_on()
        if self._crowded and len(self.queue) * 2 <= self.slots * CROWD_PER_SLOT:
            self._thin_out()
        if not self.running and self._crowd.waited_for and not self.queue and not self.behind and self.kind is Lane.SUBSCRIBER:
            self._crowd.ran_dry()
        if self.next_due is not None:
            self._stir(self)

    def cut_off(self, work: Work) -> None:
        """A delivery that was started comes to no end, nor does another begin."""
        self.gone(work.size)
        self.running -= 1

    def _go_on(self) -> None:
        """Start what waits, as long as there are slots. What ends at once calls `ended` from within: the loop here goes on."""
        self._starting = True
        try:
            while self.queue and self.running < self.slots:
                work = self.queue.popleft()
                if work.abandoned:
                    # Handed over while it waited: it runs again from the backlog.
                    self.gone(work.size)
                    continue
                self.running += 1
                self._start(work)
        finally:
            self._starting = False

    @property
    def lingers(self) -> bool:
        """Whether something of it is under way, though its trigger may be gone."""
        return self.running > 0 or bool(self.held) or (self.order is not None and self.order.under_way)

    def stop(self) -> list[Work]:
        """Start nothing more; returns what waited. What runs goes on to its end."""
        self.stopped = True
        if self._crowded:
            self._thin_out()
        waiting = list(self.queue)
        self.queue.clear()
        for work in waiting:
            self.gone(work.size)
            self.held.pop(work.key, None)
        if self.runs is not None:
            waiting += self.runs.stop()
        return waiting

    def revive(self) -> None:
        """The trigger is back before the last of its deliveries ended: they still count."""
        self.removed = self.stopped = False

    # The books of the backlog, kept by the settler and the backlog worker.

    def entered(self, size: int, due: float | None) -> None:
        """An entry came in; ``due`` None: leased by this process."""
        self.entries += 1
        self.bytes += size
        if due is not None:
            self.waits(due)

    def left(self, size: int) -> None:
        self.entries = max(0, self.entries - 1)
        # The channel's sizes and this process's differ a little: no entries, no bytes.
        self.bytes = max(0, self.bytes - size) if self.entries else 0

    def waits(self, due: float) -> None:
        """An entry of this lane is due then."""
        if self.next_due is None or due < self.next_due:
            self.next_due = due
        self._stir(self)

    def sure(self) -> None:
        """Entries may be claimed."""
        if self.unsure:
            self.unsure = False
            self._stir(self)

    def refresh(self) -> None:
        """What is known of the backlog may be wrong: ask the channel."""
        self.stale = True
        self._stir(self)
