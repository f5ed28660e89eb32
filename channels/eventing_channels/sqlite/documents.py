"""Documents with versions, and the watch: a change wakes the watchers, which read what is new by version, so none is missed."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from eventing.errors import Conflict
from eventing.ports.documents import Change, Document
from eventing_channels.sqlite.jobs import Job
from eventing_channels.sqlite.leases import Submit
from eventing_channels.sqlite.query import Queries
from eventing_channels.sqlite.transaction import Refusal, Transaction

PAGE = 256


class _Write(Job):
    """``body``: None deletes. The outcome is the version written, None where nothing was there to delete."""

    __slots__ = ("_body", "_changed", "_collection", "_expected", "_name")

    def __init__(
        self,
        future: asyncio.Future[Any],
        collection: str,
        name: str,
        body: bytes | None,
        expected: int | None,
        changed: Callable[[], None],
    ) -> None:
        super().__init__(future)
        self._collection, self._name, self._body, self._expected, self._changed = collection, name, body, expected, changed

    def run(self, tx: Transaction) -> int | None:
        row = tx.execute(
            "SELECT version FROM documents WHERE collection = ? AND name = ? AND body IS NOT NULL", (self._collection, self._name)
        ).fetchone()
        version = row[0] if row is not None else 0
        if self._expected is not None and self._expected != version:
            now = f"has version {version}" if version else "does not exist"
            raise Refusal(Conflict(f"{self._collection}/{self._name} {now}, expected {self._expected or 'none'}"))
        if self._body is None and not version:
            return None
        former = tx.books.revision
        tx.books.revision += 1
        tx.undo(lambda: setattr(tx.books, "revision", former))
        tx.execute(
            "INSERT OR REPLACE INTO documents VALUES(?, ?, ?, ?)", (self._collection, self._name, self._body, tx.books.revision)
        )
        return tx.books.revision

    def committed(self) -> None:
        if self.outcome is not None:
            self._changed()


class SqliteDocuments:
    """See `eventing.ports.documents.Documents`. ``closed``: raises `ChannelClosed` once the channel is closing."""

    def __init__(self, submit: Submit, queries: Queries, closed: Callable[[], None]) -> None:
        self._submit, self._queries, self._closed = submit, queries, closed
        self._wakes: set[asyncio.Event] = set()

    def wake(self) -> None:
        """Something changed, or the channel is closing."""
        for event in self._wakes:
            event.set()

    async def get(self, collection: str, name: str) -> Document | None:
        def query(connection: sqlite3.Connection) -> Document | None:
            row = connection.execute(
                "SELECT body, version FROM documents WHERE collection = ? AND name = ? AND body IS NOT NULL", (collection, name)
            ).fetchone()
            return Document(name, row[0], row[1]) if row is not None else None

        self._closed()
        return await self._queries.run(query)

    async def list(self, collection: str) -> tuple[Sequence[Document], int]:
        def query(connection: sqlite3.Connection) -> tuple[list[Document], int]:
            revision = connection.execute("SELECT coalesce(max(version), 0) FROM documents").fetchone()[0]
            rows = connection.execute(
                "SELECT name, body, version FROM documents WHERE collection = ? AND body IS NOT NULL ORDER BY name", (collection,)
            )
            return [Document(*row) for row in rows], revision

        self._closed()
        return await self._queries.run(query)

    async def put(self, collection: str, name: str, body: bytes, expected: int | None = None) -> Document:
        version = await self._submit(lambda future: _Write(future, collection, name, bytes(body), expected, self.wake))
        return Document(name, bytes(body), version)

    async def delete(self, collection: str, name: str, expected: int | None = None) -> None:
        await self._submit(lambda future: _Write(future, collection, name, None, expected, self.wake))

    async def watch(self, collection: str, after: int) -> AsyncIterator[Change]:
        def query(connection: sqlite3.Connection) -> list[Change]:
            rows = connection.execute(
                "SELECT name, body, version FROM documents WHERE collection = ? AND version > ? ORDER BY version LIMIT ?",
                (collection, after, PAGE),
            )
            return [
                Change(name, Document(name, body, version) if body is not None else None, version) for name, body, version in rows
            ]

        wake = asyncio.Event()
        self._wakes.add(wake)
        try:
            while True:
                self._closed()
                wake.clear()
                changes = await self._queries.run(query)
                for change in changes:
                    yield change
                    after = change.version
                if not changes:
                    await wake.wait()
        finally:
            self._wakes.discard(wake)
