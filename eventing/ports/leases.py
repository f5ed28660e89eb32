"""Leases with fencing tokens: who alone may do something, and proof towards storage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from eventing.ports.records import Fence


@dataclass(frozen=True, slots=True)
class Lease:
    """``token`` rises with every new holder of the name; ``until`` on the channel's clock."""

    name: str
    owner: str
    token: int
    until: float

    @property
    def fence(self) -> Fence:
        return Fence(self.name, self.token)


class Leases(Protocol):
    async def acquire(self, name: str, owner: str, ttl: float) -> Lease | None:
        """The lease for ``ttl`` seconds, or None where another owner holds it. The owner itself gets it again with the
        same token as long as it has not lapsed. Raises `ChannelUnavailable`."""
        ...

    async def renew(self, lease: Lease, ttl: float) -> Lease:
        """Prolong. Raises `Fenced` when it lapsed or changed hands: the holder must have stopped by then."""
        ...

    async def release(self, lease: Lease) -> None:
        """Give it up; a no-op when it is no longer held. The token still rises for the next holder."""
        ...
