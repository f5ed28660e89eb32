"""The window, hand-overs, slots, holds, the breaker, pauses, shares: DATAPATH 2 to 6."""

from __future__ import annotations

import asyncio
from pathlib import Path

from dispatch_rig import RETRY_TWICE, event, eventually, rig, subscribers

from eventing.policy.delivery import DeliveryPolicy
from eventing.ports.http import Response


async def test_a_slow_subscriber_delays_no_other_and_gets_everything_once(tmp_path: Path) -> None:
    gate = asyncio.Event()

    async def wait(_received: object, _times: int) -> Response:
        await gate.wait()
        return Response(204)

    async with subscribers(2) as (slow, quick), rig(tmp_path, window=32) as engine:
        slow.answer = wait  # type: ignore[assignment]
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

    async def wait(_received: object, _times: int) -> Response:
        await gate.wait()
        return Response(204)

    mib = 1024 * 1024
    big = event(0)
    async with subscribers(2) as (slow, quick), rig(tmp_path, memory_bytes=8 * mib, largest=2 * mib) as engine:
        slow.answer = wait  # type: ignore[assignment]
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
