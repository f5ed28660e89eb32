"""Appending to a broker's log, and the brokers themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, ClassVar

from eventing.bindings.storage import encode_head
from eventing.errors import ChannelFull
from eventing.ports.records import NewRecord, Position, Record
from eventing_channels.sqlite import schema
from eventing_channels.sqlite.books import ROW_OVERHEAD, Books, BrokerBook
from eventing_channels.sqlite.jobs import Job
from eventing_channels.sqlite.transaction import Refusal, Transaction

Encoded = tuple[NewRecord, bytes, int]
"""An event on its way in, its head, and the bytes it takes in the log."""

_COLUMNS = 5
_BYTES = 96 << 10
"""Of one statement, one row always: a statement is kept for its next use, and with it a copy of what was bound to it last."""
_ROWS = 64
"""Rows of one statement at most. Between two steps of a statement the module lets go of the interpreter, and gets it back only
when the event loop pauses: many rows in one step cost one such wait instead of one each."""


def encode(records: Sequence[NewRecord]) -> list[Encoded]:
    encoded: list[Encoded] = []
    for record in records:
        head, data = encode_head(record.event, record.headers), record.event.data
        encoded.append((record, head, len(head) + (len(data) if data is not None else 0) + ROW_OVERHEAD))
    return encoded


def store(tx: Transaction, broker: BrokerBook, encoded: Sequence[Encoded]) -> range:
    """Write events at the end of the log; returns their positions."""
    tx.touch(broker)
    first = broker.last + 1
    values: list[Any] = []
    published = tx.published.setdefault(broker.uid, [])
    position, now, total = broker.last, tx.now, 0
    for record, head, size in encoded:
        position += 1
        event, hops = record.event, record.hops
        values += (position, now, hops, head, event.data)
        published.append(Record(position, event, hops, now, record.headers))
        total += size
    broker.bytes += total
    broker.last = position
    for rows in _portions(encoded):
        part, values = values[: rows * _COLUMNS], values[rows * _COLUMNS :]
        tx.connection.execute(_insert(broker.number, rows), part)
    return range(first, position + 1)


def _portions(encoded: Sequence[Encoded]) -> Iterator[int]:
    """How many rows go in each statement."""
    rows = filled = 0
    for _, _, size in encoded:
        if rows and (rows == _ROWS or filled + size > _BYTES):
            yield rows
            rows = filled = 0
        rows += 1
        filled += size
    if rows:
        yield rows


@lru_cache(512)
def _insert(number: int, rows: int) -> str:
    return f"INSERT INTO log_{number} VALUES" + ",".join(["(?,?,?,?,?)"] * rows)


class Append(Job):
    """Events for one broker, all or nothing. The outcome is their positions."""

    __slots__ = ("_max_bytes", "broker", "encoded")
    is_append: ClassVar[bool] = True

    def __init__(
        self, future: asyncio.Future[Sequence[Position]], broker: str, encoded: list[Encoded], max_bytes: int | None
    ) -> None:
        super().__init__(future, sum([size for _, _, size in encoded]), len(encoded))
        self.broker, self.encoded, self._max_bytes = broker, encoded, max_bytes

    def check(self, tx: Transaction, waiting: int) -> BrokerBook:
        """``waiting``: bytes of this transaction's appends before this one. Raises `Refusal`."""
        broker = tx.broker(self.broker)
        if self._max_bytes is not None and broker.bytes + waiting + self.size > self._max_bytes:
            raise Refusal(ChannelFull(f"the broker's log holds {broker.bytes} bytes, its budget is {self._max_bytes}"))
        return broker

    def run(self, tx: Transaction) -> list[Position]:
        return list(store(tx, self.check(tx, 0), self.encoded))


def is_one_statement(jobs: Sequence[Job], books: Books) -> bool:
    """Whether these are appends to one broker that take a single INSERT. That is a transaction by itself, and needs neither BEGIN
    nor COMMIT: most of what an append costs is getting the interpreter back from the event loop after each statement. Only where
    the file can tell later that the broker's counters don't know of them."""
    rows, size, broker = 0, 0, ""
    for job in jobs:
        if not isinstance(job, Append) or (rows and job.broker != broker):
            return False
        broker = job.broker
        rows += job.events
        size += job.size
    book = books.brokers.get(broker)
    return (rows == 1 or (0 < rows <= _ROWS and size <= _BYTES)) and book is not None and book.noted


