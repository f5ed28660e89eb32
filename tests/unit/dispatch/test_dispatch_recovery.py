"""Restarts, drains and a store that fails: nothing is lost, and repeats stay within the window."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from dispatch_rig import RETRY_TWICE, Flaky, event, eventually, never, once_set, only, rig, subscribers

from eventing.policy.delivery import DeliveryPolicy
from eventing.ports.http import Response
from eventing.resources.plan import Target


async def test_a_cut_off_process_repeats_what_was_not_settled(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        one.answer = never
        engine.trigger("one", one.url)
        await engine.start()
        await engine.append(*(event(number) for number in range(20)))
        await one.got(20)
        await engine.stop()
        one.answer = lambda _received, _times: Response(204)
        await engine.start()
        await one.until(lambda: sum(one.ids().values()) == 40)
        await engine.idle()
    assert set(one.ids().values()) == {2}


async def test_attempts_and_due_times_survive(tmp_path: Path) -> None:
    async with subscribers(2) as (one, dead), rig(tmp_path) as engine:
        one.answer = lambda _received, _times: Response(500)
        engine.trigger("one", one.url, policy=DeliveryPolicy(retry=3, delay=0.3, backoff="linear"), dead_letter=Target(dead.url))
        await engine.start()
        await engine.append(event(1))
        for attempt in (1, 2, 3):
            await one.until(lambda attempt=attempt: one.ids()["1"] == attempt)  # type: ignore[misc]
            await eventually(lambda: _waits(engine))
            await engine.stop()
            await engine.start()
        await dead.got(1)
        await engine.idle()
    assert one.ids() == {"1": 4}


async def _waits(engine: Any) -> bool:
    # The failed attempt is counted durably once the entry is in the backlog and not leased.
    states = await engine.channel.backlog.states("b")
    return bool(states) and states[0].next_due is not None


async def test_drain_hands_over_and_the_next_process_delivers(tmp_path: Path) -> None:
    async with subscribers(2) as (slow, quick), rig(tmp_path) as engine:
        slow.answer = never
        engine.trigger("slow", slow.url, max_in_flight=2)
        engine.trigger("quick", quick.url)
        await engine.start()
        await engine.append(*(event(number) for number in range(50)))
        await quick.got(50)
        assert await engine.stop(drain=0.2) is False
        slow.answer = lambda _received, _times: Response(204)
        await engine.start()
        await slow.got(50)
        await engine.idle()
    assert set(quick.ids().values()) == {1}
    assert sum(slow.ids().values()) <= 52


async def test_drain_of_a_quiet_engine_repeats_nothing(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        engine.trigger("one", one.url)
        await engine.start()
        await engine.append(*(event(number) for number in range(500)))
        await one.got(100)
        assert await engine.stop(drain=10.0) is True
        await engine.start()
        await one.got(500)
        await engine.idle()
    assert set(one.ids().values()) == {1}


async def test_nothing_is_read_once_the_drain_began(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        engine.trigger("one", one.url)
        await engine.start()
        await engine.append(event(1))
        await one.got(1)
        assert await engine.dispatcher.drain(10.0) is True
        for number in range(2, 5):
            await engine.append(event(number))
        assert engine.metrics.brokers["b"].read == 1
        assert await engine.stop() is True
        await engine.start()
        await one.got(4)
        await engine.idle()
    assert set(one.ids().values()) == {1}


@pytest.mark.parametrize("how", ["before", "after"])
async def test_a_failing_settle_is_repeated_until_it_succeeds(tmp_path: Path, how: str) -> None:
    flaky: list[Flaky] = []

    def wrap(channel: Any) -> Any:
        flaky.append(Flaky(channel))
        flaky[-1].failures = [how] * 3
        return flaky[-1]

    async with subscribers(2) as (one, dead), rig(tmp_path, wrap=wrap) as engine:
        one.answer = lambda received, times: Response(500) if int(received.id) % 2 else Response(204)
        engine.trigger("one", one.url, policy=RETRY_TWICE, dead_letter=Target(dead.url))
        await engine.start()
        await engine.append(*(event(number) for number in range(40)))
        await dead.got(20)
        await engine.idle()
    assert not flaky[0].failures
    assert one.ids() == {str(number): 3 if number % 2 else 1 for number in range(40)}
    assert set(dead.ids().values()) == {1}


async def test_a_deleted_trigger_keeps_its_backlog_for_its_return(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        engine.trigger("one", one.url, paused=True)
        await engine.start()
        await engine.append(*(event(number) for number in range(10)))
        await eventually(lambda: engine.metrics.triggers["one"].parked["paused"] == 10)
        await eventually(lambda: _entries(engine, 10))
        plan = engine.triggers.pop("one")
        await engine.apply()
        await engine.append(event(99))
        engine.triggers["one"] = plan
        engine.trigger("one", one.url)
        await engine.apply()
        await one.got(10)
        await engine.idle()
    assert "99" not in one.ids() or one.ids()["99"] == 1


async def _entries(engine: Any, number: int) -> bool:
    return (await engine.waiting()).get(("one", 0)) == number


async def test_a_sink_that_was_taken_away_leaves_the_store(tmp_path: Path) -> None:
    async with subscribers(2) as (one, dead), rig(tmp_path) as engine:
        one.answer = lambda _received, _times: Response(400)
        dead.answer = lambda _received, _times: Response(503)
        engine.trigger("one", one.url, policy=DeliveryPolicy(retry=1000, delay=0.05), dead_letter=Target(dead.url))
        await engine.start()
        await engine.append(event(1))
        await dead.until(lambda: dead.ids()["1"] >= 2)
        engine.trigger("one", one.url, policy=DeliveryPolicy(retry=1000, delay=0.05))
        await engine.apply()
        await engine.idle()
        [stored] = await engine.channel.dead_letters.list("b", "one", 10)
    assert stored.letter.event.id == "1"
    assert one.ids() == {"1": 1}


async def test_a_full_dead_letter_store_parks_the_trigger_and_evicts_nothing(tmp_path: Path) -> None:
    async with subscribers(2) as (one, other), rig(tmp_path, dead_letter_bytes=200) as engine:
        one.answer = lambda _received, _times: Response(400)
        engine.trigger("one", one.url, policy=RETRY_TWICE, max_in_flight=1)
        engine.trigger("other", other.url)
        await engine.start()
        await engine.append(*(event(number) for number in range(20)))
        await other.got(20)
        await eventually(lambda: engine.metrics.triggers["one"].parked["store_full"] == 1)
        await eventually(lambda: _all_kept(engine, 20))
        stored = await engine.channel.dead_letters.list("b", "one", 100)
    # What was under way when it became full may still enter: one attempt, and what waited to be settled.
    assert 1 <= len(stored) < 10


async def _all_kept(engine: Any, number: int) -> bool:
    stored = await engine.channel.dead_letters.list("b", "one", 100)
    return (await engine.waiting()).get(("one", 0), 0) + len(stored) == number


async def test_a_letter_whose_event_is_read_again_is_counted_once(tmp_path: Path) -> None:
    hangs = asyncio.Event()

    async with subscribers(2) as (slow, refusing), rig(tmp_path, hand_over_after=600.0) as engine:
        slow.answer = once_set(hangs)
        refusing.answer = lambda _received, _times: Response(400)
        engine.trigger("slow", slow.url, only("held"))
        engine.trigger("refusing", refusing.url, only("refused"))
        await engine.start()
        await engine.append(event(0, "held"), *(event(number, "refused") for number in (1, 2, 3)))
        await eventually(lambda: _letters(engine, 3))
        await engine.stop()  # the first event holds the cursor, so the three are read once more
        await engine.start()
        await refusing.until(lambda: sum(refusing.ids().values()) == 6)
        hangs.set()
        await engine.idle()
        assert await _letters(engine, 3)
        assert engine.stored("refusing") == 3
        await engine.append(event(4, "refused"))
        await eventually(lambda: engine.stored("refusing") == 4)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_letter_whose_settlement_was_repeated_is_counted_once(
    tmp_path: Path, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventing.dispatch.dead_letters.EVERY", 3600.0)  # the store is asked at once, not by chance
    made: list[Flaky] = []

    def wrap(channel: Any) -> Any:
        made.append(Flaky(channel))
        made[0].failures = [when]
        return made[0]

    async with subscribers(1) as (refusing,), rig(tmp_path, wrap=wrap) as engine:
        refusing.answer = lambda _received, _times: Response(400)
        engine.trigger("refusing", refusing.url)
        await engine.start()
        await engine.append(event(1))
        await engine.idle()
        await eventually(lambda: engine.stored("refusing") == 1)
        assert made[0].calls == 2


async def _letters(engine: Any, number: int) -> bool:
    stored = await engine.channel.dead_letters.list("b", "refusing", 100)
    return len(stored) == number
