"""Whether the channel can be used, as the writer thread last saw it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from eventing.errors import ChannelError, ChannelFull, ChannelUnavailable
from eventing.ports.channel import Health
from eventing_channels.sqlite.space import CHECK_EVERY, Space
from eventing_channels.sqlite.wal import WriteAheadLog

DURABILITY = "each answer waits for SQLite's commit with synchronous=FULL (write-ahead log, fsync)"


class Status:
    """Set by the writer thread, read on the event loop; each attribute is one assignment."""

    def __init__(self, path: Path, space: Space, wal: WriteAheadLog) -> None:
        self._path, self._space, self._wal = path, space, wal
        self.broken: ChannelError | None = None
        """The file can't be used until a person acts."""
        self.trouble: str = ""
        """The file can't be used now; it is tried again."""
        self._poked = 0.0

    def refusal(self, poke: Callable[[], None]) -> ChannelError | None:
        """Why an append is refused at once. ``poke`` asks the writer to look again, so that the refusal ends by itself."""
        if self.broken is not None:
            return type(self.broken)(str(self.broken))
        if self.trouble:
            return ChannelUnavailable(self.trouble)
        full = self._full()
        if not full:
            return None
        now = time.monotonic()
        if now - self._poked >= CHECK_EVERY:
            self._poked = now
            poke()
        return ChannelFull(full)

    def unusable(self) -> ChannelError | None:
        """Why nothing at all can be asked now."""
        if self.broken is not None:
            return type(self.broken)(str(self.broken))
        return ChannelUnavailable(self.trouble) if self.trouble else None

    def health(self) -> Health:
        if self.broken is not None:
            return Health(False, DURABILITY, "StorageCorrupt", str(self.broken))
        if self.trouble:
            return Health(False, DURABILITY, "StorageUnavailable", self.trouble)
        if full := self._full():
            return Health(False, DURABILITY, "StorageFull", full)
        return Health(True, DURABILITY)

    def _full(self) -> str:
        if self._space.low:
            return self._space.message
        if self._wal.too_long:
            return (
                f"the write-ahead log of {self._path} is too long: another program reads the file and keeps it from being emptied"
            )
        return ""
