"""A delivery from its slot to its settlement: attempt, verdict, books."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from eventing.bindings.dead_letter import with_error
from eventing.dispatch.dead_letters import DeadLetterCount
from eventing.dispatch.lane import DeliveryLane
from eventing.dispatch.runs import cut_off, extend
from eventing.dispatch.sender import Attempt, Encoded, Sender
from eventing.dispatch.settler import Result, Settler
from eventing.dispatch.under_way import UnderWay
from eventing.dispatch.verdict import NOTHING, Verdict, give_up, judge
from eventing.dispatch.work import Work
from eventing.errors import ChannelUnavailable
from eventing.http.client_connection import Answered, ClientConnection
from eventing.policy.expiry import expired
from eventing.policy.outcome import Outcome
from eventing.policy.retry import obeyed
from eventing.ports.channel import Channel
from eventing.ports.records import DeadLetter, EntryResult, Failure, Lane, NewEntry
from eventing.resources.plan import Target
from eventing.telemetry.logs import Log

if TYPE_CHECKING:
    from eventing.dispatch.ordering import Orderer

FAULT_POINTS: tuple[str, ...] = ("deliver.answered",)
"""Steps at which a crash test may end the process (`ChannelContext.fault`): answered, and nothing of it settled."""


STORE_FULL_PAUSE = 60.0
MARGIN = 10.0
"""Seconds a lease outlives the attempt's time-out."""


