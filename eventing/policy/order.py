"""Order per key (DATAPATH 12): which of a trigger's events may start now, and which go to the backlog, behind those with their
key.

For each key, either all of its events that were read and have not ended are in memory, or all of them are in the backlog or on
the way there. So the backlog alone decides who comes first where it has anything of a key, and memory alone where it has
nothing.

    asking    the first events of a key since the backlog may hold something: nothing starts until it is known
    running   the backlog has nothing of the key: its first event runs, the others wait here
    parked    events of the key are on the way into the backlog. Once they are in, nothing is kept here: a later event asks

When the process begins, or the trigger becomes an ordered one, the backlog may hold entries of events that will be read again,
and before them others with their key. Until the reader has come past all of these, every event goes into the backlog and nothing
is claimed there.

Pure: no clock, no I/O. Works are opaque.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, TypeVar

from eventing.event import Event
from eventing.ports.records import Position

W = TypeVar("W")


def ordering_key(event: Event) -> str:
    """`partitionkey` (CloudEvents partitioning extension), else `subject`, else `source`; an empty one counts as absent."""
    return event.text("partitionkey") or event.subject or event.source


class Turn(Enum):
    """What becomes of an event offered. ``START``: it may run now. ``WAIT``: it is kept here. ``ASK``: it is kept here, and the
    backlog is to be asked for its key. ``PARK``: it goes to the backlog."""

    START = "start"
    WAIT = "wait"
    ASK = "ask"
    PARK = "park"


class _Phase(Enum):
    UNKNOWN = "unknown"
    CATCHING_UP = "catching up"
    KNOWN = "known"


@dataclass(eq=False, slots=True)
class _Key(Generic[W]):
    """``works``: not yet ended, in order; the first one runs unless ``asking``. ``parked``: on the way into the backlog."""

    name: str
    works: deque[W] = field(default_factory=deque)
    asking: bool = False
    parked: int = 0


@dataclass(frozen=True, slots=True)
class Question(Generic[W]):
    """To be put to the backlog. ``handed``: what had been parked by then, None where some of it was still on the way."""

    keys: tuple[str, ...]
    asked: tuple[_Key[W], ...]
    handed: int | None


@dataclass(frozen=True, slots=True)
class Answered(Generic[W]):
    """``start``: may run now. ``park``: keys whose events go to the backlog, see `KeyOrder.park`."""

    start: list[W]
    park: list[str]


class KeyOrder(Generic[W]):
    """For one ordered trigger. Bounded by what the caller keeps in its window: a key is forgotten once nothing of it is here."""

    __slots__ = ("_barrier", "_catch_up", "_empty", "_handed", "_keys", "_phase", "_stored", "_unasked")

    def __init__(self) -> None:
        self._keys: dict[str, _Key[W]] = {}
        self._unasked: deque[_Key[W]] = deque()
        self._phase = _Phase.UNKNOWN
        self._catch_up: Position | None = None
        self._empty = False
        self._handed = 0
        self._stored = 0
        self._barrier: int | None = None

    @property
    def known(self) -> bool:
        """Whether entries may be claimed."""
        return self._phase is _Phase.KNOWN

    @property
    def catch_up(self) -> Position | None:
        """The position that the reader must come past before `caught_up` is called; None where it needs not."""
        return self._catch_up if self._phase is _Phase.CATCHING_UP and self._barrier is None else None

    @property
    def under_way(self) -> bool:
        """Whether anything is on the way into the backlog."""
        return self._handed > self._stored

    @property
    def keys(self) -> int:
        """Keys of which something is here."""
        return len(self._keys)

    def restart(self) -> None:
        """What the backlog holds isn't known (any more)."""
        self._phase = _Phase.UNKNOWN
        self._empty = False
        self._barrier = None

    def turn(self, name: str) -> Turn:
        """What would become of an event with this key; nothing changes."""
        if self._phase is _Phase.CATCHING_UP:
            return Turn.PARK
        key = self._keys.get(name)
        if key is None:
            return Turn.START if self._phase is _Phase.KNOWN and self._empty else Turn.ASK
        return Turn.PARK if key.parked else Turn.WAIT

    def started(self, name: str) -> bool:
        """Whether the key's first work was let run."""
        key = self._keys.get(name)
        return key is not None and bool(key.works) and not key.asking

    def join(self, name: str, work: W) -> Turn:
        """Keep an event's work here, where its `turn` isn't to be parked; the answer is that turn."""
        turn = self.turn(name)
        assert turn is not Turn.PARK
        key = self._keys.get(name)
        if key is None:
            key = self._keys[name] = _Key(name)
            if turn is Turn.ASK:
                key.asking = True
                self._unasked.append(key)
        key.works.append(work)
        return turn

    def ended(self, name: str) -> W | None:
        """The key's running work ended and left nothing behind; the one that may run next."""
        key = self._keys[name]
        key.works.popleft()
        if key.works:
            return key.works[0]
        if not key.parked:
            del self._keys[name]
        return None

    def park(self, name: str) -> list[W]:
        """All works of the key, in order. The caller hands over all of them, in this order; each counts as on the way from now
        on."""
        key = self._keys.get(name)
        if key is None:
            return []
        works = list(key.works)
        key.works.clear()
        key.asking = False
        self._on_the_way(key, len(works))
        return works

    def parked(self, name: str) -> None:
        """One more event of the key, that never was here, is on the way into the backlog, behind those before."""
        key = self._keys.get(name)
        if key is None:
            key = self._keys[name] = _Key(name)
        assert not key.works
        self._on_the_way(key, 1)

    def _on_the_way(self, key: _Key[W], count: int) -> None:
        key.parked += count
        self._handed += count
        self._empty = False
        if not key.parked and not key.works:
            del self._keys[key.name]

    def stored(self, name: str) -> bool:
        """An event that was on the way is in the backlog. True: from now on entries may be claimed."""
        key = self._keys[name]
        key.parked -= 1
        self._stored += 1
        if not key.parked and not key.works:
            del self._keys[name]
        return self._past_barrier()

    # What the backlog says.

    @property
    def asks(self) -> bool:
        """Whether there is anything to ask."""
        return bool(self._unasked) or self._phase is _Phase.UNKNOWN

    def question(self, limit: int) -> Question[W]:
        """The next thing to ask, of ``limit`` keys at most. One question at a time."""
        asked: list[_Key[W]] = []
        while self._unasked and len(asked) < limit:
            key = self._unasked.popleft()
            if key.asking and self._keys.get(key.name) is key:
                asked.append(key)
        return Question(tuple(key.name for key in asked), tuple(asked), None if self.under_way else self._handed)

    def unanswered(self, question: Question[W]) -> None:
        """There was no answer: it is asked again."""
        self._unasked.extendleft(reversed(question.asked))

    def answered(self, question: Question[W], held: Collection[str], last: Position | None) -> Answered[W]:
        """``held``: of the keys asked for, those with an entry; ``last``: no entry has a higher position, None where there is no
        entry."""
        if self._phase is _Phase.UNKNOWN and last is not None:
            self._phase, self._catch_up = _Phase.CATCHING_UP, last
            # Of those read so far too: an entry of theirs may belong to an event behind them that was read before a crash.
            self._unasked.clear()
            return Answered([], [name for name, key in self._keys.items() if key.asking])
        if self._phase is _Phase.UNKNOWN:
            self._phase = _Phase.KNOWN
        self._empty = last is None and question.handed == self._handed
        start: list[W] = []
        park: list[str] = []
        for key in question.asked:
            if not key.asking or self._keys.get(key.name) is not key:
                continue  # parked while it was asked for
            if key.name in held:
                park.append(key.name)
            else:
                key.asking = False
                start.append(key.works[0])
        return Answered(start, park)

    def caught_up(self) -> bool:
        """The reader has come past `catch_up`. True: from now on entries may be claimed; else once what was parked is stored."""
        self._barrier = self._handed
        return self._past_barrier()

    def _past_barrier(self) -> bool:
        if self._phase is not _Phase.CATCHING_UP or self._barrier is None or self._stored < self._barrier:
            return False
        self._phase, self._barrier = _Phase.KNOWN, None
        return True
