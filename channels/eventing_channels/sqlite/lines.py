"""Lines of entries with the same ordering key (DATAPATH 12): who stands at the front, who is behind. All of it is in the file.

A row's `line` is the digest of its key (NULL without one). The front of a line has its due time in `due`, where claims look for
it; the others have `BEHIND` there and their own due time in `later`. A file gets these columns with its first entry that has a
key.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence

from eventing.ports.backlog import KeysHeld
from eventing.ports.records import Position
from eventing_channels.sqlite import schema
from eventing_channels.sqlite.books import LaneBook
from eventing_channels.sqlite.transaction import Transaction

BEHIND = float("inf")
"""The due time of what can't be claimed because another entry of its key comes first."""


LINES = schema.LINES


def digest(key: str) -> bytes:
    """An ordering key as it stands in the index: of one size, however long the key is."""
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def raise_format(tx: Transaction) -> None:
    """Make the file one that has lines, in the transaction of the first entry that needs them (DATAPATH 15)."""
    if tx.books.version >= schema.LINES:
        return
    for statement in schema.ADD_LINES:
        tx.execute(statement)
    former = tx.books.version
    tx.books.version = schema.LINES
    tx.undo(lambda: setattr(tx.books, "version", former))


def place(tx: Transaction, lane: LaneBook, line: bytes, position: Position, due: float) -> tuple[float, float | None]:
    """`due` and `later` of a new entry in its line. The front steps behind where the new one comes before it and no attempt on
    the front is under way."""
    row = tx.execute(
        "SELECT position, later FROM backlog INDEXED BY backlog_line WHERE lane = ? AND line = ? ORDER BY position LIMIT 1",
        (lane.number, line),
    ).fetchone()
    if row is None:
        return due, None
    if row[0] < position:
        return BEHIND, due
    front = row[0] if row[1] is None else _front(tx, lane, line)
    lease = lane.leases.get(front)
    if lease is not None and lease.until > tx.now:
        return BEHIND, due
    tx.execute("UPDATE backlog SET later = due, due = ? WHERE lane = ? AND position = ?", (BEHIND, lane.number, front))
    return due, None


def first(tx: Transaction, lane: LaneBook, line: bytes) -> Position:
    """The lowest position of a line that has any."""
    row = tx.execute(
        "SELECT position FROM backlog INDEXED BY backlog_line WHERE lane = ? AND line = ? ORDER BY position LIMIT 1",
        (lane.number, line),
    ).fetchone()
    return int(row[0])


def _front(tx: Transaction, lane: LaneBook, line: bytes) -> Position:
    """Not the first of its line only where that came in while an attempt on the front was under way."""
    row = tx.execute(
        "SELECT position FROM backlog INDEXED BY backlog_line WHERE lane = ? AND line = ? AND later IS NULL", (lane.number, line)
    ).fetchone()
    return int(row[0]) if row is not None else -1


def advance(tx: Transaction, lane: LaneBook, line: bytes) -> None:
    """The front of the line is gone, or steps back: the first one comes to the front, due when it would have been."""
    row = tx.execute(
        "SELECT position, later FROM backlog INDEXED BY backlog_line WHERE lane = ? AND line = ? ORDER BY position LIMIT 1",
        (lane.number, line),
    ).fetchone()
    if row is None:
        return
    position, due = row
    if due is None:
        return
    tx.execute("UPDATE backlog SET due = later, later = NULL WHERE lane = ? AND position = ?", (lane.number, position))
    lease = lane.leases.get(position)
    if lease is not None:
        lease.due = due
    lane.lower(due, position)
    _tell(tx, lane, position, due)


def freed(tx: Transaction, lane: LaneBook, line: bytes) -> None:
    """An entry behind the front was given back or is gone: it may be all that the front waited for."""
    row = tx.execute(
        "SELECT position, due FROM backlog INDEXED BY backlog_line WHERE lane = ? AND line = ? AND later IS NULL"
        " ORDER BY position LIMIT 1",
        (lane.number, line),
    ).fetchone()
    if row is not None:
        _tell(tx, lane, *row)


def _tell(tx: Transaction, lane: LaneBook, position: Position, due: float) -> None:
    lease = lane.leases.get(position)
    if lease is None or lease.until <= tx.now:
        tx.fronts[lane.number] = min(due, tx.fronts.get(lane.number, due))


def leased(tx: Transaction, lane: LaneBook) -> frozenset[bytes]:
    """The lines of which an entry is leased: nobody else may get one of them."""
    if tx.books.version < LINES:
        return frozenset()
    return frozenset(lease.line for lease in lane.leases.values() if lease.line is not None and lease.until > tx.now)


def line_of(tx: Transaction, lane: LaneBook, position: Position) -> bytes | None:
    """The line that an entry stands in."""
    row = tx.execute("SELECT line FROM backlog WHERE lane = ? AND position = ?", (lane.number, position)).fetchone()
    return row[0] if row is not None else None


def behind(
    tx: Transaction, lane: LaneBook, front: Position, limit: int
) -> tuple[bytes | None, list[tuple[Position, float, int]]]:
    """The line of a front, and what may be leased with it: position, due time and bytes of those behind it, without a gap, that
    are due. None where an attempt of the front was counted: the next one may fail as well."""
    line, attempts = tx.execute(
        "SELECT line, attempts FROM backlog WHERE lane = ? AND position = ?", (lane.number, front)
    ).fetchone()
    run: list[tuple[Position, float, int]] = []
    if line is None or attempts or limit < 1:
        return line, run
    for position, later, bytes_ in tx.execute(
        "SELECT position, later, bytes FROM backlog INDEXED BY backlog_line WHERE lane = ? AND line = ? AND position > ?"
        " ORDER BY position LIMIT ?",
        (lane.number, line, front, limit),
    ):
        lease = lane.leases.get(position)
        if later is None or later > tx.now or (lease is not None and lease.until > tx.now):
            break
        run.append((position, later, bytes_))
    return line, run


def keys_held(connection: sqlite3.Connection, broker: str, trigger: str, lane: int, keys: Sequence[str]) -> KeysHeld:
    """In a read transaction; see `Backlog.keys`."""
    known = connection.execute("SELECT number FROM brokers WHERE uid = ? AND dropped = 0", (broker,)).fetchone()
    if known is None:
        raise KeyError(broker)
    found = connection.execute(
        "SELECT number FROM lanes WHERE broker = ? AND trigger = ? AND lane = ?", (known[0], trigger, lane)
    ).fetchone()
    if found is None:
        return KeysHeld(frozenset(), None)
    last = connection.execute("SELECT max(position) FROM backlog WHERE lane = ?", found).fetchone()[0]
    if last is None or connection.execute("PRAGMA user_version").fetchone()[0] < schema.LINES:
        return KeysHeld(frozenset(), last)
    by_digest = {digest(key): key for key in keys}
    held: set[str] = set()
    for line, key in by_digest.items():
        if connection.execute(
            "SELECT 1 FROM backlog INDEXED BY backlog_line WHERE lane = ? AND line = ? LIMIT 1", (found[0], line)
        ).fetchone():
            held.add(key)
    return KeysHeld(frozenset(held), last)
