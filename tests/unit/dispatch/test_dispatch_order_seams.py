"""Order per key where memory, backlog and other triggers meet: hand-overs, look-ups, pauses, drain, changed triggers."""

from __future__ import annotations

import asyncio
from pathlib import Path

from dispatch_rig import event, eventually, never, once_set, rig, subscribers, troubled
from order_support import FOR_EVER, OneAtATime, by_key, keyed

from eventing.ports.http import Response


async def test_what_takes_long_is_handed_over_with_all_of_its_key_and_nothing_comes_twice(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with subscribers(1) as (one,), rig(tmp_path, hand_over_after=0.01, window=8) as engine:
        slow = once_set(gate)
        one.answer = lambda received, times: slow(received, times) if received.id == "0" else Response(204)
        watch = OneAtATime(one)
        engine.trigger("one", one.url, ordered=True)
        await engine.start()
        await engine.append(*(keyed(number, "kl"[number % 2]) for number in range(40)))
        await one.until(lambda: len(by_key(one)["l"]) == 20)
        await engine.drained()
        assert by_key(one)["k"] == [0]
        assert (await engine.waiting())["one", 0] >= 20
        assert engine.metrics.triggers["one"].parked["slow"] >= 1
        gate.set()
        await one.got(40)
        await engine.idle()
    assert by_key(one) == {"k": list(range(0, 40, 2)), "l": list(range(1, 40, 2))}
    assert set(one.ids().values()) == {1}
    assert watch.most == 1


async def test_a_failure_is_durable_though_another_trigger_still_holds_the_event(tmp_path: Path) -> None:
    broken = True
    async with subscribers(2) as (one, slow), rig(tmp_path, hand_over_after=1000.0) as engine:
        one.answer = lambda _received, _times: Response(500 if broken else 204)
        slow.answer = never
        engine.trigger("one", one.url, ordered=True, policy=FOR_EVER)
        engine.trigger("slow", slow.url)
        await engine.start()
        await engine.append(keyed(0, "k"), keyed(1, "k"))
        await one.until(lambda: one.ids()["0"] >= 3)
        assert engine.window() == 2
        assert (await engine.waiting())["one", 0] == 2
        broken = False
        await one.got(2)
    assert by_key(one)["k"] == [0, 1]


async def test_events_wait_in_memory_until_the_backlog_says_what_it_holds(tmp_path: Path) -> None:
    made, wrap = troubled()
    async with subscribers(2) as (one, other), rig(tmp_path, wrap=wrap, hand_over_after=1000.0) as engine:
        one.answer = lambda received, times: Response(500 if received.id == "0" and times < 3 else 204)
        engine.trigger("one", one.url, ordered=True, policy=FOR_EVER)
        engine.trigger("other", other.url)
        await engine.start()
        await engine.append(keyed(0, "k"))
        await eventually(lambda: engine.metrics.triggers["one"].parked["retry"] >= 1)
        made[-1].failing.add("keys")
        await engine.append(*(keyed(number, "l") for number in range(1, 6)))
        await other.got(6)
        assert not by_key(one)["l"]
        made[-1].failing.clear()
        await one.got(6)
        await engine.idle()
    assert by_key(one) == {"k": [0], "l": [1, 2, 3, 4, 5]}


async def test_a_store_that_says_nothing_holds_nobody_up_for_long(tmp_path: Path) -> None:
    made, wrap = troubled()
    async with subscribers(1) as (one,), rig(tmp_path, wrap=wrap, hand_over_after=0.01) as engine:
        engine.trigger("one", one.url, ordered=True)
        await engine.start()
        await engine.append(keyed(0, "k"))
        await one.got(1)
        await engine.idle()
        made[-1].failing.add("keys")
        for ordered in (False, True):
            engine.trigger("one", one.url, ordered=ordered)
            await engine.apply()
        await engine.append(*(keyed(number, "kl"[number % 2]) for number in range(1, 30)))
        await engine.drained()
        assert (await engine.waiting())["one", 0] == 29
        made[-1].failing.clear()
        await one.got(30)
        await engine.idle()
    assert by_key(one) == {"k": list(range(0, 30, 2)), "l": list(range(1, 30, 2))}


async def test_a_trigger_without_order_asks_for_no_keys(tmp_path: Path) -> None:
    made, wrap = troubled()
    async with subscribers(1) as (one,), rig(tmp_path, wrap=wrap) as engine:
        one.answer = lambda _received, times: Response(500 if times < 3 else 204)
        engine.trigger("one", one.url, policy=FOR_EVER)
        await engine.start()
        await engine.append(*(keyed(number, "k") for number in range(50)))
        await one.until(lambda: sum(one.ids().values()) == 150)
        await engine.idle()
    assert made[-1].calls["keys"] == 0


async def test_once_the_backlog_is_empty_nothing_is_asked_any_more(tmp_path: Path) -> None:
    made, wrap = troubled()
    async with subscribers(1) as (one,), rig(tmp_path, wrap=wrap) as engine:
        one.answer = lambda received, times: Response(500 if received.id == "0" and times == 1 else 204)
        engine.trigger("one", one.url, ordered=True, policy=FOR_EVER)
        await engine.start()
        await engine.append(keyed(0, "k"))
        await one.until(lambda: one.ids()["0"] == 2)
        await engine.idle()
        await engine.append(keyed(1, "k"))
        await one.got(2)
        asked = made[-1].calls["keys"]
        await engine.append(*(keyed(number, f"k{number}") for number in range(2, 60)))
        await one.got(60)
        await engine.idle()
        assert made[-1].calls["keys"] == asked
        assert engine.lane("one").order.keys == 0  # type: ignore[union-attr]


async def test_a_pause_and_a_drain_keep_the_order(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with subscribers(1) as (one,), rig(tmp_path, hand_over_after=1000.0) as engine:
        one.answer = once_set(gate)
        engine.trigger("one", one.url, ordered=True)
        await engine.start()
        await engine.append(*(keyed(number, "kl"[number % 2]) for number in range(20)))
        await one.until(lambda: one.running == 2)
        stopping = asyncio.create_task(engine.stop(drain=30.0))
        await eventually(lambda: engine.window() == 0)
        gate.set()
        assert await stopping
        engine.trigger("one", one.url, ordered=True, paused=True)
        await engine.start()
        await engine.append(*(keyed(number, "kl"[number % 2]) for number in range(20, 40)))
        await engine.drained()
        assert (await engine.waiting())["one", 0] == 38
        assert len(one.deliveries) == 2
        engine.trigger("one", one.url, ordered=True)
        await engine.apply()
        await one.got(40)
        await engine.idle()
    assert by_key(one) == {"k": list(range(0, 40, 2)), "l": list(range(1, 40, 2))}
    assert set(one.ids().values()) == {1}


async def test_a_trigger_that_goes_and_comes_back_knows_what_is_on_its_way_into_the_backlog(tmp_path: Path) -> None:
    made, wrap = troubled()
    async with subscribers(1) as (one,), rig(tmp_path, wrap=wrap, hand_over_after=1000.0) as engine:
        engine.trigger("one", one.url, ordered=True, paused=True)
        await engine.start()
        store = made[-1].held["settle"] = asyncio.Event()
        await engine.append(keyed(0, "k"))
        await eventually(lambda: engine.metrics.triggers["one"].parked.total == 1)
        del engine.triggers["one"]
        await engine.apply()
        engine.trigger("one", one.url, ordered=True)
        await engine.apply()
        await engine.append(keyed(1, "k"), keyed(2, "k"))
        await eventually(lambda: engine.window() == 3)
        # The answer to what the backlog holds says nothing of what is on its way there.
        await eventually(lambda: not engine.lane("one").unsure)
        assert not one.deliveries
        del made[-1].held["settle"]
        store.set()
        await one.got(3)
        await engine.idle()
    assert by_key(one)["k"] == [0, 1, 2]


async def test_a_trigger_that_goes_takes_along_all_that_waits_behind_its_keys_once(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path, hand_over_after=1000.0) as engine:
        gate = asyncio.Event()
        one.answer = once_set(gate)
        engine.trigger("one", one.url, ordered=True)
        await engine.start()
        await engine.append(*(keyed(number, "k") for number in range(5)))
        await one.got(1)
        await eventually(lambda: engine.window() == 5)
        plan = engine.triggers.pop("one")
        await engine.apply()
        await eventually(lambda: engine.window() == 0)
        gate.set()
        engine.triggers["one"] = plan
        await engine.apply()
        await one.got(5)
        await engine.idle()
    assert by_key(one) == {"k": [0, 1, 2, 3, 4]}


async def test_order_asked_for_later_holds_for_what_is_read_from_then_on_and_can_be_taken_away(tmp_path: Path) -> None:
    broken = True
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        one.answer = lambda received, _times: Response(500 if broken and received.type == "old" else 204)
        engine.trigger("one", one.url, policy=FOR_EVER)
        await engine.start()
        await engine.append(*(keyed(number, "k", "old") for number in range(5)))
        await one.got(5)
        await engine.drained()
        engine.trigger("one", one.url, policy=FOR_EVER, ordered=True)
        await engine.apply()
        await engine.append(*(keyed(number, "k", "new") for number in range(5, 15)))
        await one.got(15)
        assert [n for n in by_key(one)["k"] if n >= 5] == list(range(5, 15)), "what waits from before holds nothing up"
        engine.trigger("one", one.url, policy=FOR_EVER)
        await engine.apply()
        broken = False
        await engine.append(event(15, partitionkey="k"))
        await one.got(16)
        await engine.idle()


async def test_an_event_beyond_the_bound_is_a_dead_letter_and_its_key_goes_on(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path, backlog_bytes=2000) as engine:
        engine.trigger("one", one.url, ordered=True, paused=True)
        await engine.start()
        for number in range(60):
            await engine.append(keyed(number, "k"))
            await engine.drained()
        kept = 60 - engine.stored("one")
        assert 0 < kept < 60
        engine.trigger("one", one.url, ordered=True)
        await engine.apply()
        await one.got(kept)
        await engine.idle()
    assert by_key(one)["k"] == list(range(kept))


async def test_what_was_delivered_and_is_not_settled_is_known_to_a_trigger_that_went_and_came_back(tmp_path: Path) -> None:
    """Its leases lapsed meanwhile (the clock leapt): the store gives the entries out again, and they must not begin again."""
    gate = asyncio.Event()
    made, wrap = troubled()
    async with subscribers(1) as (one,), rig(tmp_path, wrap=wrap) as engine:
        engine.trigger("one", one.url, ordered=True, paused=True)
        await engine.start()
        await engine.append(*(keyed(number, "k") for number in range(3)))
        await engine.drained()
        made[-1].held["settle"] = gate
        engine.trigger("one", one.url, ordered=True)
        await engine.apply()
        await one.got(1)
        await eventually(lambda: not engine.lane("one").running)
        del engine.triggers["one"]
        await engine.apply()
        engine.leap = 1000.0
        engine.trigger("one", one.url, ordered=True)
        claims = made[-1].calls["claim"]
        await engine.apply()
        await eventually(lambda: made[-1].calls["claim"] > claims)
        gate.set()
        await one.got(3)
        await engine.idle()
    assert by_key(one) == {"k": [0, 1, 2]}
    assert one.ids() == {"0": 1, "1": 1, "2": 1}, "none came twice"
