"""What an SQLite error means for the channel."""

from __future__ import annotations

import errno
import sqlite3
from enum import Enum
from pathlib import Path

from eventing.errors import ChannelBusy, ChannelCorrupt, ChannelError, ChannelFull, ChannelUnavailable


class Kind(Enum):
    """``FULL``: no room, nothing was written. ``IO``: the disk or the file failed, and what a commit did is unknown.
    ``BUSY``: another program holds a lock. ``CORRUPT``: the file is damaged. ``JOB``: the fault of one request."""

    FULL = "full"
    IO = "io"
    BUSY = "busy"
    CORRUPT = "corrupt"
    JOB = "job"


_PRIMARY = {
    sqlite3.SQLITE_FULL: Kind.FULL,
    sqlite3.SQLITE_CORRUPT: Kind.CORRUPT,
    sqlite3.SQLITE_NOTADB: Kind.CORRUPT,
    sqlite3.SQLITE_BUSY: Kind.BUSY,
    sqlite3.SQLITE_LOCKED: Kind.BUSY,
    sqlite3.SQLITE_IOERR: Kind.IO,
    sqlite3.SQLITE_CANTOPEN: Kind.IO,
    sqlite3.SQLITE_READONLY: Kind.IO,
    sqlite3.SQLITE_NOMEM: Kind.IO,
    sqlite3.SQLITE_PROTOCOL: Kind.IO,
    sqlite3.SQLITE_PERM: Kind.IO,
    sqlite3.SQLITE_AUTH: Kind.IO,
    sqlite3.SQLITE_INTERNAL: Kind.IO,
    sqlite3.SQLITE_ERROR: Kind.JOB,
}


def classify(error: BaseException) -> Kind:
    if isinstance(error, MemoryError):
        return Kind.IO
    if isinstance(error, OSError):
        return Kind.FULL if error.errno in (errno.ENOSPC, errno.EDQUOT) else Kind.IO
    if not isinstance(error, sqlite3.Error):
        return Kind.JOB
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        # The module's own complaints (a wrong type, a closed connection) carry no code.
        return Kind.JOB
    return _PRIMARY.get(code & 0xFF, Kind.JOB)


def name(error: BaseException) -> str:
    """The error for people: SQLite's symbol and text, which hold no payload."""
    symbol = getattr(error, "sqlite_errorname", None)
    return f"{symbol}: {error}" if symbol else f"{type(error).__name__}: {error}"


def translate(error: BaseException, path: Path) -> BaseException:
    """The error as the ports raise it. What is no storage error stays as it is."""
    if isinstance(error, ChannelError):
        return error
    kind = classify(error)
    if kind is Kind.CORRUPT:
        return corrupt(path, name(error))
    if kind is Kind.FULL:
        return ChannelFull(f"{path}: no room left ({name(error)})")
    if kind is Kind.BUSY:
        return ChannelBusy(f"{path} is locked by another program ({name(error)})")
    if kind is Kind.IO:
        return ChannelUnavailable(f"{path} can't be used ({name(error)})")
    if isinstance(error, sqlite3.Error):
        return ChannelError(f"{path}: refused by SQLite ({name(error)})")
    return error


def corrupt(path: Path, detail: str) -> ChannelCorrupt:
    return ChannelCorrupt(
        f"{path} is damaged ({detail}); it is kept as it is. Stop the program, copy the file, and salvage what is left with: "
        f"sqlite3 {path} .recover"
    )
