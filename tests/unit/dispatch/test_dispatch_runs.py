"""Runs: what waits of one ordering key is claimed together and delivered one after the other (`dispatch.runs`)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from dispatch_rig import Rig, Subscriber, Troubled, event, eventually, rig, subscribers, troubled
from order_support import OneAtATime, by_key, keyed

from eventing.dispatch import backlog
from eventing.dispatch.runs import FOLLOWERS
from eventing.event import Event
from eventing.policy.delivery import DeliveryPolicy
from eventing.policy.rate import parse
from eventing.ports.http import Response
from eventing.ports.records import EntryKey, Lane

COUNT = 60
SHORT = DeliveryPolicy(retry=1000, delay=0.005, cap=0.01, timeout=5.0)


async def parked(engine: Rig, one: Subscriber, *events: Event, **plan: object) -> None:
    """All of these in the backlog of an ordered trigger that is paused, with one slot."""
    engine.trigger("one", one.url, ordered=True, **{"policy": SHORT, "max_in_flight": 1, **plan, "paused": True})
    await engine.start()
    await engine.append(*events)

    async def all_in() -> bool:
        return (await engine.waiting()).get(("one", 0), 0) == len(events)

    await eventually(all_in)


async def resume(engine: Rig, **changes: object) -> None:
    plan = engine.triggers["one"]
    engine.trigger("one", plan.subscriber.url, **{**engine_plan(plan), **changes, "paused": False})
    await engine.apply()


def engine_plan(plan: object) -> dict[str, object]:
    return {name: getattr(plan, name) for name in ("ordered", "policy", "max_in_flight", "dead_letter", "rate")}


async def pause(engine: Rig) -> None:
    plan = engine.triggers["one"]
    engine.trigger("one", plan.subscriber.url, **{**engine_plan(plan), "paused": True})
    await engine.apply()


def some(key: str = "k", count: int = COUNT) -> list[Event]:
    return [keyed(number, key) for number in range(count)]


async def nothing_leased(engine: Rig) -> bool:
    return not any(view.leased for view in await engine.channel.backlog.list("b", "one", 1000))


def halted(one: Subscriber, at: int) -> tuple[asyncio.Event, Callable[[], bool]]:
    """The subscriber answers that event only once the gate is set; whether it was asked."""
    gate = asyncio.Event()

    async def answer(received: Event, _times: int) -> Response:
        if received.id == str(at):
            await gate.wait()
        return Response(204)

    one.answer = answer
    return gate, lambda: str(at) in one.ids()


@pytest.mark.requirement("B8")
async def test_a_key_that_waits_is_claimed_many_at_a_time_and_delivered_one_at_a_time(tmp_path: Path) -> None:
    made, wrap = troubled()
    async with subscribers(1) as (one,), rig(tmp_path, wrap=wrap) as engine:
        watch = OneAtATime(one)
        await parked(engine, one, *some(count=300), max_in_flight=8)
        before = made[-1].calls["claim"]
        await resume(engine)
        await one.got(300)
        await engine.idle()
    assert by_key(one) == {"k": list(range(300))}
    assert set(one.ids().values()) == {1}
    assert watch.most == 1
    assert made[-1].calls["claim"] - before < 100


async def test_keys_share_a_claim_and_each_keeps_its_order(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        watch = OneAtATime(one)
        await parked(engine, one, *(keyed(number, f"k{number % 5}") for number in range(200)), max_in_flight=4)
        await resume(engine)
        await one.got(200)
        await engine.idle()
    assert by_key(one) == {f"k{k}": list(range(k, 200, 5)) for k in range(5)}
    assert watch.most == 1
    assert one.most > 1


async def test_a_failure_within_a_run_holds_those_behind_it_unattempted(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        one.answer = lambda received, times: Response(500 if int(received.id) % 7 == 3 and times < 3 else 204)
        watch = OneAtATime(one)
        await parked(engine, one, *some())
        await resume(engine)
        await one.got(COUNT)
        await engine.idle()
    assert by_key(one) == {"k": list(range(COUNT))}
    assert one.ids() == {str(number): 3 if number % 7 == 3 else 1 for number in range(COUNT)}
    assert watch.most == 1


async def test_refused_and_expired_events_within_a_run_let_it_go_on(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        one.answer = lambda received, _times: Response(400 if received.id in {"5", "6", "20"} else 204)
        events = some()
        events[30] = event(30, partitionkey="k", expirytime="2001-01-01T00:00:00Z")
        await parked(engine, one, *events)
        await resume(engine)
        await one.got(COUNT - 1)
        await engine.idle()
        assert engine.stored("one") == 3
        assert engine.metrics.triggers["one"].expired == 1
    assert by_key(one) == {"k": [number for number in range(COUNT) if number != 30]}


async def test_a_pause_within_a_run_gives_the_rest_back_and_it_goes_on_in_order(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        gate, asked = halted(one, 20)
        await parked(engine, one, *some())
        await resume(engine)
        await one.until(asked)
        await pause(engine)
        gate.set()
        await eventually(lambda: not engine.holding())
        await eventually(lambda: nothing_leased(engine))
        assert len(one.deliveries) == 21
        assert (await engine.waiting())["one", 0] == COUNT - 21
        await resume(engine)
        await one.got(COUNT)
        await engine.idle()
    assert by_key(one) == {"k": list(range(COUNT))}
    assert set(one.ids().values()) == {1}


async def test_retry_after_within_a_run_holds_the_rest_of_it(tmp_path: Path) -> None:
    policy = DeliveryPolicy(retry=1000, delay=0.005, cap=0.01, retry_after_max=0.05)
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        one.answer = lambda received, times: (
            Response(429, [(b"retry-after", b"1")]) if received.id == "9" and times == 1 else Response(204)
        )
        watch = OneAtATime(one)
        await parked(engine, one, *some(), policy=policy)
        await resume(engine)
        await one.got(COUNT)
        await engine.idle()
    assert by_key(one) == {"k": list(range(COUNT))}
    assert one.ids()["9"] == 2
    assert watch.most == 1


async def test_a_run_takes_no_more_than_the_rate_lets_begin(tmp_path: Path) -> None:
    made, wrap = troubled()
    async with subscribers(1) as (one,), rig(tmp_path, wrap=wrap) as engine:
        await parked(engine, one, *some(), rate=parse("200/s"))
        await resume(engine)
        await one.got(COUNT)
        await engine.idle()
        assert made[-1].calls["release"] == 0
        assert engine.metrics.triggers["one"].parked["rate"] == 0
    assert by_key(one) == {"k": list(range(COUNT))}
    assert set(one.ids().values()) == {1}


async def test_drain_within_a_run_gives_the_rest_back_and_the_next_process_goes_on_with_it(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        gate, asked = halted(one, 15)
        await parked(engine, one, *some())
        await resume(engine)
        await one.until(asked)
        stopping = asyncio.create_task(engine.stop(drain=30.0))
        await eventually(lambda: engine.lane("one").stopped)
        gate.set()
        assert await stopping
        assert len(one.deliveries) == 16
        await engine.start()
        await one.got(COUNT)
        await engine.idle()
    assert by_key(one) == {"k": list(range(COUNT))}
    assert set(one.ids().values()) == {1}


async def test_a_trigger_that_goes_within_a_run_gives_the_rest_back_and_goes_on_when_it_comes_again(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        gate, asked = halted(one, 15)
        watch = OneAtATime(one)
        await parked(engine, one, *some())
        await resume(engine)
        await one.until(asked)
        plan = engine.triggers.pop("one")
        await engine.apply()

        async def all_but_the_one_that_runs() -> bool:
            views = await engine.channel.backlog.list("b", "one", 1000)
            return [view.event_id for view in views if view.leased] == ["15"]

        await eventually(all_but_the_one_that_runs)
        engine.triggers["one"] = plan
        await engine.apply()
        gate.set()
        await one.got(COUNT)
        await engine.idle()
    assert by_key(one) == {"k": list(range(COUNT))}
    assert set(one.ids().values()) == {1}
    assert watch.most == 1


async def test_a_run_goes_on_in_order_when_order_is_no_longer_asked_for(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        gate, asked = halted(one, 15)
        watch = OneAtATime(one)
        await parked(engine, one, *some())
        await resume(engine)
        await one.until(asked)
        await resume(engine, ordered=False, max_in_flight=8)
        gate.set()
        await one.got(COUNT)
        await engine.idle()
    assert by_key(one) == {"k": list(range(COUNT))}
    assert watch.most == 1


async def test_a_run_that_takes_long_prolongs_all_its_leases_together(tmp_path: Path) -> None:
    made, wrap = troubled()
    async with subscribers(1) as (one,), rig(tmp_path, wrap=wrap) as engine:
        gate, late, at_once = asyncio.Event(), asyncio.Event(), asyncio.Event()
        at_once.set()

        async def answer(received: Event, _times: int) -> Response:
            await {"10": gate, "30": late}.get(received.id, at_once).wait()
            return Response(204)

        one.answer = answer
        watch = OneAtATime(one)
        await parked(engine, one, *some())
        await resume(engine)
        await one.until(lambda: "10" in one.ids())
        engine.leap += 11.0  # not lapsed, and too short for another attempt
        gate.set()
        await one.until(lambda: "30" in one.ids())
        assert made[-1].calls["extend"] == 1
        engine.leap += 9.0  # past the time of the claim's lease
        claim = await engine.channel.backlog.claim("b", "one", Lane.SUBSCRIBER, 99, 1 << 20, engine.channel.now() + 9.0, 99)
        assert not claim.entries
        late.set()
        await one.got(COUNT)
        await engine.idle()
    assert by_key(one) == {"k": list(range(COUNT))}
    assert set(one.ids().values()) == {1}
    assert watch.most == 1


async def test_what_someone_else_took_over_is_not_begun_here(tmp_path: Path) -> None:
    made, wrap = troubled()
    async with subscribers(1) as (one,), rig(tmp_path, wrap=wrap) as engine:
        gate, asked = halted(one, 10)
        await parked(engine, one, *some())
        await resume(engine)
        await one.until(asked)

        async def the_rest() -> bool:
            return (await engine.waiting())["one", 0] == COUNT - 10

        await eventually(the_rest)
        made[-1].held["claim"] = asyncio.Event()
        taken = await stolen_from(made[-1], engine)
        gate.set()
        await eventually(lambda: made[-1].calls["extend"] > 0 and not engine.holding())
        assert len(one.deliveries) == 11
        made[-1].held.pop("claim").set()
        await made[-1]._channel.backlog.release("b", taken)
        engine.lane("one").refresh()
        await one.got(COUNT)
        await engine.idle()
    assert [int(received.id) for received, _ in one.deliveries] == [*range(11), *range(10, COUNT)]


async def stolen_from(channel: Troubled, engine: Rig) -> list[tuple[EntryKey, str]]:
    """Someone else has all of the run now: its leases had lapsed."""
    engine.leap += 100.0
    until = engine.channel.now() + 1000.0
    claim = await channel._channel.backlog.claim("b", "one", Lane.SUBSCRIBER, 99, 1 << 20, until, 200)
    return [(entry.key, entry.lease.token) for entry in claim.entries]


@pytest.mark.parametrize("how", ["done", "failed"])
async def test_a_result_on_its_way_is_settled_though_its_lease_lapsed_and_is_not_repeated_after_later_ones(
    how: str, tmp_path: Path
) -> None:
    made, wrap = troubled()
    async with subscribers(1) as (one,), rig(tmp_path, wrap=wrap) as engine:
        gate, settle = asyncio.Event(), asyncio.Event()

        async def answer(received: Event, times: int) -> Response:
            if received.id == "9":
                made[-1].held["settle"] = settle  # nothing is settled from now on
            if received.id == "10" and how == "failed" and times == 1:
                return Response(500)
            if received.id == "11":
                await gate.wait()
            return Response(204)

        one.answer = answer
        watch = OneAtATime(one)
        await parked(engine, one, *some(), max_in_flight=2)
        await resume(engine)
        await one.until(lambda: ("11" if how == "done" else "10") in one.ids())
        engine.leap += 1000.0
        claims = made[-1].calls["claim"]
        engine.lane("one").refresh()
        await eventually(lambda: made[-1].calls["claim"] > claims and not engine.lane("one").claiming)
        made[-1].held.clear()
        settle.set()
        gate.set()
        await one.got(COUNT)
        await engine.idle()
    assert by_key(one) == {"k": list(range(COUNT))}
    assert one.ids() == {str(number): 2 if number == 10 and how == "failed" else 1 for number in range(COUNT)}
    assert watch.most == 1


async def test_what_waits_in_runs_is_bounded(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        gate, asked = halted(one, 10)
        await parked(engine, one, *some())
        await resume(engine)
        await one.until(asked)
        runs, now = engine.lane("one").runs, asyncio.get_running_loop().time()
        assert runs is not None
        assert runs.room(now, 3) == 3 + FOLLOWERS - (COUNT - 11)
        gate.set()
        await one.got(COUNT)
        await engine.idle()
        assert runs.room(now, 3) == 3 + FOLLOWERS


async def test_a_retry_that_is_due_before_those_behind_it_are_given_back_begins_as_soon_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "REFRESH", 1000.0)  # no wake-up that was lost may go unseen
    made, wrap = troubled()
    async with subscribers(1) as (one,), rig(tmp_path, wrap=wrap) as engine:
        await parked(engine, one, *some())
        one.answer = lambda received, times: Response(500 if received.id == "9" and times == 1 else 204)
        release = made[-1].held["release"] = asyncio.Event()
        await resume(engine)
        await eventually(lambda: made[-1].calls["release"] == 1)
        claims = made[-1].calls["claim"]
        await eventually(lambda: made[-1].calls["claim"] > claims and not engine.lane("one").claiming)
        assert one.ids()["9"] == 1
        release.set()
        await one.got(COUNT)
        await engine.idle()
    assert by_key(one) == {"k": list(range(COUNT))}


async def test_a_claim_that_brings_more_than_there_is_room_for_gives_the_rest_back_in_order(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path, memory_bytes=1 << 16, largest=1 << 12) as engine:
        watch = OneAtATime(one)
        events = [Event({**item.attributes}, b"x" * 3000) for item in (keyed(number, f"k{number % 3}") for number in range(90))]
        await parked(engine, one, *events, max_in_flight=8)
        await resume(engine)
        await one.got(90)
        await engine.idle()
    assert by_key(one) == {f"k{k}": list(range(k, 90, 3)) for k in range(3)}
    assert watch.most == 1
