"""Which connection a request gets: an idle one, a new one, or the next that comes free. No sockets here."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable
from math import inf
from typing import Protocol, TypeAlias

from eventing.http.limits import ClientLimits


class Pooled(Protocol):
    """What a pool needs of a connection."""

    ended: bool
    deadline: float

    def abort(self) -> None: ...


class Slot:
    """The right to open one connection."""


_SLOT = Slot()


class Pool:
    """The connections of one origin. ``size``: open ones and slots granted."""

    __slots__ = ("idle", "key", "size", "waiters")

    def __init__(self, key: Hashable) -> None:
        self.key = key
        self.size = 0
        self.idle: list[Pooled] = []
        self.waiters: deque[asyncio.Future[Pooled | Slot]] = deque()


Lease: TypeAlias = Pooled | Slot


class Pools:
    """Pools by origin, bounded each and together.

    When all connections are taken, one that comes free goes to the origin that waits and has the fewest, so that a busy or
    hanging origin can't keep the others out.
    """

    def __init__(self, limits: ClientLimits, clock: Callable[[], float]) -> None:
        self._limits, self.clock = limits, clock
        self._pools: dict[Hashable, Pool] = {}
        self._waiting: dict[Pool, None] = {}
        self.total = 0

    def get(self, key: Hashable) -> Pool:
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools[key] = Pool(key)
        return pool

    def take_idle(self, pool: Pool) -> Pooled | None:
        """The one used last: the others get the chance to grow old."""
        return pool.idle.pop() if pool.idle else None

    def try_slot(self, pool: Pool) -> bool:
        """Take a slot if there is one, for which an idle connection may have to go."""
        if not self._room(pool):
            self._evict(pool)
            if not self._room(pool):  # nothing to evict, or someone who waited was faster
                return False
        self._grant(pool)
        return True

    async def wait(self, pool: Pool) -> Lease:
        """In turn, a connection that came free or a slot. May be cancelled."""
        waiter: asyncio.Future[Lease] = asyncio.get_running_loop().create_future()
        pool.waiters.append(waiter)
        self._waiting[pool] = None
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                given = waiter.result()
                if isinstance(given, Slot):
                    self.free(pool)
                elif not given.ended:
                    self.idled(pool, given)
            else:
                if waiter in pool.waiters:  # else it was passed over since it was cancelled
                    pool.waiters.remove(waiter)
                if not pool.waiters:
                    self._waiting.pop(pool, None)
                self._forget_if_empty(pool)
            raise

    def idled(self, pool: Pool, connection: Pooled) -> None:
        """A connection can take another request."""
        if self._waiting and self.total >= self._limits.max_connections and self._should_yield(pool):
            connection.abort()
            return
        waiter = self._next_waiter(pool) if pool.waiters else None
        if waiter is not None:
            connection.deadline = inf
            waiter.set_result(connection)
            return
        connection.deadline = self.clock() + self._limits.idle_timeout
        pool.idle.append(connection)

    def ended(self, pool: Pool, connection: Pooled) -> None:
        """A connection is gone, or a slot's connection was never made."""
        if connection in pool.idle:
            pool.idle.remove(connection)
        self.free(pool)

    def free(self, pool: Pool) -> None:
        """Give a slot back."""
        pool.size -= 1
        self.total -= 1
        self._hand_on()
        self._forget_if_empty(pool)

    # ---------------------------------------------------------------------------------------------------------------------

    def _grant(self, pool: Pool) -> None:
        self._pools.setdefault(pool.key, pool)  # it may have been forgotten with its last connection, just evicted
        pool.size += 1
        self.total += 1

    def _hand_on(self) -> None:
        """A slot came free: to the one that waits and has the fewest connections, in turn among equals."""
        while self.total < self._limits.max_connections:
            pool = min((pool for pool in self._waiting if self._below_own_limit(pool)), key=_size, default=None)
            if pool is None:
                return
            waiter = self._next_waiter(pool)
            if waiter is not None:
                if pool.waiters:
                    del self._waiting[pool]
                    self._waiting[pool] = None  # to the end of the round
                self._grant(pool)
                waiter.set_result(_SLOT)
                return

    def _should_yield(self, pool: Pool) -> bool:
        """Whether someone who waits is worse off, also after the connection changed hands: else it would go back and forth."""
        for other in self._waiting:
            worse_off = not pool.waiters or not other.size or other.size + 1 < pool.size
            if worse_off and other is not pool and self._below_own_limit(other):
                return True
        return False

    def _below_own_limit(self, pool: Pool) -> bool:
        return pool.size < self._limits.max_per_origin

    def _next_waiter(self, pool: Pool) -> asyncio.Future[Lease] | None:
        while pool.waiters:
            waiter = pool.waiters.popleft()
            if not pool.waiters:
                self._waiting.pop(pool, None)
            if not waiter.done():
                return waiter
        return None

    def _room(self, pool: Pool) -> bool:
        return self._below_own_limit(pool) and self.total < self._limits.max_connections

    def _evict(self, pool: Pool) -> None:
        """Close an idle connection in favour of this origin: its own where it has too many, else anyone's."""
        if pool.size >= self._limits.max_per_origin:
            victim = pool
        else:
            victim = next((other for other in self._pools.values() if other.idle), pool)
        if victim.idle:
            victim.idle[0].abort()

    def _forget_if_empty(self, pool: Pool) -> None:
        if not pool.size and not pool.waiters and self._pools.get(pool.key) is pool:
            del self._pools[pool.key]


def _size(pool: Pool) -> int:
    return pool.size
