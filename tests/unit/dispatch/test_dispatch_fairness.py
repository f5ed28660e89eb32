"""The window, hand-overs, slots, holds, the breaker, pauses, shares: DATAPATH 2 to 6."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any

import pytest
from dispatch_rig import RETRY_TWICE, event, eventually, never, once_set, rig, subscribers, troubled

from eventing.dispatch.sender import Attempt, Sender
from eventing.event import Event
from eventing.filters import compile_filter
from eventing.policy.delivery import DeliveryPolicy
from eventing.ports.http import Response
from eventing.ports.records import Lane
from eventing.resources.plan import Target


async def test_a_slow_subscriber_delays_no_other_and_gets_everything_once(tmp_path: Path) -> None:
    gate = asyncio.Event()

    async with subscribers(2) as (slow, quick), rig(tmp_path, window=32) as engine:
        slow.answer = once_set(gate)
        engine.trigger("slow", slow.url, max_in_flight=4)
        engine.trigger("quick", quick.url)
        await engine.start()
        for number in range(300):
            await engine.append(event(number))
        await quick.got(300)
        assert slow.running == 4
        assert (await engine.waiting())["slow", 0] >= 300 - 32
        gate.set()
        await slow.got(300)
        await engine.idle()
    assert set(slow.ids().values()) == {1}
    assert set(quick.ids().values()) == {1}
    assert slow.most == 4


async def test_what_ran_when_it_was_handed_over_is_not_repeated(tmp_path: Path) -> None:
    async def slowly(_received: object, times: int) -> Response:
        await asyncio.sleep(0.1)
        return Response(204)

    async with subscribers(1) as (one,), rig(tmp_path, hand_over_after=0.01) as engine:
        one.answer = slowly  # type: ignore[assignment]
        engine.trigger("one", one.url)
        await engine.start()
        await engine.append(*(event(number) for number in range(50)))
        await one.got(50)
        await engine.idle()
    assert set(one.ids().values()) == {1}
    assert engine.metrics.triggers["one"].parked["slow"] > 0


async def test_max_in_flight_is_never_exceeded(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        one.answer = lambda _received, times: Response(500) if times == 1 else Response(204)
        engine.trigger("one", one.url, max_in_flight=3, policy=RETRY_TWICE)
        await engine.start()
        for number in range(200):
            await engine.append(event(number))
        await one.until(lambda: sum(one.ids().values()) == 400)
        await engine.idle()
    assert one.most <= 3


async def test_retry_after_holds_the_whole_trigger(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    held_at = 0.0
    during: list[str] = []

    def answer(received: object, times: int) -> Response:
        nonlocal held_at
        if not held_at:
            held_at = loop.time()
            return Response(429, [(b"retry-after", b"1")])
        if loop.time() - held_at < 0.99:
            during.append("early")
        return Response(204)

    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        one.answer = answer
        engine.trigger("one", one.url, policy=DeliveryPolicy(retry=5, delay=0.001))
        await engine.start()
        await engine.append(event(0))
        await one.got(1)
        await eventually(lambda: engine.metrics.triggers["one"].failed == 1)
        await engine.append(*(event(number) for number in range(1, 30)))
        await one.got(30)
        await engine.idle()
    assert during == []
    assert engine.metrics.triggers["one"].parked["retry_after"] == 29
    assert one.ids() == {"0": 2} | {str(number): 1 for number in range(1, 30)}


async def test_retry_after_can_be_turned_off(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        one.answer = lambda _received, times: Response(503, [(b"retry-after", b"3600")]) if times == 1 else Response(204)
        engine.trigger("one", one.url, policy=DeliveryPolicy(retry=5, delay=0.001, retry_after_max=0.0))
        await engine.start()
        await engine.append(event(0))
        await one.until(lambda: one.ids()["0"] == 2)
        await engine.idle()


async def test_the_breaker_parks_without_attempts_and_recovers(tmp_path: Path) -> None:
    broken = True
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        one.answer = lambda _received, _times: Response(500) if broken else Response(204)
        engine.trigger("one", one.url, policy=DeliveryPolicy(retry=None, delay=0.01, cap=0.05), max_in_flight=8)
        await engine.start()
        for number in range(200):
            await engine.append(event(number))
        await eventually(lambda: engine.metrics.triggers["one"].parked["breaker"] > 50)
        attempted = sum(one.ids().values())
        assert attempted < 100
        broken = False
        await one.got(200)
        await engine.idle()
    assert engine.metrics.triggers["one"].dead_lettered["exhausted"] == 0


async def test_a_paused_trigger_keeps_its_events_and_goes_on(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        engine.trigger("one", one.url, paused=True)
        await engine.start()
        await engine.append(*(event(number) for number in range(100)))
        await eventually(lambda: engine.metrics.triggers["one"].parked["paused"] == 100)
        assert not one.deliveries
        engine.trigger("one", one.url)
        await engine.apply()
        await one.got(100)
        await engine.idle()
    assert set(one.ids().values()) == {1}


async def test_memory_is_shared_out_in_bytes(tmp_path: Path) -> None:
    gate = asyncio.Event()

    mib = 1024 * 1024
    big = event(0)
    async with subscribers(2) as (slow, quick), rig(tmp_path, memory_bytes=8 * mib, largest=2 * mib) as engine:
        slow.answer = once_set(gate)
        engine.trigger("slow", slow.url)
        engine.trigger("quick", quick.url)
        await engine.start()
        for number in range(40):
            await engine.append(type(big)({**event(number).attributes}, b"x" * (mib // 2)))
        await quick.got(40)
        # Half of 8 MiB less the reserve of 2 MiB is for triggers; 40 events of 512 KiB would be 20 MiB.
        assert 1 <= slow.running <= 5
        gate.set()
        await slow.got(40)
        await engine.idle()
    assert set(slow.ids().values()) == {1}


@pytest.mark.parametrize(("slots", "delay"), [(1, 0.01), (2, 0.01), (2, 0.0)])
async def test_a_retry_gets_its_turn_though_new_events_keep_the_slots_busy(tmp_path: Path, slots: int, delay: float) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        counter = itertools.count(10)

        async def answer(received: Event, times: int) -> Response:
            # Another event for each that comes: some are always waiting for a slot.
            if len(one.deliveries) < 600:
                await engine.append(event(next(counter)))
            return Response(500) if received.id == "0" and times == 1 else Response(204)

        one.answer = answer
        engine.trigger("one", one.url, policy=DeliveryPolicy(retry=2, delay=delay), max_in_flight=slots)
        await engine.start()
        await engine.append(*(event(number) for number in range(6)))
        await one.until(lambda: one.ids()["0"] == 2 or len(one.deliveries) >= 500)
        assert one.ids()["0"] == 2
        await engine.idle()
        assert not engine.lane("one").behind
    assert sum(one.ids().values()) == len(one.ids()) + 1


async def test_a_trigger_is_direct_again_once_its_backlog_is_empty(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        one.answer = lambda received, times: Response(500) if received.id == "0" and times == 1 else Response(204)
        engine.trigger("one", one.url, policy=RETRY_TWICE, max_in_flight=1)
        await engine.start()
        for number in range(200):
            await engine.append(event(number))
        await one.until(lambda: sum(one.ids().values()) == 201)
        await engine.idle()
        parked = engine.metrics.triggers["one"].parked.total
        await engine.append(event(200))
        await one.got(201)
        await engine.idle()
        assert engine.metrics.triggers["one"].parked.total == parked


async def test_many_triggers_with_a_backlog_at_once(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        for number in range(400):
            engine.trigger(f"t{number}", one.url, paused=True)
        await engine.start()
        await engine.append(event(1), event(2))
        await eventually(lambda: engine.metrics.triggers["t399"].parked["paused"] == 2)
        await engine.drained()
        for number in range(400):
            engine.trigger(f"t{number}", one.url)
        await engine.apply()
        await engine.idle()
    assert one.ids() == {"1": 400, "2": 400}


async def test_idle_triggers_are_not_looked_at(tmp_path: Path) -> None:
    channels, wrap = troubled()
    async with subscribers(1) as (one,), rig(tmp_path, wrap=wrap) as engine:
        for number in range(300):
            engine.trigger(f"t{number}", one.url, compile_filter([{"exact": {"type": str(number)}}], None))
        await engine.start()
        await engine.append(event(1, "7"))
        await one.got(1)
        await engine.idle()
    # One question for all lanes at the start, and one for what `idle` asks itself.
    assert channels[0].calls["claim"] == 0
    assert channels[0].calls["states"] <= 4


async def test_places_in_the_schedule_do_not_pile_up(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        one.answer = lambda received, _times: Response(500) if received.id == "late" else Response(500 if _times == 1 else 204)
        policy = DeliveryPolicy(retry=1, delay=0.001)
        engine.trigger("one", one.url, policy=policy, max_in_flight=1)
        await engine.start()
        lane = engine.lane("one")
        worker = engine.dispatcher.broker("b")._backlog
        for number in range(2000):
            lane.next_due = engine.channel.now() + 1000 - number / 1000
            worker.stir(lane)
        assert len(worker._heap) <= 64 + 2 * 2
        lane.next_due = None


@pytest.mark.parametrize("path", ["done", "expired", "put back", "no sink", "cut off", "given up"])
async def test_slots_bytes_and_leases_are_given_back_on_every_path(tmp_path: Path, path: str) -> None:
    async with subscribers(2) as (one, dead), rig(tmp_path, hand_over_after=0.02) as engine:
        policy, sink, extensions = RETRY_TWICE, None, {}
        if path == "expired":
            extensions = {"expirytime": "2020-01-01T00:00:00Z"}
        elif path == "put back":
            one.answer = lambda _received, times: Response(429, [(b"retry-after", b"1")]) if times == 1 else Response(204)
        elif path in {"given up", "no sink"}:
            one.answer = lambda _received, _times: Response(500)
            dead.answer = lambda _received, _times: Response(503)
            sink = Target(dead.url)
            policy = DeliveryPolicy(retry=2 if path == "given up" else 1000, delay=0.01)
        elif path == "cut off":
            one.answer = never
        engine.trigger("one", one.url, policy=policy, dead_letter=sink, max_in_flight=2)
        await engine.start()
        await engine.append(*(event(number, **extensions) for number in range(5)))
        if path == "cut off":
            await one.until(lambda: one.running == 2)
            lanes = [engine.lane("one", kind) for kind in Lane]
            shares = engine.dispatcher.shares
            assert await engine.stop(drain=0.0) is False
        else:
            if path == "no sink":
                await one.until(lambda: sum(one.ids().values()) >= 10)
                engine.trigger("one", one.url, policy=DeliveryPolicy(retry=1, delay=0.01))
                await engine.apply()
            await engine.idle()
            lanes = [engine.lane("one", kind) for kind in Lane]
            shares = engine.dispatcher.shares
        assert [(lane.running, lane.gate.running, len(lane.queue)) for lane in lanes] == [(0, 0, 0)] * 2
        if path != "cut off":
            assert [len(lane.held) for lane in lanes] == [0, 0]
            assert [(lane.entries, lane.bytes) for lane in lanes] == [(0, 0)] * 2
        assert shares.used == 0


async def test_new_events_wait_behind_what_is_due_already(tmp_path: Path) -> None:
    channels, wrap = troubled()
    async with subscribers(1) as (one,), rig(tmp_path, wrap=wrap) as engine:
        engine.trigger("one", one.url, paused=True)
        await engine.start()
        await engine.append(event(1))
        await engine.drained()
        held = channels[0].held["claim"] = asyncio.Event()
        engine.trigger("one", one.url)
        await engine.apply()
        await eventually(lambda: channels[0].calls["claim"] == 1)
        await engine.append(event(2))
        await engine.drained()
        assert engine.metrics.triggers["one"].parked["behind"] == 1
        assert not one.deliveries
        channels[0].held.clear()
        held.set()
        await one.got(2)
        await engine.idle()
    assert [received.id for received, _ in one.deliveries] == ["1", "2"]


async def test_what_is_booked_while_a_claim_runs_is_found(tmp_path: Path) -> None:
    channels, wrap = troubled()
    async with subscribers(1) as (one,), rig(tmp_path, wrap=wrap) as engine:
        engine.trigger("one", one.url, paused=True)
        await engine.start()
        await engine.append(event(1))
        await engine.drained()
        late = channels[0].late["claim"] = asyncio.Event()
        engine.trigger("one", one.url)
        await engine.apply()
        await eventually(lambda: channels[0].calls["claim"] == 1)
        await engine.append(event(2))
        await engine.drained()
        # The answer knows nothing of the second event.
        channels[0].late.clear()
        late.set()
        await one.got(2)
        await engine.idle()
    assert one.ids() == {"1": 1, "2": 1}


async def test_the_leases_of_hand_overs_are_told_apart(tmp_path: Path) -> None:
    async def slowly(_received: object, _times: int) -> Response:
        await asyncio.sleep(0.05)
        return Response(204)

    tokens: list[str] = []
    channels, wrap = troubled()
    async with subscribers(1) as (one,), rig(tmp_path, wrap=wrap, hand_over_after=0.005) as engine:
        one.answer = slowly  # type: ignore[assignment]
        engine.trigger("one", one.url)
        for _ in range(2):
            await engine.start()
            await engine.append(*(event(number) for number in range(10)))
            await one.until(lambda: one.running == 0 and len(one.deliveries) % 10 == 0)
            await engine.idle()
            tokens += channels[-1].leases
            await engine.stop()
    assert len(tokens) >= 10
    assert len(set(tokens)) == len(tokens)


async def test_lost_results_are_asked_after(tmp_path: Path) -> None:
    gate = asyncio.Event()

    async def wait(_received: object, times: int) -> Response:
        if times == 1:
            await gate.wait()
        return Response(204)

    channels, wrap = troubled()
    async with subscribers(1) as (one,), rig(tmp_path, wrap=wrap, hand_over_after=0.01) as engine:
        one.answer = wait  # type: ignore[assignment]
        engine.trigger("one", one.url)
        await engine.start()
        await engine.append(event(1))
        await one.got(1)
        await engine.drained()
        # Another process takes the entry: the result of this one counts for nothing.
        [work] = engine.lane("one").held.values()
        assert work.token is not None
        whole = channels[0]._channel.backlog
        await whole.release("b", [(work.key, work.token)])
        taken = await whole.claim("b", "one", Lane.SUBSCRIBER, 1, 1000, engine.channel.now() + 100)
        assert len(taken.entries) == 1
        asked = channels[0].calls["states"]
        gate.set()
        await eventually(lambda: channels[0].calls["states"] > asked)
        assert await engine.waiting() == {("one", 0): 1}
        await whole.release("b", [(taken.entries[0].key, taken.entries[0].lease.token)])
        engine.lane("one").refresh()
        await one.until(lambda: one.ids()["1"] == 2)
        await engine.idle()


async def test_what_is_owed_to_a_subscriber_is_bounded(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path, backlog_bytes=1000) as engine:
        engine.trigger("one", one.url, paused=True)
        await engine.start()
        for number in range(60):
            await engine.append(event(number))
        await engine.drained()
        stored = await engine.channel.dead_letters.list("b", "one", 100)
        waiting = await engine.waiting()
    assert {item.letter.why for item in stored} == {"backlog_full"}
    assert waiting["one", 0] + len(stored) == 60
    assert 1 <= waiting["one", 0] < 40
    assert engine.metrics.triggers["one"].dead_lettered["backlog_full"] == len(stored)


async def test_a_hold_outlives_the_process(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        one.answer = lambda _received, _times: Response(503, [(b"retry-after", b"500")])
        engine.trigger("one", one.url, policy=RETRY_TWICE)
        await engine.start()
        await engine.append(event(1))
        await one.got(1)
        await engine.drained()
        [state] = await engine.channel.backlog.states("b")
        assert state.next_due is not None
        assert 400 < state.next_due - engine.channel.now() <= 500


@pytest.mark.parametrize("fault", [RuntimeError("ours"), asyncio.CancelledError()])
async def test_a_fault_of_ours_costs_an_attempt_and_never_the_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: BaseException
) -> None:
    faults = [fault, fault]
    attempt = Sender.attempt

    async def sometimes(self: Sender, *arguments: Any, **more: Any) -> Attempt:
        if faults:
            raise faults.pop()
        return await attempt(self, *arguments, **more)

    monkeypatch.setattr(Sender, "attempt", sometimes)
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        engine.trigger("one", one.url, policy=RETRY_TWICE)
        await engine.start()
        await engine.append(event(1))
        await one.got(1)
        await engine.idle()
    assert one.ids() == {"1": 1}
    assert engine.metrics.triggers["one"].failed == 2
    assert engine.metrics.triggers["one"].retries == 2
