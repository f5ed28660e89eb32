"""The values of secret files, read by a thread of their own: a folder on a mount that hangs must not stop the loop."""

from __future__ import annotations

import os
import stat
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import TypeAlias

from eventing.http.log import Log

MAX_SECRET = 1024 * 1024
"""Bytes of a file; a larger one counts as none."""
MAX_FILES = 10_000
"""Files that are watched at a time; beyond it the one that was asked for longest ago is forgotten, and read anew if need be."""
INTERVAL = 1.0
"""Seconds between two reads of a file."""
PATIENCE = 0.25
"""Seconds that the first `SecretFiles.get` of a file waits."""
OVERDUE = 5.0
"""Seconds after which a read that has not ended is told of."""

Part: TypeAlias = tuple[str, str]


def read_secret(path: Path) -> bytes | None:
    """A regular file's content without a final newline, as editors add one. None for anything else, for a file larger than
    `MAX_SECRET`, and where it can't be read."""
    try:
        # Without O_NONBLOCK, opening a FIFO waits for its writer. Links are followed: Kubernetes mounts secrets as links.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None
            value = file.read(MAX_SECRET + 1)
    except (OSError, MemoryError):
        return None
    return None if len(value) > MAX_SECRET else value.removesuffix(b"\n")


class SecretFiles:
    """``folder`` holds the files as `NAME/KEY`. Each that was asked for once is read again every ``interval`` seconds, so
    `get` answers from memory. While a read does not end, the values known so far stay."""

    def __init__(
        self,
        folder: Path,
        log: Log,
        *,
        interval: float = INTERVAL,
        patience: float = PATIENCE,
        read: Callable[[Path], bytes | None] = read_secret,
    ) -> None:
        self._folder, self._log = folder, log
        self._interval, self._patience, self._read = interval, patience, read
        self._changed = threading.Condition()  # guards all that follows
        self._values: OrderedDict[Part, bytes | None] = OrderedDict()
        self._new: dict[Part, None] = {}
        self._reading: tuple[Part, float] | None = None
        self._told = False
        self._late = False
        """The reader kept someone waiting in vain, and has read nothing since."""
        self._closed = False
        self._thread: threading.Thread | None = None

    def get(self, name: str, key: str) -> bytes | None:
        """The value as it was at most ``interval`` seconds ago, give or take a read; None where there is none. Waits for
        ``patience`` seconds at most, and only for a file that was not asked for before."""
        part = (name, key)
        with self._changed:
            if part in self._values:
                self._values.move_to_end(part)
            elif not self._closed and len(self._new) < MAX_FILES:
                self._first(part)
            value = self._values.get(part)
            overdue = self._overdue()
        if overdue is not None:
            self._log.warning("a secret file does not answer; values read before stay in use", file="/".join(overdue))
        return value

    def close(self, timeout: float = 0.5) -> None:
        """Stop reading. A read that hangs is left behind after ``timeout`` seconds; it keeps nothing alive. Idempotent."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout)

    def _first(self, part: Part) -> None:
        self._new[part] = None
        if self._thread is None:
            # A daemon, since a read that hangs can't be called off, and must not keep the process from ending.
            self._thread = threading.Thread(target=self._run, name="secrets", daemon=True)
            self._thread.start()
        self._changed.notify_all()
        if not self._late:  # else a thousand sources would wait one after the other
            self._late = not self._changed.wait_for(lambda: part in self._values or self._closed, self._patience)

    def _overdue(self) -> Part | None:
        """What the reader hangs at, once per read."""
        if self._reading is None or self._told or monotonic() - self._reading[1] < OVERDUE:
            return None
        self._told = True
        return self._reading[0]

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._new or self._closed, self._interval)
                parts = list(self._new or self._values)
            for part in parts:
                with self._changed:
                    if self._closed:
                        return
                    if self._new and part not in self._new:
                        break  # someone waits: those that are known can
                    self._reading, self._told = (part, monotonic()), False
                value = self._read(self._folder.joinpath(*part))
                with self._changed:
                    self._keep(part, value)
            if self._closed:
                return

    def _keep(self, part: Part, value: bytes | None) -> None:
        self._reading, self._late = None, False
        if part in self._new:
            del self._new[part]
        elif part not in self._values:
            return  # forgotten meanwhile
        self._values[part] = value
        while len(self._values) > MAX_FILES:
            self._values.popitem(last=False)
        self._changed.notify_all()
