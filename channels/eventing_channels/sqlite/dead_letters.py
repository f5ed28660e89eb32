"""The built-in dead-letter store (DATAPATH 7): copies, so they outlive log and broker."""

# ruff: noqa: S608 (only our own numbers and constants are put into SQL)
from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from typing import Any, ClassVar

from eventing.bindings.storage import decode_whole
from eventing.ports.dead_letters import StoredDeadLetter
from eventing.ports.records import DeadLetter
from eventing_channels.sqlite.detail import decode_failures
from eventing_channels.sqlite.jobs import Job
from eventing_channels.sqlite.leases import Submit
from eventing_channels.sqlite.query import Queries
from eventing_channels.sqlite.settle import count_dead
from eventing_channels.sqlite.transaction import Transaction

STEP = 1000
PAGE = 1000


class _Count(Job):
    __slots__ = ("_broker",)
    writes: ClassVar[bool] = False

    def __init__(self, future: asyncio.Future[Any], broker: str) -> None:
        super().__init__(future)
        self._broker = broker

    def run(self, tx: Transaction) -> tuple[dict[str, int], int]:
        counts = {trigger: letters for trigger, letters in tx.books.dead_counts.get(self._broker, {}).items() if letters}
        return counts, tx.books.dead_bytes.get(self._broker, 0)


class _Remove(Job):
    __slots__ = ("_broker", "_numbers")

    def __init__(self, future: asyncio.Future[Any], broker: str, numbers: Sequence[int]) -> None:
        super().__init__(future)
        self._broker, self._numbers = broker, numbers

    def run(self, tx: Transaction) -> int:
        removed = 0
        for number in self._numbers:
            rows = tx.execute(
                "DELETE FROM dead_letters WHERE number = ? AND broker = ? RETURNING trigger, bytes", (number, self._broker)
            ).fetchall()
            for trigger, size in rows:
                count_dead(tx, self._broker, trigger, -1, -size)
                removed += 1
        return removed


class _Expire(Job):
    """A step; the outcome is how many per trigger."""

    __slots__ = ("_before", "_broker")

    def __init__(self, future: asyncio.Future[Any], broker: str, before: float) -> None:
        super().__init__(future)
        self._broker, self._before = broker, before

    def run(self, tx: Transaction) -> dict[str, int]:
        rows = tx.execute(
            "DELETE FROM dead_letters WHERE number IN (SELECT number FROM dead_letters INDEXED BY dead_age"
            " WHERE broker = ? AND at < ? LIMIT ?) RETURNING trigger, bytes",
            (self._broker, self._before, STEP),
        ).fetchall()
        expired: dict[str, int] = {}
        for trigger, size in rows:
            count_dead(tx, self._broker, trigger, -1, -size)
            expired[trigger] = expired.get(trigger, 0) + 1
        return expired


class SqliteDeadLetters:
    """See `eventing.ports.dead_letters.DeadLetters`."""

    def __init__(self, submit: Submit, queries: Queries) -> None:
        self._submit, self._queries = submit, queries

    async def count(self, broker: str) -> dict[str, int]:
        counts: dict[str, int] = (await self._submit(lambda future: _Count(future, broker)))[0]
        return counts

    async def size(self, broker: str) -> int:
        size: int = (await self._submit(lambda future: _Count(future, broker)))[1]
        return size

    async def list(self, broker: str, trigger: str | None, limit: int, after: int = -1) -> Sequence[StoredDeadLetter]:
        return await self._queries.run(lambda connection: _page(connection, broker, trigger, min(limit, PAGE), after))

    async def remove(self, broker: str, numbers: Sequence[int]) -> int:
        removed = 0
        for start in range(0, len(numbers), STEP):
            part = list(numbers[start : start + STEP])
            removed += await self._submit(lambda future, part=part: _Remove(future, broker, part))  # type: ignore[misc]
        return removed

    async def expire(self, broker: str, before: float) -> dict[str, int]:
        total: dict[str, int] = {}
        while True:
            step: dict[str, int] = await self._submit(lambda future: _Expire(future, broker, before))
            for trigger, letters in step.items():
                total[trigger] = total.get(trigger, 0) + letters
            if sum(step.values()) < STEP:
                return total


def _page(connection: sqlite3.Connection, broker: str, trigger: str | None, limit: int, after: int) -> list[StoredDeadLetter]:
    index, condition = ("dead_order", "") if trigger is None else ("dead_page", " AND trigger = ?")
    rows = connection.execute(
        f"SELECT number, trigger, position, head, data, why, failures, attempts, at FROM dead_letters INDEXED BY {index}"
        f" WHERE broker = ?{condition} AND number > ? ORDER BY number LIMIT ?",
        (broker, after, limit) if trigger is None else (broker, trigger, after, limit),
    )
    page = []
    for number, of, position, head, data, why, failures, attempts, at in rows:
        event, headers = decode_whole(head, data)
        letter = DeadLetter(of, position, event, why, decode_failures(failures), attempts, at, headers)
        page.append(StoredDeadLetter(number, broker, letter))
    return page
