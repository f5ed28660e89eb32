"""What the writer thread keeps in memory beside the file: counters, positions, leases. Loaded at open, changed by its jobs.

Only the writer thread touches it. A job changes it while its transaction is open and notes how to undo that, so that a
rolled back transaction leaves no trace here either.
"""

# ruff: noqa: S608 (only our own numbers and constants are put into SQL)
from __future__ import annotations

import heapq
import sqlite3
from dataclasses import dataclass, field

Line = bytes
"""The digest of an ordering key, see `lines`."""

Mark = tuple[float, int]
"""A place in a lane's order of claims: (due, position)."""

START: Mark = (float("-inf"), -1)

ROW_OVERHEAD = 32
"""Bytes counted per event beside head and payload, so that empty events have a size too."""


@dataclass(slots=True)
class LeaseMark:
    """``due``: the entry's place in the order of claims. ``line``: of an entry that may hold up others of it, else None."""

    token: str
    until: float
    due: float
    line: Line | None = None


@dataclass(slots=True)
class LaneBook:
    """One lane of one trigger. No unleased entry lies before ``mark``, so a claim need not look there."""

    number: int
    broker: int
    trigger: str
    lane: int
    entries: int = 0
    bytes: int = 0
    mark: Mark = START
    leases: dict[int, LeaseMark] = field(default_factory=dict)
    lapses: list[tuple[float, int, str]] = field(default_factory=list)

    def lower(self, due: float, position: int) -> None:
        """An entry may be claimable there (again). Always safe, so it needs no undo."""
        self.mark = min(self.mark, (due, position))

    def lease(self, position: int, token: str, until: float, due: float, line: Line | None = None) -> None:
        self.leases[position] = LeaseMark(token, until, due, line)
        self.watch(until, position, token)

    def watch(self, until: float, position: int, token: str) -> None:
        heapq.heappush(self.lapses, (until, position, token))
        if len(self.lapses) > 64 + 4 * len(self.leases):
            self.lapses = [(lease.until, at, lease.token) for at, lease in self.leases.items()]
            heapq.heapify(self.lapses)

    def lapse(self, now: float) -> None:
        """Make entries whose lease lapsed findable. The lease itself stays until another takes the entry, so that a late
        result isn't lost for nothing."""
        while self.lapses and self.lapses[0][0] <= now:
            _, position, token = heapq.heappop(self.lapses)
            lease = self.leases.get(position)
            if lease is not None and lease.token == token and lease.until <= now:
                self.lower(lease.due, position)


@dataclass(slots=True)
class BrokerBook:
    """``last``: the highest position ever given to an event. ``swept``: see the schema. ``noted``: the file tells up to which
    event the bytes in it are counted, so that they may be behind."""

    number: int
    uid: str
    last: int
    swept: int
    bytes: int
    noted: bool = False
    cursors: dict[str, int] = field(default_factory=dict)
    lanes: dict[tuple[str, int], LaneBook] = field(default_factory=dict)

    @property
    def sweepable(self) -> int:
        """Every group is done up to here."""
        return min(self.cursors.values(), default=self.swept)


@dataclass(slots=True)
class Books:
    """``uncounted``: brokers, by uid, whose counters in the file are behind what was appended. ``version``: of the file's
    format."""

    brokers: dict[str, BrokerBook] = field(default_factory=dict)
    dropped: list[int] = field(default_factory=list)
    dead_bytes: dict[str, int] = field(default_factory=dict)
    dead_counts: dict[str, dict[str, int]] = field(default_factory=dict)
    revision: int = 0
    clock: float = 0.0
    uncounted: dict[str, BrokerBook] = field(default_factory=dict)
    version: int = 1

    @property
    def waiting(self) -> bool:
        """Is there any backlog entry?"""
        return any(lane.entries for broker in self.brokers.values() for lane in broker.lanes.values())


