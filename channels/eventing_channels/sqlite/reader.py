"""Reading a broker's log: what was just committed comes from memory, the rest from disk, in order and without a seam.

A reader that has caught up is handed every commit as it happens (`publish`). When it falls behind and its queue is full it lets
go, gives out what it holds, and reads on from disk; once the rest of the log fits one read from disk, it takes hold again
of what is committed from that moment on.
"""

# ruff: noqa: S608 (only our own numbers and constants are put into SQL)
from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Iterable, Sequence

from eventing.bindings.storage import decode_whole
from eventing.errors import ChannelClosed
from eventing.ports.records import Position, Record
from eventing.ports.watermark import Watermark
from eventing_channels.sqlite.query import Queries

CHUNK_RECORDS = 512
CHUNK_BYTES = 4 << 20


class LogView:
    """The event loop's side of a broker: what is committed, and who reads it."""

    def __init__(self, uid: str, number: int, last: Position) -> None:
        self.uid, self.number, self.last = uid, number, last
        self.watermarks: dict[str, Watermark] = {}
        self.readers: dict[str, SqliteReader] = {}
        self.gone = False

    def publish(self, records: Sequence[Record]) -> None:
        """These were committed, in order, right behind ``last``."""
        self.last = records[-1].position
        for reader in self.readers.values():
            reader.publish(records)

    def resync(self, last: Position) -> None:
        """The file was opened again; it may hold events that were never published."""
        if last != self.last:
            self.last = last
            for reader in self.readers.values():
                reader.let_go()

    def drop(self) -> None:
        self.gone = True
        for reader in list(self.readers.values()):
            reader.end(KeyError(self.uid))


class SqliteReader:
    """See `eventing.ports.channel.Reader`. One task reads at a time."""

    def __init__(
        self, view: LogView, group: str, watermark: Watermark, queries: Queries, max_records: int, max_bytes: int
    ) -> None:
        self._view, self._group, self._watermark, self._queries = view, group, watermark, queries
        self._max_records, self._max_bytes = max_records, max_bytes
        self._queue: deque[Record] = deque()
        self._queued_bytes = 0
        self._reached = watermark.last
        """The highest position given out or queued."""
        self._held = False
        """Every later commit will be published to the queue."""
        self._behind: deque[Record] = deque()
        """Published while the read from disk runs that comes before it."""
        self._filling: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._ended: Exception | None = None

    async def read(self, limit: int, max_bytes: int) -> Sequence[Record]:
        if limit < 1:
            raise ValueError(f"limit is {limit}, it must be at least 1")
        while True:
            if self._ended is not None:
                raise self._ended
            if self._queue:
                given = self._give(limit, max_bytes)
                if given:
                    return given
                continue
            if self._reached < self._view.last:
                if self._filling is None:
                    self._filling = asyncio.create_task(self._fill())
                filling = self._filling
                # Cancelling this read leaves the fill running: its events are for the next read.
                await asyncio.shield(filling)
            else:
                self._held = True
                self._wake.clear()
                await self._wake.wait()

    def passed(self, position: Position) -> bool:
        return position <= self._watermark.last

    def wanted(self) -> int:
        return max(0, self._view.last - self._watermark.last)

    async def close(self) -> None:
        if self._ended is None:
            self.end(ChannelClosed(f"the reader of group {self._group!r} is closed"))
        if self._filling is not None:
            await asyncio.wait([self._filling], timeout=5.0)

    def end(self, error: Exception) -> None:
        """Stop giving out; what was given out and isn't done is for the group's next reader."""
        if self._ended is not None:
            return
        self._ended = error
        self._queue.clear()
        self._behind.clear()
        self._held = False
        if self._view.readers.get(self._group) is self:
            del self._view.readers[self._group]
            self._watermark.reopen()
        self._wake.set()

    def publish(self, records: Sequence[Record]) -> None:
        if self._held:
            target = self._behind if self._filling is not None else self._queue
            self._take(target, records)
        self._wake.set()

    def let_go(self) -> None:
        """What follows the queue is read from disk."""
        self._held = False
        self._queued_bytes -= sum(record.size for record in self._behind)
        self._behind.clear()
        self._wake.set()

    def _take(self, target: deque[Record], records: Sequence[Record]) -> None:
        size = sum(record.size for record in records)
        if len(self._queue) + len(self._behind) + len(records) > self._max_records or self._queued_bytes + size > self._max_bytes:
            self.let_go()
            return
        self._queued_bytes += size
        target.extend(records)
        if target is self._queue:
            self._reached = records[-1].position

    def _give(self, limit: int, max_bytes: int) -> list[Record]:
        given: list[Record] = []
        size = 0
        while self._queue and len(given) < limit:
            record = self._queue[0]
            weight = record.size
            size += weight
            if given and size > max_bytes:
                break
            self._queue.popleft()
            self._queued_bytes -= weight
            if self._watermark.give(record.position):
                given.append(record)
        return given

    async def _fill(self) -> None:
        """One read from disk into the queue."""
        view, after, upto = self._view, self._reached, self._view.last
        # Positions have no holes but swept ones, so this many rows at most are left.
        fits = upto - after <= CHUNK_RECORDS
        self._held = fits
        try:
            records, whole = await self._queries.run(lambda connection: _fetch(connection, view.number, after, upto))
        except BaseException:
            self.let_go()
            raise
        finally:
            self._filling = None
        if self._ended is not None:
            return
        if not whole:
            self.let_go()
        self._queue.extend(records)
        self._queued_bytes += sum(record.size for record in records)
        self._reached = upto if whole else records[-1].position
        if self._behind:
            self._queue.extend(self._behind)
            self._reached = self._behind[-1].position
            self._behind.clear()


def _fetch(connection: sqlite3.Connection, number: int, after: Position, upto: Position) -> tuple[list[Record], bool]:
    """Events in (after, upto], as far as one chunk goes, and whether that was all."""
    rows = connection.execute(
        f"SELECT position, appended, hops, head, data FROM log_{number}"
        " WHERE position > ? AND position <= ? ORDER BY position LIMIT ?",
        (after, upto, CHUNK_RECORDS + 1),
    )
    return _decode(rows, CHUNK_RECORDS, CHUNK_BYTES)


def _decode(rows: Iterable[tuple[int, float, int, bytes, bytes | None]], limit: int, max_bytes: int) -> tuple[list[Record], bool]:
    records: list[Record] = []
    size = 0
    for position, appended, hops, head, data in rows:
        if len(records) >= limit or (records and size >= max_bytes):
            return records, False
        event, headers = decode_whole(head, data)
        record = Record(position, event, hops, appended, headers)
        size += record.size
        records.append(record)
    return records, True
