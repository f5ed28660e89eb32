"""The backlog port; for claims see `claims`."""

# ruff: noqa: S608 (only our own numbers and constants are put into SQL)
from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from eventing.bindings.storage import decode
from eventing.ports.backlog import BacklogState, Claim, EntryView, KeysHeld
from eventing.ports.records import EntryKey, Lane, Position
from eventing_channels.sqlite import entries
from eventing_channels.sqlite.claims import ClaimJob, Look, Taken, Wanted, load, next_due
from eventing_channels.sqlite.detail import decode_detail
from eventing_channels.sqlite.jobs import Job
from eventing_channels.sqlite.leases import Submit
from eventing_channels.sqlite.lines import keys_held
from eventing_channels.sqlite.query import Queries
from eventing_channels.sqlite.schema import LINES
from eventing_channels.sqlite.transaction import Transaction

STATES_STEP = 512
"""Lanes looked at between two transactions."""

LIST_LIMIT = 1000

Held = tuple[EntryKey, str]


class _States(Look):
    """One step over the lanes; the outcome is (states, where to go on or None)."""

    __slots__ = ("_broker", "_start")

    def __init__(self, future: asyncio.Future[Any], broker: str, start: int) -> None:
        super().__init__(future)
        self._broker, self._start = broker, start

    def run(self, tx: Transaction) -> tuple[list[BacklogState], int | None]:
        lanes = list(tx.broker(self._broker).lanes.values())
        end = self._start + STATES_STEP
        states = [
            BacklogState(lane.trigger, Lane(lane.lane), lane.entries, lane.bytes, next_due(tx, lane))
            for lane in lanes[self._start : end]
            if lane.entries
        ]
        return states, end if end < len(lanes) else None


class _Extend(Look):
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


class _Release(Look):
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


class _Where(Look):
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

    async def claim(
        self, broker: str, trigger: str, lane: Lane, limit: int, max_bytes: int, lease_until: float, total: int = 0
    ) -> Claim:
        if limit < 1:
            raise ValueError(f"limit is {limit}, it must be at least 1")
        token = secrets.token_hex(8)

        def give_back(positions: Sequence[Position]) -> None:
            keys = [(EntryKey(trigger, position, lane), f"{token}-{position}") for position in positions]
            self._post(lambda future: _Release(future, broker, keys))

        wanted = Wanted(broker, trigger, lane, limit, max_bytes, lease_until, total)
        taken: Taken = await self._submit(lambda future: ClaimJob(future, wanted, token, give_back))
        if not taken.positions:
            return Claim((), taken.next_due)
        try:
            claimed = await self._queries.run(lambda connection: load(connection, taken, wanted, token))
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
