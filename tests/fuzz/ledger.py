"""What was accepted against what was delivered: each event to each trigger that wants it, once, as it was sent."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b

from tests.fuzz.event_reader import Read, key
from tests.fuzz.findings import Findings
from tests.fuzz.model import TRIGGERS, matches

PATIENCE = 150.0
"""Seconds after which a delivery that is owed, or one that nobody owed, is a finding, and an unknown outcome forgotten: longer
than any case takes, since what it stored is known at its end."""


@dataclass(slots=True)
class Due:
    number: int
    since: float
    count: int = 1


@dataclass(slots=True)
class Early:
    trigger: str
    event: Read
    since: float
    count: int = 1


@dataclass(slots=True)
class Ledger:
    """Entries are by trigger and event. A delivery may come before the answer that promises it."""

    findings: Findings
    accepted: int = 0
    delivered: int = 0
    due: dict[bytes, Due] = field(default_factory=dict)
    early: dict[bytes, Early] = field(default_factory=dict)
    unknown: dict[bytes, Due] = field(default_factory=dict)
    by_trigger: Counter[str] = field(default_factory=Counter)

    def accept(self, events: Iterable[Read], number: int) -> None:
        """They were answered with 2xx."""
        for event in events:
            self.accepted += 1
            for trigger in TRIGGERS:
                if matches(trigger, event):
                    self._owe(self.due, mark(trigger, event), number)

    def doubt(self, events: Iterable[Read], number: int) -> None:
        """Nobody knows whether they were stored: the connection ended before the answer."""
        for event in events:
            for trigger in TRIGGERS:
                if matches(trigger, event):
                    self._owe(self.unknown, mark(trigger, event), number)

    def _owe(self, book: dict[bytes, Due], entry: bytes, number: int) -> None:
        early = self.early.get(entry)
        if early is not None:
            early.count -= 1
            if not early.count:
                del self.early[entry]
        elif entry in book:
            book[entry].count += 1
        else:
            book[entry] = Due(number, time.monotonic())

    def deliver(self, trigger: str, event: Read) -> None:
        """A subscriber got it."""
        self.delivered += 1
        self.by_trigger[trigger] += 1
        entry = mark(trigger, event)
        for book in (self.due, self.unknown):
            due = book.get(entry)
            if due is not None:
                due.count -= 1
                if not due.count:
                    del book[entry]
                return
        if entry in self.early:
            self.early[entry].count += 1
        else:
            self.early[entry] = Early(trigger, event, time.monotonic())

    def check(self, patience: float = PATIENCE) -> None:
        """What waits for longer than ``patience`` seconds. The oldest entries are first in each book."""
        before = time.monotonic() - patience
        for entry in [entry for entry, due in self.due.items() if due.since <= before]:
            self.findings.add("accepted and not delivered", entry[:8].decode("latin-1"), self.due.pop(entry).number)
        for entry in [entry for entry, early in self.early.items() if early.since <= before]:
            found = self.early.pop(entry)
            self.findings.add("delivered and never accepted so", f"trigger {found.trigger}: {found.event!r:.1500}")
        for entry in [entry for entry, due in self.unknown.items() if due.since <= before]:
            del self.unknown[entry]


def mark(trigger: str, event: Read) -> bytes:
    return trigger.encode() + b" " + blake2b(key(event, typed=trigger == "json"), digest_size=16).digest()
