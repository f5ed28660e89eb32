"""Deleting what nobody needs (DATAPATH 9), in bounded steps, and giving room back to the file system.

The sweep mark moves forward only: an event below it that a backlog entry still refers to is not looked at again, it goes with
the last entry (see `entries.release_event`).
"""

# ruff: noqa: S608 (only our own numbers and constants are put into SQL)
from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

from eventing_channels.sqlite.books import ROW_OVERHEAD, Books, BrokerBook
from eventing_channels.sqlite.jobs import Job
from eventing_channels.sqlite.transaction import Transaction

STEP = 2048
"""Events looked at in one transaction."""

SPARE_PAGES = 1024
"""Free pages (4 MiB) kept in the file for reuse."""

VACUUM_PAGES = 256


def due(books: Books, now: float, asleep: dict[str, float]) -> list[BrokerBook]:
    """Brokers with something to sweep. ``asleep``: by uid, until when the oldest event is too young."""
    return [book for book in books.brokers.values() if book.swept < book.sweepable and asleep.get(book.uid, 0.0) <= now]


def sweep(tx: Transaction, broker: BrokerBook, retention: float, asleep: dict[str, float], limit: int = STEP) -> int:
    """Move the mark over up to ``limit`` events and delete those without a backlog entry; returns how many were deleted."""
    table = f"log_{broker.number}"
    if retention > 0:
        rows = tx.execute(
            f"SELECT position, appended FROM {table} WHERE position > ? AND position <= ? ORDER BY position LIMIT ?",
            (broker.swept, broker.sweepable, limit),
        ).fetchall()
        mark = broker.swept
        for position, appended in rows:
            if appended + retention > tx.now:
                asleep[broker.uid] = appended + retention
                break
            mark = position
        else:
            if len(rows) < limit:
                mark = broker.sweepable
    else:
        mark = min(broker.sweepable, broker.swept + limit)
    if mark <= broker.swept:
        return 0
    free = (
        f"FROM {table} WHERE position > ? AND position <= ?"
        f" AND NOT EXISTS(SELECT 1 FROM backlog WHERE broker = ? AND position = {table}.position)"
    )
    bounds = (broker.swept, mark, broker.number)
    # Counted first, in one step: returned row by row, each would let go of the interpreter.
    size = tx.execute(f"SELECT sum(length(head) + coalesce(length(data), 0)) {free}", bounds).fetchone()[0]
    deleted = tx.execute(f"DELETE {free}", bounds).rowcount
    tx.touch(broker)
    broker.swept = mark
    broker.bytes -= (size or 0) + ROW_OVERHEAD * deleted
    return deleted


def clear_dropped(tx: Transaction, limit: int = STEP) -> bool:
    """A step of deleting a dropped broker's rows; True where more is left."""
    if not tx.books.dropped:
        return False
    number = tx.books.dropped[0]
    deleted = tx.execute(
        "DELETE FROM backlog WHERE (lane, position) IN (SELECT lane, position FROM backlog WHERE broker = ? LIMIT ?)",
        (number, limit),
    ).rowcount
    if deleted < limit:
        deleted += tx.execute(
            f"DELETE FROM log_{number} WHERE position IN (SELECT position FROM log_{number} LIMIT ?)", (limit,)
        ).rowcount
    if deleted == 0:
        tx.execute("DELETE FROM lanes WHERE broker = ?", (number,))
        tx.execute(f"DROP TABLE log_{number}")
        tx.execute("DELETE FROM meta WHERE name = ?", (f"counted:{number}",))
        tx.books.dropped.pop(0)
        tx.undo(lambda: tx.books.dropped.insert(0, number))
    return bool(tx.books.dropped)


def spare_pages(connection: sqlite3.Connection) -> int:
    """Free pages in the file beyond those kept for reuse: a quarter of the file, `SPARE_PAGES` at least."""
    free = int(connection.execute("PRAGMA freelist_count").fetchone()[0])
    total = int(connection.execute("PRAGMA page_count").fetchone()[0])
    return max(0, free - max(SPARE_PAGES, total // 4))


def vacuum(connection: sqlite3.Connection) -> None:
    """Give a bounded number of free pages back."""
    connection.execute(f"PRAGMA incremental_vacuum({VACUUM_PAGES})").fetchall()


class Trim(Job):
    """One step of sweeping on request; the outcome is (deleted, is there more)."""

    __slots__ = ("_broker", "_retention")

    def __init__(self, future: asyncio.Future[Any], broker: str, retention: float) -> None:
        super().__init__(future)
        self._broker, self._retention = broker, retention

    def run(self, tx: Transaction) -> tuple[int, bool]:
        broker = tx.broker(self._broker)
        before = broker.swept
        deleted = sweep(tx, broker, self._retention, {})
        return deleted, broker.swept > before and broker.swept < broker.sweepable
