"""When the next attempt is due, or why there is none (DATAPATH 5)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

from eventing.policy.delivery import DeliveryPolicy

EXHAUSTED = "exhausted"
EXPIRED_AGE = "expired_age"

# Beyond these the delay is over every cap; they only keep the arithmetic finite.
_MOST_DOUBLINGS = 64
_MOST_STEPS = 2**40


@dataclass(frozen=True, slots=True)
class Retry:
    """``due``: not before, on the clock of the ``now`` given."""

    due: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """``why``: `exhausted` or `expired_age`, as in `ports.records.DeadLetter`."""

    why: str


Step: TypeAlias = Retry | GiveUp


def delay_after(policy: DeliveryPolicy, attempts: int) -> float:
    """Seconds between the end of attempt number ``attempts`` and the next one: linear d, 2d, 3d; exponential d, 2d, 4d; at
    most ``policy.cap``. Raises `ValueError` below 1."""
    if attempts < 1:
        raise ValueError(f"attempts are counted from 1, not {attempts}")
    delay = min(policy.delay, policy.cap)
    if policy.backoff == "linear":
        delay *= min(attempts, _MOST_STEPS)
    else:
        delay = math.ldexp(delay, min(attempts - 1, _MOST_DOUBLINGS))
    return min(delay, policy.cap)


def obeyed(policy: DeliveryPolicy, retry_after: float | None) -> float:
    """How many seconds of a Retry-After are obeyed: at most ``policy.retry_after_max``; 0 where it is off or there is none.
    The trigger holds that long (DATAPATH 6)."""
    return 0.0 if retry_after is None else max(0.0, min(retry_after, policy.retry_after_max))


def too_old(policy: DeliveryPolicy, appended: float, now: float) -> bool:
    """Whether the event has reached ``policy.max_age``; a clock set back makes nothing old."""
    return now - appended >= policy.max_age


def next_step(policy: DeliveryPolicy, attempts: int, appended: float, now: float, retry_after: float | None) -> Step:
    """What follows a failed attempt that may be retried.

    ``attempts``: counted so far, this one included. ``appended``: when the event was stored. ``retry_after``: seconds, from
    an answer on which it counts (`outcome.heeds_retry_after`), else None. With ``policy.retry`` there are exactly
    ``retry`` + 1 attempts, whatever the event's age; without it they go on until the event is ``max_age`` old. The wait is
    max(backoff, min(retry_after, retry_after_max)). Raises `ValueError` where ``attempts`` is below 1.
    """
    wait = max(delay_after(policy, attempts), obeyed(policy, retry_after))
    if policy.retry is None:
        if too_old(policy, appended, now):
            return GiveUp(EXPIRED_AGE)
    elif attempts > policy.retry:
        return GiveUp(EXHAUSTED)
    return Retry(now + wait)
