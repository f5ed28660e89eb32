"""One lane of one trigger's backlog in memory: entries, their order by due time, their leases."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

from eventing.ports.records import EntryKey, EntryLease, NewEntry, Position


@dataclass(slots=True)
class Waiting:
    """An entry. ``version`` names its place in the order; places in the heap with another one are stale."""

    entry: NewEntry
    size: int
    lease: EntryLease | None = None
    version: int = 0


@dataclass(slots=True)
class LaneStore:
    entries: dict[Position, Waiting] = field(default_factory=dict)
    bytes: int = 0
    _serial: int = 0
    _due: list[tuple[float, Position, int]] = field(default_factory=list)
    _lapses: list[tuple[float, Position, str]] = field(default_factory=list)

    def insert(self, entry: NewEntry, size: int) -> bool:
        """False where it is there already; its lease is taken over then, if nobody holds one."""
        position = entry.key.position
        there = self.entries.get(position)
        if there is not None:
            if entry.lease is not None and there.lease is None:
                self._lease(there, position, entry.lease)
            return False
        waiting = self.entries[position] = Waiting(entry, size)
        self.bytes += size
        self._place(waiting, entry.lease)
        return True

    def change(self, entry: NewEntry) -> None:
        waiting = self.entries[entry.key.position]
        waiting.entry, waiting.lease = entry, None
        self._place(waiting, entry.lease)

    def delete(self, position: Position) -> None:
        self.bytes -= self.entries.pop(position).size

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
        return waiting is not None and waiting.version == place[2] and (waiting.lease is None or waiting.lease.until <= now)
