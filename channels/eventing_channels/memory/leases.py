"""Named leases and checkpoints in memory."""

from __future__ import annotations

from collections.abc import Callable

from eventing.errors import Fenced
from eventing.ports.leases import Lease
from eventing.ports.records import Fence

LIMIT = 64 * 1024


class MemoryLeases:
    """See `eventing.ports.leases.Leases`."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._leases: dict[str, Lease] = {}

    def holds(self, fence: Fence) -> bool:
        lease = self._leases.get(fence.lease)
        return lease is not None and lease.token == fence.token and lease.until > self._now()

    async def acquire(self, name: str, owner: str, ttl: float) -> Lease | None:
        now, held = self._now(), self._leases.get(name)
        token = held.token if held is not None else 0
        if held is not None and held.until > now:
            if held.owner != owner:
                return None
        else:
            token += 1
        lease = self._leases[name] = Lease(name, owner, token, now + ttl)
        return lease

    async def renew(self, lease: Lease, ttl: float) -> Lease:
        if not self.holds(lease.fence):
            raise Fenced(f"the lease {lease.name!r} (token {lease.token}) is no longer held")
        renewed = self._leases[lease.name] = Lease(lease.name, lease.owner, lease.token, self._now() + ttl)
        return renewed

    async def release(self, lease: Lease) -> None:
        if self.holds(lease.fence):
            self._leases[lease.name] = Lease(lease.name, lease.owner, lease.token, 0.0)


class MemoryCheckpoints:
    """See `eventing.ports.checkpoints.Checkpoints`."""

    def __init__(self, check_fence: Callable[[Fence | None], None], check_open: Callable[[], None]) -> None:
        self._check_fence, self._check_open = check_fence, check_open
        self._values: dict[str, bytes] = {}

    async def load(self, name: str) -> bytes | None:
        self._check_open()
        return self._values.get(name)

    async def store(self, name: str, value: bytes, fence: Fence | None = None) -> None:
        self._check_open()
        if len(value) > LIMIT:
            raise ValueError(f"checkpoint {name!r} has {len(value)} bytes, the limit is {LIMIT}")
        self._check_fence(fence)
        self._values[name] = bytes(value)

    async def delete(self, name: str) -> None:
        self._check_open()
        self._values.pop(name, None)
