"""The annotation `eventing-engine.dev/rate`: what is over the rate waits in the backlog, harms nobody, and is not forgotten."""

from __future__ import annotations

import asyncio
from itertools import combinations
from pathlib import Path

import pytest
from dispatch_rig import RETRY_TWICE, event, eventually, only, rig, subscribers, troubled

from eventing.policy.delivery import DeliveryPolicy
from eventing.policy.gate import Gate
from eventing.policy.rate import TICKS, Rate
from eventing.ports.http import Response
from eventing.resources.plan import Target

HOURLY = Rate(1 / 3600)
DAY = 24 * 3600.0


async def test_no_more_attempts_start_than_the_rate_allows_retries_included(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[float] = []
    start = Gate.start

    def noted(gate: Gate, now: float) -> bool:
        started = start(gate, now)
        if started:
            starts.append(now)
        return started

    monkeypatch.setattr(Gate, "start", noted)
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        one.answer = lambda received, times: Response(500 if times == 1 and int(received.id) % 3 == 0 else 204)
        engine.trigger("one", one.url, policy=RETRY_TWICE, rate=Rate(60))
        await engine.start()
        await engine.append(*(event(number) for number in range(90)))
        await one.until(lambda: sum(one.ids().values()) == 120)
        await engine.idle()
        parked = engine.metrics.triggers["one"].parked
        assert parked["rate"] + parked["behind"] > 0
    assert len(starts) == 120
    for (first, begin), (last, end) in combinations(enumerate(starts), 2):
        assert last - first + 1 <= 60 + 60 * (end - begin + 1 / TICKS)


async def test_a_trigger_over_its_rate_delays_no_other(tmp_path: Path) -> None:
    channels, wrap = troubled()
    async with subscribers(2) as (limited, free), rig(tmp_path, window=32, wrap=wrap, hand_over_after=1000.0) as engine:
        engine.trigger("limited", limited.url, rate=HOURLY)
        engine.trigger("free", free.url)
        await engine.start()
        for number in range(300):
            await engine.append(event(number))
        await free.got(300)
        await limited.got(1)
        await engine.drained()
        assert len(limited.deliveries) == 1
        assert (await engine.waiting()) == {("limited", 0): 299}
        # Each went to the backlog once; nothing was claimed that had to be put back.
        assert engine.metrics.triggers["limited"].parked.total == 299
        assert channels[0].calls["claim"] == 0
        assert engine.metrics.triggers["free"].parked.total == 0


async def test_within_the_rate_everything_goes_the_direct_way(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path, hand_over_after=1000.0) as engine:
        engine.trigger("one", one.url, rate=Rate(100_000))
        await engine.start()
        await eventually(lambda: engine.lane("one").gate.allowed(asyncio.get_running_loop().time()) >= 64)
        await engine.append(*(event(number) for number in range(50)))
        await one.got(50)
        await engine.idle()
        assert list(engine.metrics.triggers["one"].parked.counted()) == []


@pytest.mark.parametrize("rate", [None, Rate(5000)])
async def test_another_rate_holds_at_once(tmp_path: Path, rate: Rate | None) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        engine.trigger("one", one.url, rate=HOURLY)
        await engine.start()
        await engine.append(*(event(number) for number in range(200)))
        await one.got(1)
        await engine.drained()
        engine.trigger("one", one.url, rate=rate)
        await engine.apply()
        await one.got(200)
        await engine.idle()
    assert set(one.ids().values()) == {1}


async def test_a_retry_that_waits_for_the_rate_is_not_overtaken_by_new_events(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        one.answer = lambda received, times: Response(500 if (received.id, times) == ("0", 1) else 204)
        engine.trigger("one", one.url, policy=RETRY_TWICE, rate=HOURLY)
        await engine.start()
        await engine.append(event(0))
        await eventually(lambda: engine.lane("one").behind)
        await engine.append(event(1))
        await engine.drained()
        # A burst for all of them: those that wait come in their order.
        engine.trigger("one", one.url, policy=RETRY_TWICE, max_in_flight=1)
        await engine.apply()
        await engine.append(event(2))
        await one.got(3)
        await engine.idle()
        assert not engine.lane("one").behind
    assert [received.id for received, _ in one.deliveries] == ["0", "0", "1", "2"]


async def test_a_claim_that_the_slots_bound_is_followed_by_the_next_without_a_rest(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        engine.trigger("one", one.url, rate=Rate(100_000), max_in_flight=4, paused=True)
        await engine.start()
        await engine.append(*(event(number) for number in range(300)))
        await eventually(lambda: engine.metrics.triggers["one"].parked["paused"] == 300)
        await engine.drained()
        engine.trigger("one", one.url, rate=Rate(100_000), max_in_flight=4)
        await engine.apply()
        await one.got(300)
        await engine.idle()
        assert engine.lane("one").rests_until == 0.0


async def test_a_restart_gives_one_attempt_and_no_burst(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        engine.trigger("one", one.url, rate=Rate(1 / 60))
        for start in range(1, 4):
            await engine.start()
            if start == 1:
                await engine.append(*(event(number) for number in range(20)))
            await one.got(start)
            await engine.drained()
            await eventually(lambda: engine.lane("one").entries == 20 - len(one.deliveries) and not engine.lane("one").held)
            assert await engine.stop(drain=5.0)
            assert len(one.deliveries) == start
    assert set(one.ids().values()) == {1}


async def test_dead_letters_are_not_held_back_by_the_rate(tmp_path: Path) -> None:
    async with subscribers(2) as (one, dead), rig(tmp_path) as engine:
        one.answer = lambda _received, _times: Response(422)
        dead.answer = lambda _received, times: Response(503 if times < 3 else 204)
        engine.trigger("one", one.url, policy=RETRY_TWICE, rate=HOURLY, dead_letter=Target(dead.url))
        await engine.start()
        await engine.append(event(1), event(2))
        await dead.until(lambda: dead.ids()["1"] == 3)
        await engine.drained()
    assert one.ids() == {"1": 1}


async def test_what_waits_longer_than_a_week_for_its_rate_still_gets_its_attempt(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        engine.trigger("one", one.url, policy=DeliveryPolicy(), rate=HOURLY)
        await engine.start()
        await engine.append(*(event(number) for number in range(10)))
        await one.got(1)
        await engine.drained()
        engine.leap = 8 * DAY
        engine.trigger("one", one.url, policy=DeliveryPolicy())
        await engine.apply()
        await one.got(10)
        await engine.idle()
        assert engine.metrics.triggers["one"].dead_lettered.total == 0


async def test_a_backlog_that_a_slow_rate_fills_ends_in_the_dead_letters_and_a_counter_tells(tmp_path: Path) -> None:
    size = 100_000
    async with subscribers(1) as (one,), rig(tmp_path, backlog_bytes=5 * size) as engine:
        engine.trigger("one", one.url, rate=HOURLY)
        await engine.start()
        for number in range(12):
            await engine.append(type(event(0))({**event(number).attributes}, b"x" * size))
            await engine.drained()
        metrics = engine.metrics.triggers["one"]
        waiting = (await engine.waiting())["one", 0]
        assert 1 <= waiting <= 5
        assert metrics.dead_lettered["backlog_full"] == engine.stored("one") == 11 - waiting
    assert len(one.deliveries) == 1


async def test_events_that_expired_while_they_waited_cost_no_attempt(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        engine.trigger("one", one.url, rate=HOURLY, paused=True)
        await engine.start()
        await engine.append(*(event(number, expirytime="2020-01-01T00:00:00Z") for number in range(5)), event(5), event(6))
        await eventually(lambda: engine.metrics.triggers["one"].parked["paused"] == 7)
        await engine.drained()
        engine.trigger("one", one.url, rate=HOURLY)
        await engine.apply()
        await one.got(1)
        await engine.drained()
        assert engine.metrics.triggers["one"].expired == 5
    assert one.ids() == {"5": 1}


async def test_a_retry_after_longer_than_the_rates_wait_is_kept(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        one.answer = lambda _received, _times: Response(429, [(b"retry-after", b"3600")])
        engine.trigger("one", one.url, only("a"), policy=DeliveryPolicy(retry=5, delay=0.001), rate=Rate(1000))
        await engine.start()
        await engine.append(*(event(number) for number in range(30)))
        await one.got(1)
        await eventually(lambda: engine.metrics.triggers["one"].failed >= 1)
        await engine.drained()
        now = asyncio.get_running_loop().time()
        change = engine.lane("one").gate.next_change(now)
        assert engine.lane("one").gate.reason(now) == "retry_after"
        assert change is not None
        assert change > now + 500
