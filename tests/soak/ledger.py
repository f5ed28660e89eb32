"""What was sent and accepted, against where it ended: each event at each trigger that wants it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from tests.fuzz.findings import Findings
from tests.soak.landscape import NAMES

_BIT = {name: 1 << place for place, name in enumerate(NAMES)}


class Fate(Enum):
    SENT = "sent"
    ACCEPTED = "accepted"
    UNKNOWN = "unknown"
    """No answer, or 503: it may be stored."""


@dataclass(slots=True)
class _Event:
    """``owed``: triggers that it has not reached, as bits. ``expires``: it has an end, and may end by it."""

    owed: int
    fate: Fate
    expires: bool


@dataclass(slots=True)
class Ledger:
    """Ids are `e-NUMBER`, and `r-NUMBER` for the reply to one of them. What ended everywhere is forgotten, so it stays small.

    ``ends``: by trigger and how; ``repeats``: events that came again where they had ended, by trigger.
    """

    findings: Findings
    accepted: int = 0
    unknown: int = 0
    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    repeats: Counter[str] = field(default_factory=Counter)
    events: dict[str, _Event] = field(default_factory=dict)
    owing: Counter[str] = field(default_factory=Counter)
    _numbers: int = 0

    def number(self) -> int:
        """The next event's."""
        self._numbers += 1
        return self._numbers

    def sent(self, id_: str, triggers: Sequence[str], *, expires: bool = False) -> None:
        """It goes out now: a delivery may come before the answer."""
        owed = 0
        for name in triggers:
            owed |= _BIT[name]
        self.events[id_] = _Event(owed, Fate.SENT, expires)

    def accept(self, id_: str) -> None:
        """It was answered with 2xx, so it is owed to every trigger that wants it."""
        self.accepted += 1
        self._promise(id_)

    def _promise(self, id_: str) -> None:
        event = self.events[id_]
        event.fate = Fate.ACCEPTED
        for name, bit in _BIT.items():
            if event.owed & bit:
                self.owing[name] += 1
        self._forget(id_, event)

    def doubt(self, id_: str) -> None:
        self.events[id_].fate = Fate.UNKNOWN
        self.unknown += 1

    def refuse(self, id_: str) -> None:
        """It is certainly not stored."""
        event = self.events.pop(id_)
        if not event.owed:
            self.findings.add("refused and delivered", id_)

    def reply(self, id_: str, triggers: Sequence[str]) -> None:
        """A subscriber answered with this event: it is owed like any other from now on."""
        self.sent(id_, triggers)
        self._promise(id_)

    def end(self, trigger: str, id_: str, how: str) -> bool:
        """The event reached the trigger's subscriber or sink, or is in the built-in store. Whether it was owed still."""
        event = self.events.get(id_)
        bit = _BIT[trigger]
        if event is None or not event.owed & bit:
            if self._known(id_):
                self.repeats[trigger] += 1
            else:
                self.findings.add("an event that nobody sent", f"{id_!r} at {trigger}")
            return False
        event.owed &= ~bit
        self.ends[trigger, how] += 1
        if event.fate is Fate.ACCEPTED:
            self.owing[trigger] -= 1
            self._forget(id_, event)
        return True

    def owes(self, trigger: str, id_: str) -> bool:
        event = self.events.get(id_)
        return event is not None and bool(event.owed & _BIT[trigger])

    def open(self, *without: str) -> list[tuple[str, str]]:
        """What is owed and can't have expired: trigger and id. ``without``: not of these triggers."""
        ignored = sum(_BIT[name] for name in without)
        return [
            (name, id_)
            for id_, event in self.events.items()
            if event.fate is Fate.ACCEPTED and not event.expires and event.owed & ~ignored
            for name, bit in _BIT.items()
            if event.owed & bit & ~ignored
        ]

    def expired(self, trigger: str) -> int:
        """Accepted events with an end that have not reached this trigger."""
        bit = _BIT[trigger]
        return sum(event.expires and event.fate is Fate.ACCEPTED and bool(event.owed & bit) for event in self.events.values())

    def _forget(self, id_: str, event: _Event) -> None:
        if not event.owed:
            del self.events[id_]

    def _known(self, id_: str) -> bool:
        number = id_[2:] if id_[:2] in {"e-", "r-"} else ""
        return number.isascii() and number.isdigit() and int(number) <= self._numbers
