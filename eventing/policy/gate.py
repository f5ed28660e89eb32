"""What a trigger may start now: its slots behind a pause, a Retry-After hold, a circuit breaker and a rate (DATAPATH 3 to 6).

    closed --20 failures in a row--> open --pause over--> ramp (1 probe, then 2, 4, ... slots) --all slots--> closed
                                      ^                    |
                                      +--failures in a row-+   the pause doubles from 1 s to 60 s

Every method takes ``now``, seconds on a monotonic clock; nothing here looks at a clock or waits.
"""

from __future__ import annotations

from enum import Enum
from typing import Literal

from eventing.policy.rate import Bucket, Rate

SLOTS = 64
FAILURES = 20
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0

_NEVER = float("-inf")

Reason = Literal["paused", "retry_after", "breaker", "rate"]


class _State(Enum):
    CLOSED = "closed"
    OPEN = "open"
    RAMP = "ramp"


class Gate:
    """Counts what a trigger has in flight and says how much more may start.

    Every `start` that returned True is ended by exactly one of `succeeded`, `failed` and `abandoned`.
    ``slots``: how many may be in flight. ``breaker``: whether the circuit breaker is on, which it is only where
    `DeliveryPolicy.retry` is None; with an explicit `retry` the attempts go on whatever the subscriber does.
    """

    __slots__ = (
        "_breaker",
        "_bucket",
        "_held",
        "_limit",
        "_pause",
        "_paused",
        "_probe_at",
        "_row",
        "_running",
        "_slots",
        "_state",
        "_unrated",
        "_wins",
    )

    def __init__(self, slots: int = SLOTS, *, breaker: bool) -> None:
        if slots < 1:
            raise ValueError(f"a trigger needs at least one slot, not {slots}")
        self._slots = slots
        self._breaker = breaker
        self._bucket: Bucket | None = None
        # At most so many of those that run took no token of this bucket: they started before it.
        self._unrated = 0
        self._running = 0
        self._paused = False
        self._held = _NEVER
        self._state = _State.CLOSED
        self._row = 0
        self._pause = FIRST_PAUSE
        self._probe_at = _NEVER
        self._limit = 1
        self._wins = 0

    @property
    def running(self) -> int:
        return self._running

    def allowed(self, now: float) -> int:
        """How many more may start at ``now``, never negative."""
        if self._paused or now < self._held:
            return 0
        if self._state is _State.CLOSED:
            free = self._slots - self._running
        elif self._state is _State.RAMP:
            free = self._limit - self._running
        else:
            # What still runs since before the breaker opened ends first: its results must not be taken for the probe's.
            free = 1 if self._running == 0 and now >= self._probe_at else 0
        if self._bucket is not None:
            free = min(free, self._bucket.available(now))
        return max(0, free)

    def in_turn(self, now: float, most: int) -> int:
        """How many of ``most`` may be had ready at ``now`` to start one after the other: the rate bounds them, the slots don't. A
        gate that isn't all open lets only those near that may start at once."""
        if self._state is not _State.CLOSED or self._paused or now < self._held:
            return 0
        return most if self._bucket is None else min(most, self._bucket.available(now))

    def unhindered(self, now: float) -> bool:
        """Whether nothing but the slots bounds what may start at ``now``: the common case, told quickly."""
        return self._state is _State.CLOSED and self._bucket is None and not self._paused and now >= self._held

    def next_change(self, now: float) -> float | None:
        """When to look again, if nothing else happens before: the moment until which `allowed` stays what it is. None where
        time alone changes nothing, but only a result or `resume`."""
        if self._paused:
            return None
        until = max(self._held, self._probe_at if self._state is _State.OPEN else _NEVER)
        if self._bucket is None:
            return until if until > now else None
        if until > now:
            return max(until, self._bucket.when(1))
        return None if self.allowed(now) < self._bucket.available(now) else self._bucket.next_token(now)

    def reason(self, now: float, ahead: int = 0) -> Reason | None:
        """What keeps events parked at ``now``; None where only the slots bound it. ``ahead``: how many were let in before and
        have not started: the rate has room for one more behind them, or is the reason."""
        if self._paused:
            return "paused"
        if now < self._held:
            return "retry_after"
        if self._state is _State.OPEN:
            return "breaker"
        return "rate" if self._bucket is not None and self._bucket.available(now) <= ahead else None

    def start(self, now: float) -> bool:
        """Take a slot for one attempt. False: it must not start, and nothing changed."""
        if self.allowed(now) < 1:
            return False
        if self._state is _State.OPEN:
            self._ramp()
        if self._bucket is not None:
            self._bucket.take(now)
            self._unrated = min(self._unrated, self._running)
        self._running += 1
        return True

    def succeeded(self, now: float) -> None:
        """An attempt ended with an answer that shows the subscriber at work: done, or refused for good."""
        self._ended()
        self._row = 0
        if self._state is _State.RAMP:
            self._climb()
        elif self._state is _State.OPEN:
            # A late answer from before it opened: reason enough to probe at once.
            self._probe_at = min(self._probe_at, now)

    def failed(self, now: float) -> None:
        """An attempt ended in a way that is retried."""
        self._ended()
        if not self._breaker:
            if self._state is _State.RAMP:
                self._climb()
            return
        if self._state is _State.OPEN:
            return
        self._row += 1
        if self._state is _State.CLOSED:
            if self._row >= FAILURES:
                self._open(now)
        elif self._row >= min(self._limit, FAILURES):
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
            self._open(now)

    def abandoned(self) -> None:
        """An attempt ended without a result: cut off by shutdown, or found expired or unleased before it was sent. It does not
        count against the rate."""
        if self._bucket is not None and self._unrated == 0:
            self._bucket.give_back()
        self._ended()

    def hold(self, until: float) -> None:
        """Start nothing before ``until`` (Retry-After). A hold is never made shorter."""
        self._held = max(self._held, until)

    def pause(self) -> None:
        """Start nothing until `resume`. What is in flight goes on."""
        self._paused = True

    def resume(self) -> None:
        """End the pause; it begins with one attempt and ramps up, with or without breaker. A hold still counts."""
        if self._paused:
            self._paused = False
            self._row = 0
            self._ramp()

    def configure(self, slots: int, *, breaker: bool) -> None:
        """Follow a changed trigger; what is in flight stays counted."""
        if slots < 1:
            raise ValueError(f"a trigger needs at least one slot, not {slots}")
        self._slots = slots
        self._breaker = breaker
        if self._state is _State.OPEN and not breaker:
            self._ramp()
        if self._state is _State.RAMP and self._limit >= slots:
            self._close()

    def limit(self, rate: Rate | None, now: float) -> None:
        """How many attempts may start per unit of time, None for any number. A changed rate takes over what was left of the old
        one; a new one begins with a single attempt."""
        if rate is None:
            self._bucket = None
        elif self._bucket is None or self._bucket.rate != rate:
            self._bucket = Bucket(rate, now) if self._bucket is None else self._bucket.changed(rate, now)
            self._unrated = self._running

    def _ended(self) -> None:
        if self._running < 1:
            raise RuntimeError("an attempt ended that was not started")
        self._running -= 1

    def _open(self, now: float) -> None:
        self._state = _State.OPEN
        self._probe_at = now + self._pause

    def _ramp(self) -> None:
        self._state = _State.RAMP
        self._limit, self._wins, self._row = 1, 0, 0

    def _climb(self) -> None:
        # Failures between successes don't undo the ramp: a subscriber that fails one in twenty must get its slots back.
        self._wins += 1
        if self._wins >= self._limit:
            self._limit, self._wins = min(self._limit * 2, self._slots), 0
            if self._limit >= self._slots:
                self._close()

    def _close(self) -> None:
        self._state = _State.CLOSED
        self._row = 0
        self._pause = FIRST_PAUSE
