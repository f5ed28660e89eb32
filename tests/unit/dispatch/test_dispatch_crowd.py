"""The reader waits for a trigger whose queue is long and gets shorter, and for none that stands still."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from dispatch_rig import event, once_set, rig, subscribers

from eventing.dispatch import crowd as crowd_module
from eventing.dispatch.crowd import Crowd


class Line:
    def __init__(self, queued: int) -> None:
        self.finished = 0
        self.queued = queued

    def work(self, number: int) -> None:
        self.finished += number
        self.queued -= number


async def test_nobody_is_waited_for_where_nobody_is_crowded() -> None:
    async with asyncio.timeout(5):
        await Crowd().dispersed()


async def test_a_lane_that_stands_still_is_waited_for_no_longer_than_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd_module, "TICK", 0.001)
    crowd = Crowd()
    crowd.enter(Line(500))
    async with asyncio.timeout(5):
        await crowd.dispersed()
    assert not len(crowd)


async def test_a_lane_that_makes_headway_is_waited_for_until_it_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd_module, "TICK", 0.001)
    crowd, line = Crowd(), Line(5000)
    crowd.enter(line)
    looks = 0
    look = crowd._look

    def looked() -> None:
        nonlocal looks
        looks += 1
        line.work(line.queued // 4 + 1)
        look()
        if looks == 5:
            crowd.leave(line)

    monkeypatch.setattr(crowd, "_look", looked)
    async with asyncio.timeout(5):
        await crowd.dispersed()
    assert looks == 5


async def test_one_that_stands_still_ends_the_wait_only_once_the_others_are_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd_module, "TICK", 0.001)
    crowd, quick, stuck = Crowd(), Line(100), Line(100)
    crowd.enter(stuck)
    crowd.enter(quick)
    waiting = asyncio.create_task(crowd.dispersed())
    await asyncio.sleep(0)
    assert not waiting.done()
    quick.work(100)
    crowd.leave(quick)
    async with asyncio.timeout(5):
        await waiting


async def test_events_that_come_faster_than_they_are_delivered_wait_in_the_log_and_not_in_the_backlog(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crowd_module, "TICK", 30.0)
    async with subscribers(1) as (one,), rig(tmp_path, hand_over_after=60.0) as engine:
        engine.trigger("one", one.url)
        await engine.start()
        await engine.append(*(event(number) for number in range(3000)))
        await one.got(3000)
        await engine.idle()
        assert engine.metrics.triggers["one"].parked.total == 0


async def test_a_trigger_that_stands_still_keeps_no_other_from_its_events(tmp_path: Path) -> None:
    async with subscribers(2) as (stuck, healthy), rig(tmp_path) as engine:
        gate = asyncio.Event()
        stuck.answer = once_set(gate)
        engine.trigger("stuck", stuck.url)
        engine.trigger("healthy", healthy.url)
        await engine.start()
        await engine.append(*(event(number) for number in range(3000)))
        await healthy.got(3000)
        assert len(stuck.ids()) <= 64
        gate.set()
        await stuck.got(3000)
        await engine.idle()


async def test_nobody_is_waited_for_once_another_lane_ran_dry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd_module, "TICK", 1000.0)
    crowd = Crowd()
    crowd.enter(Line(80))
    waits = asyncio.create_task(crowd.dispersed())
    await asyncio.sleep(0)
    assert crowd.waited_for
    crowd.ran_dry()
    async with asyncio.timeout(30):
        await waits
    assert not crowd.waited_for


async def test_a_subscriber_that_takes_less_than_comes_in_does_not_slow_its_neighbour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crowd_module, "TICK", 1000.0)  # whether it makes headway is never looked at
    gate = asyncio.Event()
    async with subscribers(2) as (slow, quick), rig(tmp_path, hand_over_after=60.0) as engine:
        slow.answer = once_set(gate)
        engine.trigger("slow", slow.url)
        engine.trigger("quick", quick.url)
        await engine.start()
        for start in range(0, 700, 100):
            await engine.append(*(event(number) for number in range(start, start + 100)))
        await quick.got(700)
        assert slow.running == 64
        gate.set()
        await slow.got(700)
        await engine.idle()
    assert set(slow.ids().values()) == set(quick.ids().values()) == {1}
