"""What is a trigger's own and what isn't: its slots, its holds, its breaker, its dead letters (DATAPATH 4 to 7)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from dispatch_rig import RETRY_TWICE, Rig, event, eventually, never, once_set, only, rig, subscribers

from eventing.policy.delivery import DeliveryPolicy
from eventing.policy.gate import FAILURES
from eventing.ports.http import Response
from eventing.ports.records import Lane
from eventing.resources.plan import Target

QUIET_PLEASE = Response(429, [(b"retry-after", b"600")])


def held(engine: Rig, lane: Lane) -> bool:
    return engine.lane("one", lane).gate.reason(asyncio.get_running_loop().time()) == "retry_after"


async def test_a_trigger_has_64_slots_and_they_are_its_own(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with subscribers(2) as (one, two), rig(tmp_path) as engine:
        one.answer = two.answer = once_set(gate)
        engine.trigger("one", one.url)
        engine.trigger("two", two.url)
        await engine.start()
        await engine.append(*(event(number) for number in range(200)))
        await one.until(lambda: one.running == 64)
        await two.until(lambda: two.running == 64)
        # All that was read was settled or handed over, and still no more than 64 run.
        await engine.drained()
        gate.set()
        await one.got(200)
        await two.got(200)
        await engine.idle()
    assert (one.most, two.most) == (64, 64)
    assert set(one.ids().values()) == set(two.ids().values()) == {1}


@pytest.mark.parametrize("retry", [0, 1])
async def test_with_an_explicit_policy_there_is_no_breaker_and_each_event_gets_its_attempts(tmp_path: Path, retry: int) -> None:
    events = 3 * FAILURES
    async with subscribers(2) as (one, dead), rig(tmp_path) as engine:
        one.answer = lambda _received, _times: Response(500)
        dead.answer = lambda _received, _times: Response(503)
        policy = DeliveryPolicy(retry=retry, delay=0.001)
        engine.trigger("one", one.url, policy=policy, dead_letter=Target(dead.url))
        await engine.start()
        await engine.append(*(event(number) for number in range(events)))
        await dead.until(lambda: sum(dead.ids().values()) == events * (retry + 1))
        await engine.idle()
        assert engine.stored("one") == events
        assert engine.metrics.triggers["one"].parked["breaker"] == 0
    assert set(one.ids().values()) == set(dead.ids().values()) == {retry + 1}


async def test_a_retry_after_of_the_sink_holds_the_dead_letters_and_not_the_subscriber(tmp_path: Path) -> None:
    async with subscribers(2) as (one, dead), rig(tmp_path) as engine:
        one.answer = lambda _received, _times: Response(422)
        dead.answer = lambda _received, _times: QUIET_PLEASE
        engine.trigger("one", one.url, policy=RETRY_TWICE, dead_letter=Target(dead.url))
        await engine.start()
        await engine.append(event(1))
        await eventually(lambda: held(engine, Lane.DEAD_LETTER))
        await engine.append(*(event(number) for number in range(2, 8)))
        await one.got(7)
        await engine.drained()
        assert not held(engine, Lane.SUBSCRIBER)
    assert dead.ids() == {"1": 1}


async def test_a_retry_after_of_the_subscriber_does_not_hold_its_dead_letters(tmp_path: Path) -> None:
    async with subscribers(2) as (one, dead), rig(tmp_path) as engine:
        one.answer = lambda received, _times: QUIET_PLEASE if received.id == "9" else Response(422)
        dead.answer = lambda _received, _times: Response(503 if not held(engine, Lane.SUBSCRIBER) else 204)
        policy = DeliveryPolicy(retry=10_000, delay=0.01, cap=0.01)
        engine.trigger("one", one.url, policy=policy, dead_letter=Target(dead.url))
        await engine.start()
        await engine.append(event(1))
        await dead.got(1)
        await engine.append(event(9))
        await eventually(lambda: engine.metrics.triggers["one"].delivered == 1)
        assert held(engine, Lane.SUBSCRIBER)
    assert dead.ids().keys() == {"1"}


async def test_a_pause_lets_what_runs_end_and_dead_letters_go_out(tmp_path: Path) -> None:
    gate = asyncio.Event()
    policy = DeliveryPolicy(retry=0, timeout=30.0)
    async with subscribers(2) as (one, dead), rig(tmp_path) as engine:
        one.answer = once_set(gate)
        engine.trigger("one", one.url, policy=policy, dead_letter=Target(dead.url))
        await engine.start()
        await engine.append(event(1))
        await one.until(lambda: one.running == 1)
        engine.trigger("one", one.url, policy=policy, dead_letter=Target(dead.url), paused=True)
        await engine.apply()
        await engine.append(event(2))
        await eventually(lambda: engine.metrics.triggers["one"].parked["paused"] == 1)
        one.answer = lambda _received, _times: Response(500)
        gate.set()
        await eventually(lambda: engine.metrics.triggers["one"].delivered == 1)
        await engine.drained()
        assert one.ids() == {"1": 1}
        engine.trigger("one", one.url, policy=policy, dead_letter=Target(dead.url))
        await engine.apply()
        await dead.got(1)
        await engine.idle()
    assert dead.ids() == {"2": 1}


async def test_a_subscriber_that_hangs_holds_up_neither_the_reader_nor_the_cursor(tmp_path: Path) -> None:
    async with subscribers(2) as (stuck, quick), rig(tmp_path, window=16, hand_over_after=0.02) as engine:
        stuck.answer = never
        engine.trigger("stuck", stuck.url, only("a"))
        engine.trigger("quick", quick.url)
        await engine.start()
        for number in range(400):
            await engine.append(event(number, "a" if number % 2 else "b"))
        await quick.got(400)
        await engine.drained()
        assert stuck.running == 64
        assert (await engine.waiting()) == {("stuck", 0): 200}
        await engine.stop()
        repeated = len(quick.deliveries)
        await engine.start()
        await quick.until(lambda: quick.running == 0)
        await engine.drained()
        assert len(quick.deliveries) == repeated, "the cursor was behind all of them"
