"""Reads from disk: one thread with a connection of its own that neither writes nor checkpoints. Each read is one short
read transaction, which ends before the event loop sees a result."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from eventing.errors import ChannelClosed, ChannelCorrupt, ChannelUnavailable
from eventing_channels.sqlite import database, failures
from eventing_channels.sqlite.failures import Kind

T = TypeVar("T")


class Queries:
    """``broken``: told of damage that a read found."""

    def __init__(self, path: Path, broken: Callable[[ChannelCorrupt], None]) -> None:
        self._path, self._broken = path, broken
        self._connection: sqlite3.Connection | None = None
        self.usable = False
        """Between the channel's open and close."""
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="eventing-sqlite-reader")

    async def run(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Raises `ChannelUnavailable`, `ChannelCorrupt`, `ChannelClosed`."""
        if not self.usable:
            raise ChannelClosed("the channel isn't open")
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._executor, self._run, query)
        except ChannelCorrupt as corrupt:
            self._broken(corrupt)
            raise

    def _run(self, query: Callable[[sqlite3.Connection], T]) -> T:
        try:
            if self._connection is None:
                self._connection = database.open_reader(self._path)
            connection = self._connection
            connection.execute("BEGIN")
            try:
                return query(connection)
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
        except ChannelCorrupt as damage:
            raise failures.corrupt(self._path, str(damage)) from damage
        except sqlite3.Error as error:
            self._close()
            if failures.classify(error) is Kind.JOB and "no such table" in str(error):
                raise KeyError("the broker is gone") from error
            translated = failures.translate(error, self._path)
            if isinstance(translated, ChannelCorrupt):
                raise translated from error
            raise ChannelUnavailable(f"{self._path} can't be read ({failures.name(error)})") from error

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    async def close(self) -> None:
        """Close the connection in its thread, then end the thread."""
        self.usable = False
        await asyncio.get_running_loop().run_in_executor(self._executor, self._close)
        self._executor.shutdown(wait=True)
