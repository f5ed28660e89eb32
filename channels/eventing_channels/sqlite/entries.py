"""Backlog entries as rows: insert, change and delete, with the lane's counters and leases kept in step."""

# ruff: noqa: S608 (only our own numbers and constants are put into SQL)
from __future__ import annotations

from dataclasses import dataclass

from eventing.ports.records import NewEntry
from eventing_channels.sqlite.books import ROW_OVERHEAD, BrokerBook, LaneBook
from eventing_channels.sqlite.detail import encode_detail
from eventing_channels.sqlite.transaction import Transaction


@dataclass(frozen=True, slots=True)
class EncodedEntry:
    entry: NewEntry
    detail: bytes | None


def encode_entry(entry: NewEntry) -> EncodedEntry:
    return EncodedEntry(entry, encode_detail(entry))


def lane_of(tx: Transaction, broker: BrokerBook, trigger: str, lane: int) -> LaneBook:
    """The lane, made where it isn't there."""
    key = (trigger, int(lane))
    book = broker.lanes.get(key)
    if book is None:
        number = tx.execute(
            "INSERT INTO lanes(broker, trigger, lane) VALUES(?, ?, ?)", (broker.number, trigger, int(lane))
        ).lastrowid
        assert number is not None
        book = LaneBook(number, broker.number, trigger, int(lane))
        broker.lanes[key] = book
        tx.undo(lambda: broker.lanes.pop(key))
    return book


def insert(tx: Transaction, broker: BrokerBook, encoded: EncodedEntry) -> None:
    """A new entry; a no-op where the key exists, but for its lease: that is taken over where nobody holds one."""
    entry = encoded.entry
    position = entry.key.position
    row = tx.execute(
        f"SELECT length(head) + coalesce(length(data), 0) FROM log_{broker.number} WHERE position = ?", (position,)
    ).fetchone()
    if row is None:
        # Only a repeated settlement comes here, after the entry it made was dropped with its trigger and the event swept.
        tx.log("hand-over of an event that is no longer kept", {"trigger": entry.key.trigger, "position": position})
        return
    size = row[0] + ROW_OVERHEAD
    lane = lane_of(tx, broker, entry.key.trigger, entry.key.lane)
    inserted = tx.execute(
        "INSERT OR IGNORE INTO backlog VALUES(?, ?, ?, ?, ?, ?, ?)",
        (lane.number, position, broker.number, entry.due, entry.attempts, size, encoded.detail),
    ).rowcount
    due = entry.due
    if inserted:
        _count(tx, lane, 1, size)
        lane.lower(due, position)
    elif entry.lease is not None:
        due = tx.execute("SELECT due FROM backlog WHERE lane = ? AND position = ?", (lane.number, position)).fetchone()[0]
    if entry.lease is not None and position not in lane.leases:
        lane.lease(position, entry.lease.token, entry.lease.until, due)
        tx.undo(lambda: lane.leases.pop(position, None))


def holds(lane: LaneBook | None, position: int, token: str) -> bool:
    lease = lane.leases.get(position) if lane is not None else None
    return lease is not None and lease.token == token


def change(tx: Transaction, lane: LaneBook, encoded: EncodedEntry) -> bool:
    """A leased entry waits again, with new attempts and due time. False: it isn't there."""
    entry = encoded.entry
    position = entry.key.position
    changed = tx.execute(
        "UPDATE backlog SET due = ?, attempts = ?, detail = ? WHERE lane = ? AND position = ?",
        (entry.due, entry.attempts, encoded.detail, lane.number, position),
    ).rowcount
    unlease(tx, lane, position)
    if not changed:
        return False
    lane.lower(entry.due, position)
    if entry.lease is not None:
        lane.lease(position, entry.lease.token, entry.lease.until, entry.due)
        tx.undo(lambda: lane.leases.pop(position, None))
    return True


def delete(tx: Transaction, lane: LaneBook, position: int) -> bool:
    """The entry goes; the caller then looks whether its event may go too (`release_event`). False: it isn't there."""
    row = tx.execute("DELETE FROM backlog WHERE lane = ? AND position = ? RETURNING bytes", (lane.number, position)).fetchone()
    unlease(tx, lane, position)
    if row is None:
        return False
    _count(tx, lane, -1, -row[0])
    return True


def release_event(tx: Transaction, broker: BrokerBook, position: int) -> None:
    """Delete an event below the sweep mark, where no entry refers to it any more (DATAPATH 9)."""
    if position > broker.swept:
        return
    row = tx.execute(
        f"DELETE FROM log_{broker.number} WHERE position = ?"
        " AND NOT EXISTS(SELECT 1 FROM backlog WHERE broker = ? AND position = ?)"
        " RETURNING length(head) + coalesce(length(data), 0)",
        (position, broker.number, position),
    ).fetchone()
    if row is not None:
        tx.touch(broker)
        broker.bytes -= row[0] + ROW_OVERHEAD


def unlease(tx: Transaction, lane: LaneBook, position: int) -> None:
    lease = lane.leases.pop(position, None)
    if lease is not None:
        held = lease
        tx.undo(lambda: lane.leases.__setitem__(position, held))


def _count(tx: Transaction, lane: LaneBook, entries: int, size: int) -> None:
    lane.entries += entries
    lane.bytes += size

    def restore() -> None:
        lane.entries -= entries
        lane.bytes -= size

    tx.undo(restore)
