"""One write transaction: SQL, the books, and what to undo or to tell."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from eventing.errors import EventingError
from eventing.ports.records import Record
from eventing_channels.sqlite import books as books_module
from eventing_channels.sqlite.books import Books, BrokerBook


class Refusal(Exception):
    """A job refuses what it was asked before it wrote anything: the others in its transaction go on."""

    def __init__(self, error: EventingError | KeyError | ValueError) -> None:
        super().__init__(str(error))
        self.error = error


class Transaction:
    """``published``: the events that entered each broker's log, in order, for readers that have caught up. ``fronts``: by number
    of the lane, the earliest due time of entries that came to the front of their line."""

    __slots__ = ("_changes", "_undo", "books", "connection", "fault", "fronts", "log", "now", "published", "touched")

    def __init__(
        self,
        connection: sqlite3.Connection,
        books: Books,
        now: float,
        fault: Callable[[str], None],
        log: Callable[[str, dict[str, object]], None],
    ) -> None:
        self.connection, self.books, self.now, self.fault, self.log = connection, books, now, fault, log
        self.published: dict[str, list[Record]] = {}
        self.touched: dict[str, BrokerBook] = {}
        self.fronts: dict[int, float] = {}
        self._undo: list[Callable[[], object]] = []
        self._changes: int | None = None

    def alone(self) -> None:
        """It becomes a single statement without BEGIN and COMMIT, which is stored as soon as it ends."""
        self._changes = self.connection.total_changes

    @property
    def is_stored(self) -> bool:
        """Whether the statement that runs `alone` came to its end: whatever fails from then on takes nothing back in the file."""
        return self._changes is not None and self.connection.total_changes != self._changes

    def execute(self, sql: str, parameters: Iterable[Any] = ()) -> sqlite3.Cursor:
        return self.connection.execute(sql, tuple(parameters))

    def undo(self, action: Callable[[], object]) -> None:
        """How to take back, in memory, what was just done."""
        self._undo.append(action)

    def roll_back_books(self) -> None:
        while self._undo:
            self._undo.pop()()

    def forget(self) -> None:
        """It is committed: let go of what would be undone, which refers to this transaction and with it to all its events."""
        self._undo.clear()

    def broker(self, uid: str) -> BrokerBook:
        """Raises `Refusal` with `KeyError` where the broker isn't there (any more)."""
        broker = self.books.brokers.get(uid)
        if broker is None:
            raise Refusal(KeyError(uid))
        return broker

    def touch(self, broker: BrokerBook) -> None:
        """Its counters changed: they are stored at the end of the transaction."""
        if broker.uid not in self.touched:
            self.touched[broker.uid] = broker
            last, swept, size = broker.last, broker.swept, broker.bytes

            def restore() -> None:
                broker.last, broker.swept, broker.bytes = last, swept, size

            self.undo(restore)

    def flush(self) -> None:
        """Store the counters of the brokers that were touched, in this transaction or before it."""
        uncounted = self.books.uncounted
        for broker in {**uncounted, **self.touched}.values():
            if self.books.brokers.get(broker.uid) is broker:
                self.execute(
                    "UPDATE brokers SET swept = ?, bytes = ? WHERE number = ?", (broker.swept, broker.bytes, broker.number)
                )
                self.execute(*books_module.counted(broker))
                if not broker.noted:
                    broker.noted = True
                    self.undo(partial(setattr, broker, "noted", False))
        if uncounted:
            self.books.uncounted = {}
            self.undo(lambda: self.books.uncounted.update(uncounted))

    def leave_uncounted(self) -> None:
        """In place of `flush`, after a transaction that only appended: the file can tell by how much its counters are behind."""
        self.books.uncounted.update(self.touched)
