"""The built-in dead-letter store: what no sink took, kept with a copy of the event (DATAPATH 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from eventing.ports.records import DeadLetter


@dataclass(frozen=True, slots=True)
class StoredDeadLetter:
    """``number`` identifies it among the letters of its broker, rising."""

    number: int
    broker: str
    letter: DeadLetter


class DeadLetters(Protocol):
    """Letters enter through `Channel.settle` alone; the same (trigger, position) twice is a no-op. Nothing is evicted by size.

    Letters outlive their broker (`Channel.drop_broker`): all calls here take the uid of one that was dropped, or that never had a
    log, too; the latter has no letters.
    """

    async def count(self, broker: str) -> dict[str, int]:
        """Letters per trigger uid."""
        ...

    async def size(self, broker: str) -> int:
        """Bytes of the broker's letters, as far as known."""
        ...

    async def list(self, broker: str, trigger: str | None, limit: int, after: int = -1) -> Sequence[StoredDeadLetter]:
        """A page, oldest first."""
        ...

    async def remove(self, broker: str, numbers: Sequence[int]) -> int:
        """Purge by number; returns how many there were."""
        ...

    async def expire(self, broker: str, before: float) -> dict[str, int]:
        """Drop letters made before that time; returns how many per trigger uid, for the counter and the log line."""
        ...
