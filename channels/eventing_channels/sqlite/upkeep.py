"""What the writer does beside its jobs: retention, room, the write-ahead log, the clock. All in bounded steps."""

from __future__ import annotations

import sqlite3
import time

from eventing_channels.clock import Clock
from eventing_channels.sqlite import retention
from eventing_channels.sqlite.books import Books, BrokerBook
from eventing_channels.sqlite.settings import Settings
from eventing_channels.sqlite.space import Space
from eventing_channels.sqlite.transaction import Transaction
from eventing_channels.sqlite.wal import WriteAheadLog

CLOCK_BUSY = 1.0
"""Seconds between two stored times while there is anything else to write."""

CLOCK_IDLE = 10.0
"""The same with nothing to write but entries waiting: so much can a due time slip after a crash and a clock set back."""

SWEEP_STEP, SWEEP_PAUSE = 512, 0.25
"""Events, or seconds, between two sweeps while there is anything else to write."""

WATCH = 5.0
"""Seconds between two looks at whether the file is still there while there is nothing to write."""


class Upkeep:
    def __init__(self, settings: Settings, space: Space, wal: WriteAheadLog, clock: Clock) -> None:
        self._settings, self._space, self._wal, self._clock = settings, space, wal, clock
        self._asleep: dict[str, float] = {}
        self._vacuum = False
        self._swept = -1e9
        self._rest_until = -1e9

    def within(self, tx: Transaction, *, idle: bool) -> None:
        """In a write transaction: sweep, and store the clock."""
        left = retention.STEP
        for broker in self._sweepable(tx, idle=idle):
            before = broker.swept
            retention.sweep(tx, broker, self._settings.retention, self._asleep, left)
            self._swept = time.monotonic()
            left -= broker.swept - before
            if left <= 0:
                break
        if idle:
            retention.clear_dropped(tx)
        if tx.now - tx.books.clock >= CLOCK_BUSY or idle:
            former = tx.books.clock
            tx.execute("UPDATE meta SET value = ? WHERE name = 'clock'", (tx.now,))
            tx.books.clock = tx.now
            tx.undo(lambda: setattr(tx.books, "clock", former))

    def has_nothing(self, tx: Transaction) -> bool:
        """Whether `within` would do nothing now."""
        return tx.now - tx.books.clock < CLOCK_BUSY and not self._sweepable(tx, idle=False)

    def _sweepable(self, tx: Transaction, *, idle: bool) -> list[BrokerBook]:
        """Under load the log is swept in larger steps: a little in each commit would write its pages twice."""
        due = retention.due(tx.books, tx.now, self._asleep)
        if not due or idle:
            return due
        recently = time.monotonic() - self._swept < SWEEP_PAUSE
        return [] if recently and sum(book.sweepable - book.swept for book in due) < SWEEP_STEP else due

    def wants_transaction(self, books: Books) -> bool:
        """Is there something for `within` although no job waits?"""
        if time.monotonic() < self._rest_until:
            return False
        now = self._clock.now()
        if books.dropped or books.uncounted or retention.due(books, now, self._asleep):
            return True
        return now - books.clock >= CLOCK_IDLE and books.waiting

    def after(self, connection: sqlite3.Connection) -> bool:
        """After a transaction; whether it looked at the file system. Raises `sqlite3.Error`, `OSError`."""
        if self._wal.due:
            self._wal.checkpoint(connection)
        return self._space.check()

    def vacuum(self, connection: sqlite3.Connection) -> None:
        """In an idle moment: give a bounded number of free pages back."""
        self._vacuum = False
        if retention.spare_pages(connection):
            retention.vacuum(connection)
            self._wal.wrote(retention.VACUUM_PAGES * 4096, 0)
            self._vacuum = retention.spare_pages(connection) > 0

    def wrote(self) -> None:
        """Rows may have been deleted: look for free pages in the next idle moment."""
        self._vacuum = True

    def rest(self, seconds: float) -> None:
        """Upkeep failed: leave it alone for a while."""
        self._rest_until = time.monotonic() + seconds

    @property
    def wants_vacuum(self) -> bool:
        return self._vacuum and time.monotonic() >= self._rest_until

    def pause(self, books: Books) -> float:
        """Seconds the writer may wait for a job."""
        if self._space.low or self._wal.too_long:
            return 1.0
        if self.wants_transaction(books) or self.wants_vacuum:
            return 0.02
        if time.monotonic() < self._rest_until:
            return 1.0
        pause = WATCH
        if self._asleep:
            now = self._clock.now()
            self._asleep = {uid: until for uid, until in self._asleep.items() if until > now}
            pause = min([pause, *(max(0.05, until - now) for until in self._asleep.values())])
        return pause
