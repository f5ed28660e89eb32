"""The backlog: deliveries that wait, per trigger, durable, found by due time.

Entries with an ordering key stand in line (DATAPATH 12): of those with one key in one lane only the first, by position, can be
claimed by itself; the others are *behind* it. When the first goes (it is done, dead-lettered, on to another lane, dropped) the
next one comes to the front in the same step, due when it would have been. An entry handed over with a position lower than the
front's takes the front's place, unless the front is leased: then it comes next. So callers hand over the events of a key in
order, or before they claim.

A claim may lease a *run*: the front of a line and entries that follow it directly, for a caller that delivers them one after
the other. The store keeps them apart from everyone else: while one entry of a line is leased, no other claim gets any of the
line, whichever it is and whatever became of those before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from eventing.ports.records import Entry, EntryKey, Lane, Position


@dataclass(frozen=True, slots=True)
class BacklogState:
    """One lane of one trigger's backlog. ``entries`` and ``bytes`` (of the events referred to) count leased ones too.
    ``next_due``: the earliest due time among entries that are neither leased nor behind another one, None where there are
    none."""

    trigger: str
    lane: Lane
    entries: int
    bytes: int
    next_due: float | None


@dataclass(frozen=True, slots=True)
class Claim:
    """Claimed entries, and the earliest due time of what is left unleased and not behind another one (None: nothing is left)."""

    entries: Sequence[Entry]
    next_due: float | None


@dataclass(frozen=True, slots=True)
class EntryView:
    """An entry for a person to look at; ``event_id``/``event_type``/``event_source`` name the event. ``behind``: an earlier event
    with its ordering key comes first; ``due`` counts once that is gone."""

    key: EntryKey
    due: float
    attempts: int
    leased: bool
    reason: str
    event_id: str
    event_type: str
    event_source: str
    behind: bool = False


@dataclass(frozen=True, slots=True)
class KeysHeld:
    """``held``: of the ordering keys asked for, those with an entry, leased ones included. ``last``: no entry of the lane has a
    higher position; None where the lane has no entries at all, with or without a key."""

    held: frozenset[str]
    last: Position | None


class Backlog(Protocol):
    """Entries come into being, change and end through `Channel.settle` alone, but for `drop`."""

    async def states(self, broker: str) -> Sequence[BacklogState]:
        """Every trigger and lane of the broker with at least one entry. Cost: triggers with entries, not entries."""
        ...

    async def claim(
        self, broker: str, trigger: str, lane: Lane, limit: int, max_bytes: int, lease_until: float, total: int = 0
    ) -> Claim:
        """Lease up to ``limit`` due entries (about ``max_bytes`` of events, one always), earliest due first, then by
        position; each with a token of its own, until ``lease_until`` on the channel's clock. Never one that is behind another.

        Where ``total`` is more than these, the rest of it may go to entries behind them, shared out evenly: each front that no
        attempt was counted for is followed in the answer by its run, in order, without a gap, of entries that are due. A channel
        may always leave that out. Whoever gets a run must not begin with an entry before the one ahead of it has ended for good,
        gives back what it doesn't come to (`release`), and extends the leases of what is left of a run together.

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

    async def keys(self, broker: str, trigger: str, lane: Lane, keys: Sequence[str]) -> KeysHeld:
        """Which of these ordering keys have entries. It sees at least all that was settled before the call.

        Cost: keys asked for, not keys or entries there are. Raises `ChannelUnavailable`, `ChannelClosed`.
        """
        ...

    async def list(self, broker: str, trigger: str, limit: int, after: Position = -1) -> Sequence[EntryView]:
        """A page of entries by position, leased ones included."""
        ...

    async def drop(self, broker: str, trigger: str, limit: int) -> int:
        """Delete up to ``limit`` entries of a trigger that was deleted; returns how many."""
        ...
