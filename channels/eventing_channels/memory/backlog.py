"""The backlog port on lanes in memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from eventing.ports.backlog import BacklogState, Claim, EntryView, KeysHeld
from eventing.ports.records import Entry, EntryKey, EntryLease, Lane, Position
from eventing_channels.memory.lane import LaneStore, Waiting
from eventing_channels.memory.log import LogStore


class MemoryBacklog:
    """See `eventing.ports.backlog.Backlog`."""

    def __init__(self, log: Callable[[str], LogStore], now: Callable[[], float]) -> None:
        self._log, self._now = log, now
        self._tokens = itertools.count(1)

    async def states(self, broker: str) -> Sequence[BacklogState]:
        now = self._now()
        return [
            BacklogState(trigger, Lane(lane), len(store.entries), store.bytes, store.next_due(now))
            for (trigger, lane), store in self._log(broker).lanes.items()
            if store.entries
        ]

    async def claim(
        self, broker: str, trigger: str, lane: Lane, limit: int, max_bytes: int, lease_until: float, total: int = 0
    ) -> Claim:
        if limit < 1:
            raise ValueError(f"limit is {limit}, it must be at least 1")
        log, now = self._log(broker), self._now()
        store = log.lanes.get((trigger, int(lane)))
        if store is None:
            return Claim((), None)
        taken = store.take(now, limit, max_bytes, f"c{next(self._tokens)}", lease_until, total)
        return Claim([_entry(log, waiting) for waiting in taken], store.next_due(now))

    async def extend(self, broker: str, keys: Sequence[tuple[EntryKey, str]], until: float) -> frozenset[EntryKey]:
        lost: set[EntryKey] = set()
        for key, store, waiting in self._held(broker, keys):
            if store is None or waiting is None:
                lost.add(key)
            else:
                store.extend(waiting, key.position, until)
        return frozenset(lost)

    async def release(self, broker: str, keys: Sequence[tuple[EntryKey, str]]) -> None:
        for _, store, waiting in self._held(broker, keys):
            if store is not None and waiting is not None:
                store.give_back(waiting, self._now())

    async def keys(self, broker: str, trigger: str, lane: Lane, keys: Sequence[str]) -> KeysHeld:
        store = self._log(broker).lanes.get((trigger, int(lane)))
        if store is None or not store.entries:
            return KeysHeld(frozenset(), None)
        return KeysHeld(frozenset(key for key in keys if key in store.lines), store.last)

    async def list(self, broker: str, trigger: str, limit: int, after: Position = -1) -> Sequence[EntryView]:
        log, now = self._log(broker), self._now()
        views: list[EntryView] = []
        for lane in Lane:
            store = log.lanes.get((trigger, int(lane)), LaneStore())
            for position, waiting in store.entries.items():
                if position > after:
                    event, entry = log.records[position].event, waiting.entry
                    last = entry.failure or entry.origin
                    leased = waiting.lease is not None and waiting.lease.until > now
                    reason = last.reason if last is not None else ""
                    views.append(
                        EntryView(
                            entry.key,
                            entry.due,
                            entry.attempts,
                            leased,
                            reason,
                            event.id,
                            event.type,
                            event.source,
                            waiting.behind,
                        )
                    )
        views.sort(key=lambda view: (view.key.position, view.key.lane))
        return views[:limit]

    async def drop(self, broker: str, trigger: str, limit: int) -> int:
        log = self._log(broker)
        dropped = 0
        for lane in Lane:
            store = log.lanes.get((trigger, int(lane)), LaneStore())
            for position in list(itertools.islice(store.entries, limit - dropped)):
                store.delete(position, self._now())
                log.release(position)
                dropped += 1
        return dropped

    def _held(
        self, broker: str, keys: Sequence[tuple[EntryKey, str]]
    ) -> Sequence[tuple[EntryKey, LaneStore | None, Waiting | None]]:
        lanes = self._log(broker).lanes
        found = []
        for key, token in keys:
            store = lanes.get((key.trigger, int(key.lane)))
            found.append((key, store, store.held(key, token) if store is not None else None))
        return found


def _entry(log: LogStore, waiting: Waiting) -> Entry:
    entry = waiting.entry
    lease = waiting.lease or EntryLease("", 0.0)
    record = log.records[entry.key.position]
    return Entry(entry.key, record, entry.due, entry.attempts, lease, entry.ordering_key, entry.failure, entry.origin)
