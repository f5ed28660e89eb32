"""One process owns a file: a lock beside it, which the kernel gives back when the process dies, and a look at whether the path
still leads to the file that is open."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from eventing.errors import ChannelBusy, ChannelCorrupt, ChannelError, ChannelUnavailable

Mark = tuple[int, int]
"""The device and inode of a file."""

LOOKS, PAUSE = 3, 0.01
"""How often, and how many seconds apart, before a file is given up."""


def resolve(path: Path) -> Path:
    """The file that a path leads to, symbolic links followed, also where nothing is there yet. SQLite puts the write-ahead log
    beside that one, so the lock and the reserves lie there too. A path without links stays as it was written, for messages."""
    real = os.path.realpath(path)
    return path if real == os.path.abspath(path) else Path(real)


class Ownership:
    """An `flock` on ``FILE.lock``, which holds the owner's process id for people. The lock file stays: removing it would let two
    processes lock two different files of that name. ``path``: the resolved one. ``given``: what leads to it."""

    def __init__(self, path: Path, given: Path) -> None:
        self._path, self._given = path, str(given)
        self._lock_path = str(path.with_name(path.name + ".lock"))
        self._log_path = str(path.with_name(path.name + "-wal"))
        self._fd: int | None = None
        self._file_fd: int | None = None
        self._lock: Mark | None = None
        self._file: Mark | None = None
        self._log: Mark | None = None

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
        self._fd, self._lock = fd, _mark(os.fstat(fd))

    def opened(self) -> None:
        """Note which files are in use. After SQLite opened them. Raises `OSError`."""
        if self._file_fd is None:
            # Kept until `release`: closing any descriptor of the file would drop SQLite's own locks on it.
            self._file_fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            self._file = _mark(os.fstat(self._file_fd))
        self._log = _mark(os.stat(self._log_path))

    def closed(self) -> None:
        """SQLite closes: from now on the write-ahead log may be missing."""
        self._log = None

    @property
    def held(self) -> bool:
        """False where the lock file was removed or replaced: another process may own the file by now."""
        return self._lock is not None and _look(self._lock_path) == self._lock

    @property
    def in_place(self) -> bool:
        """False where the path doesn't lead to the file that is open."""
        return self._file is not None and _look(self._given) == self._file

    def lost(self) -> ChannelError | None:
        """Why what is written now would not be found again, None where all is in place. In the writer's thread.

        `ChannelUnavailable`: the file is elsewhere and may come back. Anything else: this process must not go on. A folder may be
        moved away and back between two looks, so that is said only after several, some milliseconds apart, that agree.
        """
        for again in range(LOOKS):
            if again:
                time.sleep(PAUSE)
            error = self._judge()
            if error is None or isinstance(error, ChannelUnavailable):
                break
        return error

    def _judge(self) -> ChannelError | None:
        file = _look(self._given)
        if file == self._file:
            held, logged = self.held, self._log is None or _look(self._log_path) == self._log
            if held and logged:
                return None
            # The folder may have gone meanwhile.
            file = _look(self._given)
        if file == self._file:
            if not held:
                return ChannelBusy(
                    f"the lock file of {self._path} was removed or replaced while it was in use, another process may own the file"
                    " now"
                )
            return ChannelCorrupt(f"{self._log_path} was removed or replaced while it was in use")
        if self._file_fd is not None and os.fstat(self._file_fd).st_nlink == 0:
            return ChannelCorrupt(f"{self._path} was removed while it was in use, what it held is lost")
        if file is not None:
            return ChannelCorrupt(f"{self._given} was replaced by another file while it was in use")
        return ChannelUnavailable(
            f"{self._given} is not there: its folder was moved or its disk unmounted; it is used again once it is back"
        )

    def release(self) -> None:
        """After SQLite closed the file."""
        for fd in (self._file_fd, self._fd):
            if fd is not None:
                os.close(fd)
        self._file_fd = self._fd = self._lock = self._file = self._log = None


def _mark(status: os.stat_result) -> Mark:
    return status.st_dev, status.st_ino


def _look(path: str) -> Mark | None:
    try:
        return _mark(os.stat(path))
    except OSError:
        return None
