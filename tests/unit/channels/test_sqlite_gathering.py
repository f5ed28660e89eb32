"""How long the writer waits for more events before a commit: as long as it gains, never where nobody comes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from eventing_channels.sqlite import jobs
from eventing_channels.sqlite.jobs import COMPANY, ENOUGH, GATHER, LONGEST, Job, JobQueue


class Clock:
    """Stands still but for `sleep` and `pass_`; ``slept``: the seconds of each sleep."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def pass_(self, seconds: float) -> None:
        self.now += seconds


class Event(Job):
    __slots__ = ()
    is_append = True

    def run(self, tx: Any) -> None: ...


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(jobs, "time", clock)
    return clock


@pytest.fixture
async def queue(clock: Clock) -> JobQueue:
    return JobQueue(1 << 20)


def put(queue: JobQueue, events: int) -> None:
    queue.put(Event(asyncio.get_running_loop().create_future(), 10, events))


def commit(queue: JobQueue, clock: Clock, events: int, seconds: float) -> None:
    """One that took so many events and so long."""
    put(queue, events)
    assert len(queue.take(0)) >= 1
    clock.pass_(seconds)


async def test_the_first_commit_waits_for_nobody(queue: JobQueue, clock: Clock) -> None:
    commit(queue, clock, 1, 0.0)
    assert clock.slept == []


async def test_after_a_commit_with_company_the_next_is_gathered_for(queue: JobQueue, clock: Clock) -> None:
    commit(queue, clock, COMPANY, 0.0005)
    commit(queue, clock, 1, 0.0)
    assert clock.slept == [pytest.approx(GATHER - 0.0005)]


async def test_after_a_commit_without_company_nobody_is_waited_for(queue: JobQueue, clock: Clock) -> None:
    commit(queue, clock, COMPANY - 1, 0.0005)
    commit(queue, clock, 1, 0.050)
    commit(queue, clock, 1, 0.0)
    assert clock.slept == []


async def test_with_enough_events_a_quick_commit_needs_no_more(queue: JobQueue, clock: Clock) -> None:
    commit(queue, clock, ENOUGH, 0.0005)
    commit(queue, clock, ENOUGH, 0.0)
    assert clock.slept == []


@pytest.mark.parametrize(("took", "waited"), [(0.003, 0.0), (0.005, 0.0), (0.015, 0.002), (0.050, 0.009), (3.0, LONGEST)])
@pytest.mark.parametrize("events", [1, ENOUGH])
async def test_the_slower_the_disk_the_longer_after_the_commit_s_end(
    queue: JobQueue, clock: Clock, took: float, waited: float, events: int
) -> None:
    """Those whom it answered come only then; too late for the next commit, each would wait for two."""
    commit(queue, clock, COMPANY, took)
    commit(queue, clock, events, 0.0)
    assert clock.slept == ([pytest.approx(waited)] if waited else [])


async def test_a_commit_s_end_is_where_the_next_is_asked_for_not_where_it_comes(
    queue: JobQueue, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Idle time is no slow disk."""
    commit(queue, clock, COMPANY, 0.001)
    monkeypatch.setattr(queue, "_wait", lambda _timeout: clock.pass_(10.0))
    commit(queue, clock, 1, 0.0)
    assert clock.slept == []


async def test_a_closed_queue_is_emptied_at_once(queue: JobQueue, clock: Clock) -> None:
    commit(queue, clock, COMPANY, 0.050)
    put(queue, 1)
    queue.close()
    assert len(queue.take(0)) == 1
    assert clock.slept == []
