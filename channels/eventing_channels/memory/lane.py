"""One lane of one trigger's backlog in memory: entries, their order by due time, their leases, their lines by ordering key."""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections.abc import Iterator
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
    """``lines``: the positions of entries with an ordering key, by key, in order. ``last``: no position was ever higher.
    ``_runs``: of each key, those that were leased while they were behind; their leases may have lapsed."""

    entries: dict[Position, Waiting] = field(default_factory=dict)
    bytes: int = 0
    lines: dict[str, list[Position]] = field(default_factory=dict)
    last: Position = -1
    _runs: dict[str, set[Position]] = field(default_factory=dict)
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

    def change(self, entry: NewEntry, now: float) -> float | None:
        """A leased entry waits again. The due time of an entry that may be claimed because of it, else None."""
        position = entry.key.position
        waiting = self.entries[position]
        waiting.entry = replace(entry, ordering_key=waiting.entry.ordering_key)
        freed = self._unlease(waiting, now)
        line = self.lines.get(waiting.entry.ordering_key) if waiting.entry.ordering_key is not None else None
        step_back = line is not None and not waiting.behind and line[0] != position
        waiting.behind = waiting.behind or step_back
        self._place(waiting, entry.lease)
        return self._to_front(line[0], now) if step_back and line is not None else freed

    def delete(self, position: Position, now: float) -> float | None:
        """The due time of an entry that may be claimed because of it, None where there is none."""
        gone = self.entries[position]
        freed = self._unlease(gone, now)
        del self.entries[position]
        self.bytes -= gone.size
        key = gone.entry.ordering_key
        if key is None:
            return None
        line = self.lines[key]
        del line[bisect_left(line, position)]
        if not line:
            del self.lines[key]
            return None
        return freed if gone.behind else self._to_front(line[0], now)

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

    def _to_front(self, position: Position, now: float) -> float | None:
        waiting = self.entries[position]
        waiting.behind = False
        self._place(waiting, None)
        return waiting.entry.due if waiting.lease is None or waiting.lease.until <= now else None

    def _unlease(self, waiting: Waiting, now: float) -> float | None:
        """The due time of the front of its line, which may have waited for this lease."""
        waiting.lease = None
        key = waiting.entry.ordering_key
        if key is None:
            return None
        run = self._runs.get(key)
        if run is not None:
            run.discard(waiting.entry.key.position)
            if not run:
                del self._runs[key]
        return self._let_go(key, now) if waiting.behind else None

    def _let_go(self, key: str, now: float) -> float | None:
        """The front of a line may be free now: back into the order with it."""
        front = next((waiting for at in self.lines[key] if not (waiting := self.entries[at]).behind), None)
        if front is None or (front.lease is not None and front.lease.until > now):
            return None
        self._place(front, None)
        return front.entry.due

    def _runs_on(self, key: str | None, but: Position, now: float) -> bool:
        """Whether another entry of the line is leased."""
        run = self._runs.get(key) if key is not None else None
        if run is None:
            return False
        leases = (self.entries[at].lease for at in run if at != but)
        return any(lease is not None and lease.until > now for lease in leases)

    def held(self, key: EntryKey, token: str) -> Waiting | None:
        """The entry, where this token still holds it."""
        waiting = self.entries.get(key.position)
        return waiting if waiting is not None and waiting.lease is not None and waiting.lease.token == token else None

    def extend(self, waiting: Waiting, position: Position, until: float) -> None:
        assert waiting.lease is not None
        self._lease(waiting, position, EntryLease(waiting.lease.token, until))

    def give_back(self, waiting: Waiting, now: float) -> None:
        self._unlease(waiting, now)
        self._place(waiting, None)

    def next_due(self, now: float) -> float | None:
        self._lapse(now)
        while self._due and not self._is_free(self._due[0], now):
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else None

    def take(self, now: float, limit: int, max_bytes: int, token: str, until: float, total: int) -> list[Waiting]:
        taken: list[Waiting] = []
        size = 0
        while len(taken) < limit:
            due = self.next_due(now)
            if due is None or due > now:
                break
            position = self._due[0][1]
            waiting = self.entries[position]
            if taken and size + waiting.size > max_bytes:
                break
            size += waiting.size
            heapq.heappop(self._due)
            self._lease(waiting, position, EntryLease(f"{token}-{position}", until))
            taken.append(waiting)
        if total <= len(taken):
            return taken
        return self._with_runs(taken, total - len(taken), max_bytes - size, now, EntryLease(token, until))

    def _with_runs(self, fronts: list[Waiting], more: int, max_bytes: int, now: float, lease: EntryLease) -> list[Waiting]:
        taken: list[Waiting] = []
        share = max(1, more // len(fronts)) if fronts else 0
        for front in fronts:
            taken.append(front)
            for waiting in self._followers(front, min(share, more), now):
                max_bytes -= waiting.size
                if max_bytes < 0:
                    break
                position = waiting.entry.key.position
                self._lease(waiting, position, EntryLease(f"{lease.token}-{position}", lease.until))
                taken.append(waiting)
                more -= 1
        return taken

    def _followers(self, front: Waiting, limit: int, now: float) -> Iterator[Waiting]:
        key, position = front.entry.ordering_key, front.entry.key.position
        if key is None or front.entry.attempts:
            return
        line = self.lines[key]
        start = bisect_left(line, position) + 1
        for at in line[start : start + limit]:
            waiting = self.entries[at]
            leased = waiting.lease is not None and waiting.lease.until > now
            if leased or not waiting.behind or waiting.entry.due > now:
                return
            yield waiting

    def _place(self, waiting: Waiting, lease: EntryLease | None) -> None:
        self._serial += 1
        waiting.version = self._serial
        if not waiting.behind:
            heapq.heappush(self._due, (waiting.entry.due, waiting.entry.key.position, waiting.version))
        if lease is not None:
            self._lease(waiting, waiting.entry.key.position, lease)

    def _lease(self, waiting: Waiting, position: Position, lease: EntryLease) -> None:
        waiting.lease = lease
        if waiting.behind and waiting.entry.ordering_key is not None:
            self._runs.setdefault(waiting.entry.ordering_key, set()).add(position)
        heapq.heappush(self._lapses, (lease.until, position, lease.token))

    def _lapse(self, now: float) -> None:
        """Put entries whose lease lapsed back into the order. The lease stays until another takes the entry."""
        while self._lapses and self._lapses[0][0] <= now:
            _, position, token = heapq.heappop(self._lapses)
            waiting = self.entries.get(position)
            if waiting is not None and waiting.lease is not None and waiting.lease.token == token and waiting.lease.until <= now:
                self._place(waiting, None)
                if waiting.behind and waiting.entry.ordering_key is not None:
                    self._let_go(waiting.entry.ordering_key, now)

    def _is_free(self, place: tuple[float, Position, int], now: float) -> bool:
        waiting = self.entries.get(place[1])
        if waiting is None or waiting.behind or waiting.version != place[2]:
            return False
        if waiting.lease is not None and waiting.lease.until > now:
            return False
        return not self._runs or not self._runs_on(waiting.entry.ordering_key, place[1], now)
