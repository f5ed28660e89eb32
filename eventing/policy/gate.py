"""What a trigger may start now: its slots behind a pause, a Retry-After hold and a circuit breaker (DATAPATH 3, 5, 6).

    closed --20 failures in a row--> open --pause over--> ramp (1 probe, then 2, 4, ... slots) --all slots--> closed
                                      ^                    |
                                      +--failures in a row-+   the pause doubles from 1 s to 60 s

Every method takes ``now``, seconds on a monotonic clock; nothing here looks at a clock or waits.
"""

from __future__ import annotations

from enum import Enum
from typing import Literal

SLOTS = 64
FAILURES = 20
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0

_NEVER = float("-inf")

Reason = Literal["paused", "retry_after", "breaker"]


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

    __slots__ = ("_breaker", "_held", "_limit", "_pause", "_paused", "_probe_at", "_row", "_running", "_slots", "_state", "_wins")

    def __init__(self, slots: int = SLOTS, *, breaker: bool) -> None:
        if slots < 1:
            raise ValueError(f"a trigger needs at least one slot, not {slots}")
        self._slots = slots
        self._breaker = breaker
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
            return max(0, self._slots - self._running)
        if self._state is _State.RAMP:
            return max(0, self._limit - self._running)
        # What still runs since before the breaker opened ends first: its results must not be taken for the probe's.
        return 1 if self._running == 0 and now >= self._probe_at else 0

    def next_change(self, now: float) -> float | None:
        """When to look again, if nothing else happens before: the moment until which `allowed` stays what it is. None where
        time alone changes nothing, but only a result or `resume`."""
        if self._paused:
            return None
        until = max(self._held, self._probe_at if self._state is _State.OPEN else _NEVER)
        return until if until > now else None

    def reason(self, now: float) -> Reason | None:
        """What keeps events parked at ``now``; None where only the slots bound it."""
        if self._paused:
            return "paused"
        if now < self._held:
            return "retry_after"
        return "breaker" if self._state is _State.OPEN else None

    def start(self, now: float) -> bool:
        """Take a slot for one attempt. False: it must not start, and nothing changed."""
        if self.allowed(now) < 1:
            return False
        if self._state is _State.OPEN:
            self._ramp()
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
        """An attempt ended without a result: cut off by shutdown, or found expired or unleased before it was sent."""
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
