"""The SQLite channel: one file, one owner, one writer thread, one reading thread."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from eventing.errors import ChannelBusy, ChannelClosed, ChannelError, ChannelUnavailable, ChannelUnsupported
from eventing.ports.backlog import Backlog
from eventing.ports.channel import Capabilities, ChannelContext, Health, Reader
from eventing.ports.checkpoints import Checkpoints
from eventing.ports.dead_letters import DeadLetters
from eventing.ports.documents import Documents
from eventing.ports.leases import Leases
from eventing.ports.records import NewRecord, Position, Record, Settled, Settlement
from eventing.ports.watermark import Watermark
from eventing_channels.sqlite import database
from eventing_channels.sqlite.backlog import SqliteBacklog
from eventing_channels.sqlite.checkpoints import SqliteCheckpoints
from eventing_channels.sqlite.dead_letters import SqliteDeadLetters
from eventing_channels.sqlite.documents import SqliteDocuments
from eventing_channels.sqlite.jobs import Job
from eventing_channels.sqlite.leases import SqliteLeases
from eventing_channels.sqlite.log import Append, DropBroker, EnsureBroker, OpenGroup, encode
from eventing_channels.sqlite.ownership import Ownership, resolve
from eventing_channels.sqlite.query import Queries
from eventing_channels.sqlite.reader import LogView, SqliteReader
from eventing_channels.sqlite.retention import Trim
from eventing_channels.sqlite.settings import Settings
from eventing_channels.sqlite.settle import Settle
from eventing_channels.sqlite.status import DURABILITY
from eventing_channels.sqlite.writer import Writer

CLOSE_TIMEOUT = 30.0
MIN_SQLITE = (3, 35, 0)
"""For RETURNING."""


class SqliteChannel:
    """See `eventing.ports.channel.Channel`."""

    capabilities = Capabilities(durable=True, shared=False, ordered=True, runs=True)

    def __init__(self, settings: Settings, context: ChannelContext) -> None:
        given, settings = settings.path, replace(settings, path=resolve(settings.path))
        self._settings, self._context = settings, context
        self._ownership = Ownership(settings.path, given)
        self._queries = Queries(settings.path, self._damaged)
        self._writer: Writer | None = None
        self._open = False
        self._views: dict[str, LogView] = {}
        self._appends: deque[Append] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self.backlog: Backlog = SqliteBacklog(self._submit, self._post, self._queries, context.log)
        self.dead_letters: DeadLetters = SqliteDeadLetters(self._submit, self._queries)
        self.checkpoints: Checkpoints = SqliteCheckpoints(self._submit, self._queries)
        self.leases: Leases = SqliteLeases(self._submit)
        self._documents = SqliteDocuments(self._submit, self._queries, self._check_open)
        self.documents: Documents = self._documents

    async def open(self) -> None:
        if self._writer is not None:
            raise ChannelBusy("the channel was opened already; make a new one")
        if sqlite3.sqlite_version_info < MIN_SQLITE:
            raise ChannelUnsupported(f"SQLite is {sqlite3.sqlite_version}, at least {'.'.join(map(str, MIN_SQLITE))} is needed")
        database.inspect(self._settings.path)  # before a lock is made beside something that is no channel
        self._ownership.take()
        try:
            writer = self._writer = Writer(
                self._settings, self._context, self._publish, self._resync, self._lost, self._ownership
            )
            await writer.start(CLOSE_TIMEOUT)
            for uid, broker in writer.books.brokers.items():
                self._views[uid] = LogView(uid, broker.number, broker.last)
        except BaseException:
            # A writer that doesn't end keeps the lock until the process goes.
            if self._writer is None or self._writer.ended:
                self._ownership.release()
            raise
        self._open = self._queries.usable = True

    async def close(self) -> None:
        writer = self._writer
        if writer is None or not self._open:
            return
        self._open = False
        closed = ChannelClosed("the channel is closed")
        for view in self._views.values():
            for reader in list(view.readers.values()):
                reader.end(closed)
        self._documents.wake()
        # The writer closes last: the last connection moves the write-ahead log into the file.
        await self._queries.close()
        try:
            await writer.stop(CLOSE_TIMEOUT)
        finally:
            if self._timer is not None:
                self._timer.cancel()
        self._ownership.release()

    def now(self) -> float:
        return self._usable().clock.now()

    def health(self) -> Health:
        if self._writer is None or not self._open:
            return Health(False, DURABILITY, "Closed", "the channel isn't open")
        return self._writer.status.health()

    async def ensure_broker(self, broker: str) -> None:
        def ready(number: int, last: Position) -> None:
            if broker not in self._views:
                self._views[broker] = LogView(broker, number, last)

        await self._submit(lambda future: EnsureBroker(future, broker, ready))

    async def drop_broker(self, broker: str) -> None:
        def gone() -> None:
            view = self._views.pop(broker, None)
            if view is not None:
                view.drop()

        await self._submit(lambda future: DropBroker(future, broker, gone))

    def append(self, broker: str, records: Sequence[NewRecord]) -> asyncio.Future[Sequence[Position]]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Sequence[Position]] = loop.create_future()
        try:
            writer = self._usable()
            if broker not in self._views:
                raise KeyError(broker)
            refusal = writer.status.refusal(writer.queue.poke)
            if refusal is not None:
                raise refusal
            job = Append(future, broker, encode(records), self._settings.max_bytes)
            writer.queue.put(job)
        except (ChannelError, KeyError, ValueError) as error:
            future.set_exception(error)
            return future
        self._appends.append(job)
        if self._timer is None:
            self._timer = loop.call_later(self._settings.patience, self._check_patience)
        while self._appends and self._appends[0].future.done():
            self._appends.popleft()
        return future

    async def reader(self, broker: str, group: str = "main") -> Reader:
        self._usable()
        view = self._view(broker)
        if group in view.readers:
            raise ChannelBusy(f"group {group!r} of this broker has a reader in this process already")
        cursor: Position = await self._submit(lambda future: OpenGroup(future, broker, group))
        if view.gone:
            raise KeyError(broker)
        if group in view.readers:
            raise ChannelBusy(f"group {group!r} of this broker has a reader in this process already")
        watermark = view.watermarks.setdefault(group, Watermark(cursor))
        reader = SqliteReader(view, group, watermark, self._queries, self._settings.cache_records, self._settings.cache_bytes)
        view.readers[group] = reader
        return reader

    async def settle(self, broker: str, settlement: Settlement) -> Settled:
        self._usable()
        watermark = self._view(broker).watermarks.get(settlement.group)
        cursor = watermark.preview(settlement.done) if watermark is not None and settlement.done else None

        def applied() -> None:
            # Only now is it durable. Whoever waited may have been cancelled; the watermark must know all the same.
            if watermark is not None:
                watermark.apply(settlement.done)

        settled: Settled = await self._submit(lambda future: Settle(future, broker, settlement, cursor, applied))
        return settled

    async def trim(self, broker: str) -> int:
        self._view(broker)
        total = 0
        while True:
            step: tuple[int, bool] = await self._submit(lambda future: Trim(future, broker, self._settings.retention))
            total += step[0]
            if not step[1]:
                return total

    # Inside.

    def _usable(self) -> Writer:
        if self._writer is None or not self._open:
            raise ChannelClosed("the channel isn't open")
        return self._writer

    def _check_open(self) -> None:
        self._usable()

    def _view(self, broker: str) -> LogView:
        view = self._views.get(broker)
        if view is None:
            self._usable()
            raise KeyError(broker)
        return view

    async def _submit(self, make: Callable[[asyncio.Future[Any]], Job]) -> Any:
        writer = self._usable()
        unusable = writer.status.unusable()
        if unusable is not None:
            raise unusable
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        job = make(future)
        writer.queue.put(job)
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                # Cancelled between the outcome and this line: as if nobody had waited.
                job.abandoned()
            raise

    def _post(self, make: Callable[[asyncio.Future[Any]], Job]) -> None:
        writer = self._writer
        if writer is None or not self._open:
            return
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            writer.queue.put(make(future))
        except ChannelUnavailable as error:
            self._context.log("a request of the channel itself was dropped", {"error": str(error)})

    def _publish(self, published: Mapping[str, Sequence[Record]]) -> None:
        for uid, records in published.items():
            view = self._views.get(uid)
            if view is not None and records:
                view.publish(records)

    def _resync(self, last: Mapping[str, Position]) -> None:
        for uid, position in last.items():
            if uid in self._views:
                self._views[uid].resync(position)

    def _lost(self, error: ChannelError) -> None:
        """This process can't go on with the file: readers end with the error, and with them who reads."""
        for view in self._views.values():
            for reader in list(view.readers.values()):
                reader.end(error)

    def _damaged(self, error: ChannelError) -> None:
        if self._writer is not None and self._writer.status.broken is None:
            self._writer.status.broken = error
            self._context.log("SQLite file is damaged", {"error": str(error)})

    def _check_patience(self) -> None:
        """Appends that waited too long fail: unwritten where the writer hasn't begun, else with an unknown outcome."""
        self._timer = None
        writer, patience = self._writer, self._settings.patience
        now = time.monotonic()
        assert writer is not None
        for job in writer.queue.expire(now - patience):
            if not job.future.done():
                job.future.set_exception(ChannelUnavailable(f"the disk took no write for {patience:g} s; nothing was stored"))
        while self._appends and (self._appends[0].future.done() or self._appends[0].queued <= now - 2 * patience):
            job = self._appends.popleft()
            if not job.future.done():
                job.future.set_exception(
                    ChannelUnavailable(f"no answer from the disk for {2 * patience:g} s; what was stored is unknown")
                )
        if self._appends and self._open:
            self._timer = asyncio.get_running_loop().call_later(
                max(0.05, self._appends[0].queued + patience - now), self._check_patience
            )
