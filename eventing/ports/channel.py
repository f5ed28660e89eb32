"""The channel: a durable log per broker, read through groups, ended by settling.

Beside the log every channel carries the other ports (`backlog`, `dead_letters`, `checkpoints`, `leases`, `documents`),
because one step must be able to change several of them at once. docs/adr/0001-ports.md holds each call against
SQLite, Redis and Kafka.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from eventing.ports.backlog import Backlog
from eventing.ports.checkpoints import Checkpoints
from eventing.ports.dead_letters import DeadLetters
from eventing.ports.documents import Documents
from eventing.ports.leases import Leases
from eventing.ports.records import NewRecord, Position, Record, Settled, Settlement


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend can do; the conformance suite and the table in the docs are driven by it.

    ``durable``: survives `kill -9` and a reopening. ``shared``: several processes may open it at once.
    ``ordered``: positions of one broker are read in the order they were stored. ``runs``: a claim leases several entries of one
    ordering key, where it is asked for them.
    """

    durable: bool
    shared: bool
    ordered: bool
    runs: bool = False


@dataclass(frozen=True, slots=True)
class Health:
    """``ready``: appends are taken. ``reason``/``message``: a condition's reason (CamelCase) and text where not.
    ``durability``: in plain words, which level is in force."""

    ready: bool
    durability: str
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class ChannelContext:
    """What the composition root hands to the factory ``open_channel(url, context)`` of an `eventing.channels` entry point.

    ``wall``: seconds since the epoch; ``log``: one line for the operator, with fields (never payloads); ``fault``: called
    with the name of each step on the way to durability, so that crash tests can end the process exactly there.
    """

    data_dir: Path
    wall: Callable[[], float] = time.time
    log: Callable[[str, dict[str, object]], None] = field(default=lambda _message, _fields: None)
    fault: Callable[[str], None] = field(default=lambda _step: None)


class Reader(Protocol):
    """One consumer of a broker's log in a group. Every stored event is given out once to the group (again after a
    crash, if it was not settled), in the broker's order where the channel is ``ordered``."""

    async def read(self, limit: int, max_bytes: int) -> Sequence[Record]:
        """Wait for at least one event, then give at most ``limit`` events and about ``max_bytes`` bytes (one event always).

        Cancelling it gives nothing out. What was given out and not settled comes again after a restart.
        Raises `ChannelUnavailable` (try again), `ChannelClosed`, `ChannelCorrupt`.
        """
        ...

    def passed(self, position: Position) -> bool:
        """Whether this reader has come past that position: it gave the event out, or the group was done with it before."""
        ...

    def wanted(self) -> int:
        """Events stored and not yet given out, as far as this process knows: the lag, for metrics."""
        ...

    async def close(self) -> None:
        """Give up this reader; what it gave out and did not settle is for the next reader of the group."""
        ...


class Channel(Protocol):
    """A storage backend, opened once per process.

    Brokers are named by uid. A broker's log comes into being with `ensure_broker`; every call for an unknown one
    raises `KeyError`.
    """

    capabilities: Capabilities
    backlog: Backlog
    dead_letters: DeadLetters
    checkpoints: Checkpoints
    leases: Leases
    documents: Documents

    async def open(self) -> None:
        """Take ownership, recover, be ready. Raises `ChannelBusy`, `ChannelCorrupt`, `ChannelUnsupported`, `ChannelUnavailable`,
        `InvalidSetting`."""
        ...

    async def close(self) -> None:
        """Finish what was accepted for writing, refuse what is new, let go. Idempotent."""
        ...

    def now(self) -> float:
        """The clock of due times, seconds since the epoch. It never goes back, not over a restart either (DATAPATH 13)."""
        ...

    def health(self) -> Health:
        """As last seen, without I/O."""
        ...

    async def ensure_broker(self, broker: str) -> None:
        """Create the broker's log and its group `main` if they aren't there."""
        ...

    async def drop_broker(self, broker: str) -> None:
        """Delete the broker's log, backlog and groups. Dead letters stay."""
        ...

    def append(self, broker: str, records: Sequence[NewRecord]) -> asyncio.Future[Sequence[Position]]:
        """Store events, all or nothing; the future is done once they are durable.

        Concurrent appends share one durable write. The future fails with `ChannelFull` or `ChannelUnavailable`, also when
        it waited 5 s or when too many bytes wait already; then nothing is promised about the events (a sender that repeats
        may store them twice, never lose them). Cancelling the future does not undo the append. After `close` began:
        `ChannelClosed`.
        """
        ...

    async def reader(self, broker: str, group: str = "main") -> Reader:
        """Open the group's reader; a new group starts at the oldest retained event. One per group and process at a time."""
        ...

    async def settle(self, broker: str, settlement: Settlement) -> Settled:
        """Make the settlement durable in one step and move the group's cursor past what is done.

        Calls for one broker and group are made one after the other, by the caller. After an error its outcome is unknown and
        the caller repeats the same settlement until it succeeds, before any other of this broker: repeating is safe (hand-overs
        and dead letters are identified, results are compared-and-set, a reply may then exist twice).
        Uses the reserve where the store is full. Raises `ChannelUnavailable`, `Fenced`, `ChannelClosed`.
        """
        ...

    async def trim(self, broker: str) -> int:
        """Delete events that nobody needs (DATAPATH 9): below every group's cursor, in no backlog entry, older than the
        retention. Returns how many. The channel also does it by itself."""
        ...
