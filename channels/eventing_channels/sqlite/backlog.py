"""The backlog port. Claims are decided in the writer thread, where the leases are: what it sees is committed, and nothing is
claimed between a settlement's commit and the moment its leases are gone. The events are read by the reading thread."""

# ruff: noqa: S608 (only our own numbers and constants are put into SQL)
from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from eventing.bindings.storage import decode, decode_whole
from eventing.ports.backlog import BacklogState, Claim, EntryView, KeysHeld
from eventing.ports.records import Entry, EntryKey, EntryLease, Lane, Position, Record
from eventing_channels.sqlite import entries
from eventing_channels.sqlite.books import LaneBook
from eventing_channels.sqlite.detail import decode_detail
from eventing_channels.sqlite.jobs import Job
from eventing_channels.sqlite.leases import Submit
from eventing_channels.sqlite.lines import BEHIND, keys_held
from eventing_channels.sqlite.query import Queries
from eventing_channels.sqlite.schema import LINES
from eventing_channels.sqlite.transaction import Transaction

STATES_STEP = 512
"""Lanes looked at between two transactions."""

LIST_LIMIT = 1000

Held = tuple[EntryKey, str]


@dataclass(frozen=True, slots=True)
class _Taken:
    """What a claim leased: the broker's and the lane's number, positions, and the earliest due time left."""

    broker: int
    lane: int
    positions: Sequence[Position]
    next_due: float | None


class _Look(Job):
    """Needs no transaction of its own."""

    __slots__ = ()
    writes: ClassVar[bool] = False


class _Claim(_Look):
    __slots__ = ("_broker", "_lane", "_limit", "_max_bytes", "_release", "_token", "_trigger", "_until")

    def __init__(
        self,
        future: asyncio.Future[Any],
        broker: str,
        trigger: str,
        lane: Lane,
        limit: int,
        max_bytes: int,
        until: float,
        token: str,
        release: Callable[[Sequence[Position]], None],
    ) -> None:
        super().__init__(future)
        self._broker, self._trigger, self._lane, self._limit, self._max_bytes = broker, trigger, lane, limit, max_bytes
        self._until, self._token, self._release = until, token, release

    def run(self, tx: Transaction) -> _Taken:
        broker = tx.broker(self._broker)
        lane = broker.lanes.get((self._trigger, int(self._lane)))
        if lane is None or not lane.entries:
            return _Taken(broker.number, 0, (), None)
        taken: list[tuple[Position, float]] = []
        size = 0
        next_due: float | None = None
        full = False
        lane.lapse(tx.now)
        mark = lane.mark
        for due, position, bytes_ in _waiting(tx.connection, lane):
            lease = lane.leases.get(position)
            if lease is not None and lease.until > tx.now:
                mark = (due, position + 1)
                continue
            full = full or len(taken) >= self._limit or (bool(taken) and size + bytes_ > self._max_bytes)
            if full or due > tx.now:
                mark, next_due = (due, position), None if due == BEHIND else due
                break
            taken.append((position, due))
            size += bytes_
            mark = (due, position + 1)
        lane.mark = mark
        for position, due in taken:
            lane.lease(position, f"{self._token}-{position}", self._until, due)
        return _Taken(broker.number, lane.number, [position for position, _ in taken], next_due)

    def abandoned(self) -> None:
        taken: _Taken = self.outcome
        if taken.positions:
            self._release(taken.positions)


def _waiting(connection: sqlite3.Connection, lane: LaneBook) -> sqlite3.Cursor:
    """The lane's entries from its mark on, in the order of claims. All the columns are in the index."""
    return connection.execute(
        "SELECT due, position, bytes FROM backlog INDEXED BY backlog_due WHERE lane = ? AND (due, position) >= (?, ?)"
        " ORDER BY due, position",
        (lane.number, *lane.mark),
    )


class _States(_Look):
    """One step over the lanes; the outcome is (states, where to go on or None)."""

    __slots__ = ("_broker", "_start")

    def __init__(self, future: asyncio.Future[Any], broker: str, start: int) -> None:
        super().__init__(future)
        self._broker, self._start = broker, start

    def run(self, tx: Transaction) -> tuple[list[BacklogState], int | None]:
        lanes = list(tx.broker(self._broker).lanes.values())
        end = self._start + STATES_STEP
        states = [
            BacklogState(lane.trigger, Lane(lane.lane), lane.entries, lane.bytes, _next_due(tx, lane))
            for lane in lanes[self._start : end]
            if lane.entries
        ]
        return states, end if end < len(lanes) else None


