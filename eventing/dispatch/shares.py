"""Bytes and connections of deliveries, one share for each lane that has any under way (DATAPATH 4)."""

from __future__ import annotations

from eventing.policy.shares import Budget

FEWEST = 4
"""A lane alone gets one share in four, so that it doesn't hold everything when others begin."""


class Shares:
    """`policy.shares.Budget`, cut anew as lanes begin and cease to hold something: idle triggers take nothing from others.

    A lane that holds nothing may take one delivery even where others hold all of the budget, up to a quarter of it for all
    such lanes together: a trigger is slowed by others' large events, not stopped. An event larger than the budget's largest
    item (a limit was lowered since it was stored) counts as that.
    """

    __slots__ = ("_budget", "_connections", "_items", "_overdraft", "_overdrawn", "slots")

    def __init__(self, budget: Budget, connections: int) -> None:
        """``connections``: how many the client may have open to all subscribers."""
        self._budget = budget
        self._connections = connections
        self._items: dict[str, int] = {}
        self._overdrawn: dict[str, int] = {}
        self._overdraft = 0
        self.slots = 1
        """How many connections one lane may have now. Half of all is shared out: a lane that begins finds some, though others
        got theirs when there were fewer."""
        self._resize()

    def take(self, lane: str, size: int) -> bool:
        """Take for one delivery. False: not now, nothing was taken."""
        size = min(size, self._budget.largest)
        items = self._items.get(lane, 0)
        if not items:
            self._items[lane] = 0
            self._resize()
        if self._budget.take(lane, size) or (not items and self._overdraw(lane, size)):
            self._items[lane] = items + 1
            return True
        if not items:
            del self._items[lane]
            self._resize()
        return False

    def give(self, lane: str, size: int) -> None:
        """Give back what was taken for one delivery."""
        size = min(size, self._budget.largest)
        if self._overdrawn and self._overdrawn.get(lane) == size:
            del self._overdrawn[lane]
            self._overdraft -= size
        else:
            self._budget.give(lane, size)
        left = self._items[lane] = self._items[lane] - 1
        if not left:
            del self._items[lane]
            self._resize()

    def room(self, lane: str) -> int:
        """Bytes the lane may still take, as far as its own share goes."""
        return max(0, self._budget.share - self._budget.held(lane))

    @property
    def used(self) -> int:
        """Bytes that all lanes hold together."""
        return self._budget.used + self._overdraft

    def _overdraw(self, lane: str, size: int) -> bool:
        if self._overdraft + size > max(self._budget.total // 4, self._budget.largest):
            return False
        self._overdrawn[lane] = size
        self._overdraft += size
        return True

    def _resize(self) -> None:
        lanes = max(FEWEST, len(self._items))
        self._budget.resize(lanes)
        self.slots = max(1, self._connections // (2 * lanes))
