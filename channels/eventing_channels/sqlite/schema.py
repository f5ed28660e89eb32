"""The tables, and their version (DATAPATH 15)."""

from __future__ import annotations

APPLICATION_ID = 0x45764E67
"""In the file's header, so that `file` and we know whose it is: "EvNg"."""

VERSION = 2
"""The newest `user_version` that is known here. Newer is refused."""

FIRST = 1
"""The `user_version` of a new file. It is raised by what needs more: until then an older program can open the file."""

LINES = 2
"""From here on backlog entries may stand in line behind others with their ordering key (`lines`). A program that doesn't know
this would never come to those behind, so it must not open the file."""

PAGE_SIZE = 4096

TABLES = (
    # One row of named values: the file's id, the clock.
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID",
    # A broker's log. `swept`: every position up to it is deleted unless a backlog entry refers to it; with the rows above it
    # it also says which positions were used, so that none is used twice. `dropped`: its rows are being deleted.
    """CREATE TABLE brokers(number INTEGER PRIMARY KEY AUTOINCREMENT, uid TEXT NOT NULL, swept INTEGER NOT NULL,
       bytes INTEGER NOT NULL, dropped INTEGER NOT NULL DEFAULT 0)""",
    "CREATE UNIQUE INDEX brokers_live ON brokers(uid) WHERE dropped = 0",
    "CREATE TABLE cursors(broker INTEGER, name TEXT, position INTEGER NOT NULL, PRIMARY KEY(broker, name)) WITHOUT ROWID",
    "CREATE TABLE lanes(number INTEGER PRIMARY KEY, broker INTEGER NOT NULL, trigger TEXT NOT NULL, lane INTEGER NOT NULL,"
    " UNIQUE(broker, trigger, lane))",
    # `detail`: ordering key and failures. Which entries are leased is in memory: the file has one owner, and a new one voids all.
    """CREATE TABLE backlog(lane INTEGER, position INTEGER, broker INTEGER NOT NULL, due REAL NOT NULL, attempts INTEGER NOT NULL,
       bytes INTEGER NOT NULL, detail BLOB, PRIMARY KEY(lane, position)) WITHOUT ROWID""",
    # For claims; `bytes` makes the counters of a million entries readable without the rows.
    "CREATE INDEX backlog_due ON backlog(lane, due, position, bytes)",
    # Is an event still referred to?
    "CREATE INDEX backlog_event ON backlog(broker, position)",
    """CREATE TABLE dead_letters(number INTEGER PRIMARY KEY AUTOINCREMENT, broker TEXT NOT NULL, trigger TEXT NOT NULL,
       position INTEGER NOT NULL, head BLOB NOT NULL, data BLOB, why TEXT NOT NULL, failures BLOB NOT NULL,
       attempts INTEGER NOT NULL, at REAL NOT NULL, bytes INTEGER NOT NULL)""",
    "CREATE UNIQUE INDEX dead_identity ON dead_letters(broker, trigger, position)",
    "CREATE INDEX dead_page ON dead_letters(broker, trigger, number, bytes)",
    "CREATE INDEX dead_order ON dead_letters(broker, number)",
    "CREATE INDEX dead_age ON dead_letters(broker, at)",
    "CREATE TABLE checkpoints(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE leases(name TEXT PRIMARY KEY, owner TEXT NOT NULL, token INTEGER NOT NULL, until REAL NOT NULL) WITHOUT ROWID",
    # A deleted document stays as a row without body, so that a watch sees the deletion.
    """CREATE TABLE documents(collection TEXT, name TEXT, body BLOB, version INTEGER NOT NULL,
       PRIMARY KEY(collection, name)) WITHOUT ROWID""",
    "CREATE UNIQUE INDEX documents_version ON documents(version)",
    "CREATE INDEX documents_watch ON documents(collection, version)",
)

ADD_LINES = (
    "ALTER TABLE backlog ADD COLUMN line BLOB",
    "ALTER TABLE backlog ADD COLUMN later REAL",
    "CREATE INDEX backlog_line ON backlog(lane, line, position) WHERE line IS NOT NULL",
    f"PRAGMA user_version = {LINES}",
)
"""What makes a file of version 1 one of version 2."""


def create_log(number: int) -> str:
    """A broker's log, a table of its own: neighbours in it are neighbours on disk, and it goes as a whole."""
    return (
        f"CREATE TABLE log_{number}(position INTEGER PRIMARY KEY, appended REAL NOT NULL, hops INTEGER NOT NULL,"
        " head BLOB NOT NULL, data BLOB)"
    )