def _next_due(tx: Transaction, lane: LaneBook) -> float | None:
    lane.lapse(tx.now)
    for due, position, _ in _waiting(tx.connection, lane):
        lease = lane.leases.get(position)
        if lease is None or lease.until <= tx.now:
            return None if due == BEHIND else float(due)
    return None


class _Extend(_Look):
    __slots__ = ("_broker", "_keys", "_until")

    def __init__(self, future: asyncio.Future[Any], broker: str, keys: Sequence[Held], until: float) -> None:
        super().__init__(future)
        self._broker, self._keys, self._until = broker, keys, until

    def run(self, tx: Transaction) -> frozenset[EntryKey]:
        lanes = tx.broker(self._broker).lanes
        lost: set[EntryKey] = set()
        for key, token in self._keys:
            lane = lanes.get((key.trigger, int(key.lane)))
            if lane is None or not entries.holds(lane, key.position, token):
                lost.add(key)
                continue
            lane.leases[key.position].until = self._until
            lane.watch(self._until, key.position, token)
        return frozenset(lost)


class _Release(_Look):
    __slots__ = ("_broker", "_keys")

    def __init__(self, future: asyncio.Future[Any], broker: str, keys: Sequence[Held]) -> None:
        super().__init__(future)
        self._broker, self._keys = broker, keys

    def run(self, tx: Transaction) -> None:
        lanes = tx.broker(self._broker).lanes
        for key, token in self._keys:
            lane = lanes.get((key.trigger, int(key.lane)))
            if lane is not None and entries.holds(lane, key.position, token):
                lane.lower(lane.leases.pop(key.position).due, key.position)


class _Drop(Job):
    __slots__ = ("_broker", "_limit", "_trigger")

    def __init__(self, future: asyncio.Future[Any], broker: str, trigger: str, limit: int) -> None:
        super().__init__(future)
        self._broker, self._trigger, self._limit = broker, trigger, limit

    def run(self, tx: Transaction) -> int:
        broker = tx.broker(self._broker)
        dropped = 0
        for which in Lane:
            lane = broker.lanes.get((self._trigger, int(which)))
            if lane is None:
                continue
            rows = tx.execute(
                "SELECT position FROM backlog WHERE lane = ? LIMIT ?", (lane.number, self._limit - dropped)
            ).fetchall()
            for (position,) in rows:
                entries.delete(tx, lane, position)
                entries.release_event(tx, broker, position)
            dropped += len(rows)
        return dropped


class _Where(_Look):
    """The outcome: the broker's number and, of a trigger's two lanes, number and leased positions."""

    __slots__ = ("_broker", "_trigger")

    def __init__(self, future: asyncio.Future[Any], broker: str, trigger: str) -> None:
        super().__init__(future)
        self._broker, self._trigger = broker, trigger

    def run(self, tx: Transaction) -> tuple[int, list[tuple[Lane, int, frozenset[Position]]]]:
        broker = tx.broker(self._broker)
        lanes = ((which, broker.lanes.get((self._trigger, int(which)))) for which in Lane)
        return broker.number, [
            (which, lane.number, frozenset(at for at, lease in lane.leases.items() if lease.until > tx.now))
            for which, lane in lanes
            if lane is not None
        ]


class Post(Protocol):
    """Put a job to the writer thread without waiting; it is dropped where the channel can't take it."""

    def __call__(self, make: Callable[[asyncio.Future[Any]], Job]) -> None: ...


