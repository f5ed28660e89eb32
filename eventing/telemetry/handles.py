"""Handles: what the owner of a broker, trigger or source adds to. Plain integers, no locks, no look-ups for each event."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from eventing.ports.records import Lane
from eventing.telemetry import names
from eventing.telemetry.histogram import APPEND_BOUNDS, DELIVERY_BOUNDS, Histogram

MAX_OUTCOMES = 32
_WORD = re.compile(r"[a-z][a-z0-9_]{0,39}")


class Words:
    """Counts by a word out of a fixed list; any other word counts as `other`."""

    __slots__ = ("_counts",)

    def __init__(self, allowed: Iterable[str]) -> None:
        self._counts = dict.fromkeys((*allowed, names.OTHER), 0)

    def add(self, word: str, amount: int = 1) -> None:
        self._counts[word if word in self._counts else names.OTHER] += amount

    def absorb(self, other: Words) -> None:
        for word, count in other.items():
            self.add(word, count)

    def items(self) -> Iterable[tuple[str, int]]:
        return self._counts.items()

    def counted(self) -> Iterable[tuple[str, int]]:
        """The words that were counted at least once."""
        return [(word, count) for word, count in self._counts.items() if count]

    @property
    def total(self) -> int:
        return sum(self._counts.values())

    def __getitem__(self, word: str) -> int:
        return self._counts.get(word, 0)


@dataclass(frozen=True, slots=True)
class BrokerGauges:
    """``lag``: events stored and not read. ``window``: events read and not settled."""

    lag: int = 0
    window: int = 0


@dataclass(frozen=True, slots=True)
class TriggerGauges:
    """``backlog``: lane, entries, bytes. ``dead_letters``: letters in the built-in store."""

    in_flight: int = 0
    backlog: tuple[tuple[Lane, int, int], ...] = ()
    dead_letters: int = 0

    @property
    def quiet(self) -> bool:
        """Nothing runs, waits or was given up on."""
        return not (self.in_flight or self.dead_letters or any(entries for _, entries, _ in self.backlog))


class BrokerMetrics:
    """What happens to a broker's events. ``read`` counts the events read from its log by this process (every trigger's
    filtered-out count is derived from it). ``gauges`` is set by the owner and asked on every scrape: it must not block."""

    __slots__ = ("accepted", "append_duration", "gauges", "name", "read", "refused", "unmatched")

    def __init__(self, name: str) -> None:
        self.name = name
        self.accepted = self.read = self.unmatched = 0
        self.refused = Words(names.REFUSED)
        self.append_duration = Histogram(APPEND_BOUNDS)
        self.gauges: Callable[[], BrokerGauges] | None = None

    def refuse(self, reason: str, amount: int = 1) -> None:
        """``reason``: one of `names.REFUSED`."""
        self.refused.add(reason, amount)

    def observe_append(self, seconds: float, requests: int = 1) -> None:
        self.append_duration.observe(seconds, requests)

    def absorb(self, other: BrokerMetrics) -> None:
        self.accepted += other.accepted
        self.unmatched += other.unmatched
        self.refused.absorb(other.refused)
        self.append_duration.absorb(other.append_duration)


class TriggerMetrics:
    """What becomes of the events of one trigger. ``matched``, ``delivered``, ``retries`` and ``expired`` are added to directly.

    ``filtered`` is never counted but derived (DATAPATH 14): events that the broker read while the trigger was Ready, less
    ``matched``. So ``matched`` must be counted together with the broker's ``read``, and `ready`/`not_ready` be called when the
    trigger enters and leaves the set that the reader uses.
    """

    __slots__ = (
        *("broker", "dead_lettered", "delivered", "dropped", "duration", "expired", "failures", "gauges", "matched"),
        *("name", "parked", "replies", "retries", "_ready_at", "_seen"),
    )

    def __init__(self, name: str, broker: BrokerMetrics) -> None:
        self.name = name
        self.broker = broker
        self.matched = self.delivered = self.retries = self.expired = 0
        self.failures = Words(names.FAILURES)
        self.parked = Words(names.PARKED)
        self.dead_lettered = Words(names.DEAD)
        self.dropped = Words(names.DROPPED)
        self.replies = Words(names.REPLIES)
        self.duration = Histogram(DELIVERY_BOUNDS)
        self.gauges: Callable[[], TriggerGauges] | None = None
        self._ready_at: int | None = None
        self._seen = 0

    def ready(self) -> None:
        """The trigger takes part in matching from the next event read. Again while Ready: a no-op."""
        if self._ready_at is None:
            self._ready_at = self.broker.read

    def not_ready(self) -> None:
        """The trigger takes no part any more."""
        self._seen, self._ready_at = self.seen, None

    @property
    def seen(self) -> int:
        """Events read while the trigger was Ready."""
        return self._seen + (0 if self._ready_at is None else self.broker.read - self._ready_at)

    @property
    def filtered(self) -> int:
        return max(0, self.seen - self.matched)

    @property
    def untouched(self) -> bool:
        """Nothing was counted but events seen: not this trigger's nor, from before a restart, its backlog's."""
        words = (self.failures, self.parked, self.dead_lettered, self.dropped, self.replies)
        return not (self.matched or self.delivered or self.retries or self.expired or any(word.total for word in words))

    @property
    def failed(self) -> int:
        return self.failures.total

    def fail(self, reason: str) -> None:
        """An attempt failed. ``reason``: `DeliveryFailed.reason`, `names.status_reason(status)`, or another `names.FAILURES`."""
        self.failures.add(reason)

    def park(self, reason: str) -> None:
        """A delivery moved into the backlog. ``reason``: one of `names.PARKED`."""
        self.parked.add(reason)

    def dead(self, why: str) -> None:
        """A delivery was given up on. ``why``: as in `DeadLetter.why`, one of `names.DEAD`."""
        self.dead_lettered.add(why)

    def drop(self, reason: str, amount: int = 1) -> None:
        """Deliveries ended by a stated policy. ``reason``: one of `names.DROPPED`."""
        self.dropped.add(reason, amount)

    def reply(self, result: str) -> None:
        """A subscriber answered with an event. ``result``: one of `names.REPLIES`."""
        self.replies.add(result)

    def observe(self, seconds: float) -> None:
        """How long an attempt took."""
        self.duration.observe(seconds)

    def absorb(self, other: TriggerMetrics) -> None:
        self._seen += other.seen
        self.matched += other.matched
        self.delivered += other.delivered
        self.retries += other.retries
        self.expired += other.expired
        self.failures.absorb(other.failures)
        self.parked.absorb(other.parked)
        self.dead_lettered.absorb(other.dead_lettered)
        self.dropped.absorb(other.dropped)
        self.replies.absorb(other.replies)
        self.duration.absorb(other.duration)


class SourceMetrics:
    """What a source did. Outcomes are the source's own words, `[a-z][a-z0-9_]*`, at most `MAX_OUTCOMES` of them."""

    __slots__ = ("name", "outcomes")

    def __init__(self, name: str) -> None:
        self.name = name
        self.outcomes: dict[str, int] = {"sent": 0}

    def count(self, outcome: str, amount: int = 1) -> None:
        if outcome not in self.outcomes and (len(self.outcomes) >= MAX_OUTCOMES or not _WORD.fullmatch(outcome)):
            outcome = names.OTHER
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + amount

    def absorb(self, other: SourceMetrics) -> None:
        for outcome, amount in other.outcomes.items():
            self.count(outcome, amount)


@dataclass
class Handles:
    """All handles of one process, by uid. ``channel_ready`` is set by the owner and asked on every scrape, and ``tls_expires``
    where there is TLS: the end of the certificate in force, in seconds since 1970, None where it isn't known."""

    version: str
    brokers: dict[str, BrokerMetrics] = field(default_factory=dict)
    triggers: dict[str, TriggerMetrics] = field(default_factory=dict)
    sources: dict[str, SourceMetrics] = field(default_factory=dict)
    http_refused: Words = field(default_factory=lambda: Words(names.HTTP_REFUSED))
    channel_ready: Callable[[], bool] | None = None
    tls_expires: Callable[[], float | None] | None = None
