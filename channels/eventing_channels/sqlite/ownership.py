"""One process owns a file: a lock beside it, which the kernel gives back when the process dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from eventing.errors import ChannelBusy, ChannelUnavailable


class Ownership:
    """An `flock` on ``FILE.lock``, which holds the owner's process id for people. The lock file stays: removing it would let two
    processes lock two different files of that name."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock_path = path.with_name(path.name + ".lock")
        self._fd: int | None = None

    def take(self) -> None:
        """Raises `ChannelBusy` naming the owner, `ChannelUnavailable` where the lock file can't be made."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ChannelUnavailable(f"can't use the folder {self._path.parent}: {error.strerror} ({error.filename})") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
            os.close(fd)
            raise ChannelBusy(
                f"{self._path} belongs to another process{f' (pid {owner})' if owner else ''}; one process owns a SQLite file"
            ) from None
        except OSError as error:
            os.close(fd)
            raise ChannelUnavailable(f"can't lock {self._lock_path}: {error.strerror}") from error
        try:
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        except OSError:
            # A full disk must not keep the owner out; the lock holds without the number.
            pass
        self._fd = fd

    @property
    def held(self) -> bool:
        """False where the lock file was removed or replaced: another process may own the file by now."""
        if self._fd is None:
            return False
        try:
            return os.stat(self._lock_path).st_ino == os.fstat(self._fd).st_ino
        except OSError:
            return False

    def release(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