class SqliteBacklog:
    """See `eventing.ports.backlog.Backlog`."""

    def __init__(self, submit: Submit, post: Post, queries: Queries, log: Callable[[str, dict[str, object]], None]) -> None:
        self._submit, self._post, self._queries, self._log = submit, post, queries, log

    async def states(self, broker: str) -> Sequence[BacklogState]:
        states: list[BacklogState] = []
        start: int | None = 0
        while start is not None:
            at = start
            step, start = await self._submit(lambda future, at=at: _States(future, broker, at))  # type: ignore[misc]
            states.extend(step)
        return states

    async def claim(self, broker: str, trigger: str, lane: Lane, limit: int, max_bytes: int, lease_until: float) -> Claim:
        if limit < 1:
            raise ValueError(f"limit is {limit}, it must be at least 1")
        token = secrets.token_hex(8)

        def give_back(positions: Sequence[Position]) -> None:
            keys = [(EntryKey(trigger, position, lane), f"{token}-{position}") for position in positions]
            self._post(lambda future: _Release(future, broker, keys))

        taken: _Taken = await self._submit(
            lambda future: _Claim(future, broker, trigger, lane, limit, max_bytes, lease_until, token, give_back)
        )
        if not taken.positions:
            return Claim((), taken.next_due)
        try:
            claimed = await self._queries.run(lambda connection: _load(connection, taken, trigger, lane, token, lease_until))
        except BaseException:
            give_back(taken.positions)
            raise
        if len(claimed) < len(taken.positions):
            # Dropped with its trigger between the two steps.
            self._log("claimed entries are gone", {"trigger": trigger, "entries": len(taken.positions) - len(claimed)})
        return Claim(claimed, taken.next_due)

    async def extend(self, broker: str, keys: Sequence[Held], until: float) -> frozenset[EntryKey]:
        lost: frozenset[EntryKey] = await self._submit(lambda future: _Extend(future, broker, list(keys), until))
        return lost

    async def release(self, broker: str, keys: Sequence[Held]) -> None:
        await self._submit(lambda future: _Release(future, broker, list(keys)))

    async def keys(self, broker: str, trigger: str, lane: Lane, keys: Sequence[str]) -> KeysHeld:
        return await self._queries.run(lambda connection: keys_held(connection, broker, trigger, int(lane), keys))

    async def list(self, broker: str, trigger: str, limit: int, after: Position = -1) -> Sequence[EntryView]:
        number, lanes = await self._submit(lambda future: _Where(future, broker, trigger))
        return await self._queries.run(
            lambda connection: _page(connection, number, trigger, lanes, min(limit, LIST_LIMIT), after)
        )

    async def drop(self, broker: str, trigger: str, limit: int) -> int:
        dropped: int = await self._submit(lambda future: _Drop(future, broker, trigger, min(limit, LIST_LIMIT)))
        return dropped


def _load(connection: sqlite3.Connection, taken: _Taken, trigger: str, lane: Lane, token: str, until: float) -> list[Entry]:
    claimed: list[Entry] = []
    sql = (
        "SELECT b.due, b.attempts, b.detail, l.appended, l.hops, l.head, l.data"
        f" FROM backlog b JOIN log_{taken.broker} l ON l.position = b.position WHERE b.lane = ? AND b.position = ?"
    )
    for position in taken.positions:
        row = connection.execute(sql, (taken.lane, position)).fetchone()
        if row is None:
            continue
        due, attempts, detail, appended, hops, head, data = row
        key, failure, origin = decode_detail(detail)
        event, headers = decode_whole(head, data)
        record = Record(position, event, hops, appended, headers)
        lease = EntryLease(f"{token}-{position}", until)
        claimed.append(Entry(EntryKey(trigger, position, lane), record, due, attempts, lease, key, failure, origin))
    return claimed


def _page(
    connection: sqlite3.Connection,
    broker: int,
    trigger: str,
    lanes: Sequence[tuple[Lane, int, frozenset[Position]]],
    limit: int,
    after: Position,
) -> list[EntryView]:
    views: list[EntryView] = []
    later_due = "b.later" if connection.execute("PRAGMA user_version").fetchone()[0] >= LINES else "NULL"
    for which, number, leased in lanes:
        rows = connection.execute(
            f"SELECT b.position, b.due, {later_due}, b.attempts, b.detail, l.head"
            f" FROM backlog b JOIN log_{broker} l USING(position)"
            " WHERE b.lane = ? AND b.position > ? ORDER BY b.position LIMIT ?",
            (number, after, limit),
        )
        for position, due, later, attempts, detail, head in rows:
            _, failure, origin = decode_detail(detail)
            event = decode(head, None)
            last = failure or origin
            views.append(
                EntryView(
                    EntryKey(trigger, position, which),
                    due if later is None else later,
                    attempts,
                    position in leased,
                    last.reason if last is not None else "",
                    event.id,
                    event.type,
                    event.source,
                    later is not None,
                )
            )
    views.sort(key=lambda view: (view.key.position, view.key.lane))
    return views[:limit]
