"""What becomes of a delivery after an attempt: pure, the same for direct deliveries and backlog entries."""

from __future__ import annotations

from dataclasses import dataclass

from eventing.dispatch.sender import Attempt
from eventing.policy import pass_through
from eventing.policy.outcome import Outcome
from eventing.policy.retry import Retry, next_step
from eventing.ports.records import DeadLetter, EntryKey, Failure, Lane, NewEntry, NewRecord, Record
from eventing.resources.plan import TriggerPlan


@dataclass(frozen=True, slots=True)
class Verdict:
    """``then``: the backlog entry that takes over; ``why``: how it ended where it ended badly (`exhausted`, `refused` ...);
    ``dropped_reply``: a reply was not routed, and why. ``dropped``: the event ends here, its hop count ran out (DATAPATH 8); on
    its way to a dead-letter sink it goes to the built-in store instead, for a dead letter does not vanish."""

    then: NewEntry | None = None
    replies: tuple[NewRecord, ...] = ()
    dead: tuple[DeadLetter, ...] = ()
    why: str = ""
    dropped_reply: str = ""
    dropped: bool = False


NOTHING = Verdict()
"""It ended, and leaves nothing behind."""


def judge(
    attempt: Attempt,
    *,
    key: EntryKey,
    record: Record,
    attempts: int,
    origin: Failure | None,
    ordering_key: str | None,
    plan: TriggerPlan,
    now: float,
) -> Verdict:
    """``attempts``: those counted before this one; ``now``: the channel's clock."""
    if attempt.outcome is Outcome.DONE:
        if attempt.unasked:
            return Verdict(dropped_reply="from_dead_letter_sink")
        if attempt.reply is None:
            return NOTHING
        # The reply has the cause's count less one, whatever it carries itself (DATAPATH 8).
        if record.hops <= 1:
            return Verdict(dropped_reply="hop_limit")
        headers = pass_through.of_reply(attempt.reply_headers, record.headers)
        return Verdict(replies=(NewRecord(attempt.reply, record.hops - 1, headers),))
    assert attempt.failure is not None
    if attempt.hop_limited and key.lane is Lane.SUBSCRIBER:
        return Verdict(dropped=True)
    if attempt.outcome is Outcome.REFUSED:
        why = "refused"
    else:
        step = next_step(plan.policy, attempts + 1, record.appended, now, attempt.retry_after)
        if isinstance(step, Retry):
            return Verdict(then=NewEntry(key, step.due, attempts + 1, None, ordering_key, attempt.failure, origin))
        why = step.why
    return give_up(why, attempt.failure, key=key, record=record, attempts=attempts + 1, origin=origin, plan=plan, now=now)


def give_up(
    why: str,
    failure: Failure,
    *,
    key: EntryKey,
    record: Record,
    attempts: int,
    origin: Failure | None,
    plan: TriggerPlan,
    now: float,
) -> Verdict:
    """To the dead-letter sink; from there, or without one, to the built-in store: a dead letter never loops (DATAPATH 7)."""
    if key.lane is Lane.SUBSCRIBER and plan.dead_letter is not None:
        lane_key = EntryKey(key.trigger, key.position, Lane.DEAD_LETTER)
        return Verdict(then=NewEntry(lane_key, now, origin=failure), why=why)
    failures = (failure,) if origin is None else (origin, failure)
    letter = DeadLetter.of(record, key.trigger, why, failures, attempts, now)
    return Verdict(dead=(letter,), why=why)
