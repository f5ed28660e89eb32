"""A broker in memory: its log, its groups, its lanes, and what of it is still needed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from eventing.errors import ChannelClosed
from eventing.ports.records import EntryKey, NewRecord, Position, Record
from eventing.ports.watermark import Watermark
from eventing_channels.memory.lane import LaneStore

OVERHEAD = 200
"""Bytes counted per event beside its own, for the objects around it."""


@dataclass(slots=True)
class LogStore:
    """``swept``: every position up to it is gone unless a backlog entry refers to it. ``references``: entries by position."""

    uid: str
    last: Position = 0
    swept: Position = 0
    bytes: int = 0
    records: dict[Position, Record] = field(default_factory=dict)
    references: dict[Position, int] = field(default_factory=dict)
    watermarks: dict[str, Watermark] = field(default_factory=dict)
    readers: dict[str, MemoryReader] = field(default_factory=dict)
    lanes: dict[tuple[str, int], LaneStore] = field(default_factory=dict)

    def append(self, records: Sequence[NewRecord], now: float) -> list[Position]:
        positions = []
        for new in records:
            self.last += 1
            self.records[self.last] = Record(self.last, new.event, new.hops, now, new.headers)
            self.bytes += new.size + OVERHEAD
            positions.append(self.last)
        for reader in self.readers.values():
            reader.wake()
        return positions

    def refer(self, position: Position) -> None:
        self.references[position] = self.references.get(position, 0) + 1

    def is_behind(self, key: EntryKey) -> bool:
        """Whether the entry waits behind another one with its ordering key."""
        lane = self.lanes.get((key.trigger, int(key.lane)))
        waiting = lane.entries.get(key.position) if lane is not None else None
        return waiting is not None and waiting.behind

    def release(self, position: Position) -> None:
        """An entry that referred to it is gone."""
        left = self.references[position] - 1
        if left:
            self.references[position] = left
            return
        del self.references[position]
        if position <= self.swept:
            self._forget(position)

    def sweep(self, before: float) -> int:
        """Move the mark over events that every group is done with and that were stored at or before that time."""
        target = min((mark.cursor for mark in self.watermarks.values()), default=self.swept)
        deleted = 0
        while self.swept < target:
            position = self.swept + 1
            record = self.records.get(position)
            if record is not None and record.appended > before:
                break
            self.swept = position
            if record is not None and position not in self.references:
                self._forget(position)
                deleted += 1
        return deleted

    def _forget(self, position: Position) -> None:
        record = self.records.pop(position)
        self.bytes -= record.size + OVERHEAD


class MemoryReader:
    """See `eventing.ports.channel.Reader`."""

    def __init__(self, log: LogStore, group: str, watermark: Watermark) -> None:
        self._log, self._group, self._watermark = log, group, watermark
        self._wake = asyncio.Event()
        self._ended: Exception | None = None

    async def read(self, limit: int, max_bytes: int) -> Sequence[Record]:
        if limit < 1:
            raise ValueError(f"limit is {limit}, it must be at least 1")
        while True:
            if self._ended is not None:
                raise self._ended
            given = self._give(limit, max_bytes)
            if given:
                return given
            self._wake.clear()
            await self._wake.wait()

    def passed(self, position: Position) -> bool:
        return position <= self._watermark.last

    def wanted(self) -> int:
        return max(0, self._log.last - self._watermark.last)

    async def close(self) -> None:
        self.end(ChannelClosed(f"the reader of group {self._group!r} is closed"))

    def wake(self) -> None:
        self._wake.set()

    def end(self, error: Exception) -> None:
        if self._ended is None:
            self._ended = error
            self._wake.set()
            if self._log.readers.get(self._group) is self:
                del self._log.readers[self._group]
                self._watermark.reopen()

    def _give(self, limit: int, max_bytes: int) -> list[Record]:
        given: list[Record] = []
        size = 0
        while len(given) < limit and self._watermark.last < self._log.last:
            record = self._log.records[self._watermark.last + 1]
            size += record.size
            if given and size > max_bytes:
                break
            if self._watermark.give(record.position):
                given.append(record)
        return given
