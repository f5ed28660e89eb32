"""The backlog: deliveries that wait, per trigger, durable, found by due time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from eventing.ports.records import Entry, EntryKey, Lane, Position


@dataclass(frozen=True, slots=True)
class BacklogState:
    """One lane of one trigger's backlog. ``entries`` and ``bytes`` (of the events referred to) count leased ones too.
    ``next_due``: the earliest due time among entries that are not leased, None where there are none."""

    trigger: str
    lane: Lane
    entries: int
    bytes: int
    next_due: float | None


@dataclass(frozen=True, slots=True)
class Claim:
    """Claimed entries, and the earliest due time of what is left unleased (None: nothing is left)."""

    entries: Sequence[Entry]
    next_due: float | None


@dataclass(frozen=True, slots=True)
class EntryView:
    """An entry for a person to look at; ``event_id``/``event_type``/``event_source`` name the event."""

    key: EntryKey
    due: float
    attempts: int
    leased: bool
    reason: str
    event_id: str
    event_type: str
    event_source: str


class Backlog(Protocol):
    """Entries come into being, change and end through `Channel.settle` alone, but for `drop`."""

    async def states(self, broker: str) -> Sequence[BacklogState]:
        """Every trigger and lane of the broker with at least one entry. Cost: triggers with entries, not entries."""
        ...

    async def claim(self, broker: str, trigger: str, lane: Lane, limit: int, max_bytes: int, lease_until: float) -> Claim:
        """Lease up to ``limit`` due entries (about ``max_bytes`` of events, one always), earliest due first, then by
        position; each with a token of its own, until ``lease_until`` on the channel's clock.

        An entry under a lease that has not lapsed is never given out; leases of a process known to be dead have lapsed.
        Raises `ChannelUnavailable`, `ChannelClosed`.
        """
        ...

    async def extend(self, broker: str, keys: Sequence[tuple[EntryKey, str]], until: float) -> frozenset[EntryKey]:
        """Prolong leases by token; returns those no longer held."""
        ...

    async def release(self, broker: str, keys: Sequence[tuple[EntryKey, str]]) -> None:
        """Give leased entries back unattempted, due as they were (shutdown, a breaker that opened)."""
        ...

    async def list(self, broker: str, trigger: str, limit: int, after: Position = -1) -> Sequence[EntryView]:
        """A page of entries by position, leased ones included."""
        ...

    async def drop(self, broker: str, trigger: str, limit: int) -> int:
        """Delete up to ``limit`` entries of a trigger that was deleted; returns how many."""
        ...