def load(connection: sqlite3.Connection, former: Books | None = None) -> Books:
    """Read the books. ``former``: from before the file was opened again within this process; its leases still hold."""
    books = Books()
    books.version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    books.clock = float(connection.execute("SELECT value FROM meta WHERE name = 'clock'").fetchone()[0])
    books.revision = int(connection.execute("SELECT coalesce(max(version), 0) FROM documents").fetchone()[0])
    by_number: dict[int, BrokerBook] = {}
    for number, uid, swept, size, dropped in connection.execute(
        "SELECT number, uid, swept, bytes, dropped FROM brokers"
    ).fetchall():
        if dropped:
            if _exists(connection, number):
                books.dropped.append(number)
            continue
        highest = connection.execute(f"SELECT max(position) FROM log_{number}").fetchone()[0]
        more = _uncounted(connection, number, size)
        last = max(swept, highest if highest is not None else 0)
        book = BrokerBook(number, uid, last, swept, size + (more or 0), more is not None)
        books.brokers[uid] = by_number[number] = book
        if more:
            books.uncounted[uid] = book
    for number, name, position in connection.execute("SELECT broker, name, position FROM cursors"):
        if number in by_number:
            by_number[number].cursors[name] = position
    counters = {
        lane: (entries, size)
        for lane, entries, size in connection.execute(
            "SELECT lane, count(*), sum(bytes) FROM backlog INDEXED BY backlog_due GROUP BY lane"
        )
    }
    for number, broker, trigger, lane in connection.execute("SELECT number, broker, trigger, lane FROM lanes"):
        if broker in by_number:
            entries, size = counters.get(number, (0, 0))
            by_number[broker].lanes[(trigger, lane)] = LaneBook(number, broker, trigger, lane, entries, size)
    for broker_uid, trigger, letters, size in connection.execute(
        "SELECT broker, trigger, count(*), sum(bytes) FROM dead_letters INDEXED BY dead_page GROUP BY broker, trigger"
    ):
        books.dead_counts.setdefault(broker_uid, {})[trigger] = letters
        books.dead_bytes[broker_uid] = books.dead_bytes.get(broker_uid, 0) + size
    if former is not None:
        _carry_leases(connection, former, books)
    return books


def counted(broker: BrokerBook) -> tuple[str, tuple[str, str]]:
    """The statement that notes up to which event the broker's bytes in the file are counted. They are in the note too: where
    they differ, a program that doesn't know it has counted since."""
    return "INSERT OR REPLACE INTO meta VALUES(?, ?)", (f"counted:{broker.number}", f"{broker.last} {broker.bytes}")


def _uncounted(connection: sqlite3.Connection, number: int, size: int) -> int | None:
    """Bytes appended since the broker's were counted last; None where that isn't noted, and all of them are counted."""
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (f"counted:{number}",)).fetchone()
    if row is None:
        return None
    position, bytes_ = map(int, row[0].split())
    if bytes_ != size:
        return None
    row = connection.execute(
        f"SELECT count(*), sum(length(head) + coalesce(length(data), 0)) FROM log_{number} WHERE position > ?", (position,)
    ).fetchone()
    return int(row[0]) * ROW_OVERHEAD + int(row[1] or 0)


def _exists(connection: sqlite3.Connection, number: int) -> bool:
    row = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (f"log_{number}",)).fetchone()
    return row is not None


def _carry_leases(connection: sqlite3.Connection, former: Books, books: Books) -> None:
    for uid, broker in books.brokers.items():
        old = former.brokers.get(uid)
        if old is None:
            continue
        for key, lane in broker.lanes.items():
            before = old.lanes.get(key)
            for position, lease in before.leases.items() if before is not None else ():
                row = connection.execute(
                    "SELECT due FROM backlog WHERE lane = ? AND position = ?", (lane.number, position)
                ).fetchone()
                if row is not None:
                    lane.lease(position, lease.token, lease.until, row[0], lease.line)