class Deliverer:
    """Shared by all lanes of a broker. ``lane_of`` finds the lane an entry moves to; ``dead``: how full the
    built-in dead-letter store is; ``backlog_bytes``: what may be owed to one lane; ``spawn`` starts a task that the
    broker watches."""

    def __init__(
        self,
        sender: Sender,
        broker: str,
        channel: Channel,
        settler: Settler,
        lane_of: Callable[[str, Lane], DeliveryLane | None],
        log: Log,
        *,
        monotonic: Callable[[], float],
        wall: Callable[[], float],
        fault: Callable[[str], None],
        dead: DeadLetterCount,
        backlog_bytes: int,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        orderer: Orderer,
    ) -> None:
        self._orderer = orderer
        self._spawn = spawn
        self._under_way: set[UnderWay] = set()
        self._ended: asyncio.Future[None] | None = None
        self._dead = dead
        self._backlog_bytes = backlog_bytes
        self._sender = sender
        self._broker = broker
        self._channel = channel
        self._settler = settler
        self._lane_of = lane_of
        self._log = log
        self._monotonic = monotonic
        self._wall = wall
        self._fault = fault

    # From its slot to its answer.

    def start(self, work: Work) -> None:
        """Run one delivery to its end, whatever happens: its event is never lost by it. At the end of it `DeliveryLane.ended` is
        called, it may be from within. Most are sent from here and end in `_answered`; a task is made where there is something to
        wait for before that."""
        lane = work.lane
        now = self._monotonic()
        if not lane.gate.start(now):
            self._put_back(work, lane.gate.reason(now) or "breaker")
            lane.ended(work)
            return
        event = work.record.event
        if expired(event, self._wall()):
            lane.gate.abandoned()
            lane.metrics.expired += 1
            self._end(work, NOTHING)
            lane.ended(work)
            return
        plan = lane.plan
        target = plan.subscriber if lane.kind is Lane.SUBSCRIBER else plan.dead_letter
        if target is None:
            # The sink was taken out of the trigger since: the built-in store is what is left.
            lane.gate.abandoned()
            self._finish(work, None, self._without_sink(work))
            lane.ended(work)
            return
        work.running = True
        timeout = plan.policy.timeout
        under_way = UnderWay(self, work, plan, target, now)
        self._under_way.add(under_way)
        if work.until is None or self._channel.now() + timeout <= work.until:
            work.deadline = now + timeout
            if under_way.begin():
                return
            self.spawn(under_way.attempt())
        else:
            self.spawn(under_way.attempt_leased())

    @property
    def under_way(self) -> int:
        """Deliveries that were started and have not ended."""
        return len(self._under_way)

    async def quiet(self) -> None:
        """Until no delivery is under way."""
        while self._under_way:
            if self._ended is None:
                self._ended = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._ended)

    def abort(self) -> None:
        """The broker's tasks go: what is under way is cut off, and gives back what it holds."""
        cut_off, self._under_way = self._under_way, set()
        for under_way in cut_off:
            under_way.cancel()
            under_way.work.lane.gate.abandoned()
            under_way.work.lane.cut_off(under_way.work)
        self._tell_quiet()

    def ended(self, under_way: UnderWay) -> None:
        """One came to its end."""
        if under_way not in self._under_way:
            return
        self._under_way.discard(under_way)
        under_way.work.lane.ended(under_way.work)
        self._tell_quiet()

    def _tell_quiet(self) -> None:
        if self._ended is not None and not self._under_way:
            self._ended.set_result(None)
            self._ended = None

    def begin(self, under_way: UnderWay) -> ClientConnection | None:
        """Send it, if that needs no waiting."""
        work, plan = under_way.work, under_way.plan
        try:
            return self._sender.begin(
                self._message(work),
                work.record.hops,
                under_way.target,
                under_way.answered,
                format_=plan.format,
                namespace=plan.namespace.encode(),
                timeout=plan.policy.timeout,
                asks_reply=work.lane.kind is Lane.SUBSCRIBER,
            )
        except Exception:  # noqa: BLE001 - `attempt` comes to the same, and tells of it
            return None

    def answered(self, under_way: UnderWay, answered: Answered) -> None:
        """An exchange that `begin` began came to its end; not `ClosedUnanswered`."""
        work = under_way.work
        asks_reply = work.lane.kind is Lane.SUBSCRIBER
        try:
            attempt = self._sender.judge(answered, under_way.target.url, under_way.began, asks_reply=asks_reply)
        except Exception as error:  # noqa: BLE001 - a fault of ours is an attempt that failed
            attempt = self._internal(work, under_way.target, error)
        self.attempted(under_way, attempt)

    def attempted(self, under_way: UnderWay, attempt: Attempt) -> None:
        """The books of an attempt: counted, judged, settled."""
        self._fault("deliver.answered")
        work = under_way.work
        lane = work.lane
        if work.attempts:
            lane.metrics.retries += 1
        self._tell_gate(lane, attempt)
        if attempt.outcome is Outcome.DONE and attempt.reply is None and not attempt.unasked:
            lane.metrics.observe(attempt.seconds)
            lane.metrics.delivered += 1
            self._end(work, NOTHING)
            return
        verdict = judge(
            attempt,
            key=work.key,
            record=work.record,
            attempts=work.attempts,
            origin=work.origin,
            ordering_key=work.ordering_key,
            plan=lane.plan,
            now=self._channel.now(),
        )
        self._finish(work, attempt, verdict)

    def _finish(self, work: Work, attempt: Attempt | None, verdict: Verdict) -> None:
        lane = work.lane
        verdict = self._bounded(work, verdict)
        if verdict.dead and not self._dead.has_room():
            # The built-in store evicts nothing: the trigger waits until someone made room (DATAPATH 7).
            lane.gate.hold(self._monotonic() + STORE_FULL_PAUSE)
            self._put_back(work, "store_full")
            return
        if attempt is not None:
            self._count(work, attempt, verdict)
        if verdict.dropped or verdict.dropped_reply == "hop_limit":
            self._log.warning(
                "the hop count ran out: brokers, triggers or replies go round in a circle",
                trigger=lane.metrics.name,
                event_id=work.record.event.id,
                dropped="event" if verdict.dropped else "reply",
            )
        if verdict.why:
            self._log.warning(
                "an event was given up on",
                trigger=lane.metrics.name,
                lane=lane.kind.name.lower(),
                why=verdict.why,
                event_id=work.record.event.id,
                reason=attempt.failure.reason if attempt is not None and attempt.failure else "",
                to="dead letter sink" if verdict.then is not None else "built-in store",
            )
        self._end(work, verdict)

    def _bounded(self, work: Work, verdict: Verdict) -> Verdict:
        """What is owed to a dead-letter sink is bounded too (DATAPATH 9): beyond it the built-in store takes the letter."""
        then = verdict.then
        if then is None or then.key.lane is work.lane.kind or then.origin is None:
            return verdict
        to = self._lane_of(then.key.trigger, then.key.lane)
        if to is None or to.bytes + work.size <= self._backlog_bytes or not self._dead.has_room():
            return verdict
        letter = DeadLetter.of(work.record, work.key.trigger, verdict.why, (then.origin,), work.attempts + 1, then.due)
        return Verdict(dead=(letter,), why=verdict.why)

    async def leased(self, work: Work, timeout: float) -> bool:
        """Prolong the entry's lease so that it outlasts an attempt: a policy with a longer time-out may have come since it was
        claimed, or it waited long. False: it is not ours any more, or nobody knows; nothing was sent."""
        until = self._channel.now() + timeout + MARGIN
        try:
            ours, cut = await extend(self._channel, self._broker, work, until)
        except ChannelUnavailable:
            self._put_back(work, "slow")
            return False
        self._give_back(work.lane, cut)
        return ours

    def _give_back(self, lane: DeliveryLane, works: Sequence[Work]) -> None:
        if works:
            self.spawn(cut_off(self._channel, self._broker, lane, works, self._log))

    def _tell_gate(self, lane: DeliveryLane, attempt: Attempt) -> None:
        now = self._monotonic()
        if attempt.outcome is Outcome.RETRY:
            lane.gate.failed(now)
        else:
            lane.gate.succeeded(now)
        if attempt.retry_after is not None:
            wait = obeyed(lane.plan.policy, attempt.retry_after)
            if wait > 0:
                lane.gate.hold(now + wait)

    async def attempt(self, under_way: UnderWay, began: float | None = None) -> Attempt:
        """``began``: when it was sent over a connection that had been closed."""
        work, plan = under_way.work, under_way.plan
        try:
            return await self._sender.attempt(
                self._message(work),
                work.record.hops,
                under_way.target,
                format_=plan.format,
                namespace=plan.namespace.encode(),
                timeout=plan.policy.timeout,
                asks_reply=work.lane.kind is Lane.SUBSCRIBER,
                began=began,
            )
        except (Exception, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise
            return self._internal(work, under_way.target, error)

    def _internal(self, work: Work, target: Target, error: BaseException) -> Attempt:
        self._log.error("a delivery failed inside", trigger=work.lane.metrics.name, error=type(error).__name__)
        failure = Failure(target.url, 0, f"internal error {type(error).__name__}")
        return Attempt(Outcome.RETRY, 0.0, failure=failure, reason="internal")

    def failed(self, error: BaseException) -> None:
        """What must not happen did: the broker's owner sees it."""

        async def fail() -> None:
            raise error

        self.spawn(fail())

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """A task of the broker's."""
        try:
            self._spawn(work)
        except RuntimeError:  # the broker ends, and with it all that is under way
            work.close()

    @staticmethod
    def _message(work: Work) -> Encoded:
        if work.origin is None:
            return work.message
        return Encoded(with_error(work.record.event, work.origin), work.record.headers)

    def _put_back(self, work: Work, why: str) -> None:
        """The trigger may not deliver now: back into the backlog, unattempted."""
        work.lane.metrics.park(why)
        if not work.lane.ordered:
            work.lane.behind = True
        entry = NewEntry(work.key, self._channel.now(), work.attempts, None, work.ordering_key, work.failure, work.origin)
        self._end(work, Verdict(then=entry))

    def _without_sink(self, work: Work) -> Verdict:
        failure = work.failure or Failure("", 0, "the trigger has no dead-letter sink any more")
        lane = work.lane
        return give_up(
            "no_sink",
            failure,
            key=work.key,
            record=work.record,
            attempts=work.attempts,
            origin=work.origin,
            plan=lane.plan,
            now=self._channel.now(),
        )

    def _count(self, work: Work, attempt: Attempt, verdict: Verdict) -> None:
        metrics = work.lane.metrics
        metrics.observe(attempt.seconds)
        if verdict.dropped:
            metrics.drop("hop_limit")
        elif attempt.outcome is Outcome.DONE:
            metrics.delivered += 1
        else:
            metrics.fail(attempt.reason)
        if verdict.replies:
            metrics.reply("stored")
        if verdict.dropped_reply:
            metrics.reply(verdict.dropped_reply)
        if verdict.why and work.lane.kind is Lane.SUBSCRIBER:
            metrics.dead(verdict.why)
        elif verdict.then is not None and work.token is None:
            metrics.park("retry")

    def _end(self, work: Work, verdict: Verdict) -> None:
        lane = work.lane
        if verdict.dead:
            self._dead.coming(verdict.dead)
        to = None
        if verdict.then is not None:
            to = lane if verdict.then.key.lane is lane.kind else self._lane_of(work.key.trigger, verdict.then.key.lane)
        if work.token is not None:
            result = EntryResult(work.key, work.token, verdict.then, verdict.replies, verdict.dead)
            if work.ordering_key is None:
                lane.held.pop(work.key, None)
                self._settler.result(Result(result, lane, to, work.size))
                return
            self._settler.result(Result(result, lane, to, work.size, work))
            if lane.runs is not None:
                if to is lane:
                    self._give_back(lane, lane.runs.cut(work))
                else:
                    lane.runs.ended(work)
            return
        flight = work.flight
        assert flight is not None
        if work.ordering_key is not None and verdict.then is not None and to is lane:
            self._orderer.put_back(work, verdict.then)
            return
        work.flight = None
        if verdict.then is not None:
            flight.handovers.append((verdict.then, to or lane))
        if verdict.replies:
            flight.replies.extend(verdict.replies)
            self._settler.grow(flight, sum(reply.size for reply in verdict.replies))
        flight.dead.extend(verdict.dead)
        flight.pending -= 1
        if flight.pending == 0:
            self._settler.flight(flight)
        if work.ordering_key is not None:
            self._orderer.ended(work)
