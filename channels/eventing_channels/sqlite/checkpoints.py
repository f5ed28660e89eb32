"""Checkpoints of sources."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

from eventing.ports.records import Fence
from eventing_channels.sqlite.jobs import Job
from eventing_channels.sqlite.leases import Submit, check_fence
from eventing_channels.sqlite.query import Queries
from eventing_channels.sqlite.transaction import Transaction

LIMIT = 64 * 1024


class _Store(Job):
    """``value``: None deletes."""

    __slots__ = ("_fence", "_name", "_value")

    def __init__(self, future: asyncio.Future[Any], name: str, value: bytes | None, fence: Fence | None) -> None:
        super().__init__(future)
        self._name, self._value, self._fence = name, value, fence

    def run(self, tx: Transaction) -> None:
        check_fence(tx, self._fence)
        if self._value is None:
            tx.execute("DELETE FROM checkpoints WHERE name = ?", (self._name,))
        else:
            tx.execute("INSERT OR REPLACE INTO checkpoints VALUES(?, ?)", (self._name, self._value))


class SqliteCheckpoints:
    """See `eventing.ports.checkpoints.Checkpoints`."""

    def __init__(self, submit: Submit, queries: Queries) -> None:
        self._submit, self._queries = submit, queries

    async def load(self, name: str) -> bytes | None:
        def query(connection: sqlite3.Connection) -> bytes | None:
            row = connection.execute("SELECT value FROM checkpoints WHERE name = ?", (name,)).fetchone()
            return bytes(row[0]) if row is not None else None

        return await self._queries.run(query)

    async def store(self, name: str, value: bytes, fence: Fence | None = None) -> None:
        if len(value) > LIMIT:
            raise ValueError(f"checkpoint {name!r} has {len(value)} bytes, the limit is {LIMIT}")
        await self._submit(lambda future: _Store(future, name, bytes(value), fence))

    async def delete(self, name: str) -> None:
        await self._submit(lambda future: _Store(future, name, None, None))
