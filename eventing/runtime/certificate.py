"""The data plane's certificate: renewed on disk, taken up without a restart."""

from __future__ import annotations

import asyncio
import os
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from eventing.errors import InvalidSetting
from eventing.http.tls import server_context
from eventing.http.x509 import not_after
from eventing.telemetry.logs import Log

INTERVAL = 5.0
"""Seconds between two looks at the files. What changed counts once two looks in a row find it the same."""
SOON = 7 * 86400.0
"""Seconds before its end from which a certificate is warned of, once a day."""
_DAY = 86400.0

Marks: TypeAlias = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate with its key. ``expires``: None where the date can't be read."""

    context: ssl.SSLContext
    expires: datetime | None


class CertificateFiles:
    """The two files, read as one pair or not at all. Without a clock or a thread: `look` is called from time to time."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = (certificate, key)
        self._known: Marks = ()
        self._last: Marks = ()

    def load(self) -> Pair:
        """Raises `InvalidSetting`, which names the file."""
        self._known = self._last = self._marks()
        return self._read()

    def look(self) -> Pair | None:
        """A new pair, or None: nothing changed, or it is changing just now, or what is there was refused before. Raises
        `InvalidSetting` once for each state of the files that is no valid pair."""
        marks = self._marks()
        settled, self._last = marks == self._last, marks
        if marks == self._known or not settled:
            return None
        try:
            pair = self._read()
        except InvalidSetting:
            if self._marks() == marks:
                self._known = marks
                raise
            return None
        if self._marks() != marks:
            return None  # what was read may be half of each
        self._known = marks
        return pair

    def _read(self) -> Pair:
        certificate, key = self._files
        context = server_context(certificate, key)
        try:
            expires = not_after(certificate.read_bytes())
        except OSError:
            expires = None
        return Pair(context, expires)

    def _marks(self) -> Marks:
        """What tells one state of the files from another; links are followed, since renewing often means to turn one."""
        marks: list[object] = []
        for file in self._files:
            try:
                found = os.stat(file)
            except OSError as error:
                marks.append(error.errno)
            else:
                marks.append((found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns))
        return tuple(marks)


class CertificateWatch:
    """Looks at the files from a thread of its own, since a mount that hangs must not stop the loop, and hands on what is new."""

    def __init__(
        self,
        certificate: Path,
        key: Path,
        log: Log,
        *,
        interval: float = INTERVAL,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Raises `InvalidSetting` where the files are no valid pair now."""
        self._log, self._interval, self._wall = log, interval, wall
        self._name = str(certificate)
        self._files = CertificateFiles(certificate, key)
        self._pair = self._files.load()
        self._warned = float("-inf")
        self._tell("the TLS certificate is in use")

    @property
    def context(self) -> ssl.SSLContext:
        return self._pair.context

    @property
    def expires(self) -> float | None:
        """The end of the certificate in force, in seconds since 1970; None where it can't be read."""
        return self._pair.expires.timestamp() if self._pair.expires is not None else None

    async def run(self, use: Callable[[ssl.SSLContext], None]) -> None:
        """Until cancelled; ``use`` is called with each new context. Raises what the watching itself fails with."""
        loop = asyncio.get_running_loop()
        failed: asyncio.Future[None] = loop.create_future()
        stop = threading.Event()

        def taken(pair: Pair) -> None:
            if not stop.is_set():
                use(pair.context)

        def ended(error: Exception) -> None:
            if not failed.done():
                failed.set_exception(error)

        def watch() -> None:
            try:
                while not stop.wait(self._interval):
                    pair = self.look()
                    if pair is not None:
                        loop.call_soon_threadsafe(taken, pair)
            except Exception as error:  # noqa: BLE001 - it is raised where the watch is awaited
                if stop.is_set():
                    return
                loop.call_soon_threadsafe(ended, error)

        # A daemon, since a look that hangs can't be called off, and must not keep the process from ending.
        threading.Thread(target=watch, name="certificate", daemon=True).start()
        try:
            await failed
        finally:
            stop.set()

    def look(self) -> Pair | None:
        """One look; in the thread."""
        try:
            pair = self._files.look()
        except InvalidSetting as error:
            self._log.error("the new TLS certificate is not taken; the one before stays in use", reason=str(error))
            pair = None
        if pair is not None:
            self._pair, self._warned = pair, float("-inf")
            self._tell("a new TLS certificate is in use")
        else:
            self._warn()
        return pair

    def _tell(self, message: str) -> None:
        expires = self._pair.expires
        shown = expires.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if expires is not None else "unknown"
        self._log.info(message, certificate=self._name, expires=shown)
        self._warn()

    def _warn(self) -> None:
        expires, now = self.expires, self._wall()
        if expires is None or expires - now > SOON or now - self._warned < _DAY:
            return
        self._warned = now
        days = (expires - now) / _DAY
        message = "the TLS certificate ends soon" if days > 0 else "the TLS certificate has expired"
        self._log.warning(message, certificate=self._name, days=round(days, 1))
