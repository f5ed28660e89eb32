"""Shares of a budget, so that no trigger can use up what others need (DATAPATH 4).

The unit is the caller's: bytes of events in flight, or outgoing connections (then each take is 1). The budget is cut in

    half         the direct path: events read and not yet handed over
    the rest     one equal share for each trigger, less
    a reserve    of one largest item (or an eighth of the budget, if that is more), lent to a trigger for a single item that
                 its share could never hold, so that a small share slows large events and doesn't stop them
"""

from __future__ import annotations

LARGEST = 2 * 1024 * 1024
"""Bytes: twice the default limit of an event's size, since a reply or attributes may add to it."""


class Budget:
    """Counts who holds how much. Never negative, never over ``total_bytes`` in all.

    ``largest``: the largest item that will ever be taken. Raises `ValueError` where the half of the triggers can't hold one.
    """

    __slots__ = (
        "_direct",
        "_direct_used",
        "_lent",
        "_lent_used",
        "_reserve",
        "_share",
        "_shared",
        "_shared_used",
        "_used",
        "largest",
        "total",
    )

    def __init__(self, total_bytes: int, *, largest: int = LARGEST, triggers: int = 1) -> None:
        self._direct = total_bytes // 2
        rest = total_bytes - self._direct
        if largest < 1 or largest > self._direct:
            raise ValueError(f"a budget of {total_bytes} can't hold one item of {largest} in each half; it needs {2 * largest}")
        self.total, self.largest = total_bytes, largest
        self._reserve = max(largest, total_bytes // 8)
        self._shared = rest - self._reserve
        self._direct_used = 0
        self._shared_used = 0
        self._used: dict[str, int] = {}
        self._lent: dict[str, int] = {}
        self._lent_used = 0
        self._share = 0
        self.resize(triggers)

    @property
    def share(self) -> int:
        """What one trigger may hold, beside a single larger item."""
        return self._share

    @property
    def used(self) -> int:
        """Held by the direct path and all triggers together."""
        return self._direct_used + self._shared_used + self._lent_used

    def held(self, trigger: str) -> int:
        return self._used.get(trigger, 0) + self._lent.get(trigger, 0)

    def resize(self, triggers: int) -> None:
        """Cut the shares for that many triggers. Who holds more than a share that became smaller keeps it until it is given
        back; meanwhile a new trigger may have to wait, and nothing goes over the total."""
        self._share = self._shared // max(1, triggers)

    def take_direct(self, amount: int) -> bool:
        """Take from the direct path's half. False: no room, nothing taken."""
        self._check(amount)
        if self._direct_used + amount > self._direct:
            return False
        self._direct_used += amount
        return True

    def give_direct(self, amount: int) -> None:
        """Give back what was taken. Raises `ValueError` for more than is held."""
        if not 0 <= amount <= self._direct_used:
            raise ValueError(f"the direct path gives back {amount} and holds {self._direct_used}")
        self._direct_used -= amount

    def take(self, trigger: str, amount: int) -> bool:
        """Take from the trigger's share, or a single larger item from the reserve. False: no room now, nothing taken; it comes
        with a later `give`. Raises `ValueError` for an amount over ``largest``, which would never fit."""
        if not 0 <= amount <= self.largest:
            self._check(amount)
        if amount > self._share:
            if trigger in self._lent or self._lent_used + amount > self._reserve:
                return False
            self._lent[trigger] = amount
            self._lent_used += amount
            return True
        used = self._used.get(trigger, 0)
        if used + amount > self._share or self._shared_used + amount > self._shared:
            return False
        self._used[trigger] = used + amount
        self._shared_used += amount
        return True

    def give(self, trigger: str, amount: int) -> None:
        """Give back one item that was taken, in the amount it was taken with. Raises `ValueError` for more than is held."""
        if self._lent and self._lent.get(trigger) == amount:
            del self._lent[trigger]
            self._lent_used -= amount
            return
        used = self._used.get(trigger, 0)
        if not 0 <= amount <= used:
            raise ValueError(f"trigger {trigger} gives back {amount} and holds {used}")
        self._shared_used -= amount
        if used == amount:
            self._used.pop(trigger, None)
        else:
            self._used[trigger] = used - amount

    def _check(self, amount: int) -> None:
        if not 0 <= amount <= self.largest:
            raise ValueError(f"{amount} is not between 0 and the largest item, {self.largest}")
