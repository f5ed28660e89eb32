"""The built-in dead-letter store in memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from eventing.ports.dead_letters import StoredDeadLetter
from eventing.ports.records import DeadLetter, Position


class MemoryDeadLetters:
    """See `eventing.ports.dead_letters.DeadLetters`."""

    def __init__(self, check_open: Callable[[], None]) -> None:
        self._check_open = check_open
        self._letters: dict[int, StoredDeadLetter] = {}
        self._known: set[tuple[str, str, Position]] = set()
        self._numbers = itertools.count(1)
        self._bytes: dict[str, int] = {}

    @property
    def bytes(self) -> int:
        return sum(self._bytes.values())

    def bury(self, broker: str, letter: DeadLetter) -> bool:
        """Whether it is new."""
        identity = (broker, letter.trigger, letter.position)
        if identity in self._known:
            return False
        self._known.add(identity)
        number = next(self._numbers)
        self._letters[number] = StoredDeadLetter(number, broker, letter)
        self._bytes[broker] = self._bytes.get(broker, 0) + letter.size
        return True

    async def count(self, broker: str) -> dict[str, int]:
        self._check_open()
        counts: dict[str, int] = {}
        for stored in self._of(broker):
            counts[stored.letter.trigger] = counts.get(stored.letter.trigger, 0) + 1
        return counts

    async def size(self, broker: str) -> int:
        self._check_open()
        return self._bytes.get(broker, 0)

    async def list(self, broker: str, trigger: str | None, limit: int, after: int = -1) -> Sequence[StoredDeadLetter]:
        self._check_open()
        letters = [stored for stored in self._of(broker) if stored.number > after and trigger in (None, stored.letter.trigger)]
        return letters[:limit]

    async def remove(self, broker: str, numbers: Sequence[int]) -> int:
        self._check_open()
        removed = 0
        for number in numbers:
            stored = self._letters.get(number)
            if stored is not None and stored.broker == broker:
                self._forget(stored)
                removed += 1
        return removed

    async def expire(self, broker: str, before: float) -> dict[str, int]:
        self._check_open()
        expired: dict[str, int] = {}
        for stored in self._of(broker):
            if stored.letter.at < before:
                self._forget(stored)
                expired[stored.letter.trigger] = expired.get(stored.letter.trigger, 0) + 1
        return expired

    def _of(self, broker: str) -> Sequence[StoredDeadLetter]:
        return [stored for stored in self._letters.values() if stored.broker == broker]

    def _forget(self, stored: StoredDeadLetter) -> None:
        del self._letters[stored.number]
        self._known.discard((stored.broker, stored.letter.trigger, stored.letter.position))
        self._bytes[stored.broker] -= stored.letter.size
