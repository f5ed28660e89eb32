"""One lane of one trigger's backlog in memory: entries, their order by due time, their leases, their lines by ordering key."""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from dataclasses import dataclass, field

from msgspec.structs import replace

from eventing.ports.records import EntryKey, EntryLease, NewEntry, Position


@dataclass(slots=True)
class Waiting:
    """An entry. ``version`` names its place in the order; places in the heap with another one are stale. ``behind``: it waits for
    an earlier one with its ordering key."""

    entry: NewEntry
    size: int
    lease: EntryLease | None = None
    version: int = 0
    behind: bool = False


@dataclass(slots=True)
class LaneStore:
    """``lines``: the positions of entries with an ordering key, by key, in order. ``last``: no position was ever higher."""

    entries: dict[Position, Waiting] = field(default_factory=dict)
    bytes: int = 0
    lines: dict[str, list[Position]] = field(default_factory=dict)
    last: Position = -1
    _serial: int = 0
    _due: list[tuple[float, Position, int]] = field(default_factory=list)
    _lapses: list[tuple[float, Position, str]] = field(default_factory=list)

    def insert(self, entry: NewEntry, size: int, now: float) -> bool:
        """False where it is there already; its lease is taken over then, if nobody holds one."""
        position = entry.key.position
        there = self.entries.get(position)
        if there is not None:
            if entry.lease is not None and there.lease is None:
                self._lease(there, position, entry.lease)
            return False
        waiting = self.entries[position] = Waiting(entry, size)
        self.bytes += size
        self.last = max(self.last, position)
        if entry.ordering_key is not None:
            waiting.behind = self._line_up(entry.ordering_key, position, now)
        self._place(waiting, entry.lease)
        return True

    def change(self, entry: NewEntry) -> float | None:
        """A leased entry waits again. The due time of an entry that came to the front instead of it, else None."""
        position = entry.key.position
        waiting = self.entries[position]
        waiting.entry, waiting.lease = replace(entry, ordering_key=waiting.entry.ordering_key), None
        line = self.lines.get(waiting.entry.ordering_key) if waiting.entry.ordering_key is not None else None
        step_back = line is not None and not waiting.behind and line[0] != position
        waiting.behind = waiting.behind or step_back
        self._place(waiting, entry.lease)
        return self._to_front(line[0]) if step_back and line is not None else None

    def delete(self, position: Position) -> float | None:
        """The due time of the entry that comes to the front now, None where none does."""
        gone = self.entries.pop(position)
        self.bytes -= gone.size
        key = gone.entry.ordering_key
        if key is None:
            return None
        line = self.lines[key]
        del line[bisect_left(line, position)]
        if not line:
            del self.lines[key]
            return None
        return None if gone.behind else self._to_front(line[0])

    def _line_up(self, key: str, position: Position, now: float) -> bool:
        """Put a new entry into its key's line; whether it waits behind another one."""
        line = self.lines.setdefault(key, [])
        insort(line, position)
        if line[0] != position:
            return True
        front = next((at for at in line if at != position and not self.entries[at].behind), None)
        if front is None:
            return False
        there = self.entries[front]
        if there.lease is not None and there.lease.until > now:
            return True
        there.behind = True
        return False

    def _to_front(self, position: Position) -> float:
        waiting = self.entries[position]
        waiting.behind = False
        self._place(waiting, None)
        return waiting.entry.due

    def held(self, key: EntryKey, token: str) -> Waiting | None:
        """The entry, where this token still holds it."""
        waiting = self.entries.get(key.position)
        return waiting if waiting is not None and waiting.lease is not None and waiting.lease.token == token else None

    def extend(self, waiting: Waiting, position: Position, until: float) -> None:
        assert waiting.lease is not None
        self._lease(waiting, position, EntryLease(waiting.lease.token, until))

    def give_back(self, waiting: Waiting) -> None:
        waiting.lease = None
        self._place(waiting, None)

    def next_due(self, now: float) -> float | None:
        self._lapse(now)
        while self._due and not self._is_free(self._due[0], now):
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else None

    def take(self, now: float, limit: int, max_bytes: int, token: str, until: float) -> list[Waiting]:
        taken: list[Waiting] = []
        size = 0
        while len(taken) < limit:
            due = self.next_due(now)
            if due is None or due > now:
                break
            position = self._due[0][1]
            waiting = self.entries[position]
            size += waiting.size
            if taken and size > max_bytes:
                break
            heapq.heappop(self._due)
            self._lease(waiting, position, EntryLease(f"{token}-{position}", until))
            taken.append(waiting)
        return taken

    def _place(self, waiting: Waiting, lease: EntryLease | None) -> None:
        self._serial += 1
        waiting.version = self._serial
        if not waiting.behind:
            heapq.heappush(self._due, (waiting.entry.due, waiting.entry.key.position, waiting.version))
        if lease is not None:
            self._lease(waiting, waiting.entry.key.position, lease)

    def _lease(self, waiting: Waiting, position: Position, lease: EntryLease) -> None:
        waiting.lease = lease
        heapq.heappush(self._lapses, (lease.until, position, lease.token))

    def _lapse(self, now: float) -> None:
        """Put entries whose lease lapsed back into the order. The lease stays until another takes the entry."""
        while self._lapses and self._lapses[0][0] <= now:
            _, position, token = heapq.heappop(self._lapses)
            waiting = self.entries.get(position)
            if waiting is not None and waiting.lease is not None and waiting.lease.token == token and waiting.lease.until <= now:
                self._place(waiting, None)

    def _is_free(self, place: tuple[float, Position, int], now: float) -> bool:
        waiting = self.entries.get(place[1])
        if waiting is None or waiting.behind or waiting.version != place[2]:
            return False
        return waiting.lease is None or waiting.lease.until <= now
