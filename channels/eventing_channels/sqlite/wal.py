"""The write-ahead log: when to move it into the file, and when it is too long (DATAPATH, "SQLite")."""

from __future__ import annotations

import sqlite3

from eventing_channels.sqlite.schema import PAGE_SIZE

_PER_COMMIT = 6
"""Pages a commit writes beside its payload: inner nodes, counters, indexes."""


class WriteAheadLog:
    """SQLite doesn't tell how long the log is without checkpointing, so the growth is estimated from what was written and
    corrected at each checkpoint."""

    def __init__(self, checkpoint_bytes: int, limit: int) -> None:
        self._checkpoint_pages, self._limit_pages = checkpoint_bytes // PAGE_SIZE, limit // PAGE_SIZE
        self._since = 0.0
        self._pages = 0

    def wrote(self, size: int, statements: int) -> None:
        """A commit of ``size`` payload bytes and about as many small statements."""
        self._since += _PER_COMMIT + size * 1.25 / PAGE_SIZE + statements / 8

    @property
    def due(self) -> bool:
        return self._since >= (
            self._checkpoint_pages if self._pages <= self._checkpoint_pages * 2 else self._checkpoint_pages / 4
        )

    @property
    def too_long(self) -> bool:
        """Something (a foreign reader) keeps it from starting again: appends must wait."""
        return self._pages + self._since > self._limit_pages

    def checkpoint(self, connection: sqlite3.Connection) -> None:
        """Move what no reader needs; never waits for one. Raises `sqlite3.Error`."""
        _busy, pages, moved = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        # Wholly moved, the next commit starts it again from the beginning.
        self._pages = 0 if moved >= pages else max(0, pages)
        self._since = 0.0
