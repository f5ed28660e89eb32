"""The values that cross the storage ports. Immutable, backend-free.

Those made for each event are structs of msgspec, which cost a tenth of a frozen dataclass. None can be part of a cycle, so
the garbage collector needs not look at them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import force_setattr

from eventing.event import Event
from eventing.kinds.uri import without_token

Position: TypeAlias = int
"""Where the channel put an event: unique in its broker, never used twice, opaque to callers. A backend
packs its own coordinates into it (SQLite the row, Redis milliseconds and sequence, Kafka partition and offset)."""

MAX_HOPS = 255
"""Hop count of an event that entered from outside (Knative's default for `knativebrokerttl`)."""

PassedHeaders: TypeAlias = tuple[tuple[bytes, bytes], ...]
"""HTTP headers that came with an event and go on with it, name in lower case and value (`policy.pass_through`)."""


class NewRecord(Struct, frozen=True, gc=False):
    """An event on its way into a broker's log. ``hops``: how many more brokers it may pass; ``headers``: what goes along with
    each of its deliveries. Both are kept beside the event."""

    event: Event
    hops: int = MAX_HOPS
    headers: PassedHeaders = ()

    @property
    def size(self) -> int:
        """Approximate bytes it holds in memory."""
        return size_of(self.event, self.headers)


class Record(Struct, frozen=True, gc=False):
    """An event read from a broker's log. ``appended``: when it was stored, seconds since the epoch on the channel's clock.
    ``headers`` as in `NewRecord`."""

    position: Position
    event: Event
    hops: int
    appended: float
    headers: PassedHeaders = ()

    @property
    def size(self) -> int:
        """Approximate bytes it holds in memory."""
        return size_of(self.event, self.headers)


def size_of(event: Event, headers: PassedHeaders) -> int:
    """Approximate bytes that an event and the headers beside it hold in memory."""
    size = event.size
    if headers:
        for name, value in headers:
            size += len(name) + len(value) + 8
    return size


class Lane(IntEnum):
    """Which delivery an entry stands for: to the subscriber, or of a dead letter to its sink (DATAPATH 7)."""

    SUBSCRIBER = 0
    DEAD_LETTER = 1


class Failure(Struct, frozen=True, gc=False):
    """Why a delivery failed last. ``destination``: the URL tried, without an access token. ``code``: the HTTP status, 0 where
    there was no answer. ``reason``: one line for people. ``body``: the first bytes of the answer, at most 1,024.
    ``extensions``: attributes that the answer asks to have on the dead letter (`bindings.dead_letter`)."""

    destination: str
    code: int
    reason: str
    body: bytes = b""
    extensions: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        # It is kept, shown, and told to the dead-letter sink, which may belong to someone else.
        force_setattr(self, "destination", without_token(self.destination))


class EntryKey(Struct, frozen=True, gc=False):
    """Identity of a backlog entry: inserting the same key twice is a no-op."""

    trigger: str
    position: Position
    lane: Lane = Lane.SUBSCRIBER


class EntryLease(Struct, frozen=True, gc=False):
    """Proof that an attempt is under way. ``token`` is unique per claim; ``until`` on the channel's clock."""

    token: str
    until: float


class NewEntry(Struct, frozen=True, gc=False):
    """A delivery that waits, or that runs on after its event left the window (then ``lease`` is set).

    ``attempts``: attempts already counted. ``due``: not before, seconds since the epoch on the channel's clock.
    ``failure``: the last one in this lane. ``origin``: in the dead-letter lane, why the subscriber's delivery ended.
    ``ordering_key``: with it the entry stands in line, see `ports.backlog`; an entry keeps the one it came with.
    """

    key: EntryKey
    due: float
    attempts: int = 0
    lease: EntryLease | None = None
    ordering_key: str | None = None
    failure: Failure | None = None
    origin: Failure | None = None


class Entry(Struct, frozen=True, gc=False):
    """A claimed backlog entry with the event it refers to. ``origin``: in the dead-letter lane, why the subscriber's
    delivery ended; ``failure``: why the last attempt in this lane failed."""

    key: EntryKey
    record: Record
    due: float
    attempts: int
    lease: EntryLease
    ordering_key: str | None = None
    failure: Failure | None = None
    origin: Failure | None = None


class DeadLetter(Struct, frozen=True, gc=False):
    """An event given up on for one trigger, kept in the built-in store with a copy of the event.

    ``failures``: the subscriber's, then the dead-letter sink's if one was tried. ``why``: `exhausted`, `refused`,
    `expired_age`, `backlog_full`, ... a short stable word. ``headers``: those beside the event, see `NewRecord`.
    """

    trigger: str
    position: Position
    event: Event
    why: str
    failures: Sequence[Failure]
    attempts: int
    at: float
    headers: PassedHeaders = ()

    @classmethod
    def of(cls, record: Record, trigger: str, why: str, failures: Sequence[Failure], attempts: int, at: float) -> DeadLetter:
        """The letter of this record: all that is kept of it."""
        return cls(trigger, record.position, record.event, why, failures, attempts, at, record.headers)

    @property
    def size(self) -> int:
        """Approximate bytes it holds in memory, without the failures."""
        return size_of(self.event, self.headers)


class EntryResult(Struct, frozen=True, gc=False):
    """How a leased attempt ended: compare-and-set on ``token``, all of it or nothing.

    ``then``: what the entry becomes. The same key with new attempts and due time (a retry), another lane's key
    (on to the dead-letter sink), or None (it is done and goes).
    """

    key: EntryKey
    token: str
    then: NewEntry | None = None
    replies: Sequence[NewRecord] = ()
    dead: Sequence[DeadLetter] = ()


@dataclass(frozen=True, slots=True)
class Settlement:
    """One atomic step (DATAPATH 1): all of it becomes durable together, or none.

    ``done``: events read through ``group`` that need nothing more from it: each matching trigger's delivery ended,
    or is in ``handovers`` here or earlier. The channel moves its cursor from these.
    ``results``: each one conditional on its own lease, see `EntryResult`.
    ``replies``/``dead``: what direct deliveries of ``done`` events caused.
    ``prompt``: reading waits for the room that it makes. Without it a channel may put off what only moves the cursor for some
    milliseconds, so that it shares a durable write.
    """

    done: Sequence[Position] = ()
    handovers: Sequence[NewEntry] = ()
    replies: Sequence[NewRecord] = ()
    dead: Sequence[DeadLetter] = ()
    results: Sequence[EntryResult] = ()
    group: str = "main"
    fence: Fence | None = None
    prompt: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """What a settlement did not change, and what it moved beside what it says. ``lost``: results whose lease was no longer held
    (someone else has the entry). ``known``: dead letters, as (trigger, position), that the store had already: an event above the
    cursor is read and refused again after a crash. ``behind``: hand-overs that wait behind an earlier entry with their ordering
    key. ``fronts``: by trigger and lane, the earliest due time of the entries that this settlement brought to the front of their
    line."""

    lost: frozenset[EntryKey] = field(default_factory=frozenset)
    known: frozenset[tuple[str, Position]] = field(default_factory=frozenset)
    behind: frozenset[EntryKey] = field(default_factory=frozenset)
    fronts: Mapping[tuple[str, Lane], float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fence:
    """A lease by name with its fencing token; a call that carries a stale one raises `errors.Fenced`."""

    lease: str
    token: int
