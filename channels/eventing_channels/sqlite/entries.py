"""Backlog entries as rows: insert, change and delete, with the lane's counters and leases kept in step."""

# ruff: noqa: S608 (only our own numbers and constants are put into SQL)
from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace

from eventing.ports.records import NewEntry
from eventing_channels.sqlite import lines, schema
from eventing_channels.sqlite.books import ROW_OVERHEAD, BrokerBook, LaneBook
from eventing_channels.sqlite.detail import decode_detail, encode_detail
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


def insert(tx: Transaction, broker: BrokerBook, encoded: EncodedEntry) -> bool:
    """A new entry; a no-op where the key exists, but for its lease: that is taken over where nobody holds one.
    False: it waits behind another entry with its ordering key."""
    entry = encoded.entry
    position = entry.key.position
    row = tx.execute(
        f"SELECT length(head) + coalesce(length(data), 0) FROM log_{broker.number} WHERE position = ?", (position,)
    ).fetchone()
    if row is None:
        # Only a repeated settlement comes here, after the entry it made was dropped with its trigger and the event swept.
        tx.log("hand-over of an event that is no longer kept", {"trigger": entry.key.trigger, "position": position})
        return True
    size = row[0] + ROW_OVERHEAD
    lane = lane_of(tx, broker, entry.key.trigger, entry.key.lane)
    due, line = entry.due, None
    row = (lane.number, position, broker.number, due, entry.attempts, size, encoded.detail)
    if entry.ordering_key is not None:
        line = lines.digest(entry.ordering_key)
        inserted, due = _insert_in_line(tx, lane, row, line)
    else:
        inserted = tx.execute(
            "INSERT OR IGNORE INTO backlog(lane, position, broker, due, attempts, bytes, detail) VALUES(?, ?, ?, ?, ?, ?, ?)", row
        ).rowcount
    if inserted:
        _count(tx, lane, 1, size)
        lane.lower(due, position)
    elif entry.lease is not None:
        due = tx.execute("SELECT due FROM backlog WHERE lane = ? AND position = ?", (lane.number, position)).fetchone()[0]
    if entry.lease is not None and position not in lane.leases:
        lane.lease(position, entry.lease.token, entry.lease.until, due, line)
        tx.undo(lambda: lane.leases.pop(position, None))
    return entry.ordering_key is None or due < lines.BEHIND


def _insert_in_line(
    tx: Transaction, lane: LaneBook, row: tuple[int, int, int, float, int, int, bytes | None], line: bytes
) -> tuple[int, float]:
    """Rows inserted, 0 or 1, and the due time that the entry has now."""
    lines.raise_format(tx)
    number, position, broker, due, *rest = row
    there = tx.execute("SELECT due FROM backlog WHERE lane = ? AND position = ?", (number, position)).fetchone()
    if there is not None:
        return 0, there[0]
    due, later = lines.place(tx, lane, line, position, due)
    tx.execute(
        "INSERT INTO backlog(lane, position, broker, due, attempts, bytes, detail, line, later)"
        " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (number, position, broker, due, *rest, line, later),
    )
    return 1, due


def holds(lane: LaneBook | None, position: int, token: str) -> bool:
    lease = lane.leases.get(position) if lane is not None else None
    return lease is not None and lease.token == token


def change(tx: Transaction, lane: LaneBook, encoded: EncodedEntry) -> bool:
    """A leased entry waits again, with new attempts and due time. False: it isn't there."""
    entry = encoded.entry
    position = entry.key.position
    if tx.books.version >= schema.LINES:
        row = tx.execute(
            "SELECT line, later, detail FROM backlog WHERE lane = ? AND position = ? AND line IS NOT NULL",
            (lane.number, position),
        ).fetchone()
        if row is not None:
            _change_in_line(tx, lane, encoded, *row)
            return True
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


def _change_in_line(
    tx: Transaction, lane: LaneBook, encoded: EncodedEntry, line: bytes, later: float | None, detail: bytes | None
) -> None:
    entry = encoded.entry
    position = entry.key.position
    key = decode_detail(detail)[0]
    kept = encoded.detail if entry.ordering_key == key else encode_detail(replace(entry, ordering_key=key))
    unlease(tx, lane, position)
    in_front = later is None
    stays = in_front and lines.first(tx, lane, line) == position
    tx.execute(
        "UPDATE backlog SET due = ?, later = ?, attempts = ?, detail = ? WHERE lane = ? AND position = ?",
        (*((entry.due, None) if stays else (lines.BEHIND, entry.due)), entry.attempts, kept, lane.number, position),
    )
    if stays:
        lane.lower(entry.due, position)
    elif in_front:
        # One that comes before it was handed over while the attempt ran.
        lines.advance(tx, lane, line)
    else:
        lines.freed(tx, lane, line)
    if entry.lease is not None:
        lane.lease(position, entry.lease.token, entry.lease.until, entry.due if stays else lines.BEHIND, line)
        tx.undo(lambda: lane.leases.pop(position, None))


def delete(tx: Transaction, lane: LaneBook, position: int) -> bool:
    """The entry goes, and the next of its line comes to the front; the caller then looks whether its event may go too
    (`release_event`). False: it isn't there."""
    in_lines = tx.books.version >= schema.LINES
    row = tx.execute(
        f"DELETE FROM backlog WHERE lane = ? AND position = ? RETURNING bytes{', line, later' if in_lines else ''}",
        (lane.number, position),
    ).fetchone()
    unlease(tx, lane, position)
    if row is None:
        return False
    _count(tx, lane, -1, -row[0])
    if in_lines and row[1] is not None:
        (lines.advance if row[2] is None else lines.freed)(tx, lane, row[1])
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
