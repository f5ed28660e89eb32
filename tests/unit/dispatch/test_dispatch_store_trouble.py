"""A store that fails, stalls or is slow: what is delivered and not settled stays bounded, nothing is repeated, nothing stops."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path

import pytest
from dispatch_rig import RETRY_TWICE, Rig, event, eventually, once_set, only, rig, subscribers, troubled

from eventing.bindings import http as binding
from eventing.dispatch import backlog as backlog_module
from eventing.dispatch import dead_letters as dead_letters_module
from eventing.dispatch import deliver as deliver_module
from eventing.dispatch import settler as settler_module
from eventing.policy.delivery import DeliveryPolicy
from eventing.ports.http import Response
from eventing.resources.plan import BrokerPlan, Target
from eventing.telemetry.logs import Log


async def test_deliveries_from_the_backlog_stop_while_nothing_can_be_settled(tmp_path: Path) -> None:
    channels, wrap = troubled()
    async with subscribers(1) as (one,), rig(tmp_path, wrap=wrap, window=32) as engine:
        engine.trigger("one", one.url, paused=True, max_in_flight=8)
        await engine.start()
        await engine.append(*(event(number) for number in range(300)))
        await eventually(lambda: engine.metrics.triggers["one"].parked["paused"] == 300)
        await engine.drained()
        channels[0].failing = {"settle"}
        engine.trigger("one", one.url, max_in_flight=8)
        await engine.apply()
        before = channels[0].calls["settle"]
        await eventually(lambda: channels[0].calls["settle"] >= before + 6)
        # After a crash now these would be repeated: no more than the window, beside what was under way.
        assert 1 <= len(one.deliveries) <= 32 + 8
        channels[0].failing = set()
        await one.got(300)
        await engine.idle()
    assert set(one.ids().values()) == {1}


async def test_results_that_a_slow_store_has_not_taken_are_bounded(tmp_path: Path) -> None:
    channels, wrap = troubled()
    async with subscribers(1) as (one,), rig(tmp_path, wrap=wrap, window=32) as engine:
        engine.trigger("one", one.url, paused=True, max_in_flight=8)
        await engine.start()
        await engine.append(*(event(number) for number in range(300)))
        await eventually(lambda: engine.metrics.triggers["one"].parked["paused"] == 300)
        await engine.drained()
        held = channels[0].held["settle"] = asyncio.Event()
        engine.trigger("one", one.url, max_in_flight=8)
        await engine.apply()
        await eventually(lambda: not engine.dispatcher.broker("b").takes_claims)
        assert 32 <= engine.metrics.triggers["one"].delivered <= 32 + 8
        channels[0].held.clear()
        held.set()
        await one.got(300)
        await engine.idle()
    assert set(one.ids().values()) == {1}


async def test_results_that_wait_longer_than_their_leases_are_not_delivered_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog_module, "MARGIN", 0.05)
    monkeypatch.setattr(backlog_module, "REFRESH", 0.1)
    channels, wrap = troubled()
    async with subscribers(1) as (one,), rig(tmp_path, wrap=wrap) as engine:
        policy = DeliveryPolicy(timeout=0.2)
        engine.trigger("one", one.url, paused=True, policy=policy)
        await engine.start()
        await engine.append(*(event(number) for number in range(20)))
        await eventually(lambda: engine.metrics.triggers["one"].parked["paused"] == 20)
        await engine.drained()
        channels[0].failing = {"settle"}
        engine.trigger("one", one.url, policy=policy)
        await engine.apply()
        await one.got(1)
        # The pauses between tries double from 20 ms: by the sixth try the leases of 250 ms have lapsed.
        before = channels[0].calls["settle"]
        await eventually(lambda: channels[0].calls["settle"] >= before + 6)
        channels[0].failing = set()
        await one.got(20)
        await engine.idle()
    assert set(one.ids().values()) == {1}


async def test_what_waited_while_nothing_could_be_settled_goes_before_new_claims(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog_module, "MARGIN", 0.05)
    monkeypatch.setattr(settler_module, "MAX_RESULTS", 10)
    channels, wrap = troubled()
    async with subscribers(1) as (one,), rig(tmp_path, wrap=wrap) as engine:
        policy = DeliveryPolicy(timeout=0.2)
        engine.trigger("one", one.url, paused=True, policy=policy)
        await engine.start()
        await engine.append(*(event(number) for number in range(40)))
        await eventually(lambda: engine.metrics.triggers["one"].parked["paused"] == 40)
        await engine.drained()
        first = channels[0].held["settle"] = asyncio.Event()
        engine.trigger("one", one.url, policy=policy)
        await engine.apply()
        await one.got(40)
        await eventually(lambda: engine.metrics.triggers["one"].delivered == 40)
        channels[0].failing = {"settle"}
        claims = channels[0].calls["claim"]
        tries = channels[0].calls["settle"]
        first.set()
        channels[0].held.clear()
        lapsed = engine.channel.now() + 0.3
        await eventually(lambda: channels[0].calls["settle"] > tries + 1 and engine.channel.now() > lapsed)
        late = channels[0].late["settle"] = asyncio.Event()
        channels[0].failing = set()
        done = len(channels[0].settlements)
        await eventually(lambda: len(channels[0].settlements) == done + 1)
        second = channels[0].held["settle"] = asyncio.Event()
        channels[0].late.clear()
        late.set()
        tries = channels[0].calls["settle"]
        await eventually(lambda: channels[0].calls["settle"] == tries + 1)
        # The rest is under way to the store, with leases that lapsed: nobody may claim these entries again.
        engine.lane("one").refresh()
        asked = channels[0].calls["states"]
        await eventually(lambda: channels[0].calls["states"] > asked)
        assert not engine.dispatcher.broker("b").takes_claims
        assert channels[0].calls["claim"] == claims
        channels[0].held.clear()
        second.set()
        await engine.idle()
    assert set(one.ids().values()) == {1}


async def test_an_event_for_many_triggers_is_settled_in_small_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settler_module, "MAX_HANDOVERS", 100)
    channels, wrap = troubled()
    async with subscribers(1) as (one,), rig(tmp_path, wrap=wrap) as engine:
        for number in range(60):
            engine.trigger(f"t{number}", one.url, paused=True)
        await engine.start()
        await engine.append(*(event(number) for number in range(50)))
        await eventually(lambda: engine.metrics.triggers["t59"].parked["paused"] == 50)
        await engine.drained()
        assert sum((await engine.waiting()).values()) == 3000
    assert max(handovers for _, handovers, _ in channels[0].settlements) <= 100 + 60


async def test_what_is_handed_over_while_it_runs_is_settled_before_its_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settler_module, "MAX_HANDOVERS", 1)

    async def slowly(_received: object, _times: int) -> Response:
        await asyncio.sleep(0.05)
        return Response(204)

    channels, wrap = troubled()
    async with subscribers(1) as (one,), rig(tmp_path, wrap=wrap, hand_over_after=0.01) as engine:
        one.answer = slowly  # type: ignore[assignment]
        engine.trigger("one", one.url)
        await engine.start()
        channels[0].held = {"settle": asyncio.Event()}
        await engine.append(*(event(number) for number in range(20)))
        await one.got(20)
        await eventually(lambda: engine.metrics.triggers["one"].delivered == 20)
        channels[0].held.pop("settle").set()
        await engine.idle()
    assert set(one.ids().values()) == {1}


async def test_replies_that_wait_to_be_settled_count_as_memory(tmp_path: Path) -> None:
    headers, _ = binding.encode_binary(event(1, "pong"))
    channels, wrap = troubled()
    async with subscribers(1) as (one,), rig(tmp_path, wrap=wrap, window_bytes=1024 * 1024) as engine:
        one.answer = lambda received, _times: Response(200, headers, b"x" * 200_000)
        engine.trigger("one", one.url, filter_=only("a"), max_in_flight=4)
        await engine.start()
        channels[0].failing = {"settle"}
        for number in range(40):
            await engine.append(event(number))
        before = channels[0].calls["settle"]
        await eventually(lambda: channels[0].calls["settle"] >= before + 5)
        gauges = engine.metrics.brokers["b"].gauges
        assert gauges is not None
        # A quarter of 40 replies of 200 kB is more than the window's MiB: then nothing more is read.
        assert gauges().lag > 0
        channels[0].failing = set()
        await one.got(40)
        await engine.idle()
    assert set(one.ids().values()) == {1}


@pytest.mark.parametrize("name", ["claim", "states", "release", "reader", "size"])
async def test_other_calls_that_fail_for_a_while_lose_nothing(tmp_path: Path, name: str) -> None:
    channels, wrap = troubled()
    async with subscribers(1) as (one,), rig(tmp_path, wrap=wrap) as engine:
        one.answer = lambda received, times: Response(500) if times == 1 else Response(204)
        engine.trigger("one", one.url, policy=RETRY_TWICE)
        if name in {"reader", "size"}:
            starting = asyncio.create_task(engine.start())
            await eventually(lambda: bool(channels))
            channels[0].failing = {name}
            await eventually(lambda: channels[0].calls[name] >= 2)
            channels[0].failing = set()
            await starting
        else:
            await engine.start()
            channels[0].failing = {name}
        await engine.append(*(event(number) for number in range(30)))
        await one.got(30)
        if name == "claim":
            await eventually(lambda: channels[0].calls[name] >= 3)
        channels[0].failing = set()
        await one.until(lambda: sum(one.ids().values()) == 60)
        await engine.idle()
    assert set(one.ids().values()) == {2}


async def test_a_drain_goes_on_though_entries_can_not_be_given_back(tmp_path: Path) -> None:
    gates = [asyncio.Event(), asyncio.Event()]

    async def wait(received: object, _times: int) -> Response:
        await gates[len(one.deliveries) > 8].wait()
        return Response(204)

    channels, wrap = troubled()
    async with subscribers(1) as (one,), rig(tmp_path, wrap=wrap, hand_over_after=0.01) as engine:
        one.answer = wait  # type: ignore[assignment]
        engine.trigger("one", one.url, max_in_flight=8)
        await engine.start()
        await engine.append(*(event(number) for number in range(24)))
        await one.until(lambda: one.running == 8)
        await engine.drained()
        held = channels[0].held["claim"] = asyncio.Event()
        gates[0].set()
        await eventually(lambda: channels[0].calls["claim"] == 1)
        await one.until(lambda: one.running == 0)
        engine.trigger("one", one.url, max_in_flight=2)
        await engine.apply()
        channels[0].held.clear()
        held.set()
        await one.until(lambda: one.running == 2)
        assert len(engine.lane("one").queue) > 0
        channels[0].failing = {"release"}
        draining = asyncio.create_task(engine.dispatcher.drain(10.0))
        await eventually(lambda: channels[0].calls["release"] == 1)
        gates[1].set()
        assert await draining is True
        await engine.stop()
        await engine.start()
        await one.got(24)
        await engine.idle()
    assert set(one.ids().values()) == {1}


async def test_a_drain_keeps_its_time_though_nothing_can_be_settled(tmp_path: Path) -> None:
    channels, wrap = troubled()
    async with subscribers(1) as (one,), rig(tmp_path, wrap=wrap) as engine:
        engine.trigger("one", one.url)
        await engine.start()
        channels[0].failing = {"settle"}
        await engine.append(event(1))
        await one.got(1)
        assert await engine.stop(drain=0.1) is False
        await engine.start()
        await one.until(lambda: one.ids()["1"] == 2)
        await engine.idle()


async def test_no_entry_is_claimed_once_the_drain_began(tmp_path: Path) -> None:
    gate = asyncio.Event()

    channels, wrap = troubled()
    async with subscribers(1) as (one,), rig(tmp_path, wrap=wrap) as engine:
        one.answer = once_set(gate)
        engine.trigger("one", one.url, paused=True, max_in_flight=8)
        await engine.start()
        await engine.append(*(event(number) for number in range(20)))
        await eventually(lambda: engine.metrics.triggers["one"].parked["paused"] == 20)
        await engine.drained()
        held = channels[0].held["claim"] = asyncio.Event()
        engine.trigger("one", one.url, max_in_flight=8)
        await engine.apply()
        await eventually(lambda: channels[0].calls["claim"] == 1)
        draining = asyncio.create_task(engine.dispatcher.drain(10.0))
        await eventually(lambda: engine.lane("one").stopped)
        channels[0].held.clear()
        held.set()
        assert await draining is True
        await eventually(lambda: channels[0].calls["release"] == 1)
        states = await engine.channel.backlog.states("b")
        assert states[0].next_due is not None
        assert channels[0].calls["claim"] == 1
        assert not one.deliveries


async def test_what_was_to_be_claimed_when_the_drain_began_is_left(tmp_path: Path) -> None:
    channels, wrap = troubled()
    async with subscribers(2) as (one, other), rig(tmp_path, wrap=wrap) as engine:
        engine.trigger("one", one.url, paused=True)
        engine.trigger("other", other.url)
        await engine.start()
        await engine.append(event(1))
        await other.got(1)
        await engine.drained()
        channels[0].failing = {"settle"}
        await engine.append(event(2))
        await other.got(2)
        await eventually(lambda: not engine.dispatcher.broker("b").takes_claims)
        engine.trigger("one", one.url)
        await engine.apply()
        draining = asyncio.create_task(engine.dispatcher.drain(10.0))
        await eventually(lambda: engine.lane("one").stopped)
        channels[0].failing = set()
        assert await draining is True
        await eventually(lambda: engine.dispatcher.broker("b").takes_claims)
        assert channels[0].calls["claim"] == 0
        assert await engine.waiting() == {("one", 0): 2}


async def test_a_full_store_is_not_overrun_by_dead_letters_without_a_sink(tmp_path: Path) -> None:
    async with subscribers(2) as (one, dead), rig(tmp_path, dead_letter_bytes=1) as engine:
        one.answer = lambda _received, _times: Response(400)
        dead.answer = lambda _received, _times: Response(503)
        policy = DeliveryPolicy(retry=1000, delay=0.05)
        engine.trigger("one", one.url, policy=policy, dead_letter=Target(dead.url))
        await engine.start()
        await engine.append(*(event(number) for number in range(10)))
        await dead.got(10)
        engine.trigger("one", one.url, policy=policy, max_in_flight=1)
        await engine.apply()
        await eventually(lambda: engine.metrics.triggers["one"].parked["store_full"] >= 1)
        stored = await engine.channel.dead_letters.list("b", "one", 100)
        waiting = await engine.waiting()
    assert 1 <= len(stored) <= 3
    assert waiting["one", 1] + len(stored) == 10


async def test_what_is_owed_to_a_dead_letter_sink_is_bounded(tmp_path: Path) -> None:
    gate = asyncio.Event()

    async with subscribers(2) as (one, dead), rig(tmp_path, backlog_bytes=1000) as engine:
        one.answer = lambda _received, _times: Response(400)
        dead.answer = once_set(gate)
        engine.trigger("one", one.url, policy=RETRY_TWICE, dead_letter=Target(dead.url), max_in_flight=2)
        await engine.start()
        for number in range(60):
            await engine.append(event(number))
        await one.got(60)
        await engine.drained()
        stored = await engine.channel.dead_letters.list("b", "one", 100)
        waiting = await engine.waiting()
        assert waiting["one", 1] + len(stored) == 60
        assert 1 <= waiting["one", 1] < 40
        assert {item.letter.why for item in stored} == {"refused"}
        assert [failure.code for failure in stored[0].letter.failures] == [400]
        gate.set()
        await engine.idle()


async def test_a_dead_letter_store_that_was_emptied_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters_module, "EVERY", 0.02)
    monkeypatch.setattr(deliver_module, "STORE_FULL_PAUSE", 0.1)
    async with subscribers(1) as (one,), rig(tmp_path, dead_letter_bytes=1) as engine:
        one.answer = lambda _received, _times: Response(400)
        engine.trigger("one", one.url, policy=RETRY_TWICE, max_in_flight=1)
        await engine.start()
        await engine.append(*(event(number) for number in range(5)))
        gone: set[str] = set()
        while len(gone) < 5:
            await eventually(lambda: _letters(engine))
            stored = await engine.channel.dead_letters.list("b", "one", 10)
            gone |= {item.letter.event.id for item in stored}
            await engine.channel.dead_letters.remove("b", [item.number for item in stored])
        await engine.idle()
    assert engine.metrics.triggers["one"].parked["store_full"] >= 1


async def _letters(engine: Rig) -> bool:
    return bool(await engine.channel.dead_letters.list("b", "one", 10))


async def test_trouble_is_told_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog_module, "REFRESH", 0.05)
    channels, wrap = troubled()
    lines = io.StringIO()
    async with subscribers(1) as (one,), rig(tmp_path, wrap=wrap) as engine:
        engine.log.close()
        engine.log = Log(lines, form="json")
        engine.brokers = {"b": BrokerPlan("b", "space", "orders")}
        engine.trigger("one", one.url, paused=True)
        await engine.start()
        await engine.append(event(1))
        await eventually(lambda: engine.metrics.triggers["one"].parked["paused"] == 1)
        await engine.drained()
        # A claim that comes back when its trigger is gone has to be given back, and the store fails.
        claim = channels[0].held["claim"] = asyncio.Event()
        engine.trigger("one", one.url)
        await engine.apply()
        await eventually(lambda: channels[0].calls["claim"] == 1)
        del engine.triggers["one"]
        await engine.apply()
        channels[0].failing = {"states", "settle", "release"}
        claim.set()
        before = channels[0].calls["states"]
        await engine.append(event(2))
        await eventually(lambda: channels[0].calls["release"] > 0 and channels[0].calls["settle"] > 1)
        await eventually(lambda: channels[0].calls["states"] > before + 1)
        channels[0].failing = set()
        await engine.stop()
    found = {line["message"]: (line["broker"], line.get("trigger")) for line in map(json.loads, lines.getvalue().splitlines())}
    assert found == {
        "settling failed, trying again": ("space/orders", None),
        "backlog can't be read, trying again": ("space/orders", None),
        "claimed entries could not be given back, they wait for their leases to lapse": ("space/orders", "ns/one"),
    }
