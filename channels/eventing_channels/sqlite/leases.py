"""Named leases with fencing tokens. One process owns the file, so a new one voids the leases of the one before, but the
tokens go on rising."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Any, Protocol

from eventing.errors import Fenced
from eventing.ports.leases import Lease
from eventing.ports.records import Fence
from eventing_channels.sqlite.jobs import Job
from eventing_channels.sqlite.transaction import Refusal, Transaction


class Submit(Protocol):
    """Put a job, made with its future, to the writer thread, and wait for the outcome."""

    async def __call__(self, make: Callable[[asyncio.Future[Any]], Job]) -> Any: ...


def void_all(connection: sqlite3.Connection) -> None:
    """At the start of a process: whoever held a lease is dead."""
    connection.execute("UPDATE leases SET until = 0 WHERE until != 0")


def check_fence(tx: Transaction, fence: Fence | None) -> None:
    """Raises `Refusal` with `Fenced` where the lease lapsed or changed hands."""
    if fence is None:
        return
    row = tx.execute("SELECT token, until FROM leases WHERE name = ?", (fence.lease,)).fetchone()
    if row is None or row[0] != fence.token or row[1] <= tx.now:
        raise Refusal(Fenced(f"the lease {fence.lease!r} (token {fence.token}) is no longer held"))


class _Acquire(Job):
    __slots__ = ("_name", "_owner", "_ttl")

    def __init__(self, future: asyncio.Future[Any], name: str, owner: str, ttl: float) -> None:
        super().__init__(future)
        self._name, self._owner, self._ttl = name, owner, ttl

    def run(self, tx: Transaction) -> Lease | None:
        row = tx.execute("SELECT owner, token, until FROM leases WHERE name = ?", (self._name,)).fetchone()
        owner, token, until = row if row is not None else ("", 0, 0.0)
        if until > tx.now:
            if owner != self._owner:
                return None
        else:
            token += 1
        until = tx.now + self._ttl
        tx.execute("INSERT OR REPLACE INTO leases VALUES(?, ?, ?, ?)", (self._name, self._owner, token, until))
        return Lease(self._name, self._owner, token, until)


class _Renew(Job):
    __slots__ = ("_lease", "_ttl")

    def __init__(self, future: asyncio.Future[Any], lease: Lease, ttl: float) -> None:
        super().__init__(future)
        self._lease, self._ttl = lease, ttl

    def run(self, tx: Transaction) -> Lease:
        check_fence(tx, self._lease.fence)
        until = tx.now + self._ttl
        tx.execute("UPDATE leases SET until = ? WHERE name = ?", (until, self._lease.name))
        return Lease(self._lease.name, self._lease.owner, self._lease.token, until)


class _Release(Job):
    __slots__ = ("_lease",)

    def __init__(self, future: asyncio.Future[Any], lease: Lease) -> None:
        super().__init__(future)
        self._lease = lease

    def run(self, tx: Transaction) -> None:
        tx.execute("UPDATE leases SET until = 0 WHERE name = ? AND token = ?", (self._lease.name, self._lease.token))


class SqliteLeases:
    """See `eventing.ports.leases.Leases`."""

    def __init__(self, submit: Submit) -> None:
        self._submit = submit

    async def acquire(self, name: str, owner: str, ttl: float) -> Lease | None:
        lease: Lease | None = await self._submit(lambda future: _Acquire(future, name, owner, ttl))
        return lease

    async def renew(self, lease: Lease, ttl: float) -> Lease:
        renewed: Lease = await self._submit(lambda future: _Renew(future, lease, ttl))
        return renewed

    async def release(self, lease: Lease) -> None:
        await self._submit(lambda future: _Release(future, lease))
