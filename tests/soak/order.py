"""Order per key: nothing begins before what was accepted earlier under its key is done, and no key has two at once."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from tests.fuzz.findings import Findings


@dataclass(slots=True)
class Order:
    """``wanted``: whether the trigger asks for order; without it nothing is looked at. A key's next event is sent when the one
    before it is answered, so the order of ids is that of the log."""

    findings: Findings
    wanted: bool
    _due: dict[str, deque[str]] = field(default_factory=dict)
    _running: Counter[str] = field(default_factory=Counter)

    def accept(self, key: str, id_: str) -> None:
        """It is in the log, behind all that was accepted under this key before."""
        if self.wanted:
            self._due.setdefault(key, deque()).append(id_)

    def forget(self, id_: str) -> None:
        """It ended elsewhere, as a dead letter."""
        for due in self._due.values():
            if id_ in due:
                due.remove(id_)

    def begin(self, key: str, id_: str) -> None:
        """An attempt came in."""
        if not self.wanted:
            return
        if self._running[key]:
            self.findings.add("two of one key at once", f"{id_} of {key}")
        self._running[key] += 1
        due = self._due.get(key)
        # An older one comes again after a crash; that is no disorder.
        if due and _number(id_) > _number(due[0]):
            self.findings.add("out of order", f"{id_} of {key} before {due[0]}")

    def end(self, key: str, id_: str, *, done: bool) -> None:
        """It was answered, or its connection ended."""
        if not self.wanted:
            return
        self._running[key] -= 1
        due = self._due.get(key)
        if done and due and due[0] == id_:
            due.popleft()


def _number(id_: str) -> int:
    return int(id_[2:])
