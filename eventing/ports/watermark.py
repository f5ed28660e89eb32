"""The watermark of a reader group: what was given out, what is done, and how far the cursor may go. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from eventing.ports.records import Position


class Watermark:
    """Positions given out in rising order and ended in any order.

    ``cursor``: every position up to it is done. It moves only to positions that were given out, so it is valid in logs with
    gaps as well. `preview` says where a settlement will move it, before the settlement is durable; `apply` moves it, after.
    Memory is bounded by what is given out and not below the cursor (the caller's window).
    """

    def __init__(self, cursor: Position) -> None:
        self._cursor = cursor
        self._last = cursor
        self._order: deque[Position] = deque()
        self._pending: set[Position] = set()
        self._again: set[Position] = set()
        self._skip: set[Position] = set()

    @property
    def cursor(self) -> Position:
        return self._cursor

    @property
    def last(self) -> Position:
        """The highest position given out (or the cursor, where none was)."""
        return self._last

    @property
    def outstanding(self) -> int:
        """Positions given out and not done."""
        return len(self._pending)

    def give(self, position: Position) -> bool:
        """Note a position as given out. False: it was done already (before `reopen`), don't give it out again.

        Raises `ValueError` where positions don't rise: that is a log read out of order.
        """
        if position <= self._last:
            raise ValueError(f"position {position} given out after {self._last}")
        self._last = position
        self._again.discard(position)
        self._order.append(position)
        if position in self._skip:
            self._skip.discard(position)
            return False
        self._pending.add(position)
        return True

    def preview(self, done: Iterable[Position]) -> Position:
        """The cursor as it will be once ``done`` is applied."""
        ended = set(done)
        cursor = self._cursor
        for position in self._order:
            if position in self._pending and position not in ended:
                break
            cursor = position
        return cursor

    def apply(self, done: Iterable[Position]) -> Position:
        """End these positions and return the cursor. Unknown and repeated ones are ignored."""
        for position in done:
            if position in self._pending:
                self._pending.discard(position)
            elif position in self._again:
                self._skip.add(position)
        while self._order and self._order[0] not in self._pending:
            self._cursor = self._order.popleft()
        return self._cursor

    def reopen(self) -> None:
        """The reader was closed; the next one starts again behind the cursor. What is done above it isn't given out again."""
        ended = {position for position in self._order if position not in self._pending}
        self._skip |= ended
        self._again = {p for p in (self._again | self._pending) if p > self._cursor}
        self._skip = {p for p in self._skip if p > self._cursor}
        self._order.clear()
        self._pending.clear()
        self._last = self._cursor