def append_alone(tx: Transaction, jobs: Sequence[Job]) -> None:
    """Run what `is_one_statement`; it is committed then."""
    tx.fault("append.begin")
    tx.alone()
    tx.fault("append.written")  # the last step at which nothing of it is stored, as before a COMMIT
    append_all(tx, [job for job in jobs if isinstance(job, Append)])
    tx.leave_uncounted()


def append_all(tx: Transaction, jobs: Sequence[Append]) -> None:
    """Run appends with one statement per broker."""
    taken: dict[str, tuple[BrokerBook, list[Append], int]] = {}
    for job in jobs:
        _, fellows, waiting = taken.get(job.broker, (None, [], 0))
        try:
            broker = job.check(tx, waiting)
        except Refusal as refusal:
            job.error = refusal.error
            continue
        fellows.append(job)
        taken[job.broker] = (broker, fellows, waiting + job.size)
    for broker, fellows, _ in taken.values():
        positions = store(tx, broker, [encoded for job in fellows for encoded in job.encoded])
        at = 0
        for job in fellows:
            job.outcome = list(positions[at : at + len(job.encoded)])
            at += len(job.encoded)


class EnsureBroker(Job):
    """The outcome is (number, last position)."""

    __slots__ = ("_ready", "_uid")

    def __init__(self, future: asyncio.Future[Any], uid: str, ready: Callable[[int, int], None]) -> None:
        super().__init__(future)
        self._uid, self._ready = uid, ready

    def run(self, tx: Transaction) -> tuple[int, int]:
        broker = tx.books.brokers.get(self._uid)
        if broker is None:
            # A broker of this uid that was dropped used positions that dead letters still name.
            used = tx.execute("SELECT coalesce(max(swept), 0) FROM brokers WHERE uid = ?", (self._uid,)).fetchone()[0]
            number = tx.execute("INSERT INTO brokers(uid, swept, bytes) VALUES(?, ?, 0)", (self._uid, used)).lastrowid
            assert number is not None
            tx.execute(schema.create_log(number))
            tx.execute("INSERT INTO cursors VALUES(?, 'main', ?)", (number, used))
            broker = BrokerBook(number, self._uid, used, used, 0, cursors={"main": used})
            tx.books.brokers[self._uid] = broker
            tx.undo(lambda: tx.books.brokers.pop(self._uid))
        return broker.number, broker.last

    def committed(self) -> None:
        self._ready(*self.outcome)


class DropBroker(Job):
    """The broker is gone at once; its rows go in small steps (see `retention`)."""

    __slots__ = ("_gone", "_uid")

    def __init__(self, future: asyncio.Future[Any], uid: str, gone: Callable[[], None]) -> None:
        super().__init__(future)
        self._uid, self._gone = uid, gone

    def run(self, tx: Transaction) -> None:
        broker = tx.broker(self._uid)
        tx.execute("UPDATE brokers SET dropped = 1, swept = ?, bytes = 0 WHERE number = ?", (broker.last, broker.number))
        tx.execute("DELETE FROM cursors WHERE broker = ?", (broker.number,))
        del tx.books.brokers[self._uid]
        tx.books.dropped.append(broker.number)

        def restore() -> None:
            tx.books.brokers[self._uid] = broker
            tx.books.dropped.remove(broker.number)

        tx.undo(restore)

    def committed(self) -> None:
        self._gone()


class OpenGroup(Job):
    """The outcome is the group's cursor; a new group starts at the oldest event still kept."""

    __slots__ = ("_broker", "_group")

    def __init__(self, future: asyncio.Future[Any], broker: str, group: str) -> None:
        super().__init__(future)
        self._broker, self._group = broker, group

    def run(self, tx: Transaction) -> Position:
        broker = tx.broker(self._broker)
        cursor = broker.cursors.get(self._group)
        if cursor is None:
            cursor = broker.swept
            tx.execute("INSERT INTO cursors VALUES(?, ?, ?)", (broker.number, self._group, cursor))
            broker.cursors[self._group] = cursor
            tx.undo(lambda: broker.cursors.pop(self._group))
        return cursor
