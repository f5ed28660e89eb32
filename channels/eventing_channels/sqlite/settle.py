"""Settling: hand-overs, results, replies, dead letters and the cursor in one transaction (DATAPATH 1)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from eventing.bindings.storage import encode_head
from eventing.ports.records import DeadLetter, EntryKey, EntryResult, Lane, Position, Settled, Settlement
from eventing_channels.sqlite import entries
from eventing_channels.sqlite.books import BrokerBook
from eventing_channels.sqlite.detail import encode_failures
from eventing_channels.sqlite.jobs import Job
from eventing_channels.sqlite.leases import check_fence
from eventing_channels.sqlite.log import Encoded, encode, store
from eventing_channels.sqlite.transaction import Transaction


@dataclass(frozen=True, slots=True)
class _Dead:
    letter: DeadLetter
    head: bytes
    failures: bytes


@dataclass(frozen=True, slots=True)
class _Result:
    result: EntryResult
    then: entries.EncodedEntry | None
    replies: Sequence[Encoded]
    dead: Sequence[_Dead]


def _encode_dead(letters: Sequence[DeadLetter]) -> list[_Dead]:
    return [_Dead(letter, encode_head(letter.event, letter.headers), encode_failures(letter.failures)) for letter in letters]


class Settle(Job):
    """``cursor``: where the group's cursor goes, None where this process read nothing through the group. ``applied``: told on the
    event loop after the commit, whoever still waits."""

    __slots__ = ("_applied", "_broker", "_cursor", "_dead", "_handovers", "_replies", "_results", "_settlement", "lazy")

    def __init__(
        self,
        future: asyncio.Future[Any],
        broker: str,
        settlement: Settlement,
        cursor: Position | None,
        applied: Callable[[], None],
    ) -> None:
        super().__init__(future)
        self._broker, self._settlement, self._cursor, self._applied = broker, settlement, cursor, applied
        # A cursor alone: no event, lease or due time depends on when it moves.
        self.lazy = not (settlement.prompt or settlement.handovers or settlement.replies or settlement.dead or settlement.results)
        self._handovers = [entries.encode_entry(entry) for entry in settlement.handovers]
        self._replies = encode(settlement.replies)
        self._dead = _encode_dead(settlement.dead)
        self._results = [
            _Result(
                result,
                entries.encode_entry(result.then) if result.then is not None else None,
                encode(result.replies),
                _encode_dead(result.dead),
            )
            for result in settlement.results
        ]

    def run(self, tx: Transaction) -> Settled:
        tx.fault("settle.begin")
        broker = tx.broker(self._broker)
        check_fence(tx, self._settlement.fence)
        tx.fronts = {}
        behind = [handover.entry.key for handover in self._handovers if not entries.insert(tx, broker, handover)]
        tx.fault("settle.handovers")
        lost: set[EntryKey] = set()
        applied: list[_Result] = []
        for result in self._results:
            if self._end_attempt(tx, broker, result):
                applied.append(result)
            else:
                lost.add(result.result.key)
        tx.fault("settle.results")
        replies = [*self._replies, *(reply for result in applied for reply in result.replies)]
        if replies:
            store(tx, broker, replies)
        tx.fault("settle.replies")
        known = [
            (dead.letter.trigger, dead.letter.position)
            for dead in (*self._dead, *(dead for result in applied for dead in result.dead))
            if not _bury(tx, broker.uid, dead)
        ]
        tx.fault("settle.dead")
        self._move_cursor(tx, broker)
        tx.fault("settle.cursor")
        return Settled(frozenset(lost), frozenset(known), frozenset(behind), _fronts(tx, broker))

    def committed(self) -> None:
        self._applied()

    def _end_attempt(self, tx: Transaction, broker: BrokerBook, encoded: _Result) -> bool:
        result = encoded.result
        key = result.key
        lane = broker.lanes.get((key.trigger, int(key.lane)))
        if lane is None or not entries.holds(lane, key.position, result.token):
            return False
        if encoded.then is not None and encoded.then.entry.key == key:
            return entries.change(tx, lane, encoded.then)
        if not entries.delete(tx, lane, key.position):
            return False
        if encoded.then is not None:
            entries.insert(tx, broker, encoded.then)
        entries.release_event(tx, broker, key.position)
        return True

    def _move_cursor(self, tx: Transaction, broker: BrokerBook) -> None:
        group, cursor = self._settlement.group, self._cursor
        before = broker.cursors.get(group)
        if cursor is None or before is None or cursor <= before:
            return
        tx.execute("UPDATE cursors SET position = ? WHERE broker = ? AND name = ?", (cursor, broker.number, group))
        broker.cursors[group] = cursor
        tx.undo(lambda: broker.cursors.__setitem__(group, before))


def _fronts(tx: Transaction, broker: BrokerBook) -> dict[tuple[str, Lane], float]:
    if not tx.fronts:
        return {}
    return {(lane.trigger, Lane(lane.lane)): tx.fronts[lane.number] for lane in broker.lanes.values() if lane.number in tx.fronts}


def _bury(tx: Transaction, broker: str, encoded: _Dead) -> bool:
    """A copy into the built-in store; the same (trigger, position) again is a no-op. Whether it is new."""
    letter = encoded.letter
    size = len(encoded.head) + len(letter.event.data or b"") + len(encoded.failures)
    buried = tx.execute(
        "INSERT OR IGNORE INTO dead_letters(broker, trigger, position, head, data, why, failures, attempts, at, bytes)"
        " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            broker,
            letter.trigger,
            letter.position,
            encoded.head,
            letter.event.data,
            letter.why,
            encoded.failures,
            letter.attempts,
            letter.at,
            size,
        ),
    ).rowcount
    if buried:
        count_dead(tx, broker, letter.trigger, 1, size)
    return bool(buried)


def count_dead(tx: Transaction, broker: str, trigger: str, letters: int, size: int) -> None:
    counts = tx.books.dead_counts.setdefault(broker, {})
    counts[trigger] = counts.get(trigger, 0) + letters
    tx.books.dead_bytes[broker] = tx.books.dead_bytes.get(broker, 0) + size

    def restore() -> None:
        counts[trigger] -= letters
        tx.books.dead_bytes[broker] -= size

    tx.undo(restore)
