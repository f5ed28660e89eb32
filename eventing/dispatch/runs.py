"""Runs: claimed entries with one ordering key, which are delivered one after the other (DATAPATH 12, `ports.backlog`).

The first of a run is queued in its lane, the others wait here for the one ahead of them to end. Where that has to wait itself, or
isn't held any more, all of the others go back to the backlog as they were: it alone decides then who comes first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from eventing.dispatch.giving_back import give_back
from eventing.dispatch.sender import Encoded
from eventing.dispatch.work import Work
from eventing.ports.channel import Channel
from eventing.ports.records import Entry, EntryKey
from eventing.telemetry.logs import Log

if TYPE_CHECKING:
    from eventing.dispatch.lane import DeliveryLane

FOLLOWERS = 128
"""Entries of one lane that wait here at most."""


class Runs:
    """Of one lane. Every claimed entry with an ordering key is known here until it has ended; bounded by `room`."""

    __slots__ = ("_behind", "_lane", "_waiting")

    def __init__(self, lane: DeliveryLane) -> None:
        self._lane = lane
        self._behind: dict[str, deque[Work]] = {}
        self._waiting = 0

    def room(self, now: float, fronts: int) -> int:
        """How many entries a claim of that many fronts may bring, those behind them included. ``now``: on the loop's clock."""
        most = fronts + FOLLOWERS - self._waiting
        return self._lane.gate.in_turn(now, most + len(self._lane.queue)) - len(self._lane.queue)

    def take(self, entries: Sequence[Entry]) -> list[Entry]:
        """Queue what was claimed. Returns those that must be given back: there is no room for their bytes, or something of their
        key is here already, under leases that had lapsed (the clock leapt) and hold again with this claim."""
        refused: list[Entry] = []
        for key, group in groupby(entries, lambda entry: entry.ordering_key):
            if key is None:
                refused += [entry for entry in group if not queued(self._lane, entry)]
            else:
                refused += self._line_up(key, list(group))
        return refused

    def _line_up(self, key: str, group: list[Entry]) -> list[Entry]:
        fresh = [entry for entry in group if not goes_on(self._lane, entry)]
        if len(fresh) < len(group) or key in self._behind:
            return fresh
        run: deque[Work] = deque()
        for entry in fresh:
            work = _work(self._lane, entry)
            if not self._lane.holds(work):
                break
            run.append(work)
        refused = fresh[len(run) :]
        if run:
            first = run.popleft()
            self._behind[key] = run
            self._waiting += len(run)
            self._lane.push(first)
        return refused

    def ended(self, work: Work) -> None:
        """A delivery ended for good: the one behind it is queued."""
        run = self._behind.get(work.ordering_key or "")
        if run is None:
            return
        if run:
            self._waiting -= 1
            self._lane.push(run.popleft())
        else:
            del self._behind[work.ordering_key or ""]

    def cut(self, work: Work) -> list[Work]:
        """A delivery has to wait, or is not ours any more: those behind it, in order, which must be given back. They are
        forgotten here."""
        return self._forget(self._behind.pop(work.ordering_key or "", ()))

    def cut_behind(self, work: Work, lost: EntryKey) -> list[Work]:
        """An entry behind a delivery is not ours any more: what comes after it, as `cut`. The delivery itself goes on."""
        run = self._behind.get(work.ordering_key or "")
        if run is None:
            return []
        kept = next((place for place, other in enumerate(run) if other.key == lost), len(run))
        cut = [run.pop() for _ in range(len(run) - kept)]
        return self._forget(reversed(cut))

    def behind(self, work: Work) -> Iterable[Work]:
        """What waits for a delivery, in order."""
        return tuple(self._behind.get(work.ordering_key or "", ()))

    def stop(self) -> list[Work]:
        """Nothing more begins; all that waited, forgotten here."""
        waiting = [work for run in self._behind.values() for work in run]
        self._behind.clear()
        return self._forget(waiting)

    def _forget(self, works: Iterable[Work]) -> list[Work]:
        cut = list(works)
        self._waiting -= len(cut)
        for work in cut:
            self._lane.held.pop(work.key, None)
            self._lane.gone(work.size)
        return cut


def queued(lane: DeliveryLane, entry: Entry) -> bool:
    """Queue a claimed entry by itself. False: there is no room for its bytes."""
    return goes_on(lane, entry) or lane.claimed(_work(lane, entry))


def goes_on(lane: DeliveryLane, entry: Entry) -> bool:
    """Whether the entry waits or runs here already, under a lease that had lapsed (the clock leapt): then under its new one."""
    held = lane.held.get(entry.key)
    if held is None:
        return False
    held.token, held.until = entry.lease.token, entry.lease.until
    return True


def _work(lane: DeliveryLane, entry: Entry) -> Work:
    return Work.claimed(lane, entry, Encoded(entry.record.event, entry.record.headers))


async def extend(channel: Channel, broker: str, work: Work, until: float) -> tuple[bool, list[Work]]:
    """Prolong the lease of a delivery, and of all that waits for it: a later one must not be held longer than an earlier one.
    Whether the delivery is still ours, and what must be given back. Raises `ChannelUnavailable`, `ChannelClosed`."""
    lane, runs = work.lane, work.lane.runs
    works = [work, *(runs.behind(work) if runs is not None else ())]
    asked = [(one, one.token) for one in works if one.token is not None]
    lost = await channel.backlog.extend(broker, [(one.key, token) for one, token in asked], until)
    held = [one for one, token in asked if one.token == token]
    gone = next((one for one in held if one.key in lost), None)
    for one in held:
        if one.key not in lost:
            one.until = until
    if gone is None:
        return True, []
    lane.refresh()
    if gone is work:
        lane.held.pop(work.key, None)
        return False, runs.cut(work) if runs is not None else []
    assert runs is not None
    return True, runs.cut_behind(work, gone.key)


async def cut_off(channel: Channel, broker: str, lane: DeliveryLane, works: Sequence[Work], log: Log) -> None:
    """Give back what was cut off a run, and have the lane's backlog looked at again."""
    held = [(work.key, work.token) for work in works if work.token is not None]
    if await give_back(channel, broker, held, log, trigger=lane.metrics.name):
        lane.waits(channel.now())
