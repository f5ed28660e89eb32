"""Opening the file: pragmas, format version, and the errors of a file that can't be used."""

from __future__ import annotations

import os
import secrets
import sqlite3
import stat
import sys
from pathlib import Path
from urllib.parse import quote

from eventing.errors import ChannelUnavailable, ChannelUnsupported, InvalidSetting
from eventing_channels.sqlite import schema
from eventing_channels.sqlite.failures import Kind, classify, corrupt, translate

_MAGIC = b"SQLite format 3\x00"


def inspect(path: Path) -> bool:
    """Look at the path before SQLite does; True where a database is there.

    Only before any connection exists: closing a file that SQLite has open would drop its locks in this process.
    Raises `ChannelCorrupt`, `InvalidSetting`, `ChannelUnsupported` (it has several names), `ChannelUnavailable`.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ChannelUnavailable(f"can't use {path}: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode):
        raise InvalidSetting(f"{path} is not a file")
    if status.st_nlink > 1:
        # Each name would have a lock and a write-ahead log of its own.
        raise ChannelUnsupported(
            f"{path} has {status.st_nlink} names (hard links); a SQLite file must have one: remove the others, or make them"
            " symbolic links"
        )
    if status.st_size == 0:
        return False
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except OSError as error:
        raise ChannelUnavailable(f"can't read {path}: {error.strerror}") from error
    if magic != _MAGIC:
        raise corrupt(path, "it doesn't begin as a SQLite file")
    return True


def open_writer(path: Path, *, fresh: bool, crowded: bool = False) -> sqlite3.Connection:
    """The only connection that writes and checkpoints. ``fresh``: the file may be made. ``crowded``: the disk is full, so the
    write-ahead log may stay as it is.

    What a former process left in the write-ahead log is moved into the file and made durable first, so that after an fsync
    error nothing rests on pages which the kernel only believes to be on disk.
    Raises `ChannelCorrupt`, `ChannelUnsupported`, `ChannelUnavailable`, `ChannelFull`, `ChannelBusy`.
    """
    connection: sqlite3.Connection | None = None
    try:
        if fresh:
            _touch(path)
        connection = _connect(path, "rw")
        _prepare(connection, path)
        page_count = _number(connection, "PRAGMA page_count")
        moved = _move_log(connection, crowded=crowded)
        if moved and path.stat().st_size < page_count * _number(connection, "PRAGMA page_size"):
            raise corrupt(path, "the file is cut short")
    except (sqlite3.Error, OSError) as error:
        if connection is not None:
            connection.close()
        raise translate(error, path) from error
    except BaseException:
        if connection is not None:
            connection.close()
        raise
    return connection


def _move_log(connection: sqlite3.Connection, *, crowded: bool) -> bool:
    try:
        busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.Error as error:
        if crowded and classify(error) is Kind.FULL:
            return False
        raise
    return not busy


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that only reads: it neither writes nor checkpoints (DATAPATH, "SQLite")."""
    connection = _connect(path, "ro")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("PRAGMA query_only = 1")
    connection.execute("PRAGMA cache_size = -4096")
    return connection


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"file://{quote(str(path.absolute()))}?mode={mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=5.0,
        cached_statements=512,
    )


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    application, version = _number(connection, "PRAGMA application_id"), _number(connection, "PRAGMA user_version")
    tables = _number(connection, "SELECT count(*) FROM sqlite_master")
    if application != schema.APPLICATION_ID and (application or version or tables):
        raise ChannelUnsupported(f"{path} is a SQLite file of another program")
    if version > schema.VERSION:
        raise ChannelUnsupported(f"{path} has format {version}, this program knows up to {schema.VERSION}: use a newer program")
    if not tables:
        connection.execute(f"PRAGMA page_size = {schema.PAGE_SIZE}")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        # Before WAL mode: that writes the first page, after which the two above can no longer be chosen.
        connection.execute("PRAGMA synchronous = FULL")
        _create(connection)
        _sync_folder(path.parent)
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if str(mode).lower() != "wal":
        raise ChannelUnavailable(f"{path}: the file system has no write-ahead log (journal_mode is {mode})")
    connection.execute("PRAGMA synchronous = FULL")
    if sys.platform == "darwin":
        # fsync on macOS doesn't reach the platter.
        connection.execute("PRAGMA fullfsync = 1")
        connection.execute("PRAGMA checkpoint_fullfsync = 1")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("PRAGMA secure_delete = 0")
    connection.execute("PRAGMA cache_size = -16384")
    connection.execute("PRAGMA temp_store = MEMORY")


def _create(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for statement in schema.TABLES:
        connection.execute(statement)
    connection.execute("INSERT INTO meta VALUES('file', ?), ('clock', 0.0)", (secrets.token_hex(16),))
    connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {schema.FIRST}")
    connection.execute("COMMIT")


def file_id(connection: sqlite3.Connection) -> str:
    """The random id the file was born with."""
    return str(connection.execute("SELECT value FROM meta WHERE name = 'file'").fetchone()[0])


def _touch(path: Path) -> None:
    """Make an empty file that only its owner reads: it will hold payloads. SQLite gives its other files the same mode."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return


def _number(connection: sqlite3.Connection, sql: str) -> int:
    return int(connection.execute(sql).fetchone()[0])


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
