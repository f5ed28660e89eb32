"""Checkpoints: where a source goes on after a restart."""

from __future__ import annotations

from typing import Protocol

from eventing.ports.records import Fence


class Checkpoints(Protocol):
    async def load(self, name: str) -> bytes | None:
        """The last stored value, or None. Raises `ChannelUnavailable`."""
        ...

    async def store(self, name: str, value: bytes, fence: Fence | None = None) -> None:
        """Replace the value, durably. At most 64 KiB. Raises `Fenced`, `ChannelUnavailable`, `ValueError` (too large)."""
        ...

    async def delete(self, name: str) -> None: ...
