"""Claims. They are decided in the writer thread, where the leases are: what it sees is committed, and nothing is claimed between
a settlement's commit and the moment its leases are gone. The events are read by the reading thread."""

# ruff: noqa: S608 (only our own numbers are put into SQL)
from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from eventing.bindings.storage import decode_whole
from eventing.ports.records import Entry, EntryKey, EntryLease, Lane, Position, Record
from eventing_channels.sqlite import lines
from eventing_channels.sqlite.books import LaneBook
from eventing_channels.sqlite.detail import decode_detail
from eventing_channels.sqlite.jobs import Job
from eventing_channels.sqlite.lines import BEHIND
from eventing_channels.sqlite.transaction import Transaction


class Look(Job):
    """Needs no transaction of its own."""

    __slots__ = ()
    writes: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """The arguments of a claim, see `Backlog.claim`."""

    broker: str
    trigger: str
    lane: Lane
    limit: int
    max_bytes: int
    until: float
    total: int


@dataclass(frozen=True, slots=True)
class Taken:
    """What a claim leased: the broker's and the lane's number, positions in the answer's order, and the earliest due time left.
    ``later``: of those behind another one, when they are due."""

    broker: int
    lane: int
    positions: Sequence[Position]
    next_due: float | None
    later: Mapping[Position, float] = field(default_factory=dict)


class ClaimJob(Look):
    """``release`` is told what was leased for nobody, because whoever asked has gone."""

    __slots__ = ("_release", "_token", "_wanted")

    def __init__(
        self, future: asyncio.Future[Any], wanted: Wanted, token: str, release: Callable[[Sequence[Position]], None]
    ) -> None:
        super().__init__(future)
        self._wanted, self._token, self._release = wanted, token, release

    def run(self, tx: Transaction) -> Taken:
        wanted = self._wanted
        broker = tx.broker(wanted.broker)
        lane = broker.lanes.get((wanted.trigger, int(wanted.lane)))
        if lane is None or not lane.entries:
            return Taken(broker.number, 0, (), None)
        taken: list[tuple[Position, float]] = []
        size = 0
        next_due: float | None = None
        full = False
        lane.lapse(tx.now)
        leased = lines.leased(tx, lane)
        mark = lane.mark
        held_up: tuple[float, Position] | None = None
        for due, position, bytes_ in _waiting(tx.connection, lane):
            lease = lane.leases.get(position)
            if lease is not None and lease.until > tx.now:
                mark = (due, position + 1)
                continue
            full = full or len(taken) >= wanted.limit or (bool(taken) and size + bytes_ > wanted.max_bytes)
            if full or due > tx.now:
                mark, next_due = (due, position), None if due == BEHIND else due
                break
            if leased and lines.line_of(tx, lane, position) in leased:
                held_up = held_up or (due, position)
                continue
            taken.append((position, due))
            size += bytes_
            mark = (due, position + 1)
        lane.mark = mark if held_up is None else min(mark, held_up)
        for position, due in taken:
            lane.lease(position, f"{self._token}-{position}", wanted.until, due)
        fronts = [position for position, _ in taken]
        if wanted.total <= len(fronts) or tx.books.version < lines.LINES:
            return Taken(broker.number, lane.number, fronts, next_due)
        return self._with_runs(tx, lane, Taken(broker.number, lane.number, fronts, next_due), wanted.max_bytes - size)

    def _with_runs(self, tx: Transaction, lane: LaneBook, fronts: Taken, max_bytes: int) -> Taken:
        """The fronts, each with its run. Runs come after all fronts: they take no bytes from them."""
        more = self._wanted.total - len(fronts.positions)
        share = max(1, more // len(fronts.positions)) if fronts.positions else 0
        positions: list[Position] = []
        later: dict[Position, float] = {}
        for front in fronts.positions:
            positions.append(front)
            line, run = lines.behind(tx, lane, front, min(share, more))
            if line is not None:
                lane.leases[front].line = line
            for position, due, bytes_ in run:
                max_bytes -= bytes_
                if max_bytes < 0:
                    break
                lane.lease(position, f"{self._token}-{position}", self._wanted.until, BEHIND, line)
                positions.append(position)
                later[position] = due
                more -= 1
        return Taken(fronts.broker, fronts.lane, positions, fronts.next_due, later)

    def abandoned(self) -> None:
        taken: Taken = self.outcome
        if taken.positions:
            self._release(taken.positions)


def _waiting(connection: sqlite3.Connection, lane: LaneBook) -> sqlite3.Cursor:
    """The lane's entries from its mark on, in the order of claims. All the columns are in the index."""
    return connection.execute(
        "SELECT due, position, bytes FROM backlog INDEXED BY backlog_due WHERE lane = ? AND (due, position) >= (?, ?)"
        " ORDER BY due, position",
        (lane.number, *lane.mark),
    )


def next_due(tx: Transaction, lane: LaneBook) -> float | None:
    """The earliest due time among entries that are neither leased nor behind another one."""
    lane.lapse(tx.now)
    leased = lines.leased(tx, lane)
    for due, position, _ in _waiting(tx.connection, lane):
        lease = lane.leases.get(position)
        if lease is None or lease.until <= tx.now:
            if due == BEHIND:
                return None
            if not leased or lines.line_of(tx, lane, position) not in leased:
                return float(due)
    return None


def load(connection: sqlite3.Connection, taken: Taken, wanted: Wanted, token: str) -> list[Entry]:
    """The claimed entries with their events, in a read transaction. Those that were dropped since are left out."""
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
        lease = EntryLease(f"{token}-{position}", wanted.until)
        due = taken.later.get(position, due)
        claimed.append(Entry(EntryKey(wanted.trigger, position, wanted.lane), record, due, attempts, lease, key, failure, origin))
    return claimed
