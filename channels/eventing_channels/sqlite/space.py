"""Room on the disk: the soft limit for appends, the ballast that settling may use, and the spare that opening may use
(DATAPATH 10, docs/adr/0002)."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import BinaryIO

_MIB = 1 << 20
CHECK_EVERY = 0.1
"""Seconds between two looks at the file system."""

SPARE = 1 * _MIB
"""Bytes kept so that the file can be opened on a full disk: the index of a write-ahead log at its limit takes far less."""

HARD_PAUSE = 1.0
"""Seconds for which appends are refused after the disk said it is full, before one may try again."""


def default_min_free(total: int) -> int:
    """max(256 MiB, min(5 % of the disk, 1 GiB))."""
    return max(256 * _MIB, min(total // 20, 1024 * _MIB))


class Space:
    """Used by the writer thread; ``low`` and ``message`` may be read from any."""

    def __init__(self, path: Path, min_free: int | None, ballast: int) -> None:
        self._path, self._min_free = path, min_free
        self._ballast, self._ballast_path = ballast, path.with_name(path.name + ".ballast")
        self._spare_path = path.with_name(path.name + ".spare")
        self._checked = -1e9
        self._full_until = -1e9
        self.free = 0
        self.limit = 0
        self.low = False
        self.message = ""
        """Why it is low."""

    def check(self, *, force: bool = False) -> bool:
        """Look at the file system, at most every 100 ms; whether it did. Raises `OSError`."""
        now = time.monotonic()
        if not force and now - self._checked < CHECK_EVERY:
            return False
        self._checked = now
        status = os.statvfs(self._path.parent)
        self.free = status.f_bavail * status.f_frsize
        self.limit = self._min_free if self._min_free is not None else default_min_free(status.f_blocks * status.f_frsize)
        # The ballast is for settling: where there is none, given up by whichever process, appends wait for room for a new one.
        missing = self._ballast if self._ballast and not self._ballast_path.exists() else 0
        if self.free < self.limit + missing:
            message = f"{self.free} bytes are free on the disk of {self._path}, appends need {self.limit} to be"
            self.message = message + (f", and {missing} more for a new ballast file" if missing else "")
            self.low = True
        elif now < self._full_until:
            self._pause()
        else:
            self.low = False
            self._keep(self._ballast_path, self._ballast)
            self._keep(self._spare_path, SPARE)
        return True

    def full(self) -> None:
        """The disk refused a write."""
        self._full_until = time.monotonic() + HARD_PAUSE
        self._pause()

    def _pause(self) -> None:
        self.message = (
            f"the disk of {self._path} is full, it refused a write; appends are tried again {HARD_PAUSE:g} s after that"
        )
        self.low = True

    def crowded(self) -> bool:
        """Whether hardly anything is free, which explains why a file can't be opened."""
        try:
            status = os.statvfs(self._path.parent)
        except OSError:
            return False
        return status.f_bavail * status.f_frsize < SPARE

    def give_up_ballast(self) -> bool:
        """Free the reserve of settling; False where there is none."""
        return _removed(self._ballast_path)

    def give_up_spare(self) -> bool:
        """Free the reserve of opening; False where there is none."""
        return _removed(self._spare_path)

    def _keep(self, path: Path, size: int) -> None:
        """Make a reserve again once there is room for it beyond the soft limit."""
        if path.exists() or self.free < self.limit + 2 * size:
            return
        unfinished = path.with_name(path.name + ".new")
        try:
            with open(unfinished, "wb", opener=_private) as file:
                _allocate(file, size)
                os.fsync(file.fileno())
            unfinished.rename(path)
        except OSError:
            # Room went away meanwhile: the next look tries again.
            unfinished.unlink(missing_ok=True)
            return
        self.free -= size


def _removed(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _allocate(file: BinaryIO, size: int) -> None:
    """Blocks that are really there, not a hole."""
    try:
        os.posix_fallocate(file.fileno(), 0, size)
    except (AttributeError, OSError):
        # Not on every system and file system. Zeros may take no blocks where the file system compresses.
        file.seek(0)
        for _ in range(0, size, _MIB):
            file.write(os.urandom(_MIB))
        file.flush()
