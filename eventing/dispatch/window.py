"""The window: events read and not yet settled, bounded in count and bytes (DATAPATH 2)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from math import inf


@dataclass(slots=True)
class Window:
    """``limit``: events; ``max_bytes``: bytes of events. One reader waits on it; ``waited_at``: when it began to wait last, on
    the loop's clock."""

    limit: int
    max_bytes: int
    events: int = 0
    bytes: int = 0
    waited_at: float = -inf
    _waiter: asyncio.Future[None] | None = None

    def enter(self, size: int) -> None:
        self.events += 1
        self.bytes += size

    def grow(self, size: int) -> None:
        """Something inside takes more memory: a reply came that is settled with its event."""
        self.bytes += size

    def resize(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._tell()

    def leave(self, size: int) -> None:
        self.events -= 1
        self.bytes -= size
        self._tell()

    def _tell(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done() and self._open():
            waiter.set_result(None)

    async def room(self) -> tuple[int, int]:
        """Wait until something fits; how many events and bytes do. An event larger than the room left is taken alone."""
        while not self._open():
            loop = asyncio.get_running_loop()
            self.waited_at = loop.time()
            self._waiter = loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self.limit - self.events, max(1, self.max_bytes - self.bytes)

    def _open(self) -> bool:
        return self.events < self.limit and self.bytes < self.max_bytes
