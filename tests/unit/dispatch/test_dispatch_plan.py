"""Brokers and triggers come, go and change while events are under way: nothing is lost, repeated or run twice at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from dispatch_rig import RETRY_TWICE, Subscriber, event, eventually, only, rig, subscribers, troubled

from eventing.dispatch import backlog as backlog_module
from eventing.dispatch import deliver as deliver_module
from eventing.dispatch import dispatcher as dispatcher_module
from eventing.errors import ChannelUnavailable
from eventing.event import Event
from eventing.policy.delivery import DeliveryPolicy
from eventing.ports.http import Response
from eventing.resources.plan import BrokerPlan, Target


def waiting_on(*gates: asyncio.Event, subscriber: Subscriber, first: int) -> None:
    """The first deliveries wait for the first gate, the others for the second."""

    async def wait(_received: object, _times: int) -> Response:
        await gates[min(len(gates) - 1, len(subscriber.deliveries) > first)].wait()
        return Response(204)

    subscriber.answer = wait


async def test_a_trigger_that_goes_starts_nothing_more_and_comes_back_as_it_was(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with subscribers(2) as (one, other), rig(tmp_path) as engine:
        waiting_on(gate, subscriber=one, first=0)
        engine.trigger("one", one.url, max_in_flight=2)
        engine.trigger("other", other.url)
        await engine.start()
        await engine.append(*(event(number) for number in range(10)))
        await one.until(lambda: one.running == 2)
        gone = engine.triggers.pop("one")
        await engine.apply()
        await other.got(10)
        await engine.drained()
        assert await engine.waiting() == {("one", 0): 10}
        # Two still run: back again, the trigger has no slot for others.
        engine.triggers["one"] = gone
        await engine.apply()
        await engine.append(event(10))
        await other.got(11)
        await engine.drained()
        assert one.running == 2
        assert engine.lane("one").running == 2
        gate.set()
        await one.got(11)
        await engine.idle()
    assert one.most == 2
    assert set(one.ids().values()) == {1}
    assert set(other.ids().values()) == {1}


async def test_the_queue_of_a_deleted_trigger_is_not_delivered(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        waiting_on(gate, subscriber=one, first=0)
        engine.trigger("one", one.url, max_in_flight=1)
        await engine.start()
        await engine.append(*(event(number) for number in range(4)))
        await one.until(lambda: one.running == 1)
        engine.triggers.clear()
        await engine.apply()
        gate.set()
        await engine.drained()
        await eventually(lambda: engine.dispatcher.shares.used == 0)
        assert await engine.waiting() == {("one", 0): 3}
    assert len(one.deliveries) == 1


async def test_claimed_entries_of_a_trigger_that_goes_are_given_back(tmp_path: Path) -> None:
    gates = [asyncio.Event(), asyncio.Event()]
    channels, wrap = troubled()
    async with subscribers(1) as (one,), rig(tmp_path, wrap=wrap, hand_over_after=0.01) as engine:
        waiting_on(*gates, subscriber=one, first=8)
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
        lane = engine.lane("one")
        assert len(lane.queue) > 0
        gone = engine.triggers.pop("one")
        await engine.apply()
        gates[1].set()
        await eventually(lambda: not lane.running)
        assert len(one.deliveries) == 8 + 2
        engine.triggers["one"] = gone
        await engine.apply()
        await one.got(24)
        await engine.idle()
    assert set(one.ids().values()) == {1}


async def test_slots_that_shrink_while_a_claim_runs_are_kept(tmp_path: Path) -> None:
    gates = [asyncio.Event(), asyncio.Event()]
    channels, wrap = troubled()
    async with subscribers(1) as (one,), rig(tmp_path, wrap=wrap, hand_over_after=0.01) as engine:
        waiting_on(*gates, subscriber=one, first=8)
        engine.trigger("one", one.url, max_in_flight=8)
        await engine.start()
        await engine.append(*(event(number) for number in range(24)))
        await one.until(lambda: one.running == 8)
        await engine.drained()
        held = channels[0].held["claim"] = asyncio.Event()
        gates[0].set()
        await eventually(lambda: channels[0].calls["claim"] == 1)
        await one.until(lambda: one.running == 0)
        one.most = 0
        engine.trigger("one", one.url, max_in_flight=1)
        await engine.apply()
        channels[0].held.clear()
        held.set()
        await one.until(lambda: one.running == 1)
        gates[1].set()
        await one.got(24)
        await engine.idle()
    assert one.most == 1
    assert set(one.ids().values()) == {1}


async def test_a_longer_time_out_prolongs_the_leases_of_what_was_claimed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (backlog_module, deliver_module):
        monkeypatch.setattr(module, "MARGIN", 0.1)
    monkeypatch.setattr(backlog_module, "REFRESH", 0.05)
    gate = asyncio.Event()
    channels, wrap = troubled()
    async with subscribers(1) as (one,), rig(tmp_path, wrap=wrap) as engine:
        waiting_on(gate, subscriber=one, first=0)
        engine.trigger("one", one.url, policy=DeliveryPolicy(timeout=0.2), paused=True)
        await engine.start()
        await engine.append(event(0))
        await engine.drained()
        held = channels[0].held["claim"] = asyncio.Event()
        engine.trigger("one", one.url, policy=DeliveryPolicy(timeout=0.2))
        await engine.apply()
        await eventually(lambda: channels[0].calls["claim"] == 1)
        engine.trigger("one", one.url, policy=DeliveryPolicy(timeout=10.0))
        await engine.apply()
        channels[0].held.clear()
        held.set()
        await one.got(1)
        assert channels[0].calls["extend"] == 1
        states = await engine.channel.backlog.states("b")
        claimed = await engine.channel.backlog.claim("b", "one", 0, 1, 1000, engine.channel.now() + 1)  # type: ignore[arg-type]
        assert states[0].next_due is None
        assert not claimed.entries
        gate.set()
        await engine.idle()
    assert one.ids() == {"0": 1}


async def test_an_entry_that_is_not_ours_any_more_is_not_attempted(tmp_path: Path) -> None:
    channels, wrap = troubled()
    async with subscribers(1) as (one,), rig(tmp_path, wrap=wrap) as engine:
        engine.trigger("one", one.url, policy=DeliveryPolicy(timeout=0.2), paused=True)
        await engine.start()
        await engine.append(event(0))
        await engine.drained()
        held = channels[0].held["extend"] = asyncio.Event()
        claiming = channels[0].held["claim"] = asyncio.Event()
        engine.trigger("one", one.url, policy=DeliveryPolicy(timeout=0.2))
        await engine.apply()
        await eventually(lambda: channels[0].calls["claim"] == 1)
        engine.trigger("one", one.url, policy=DeliveryPolicy(timeout=100.0))
        await engine.apply()
        channels[0].held.pop("claim")
        claiming.set()
        await eventually(lambda: channels[0].calls["extend"] == 1)
        # Meanwhile the entry goes to another process.
        [(_, work)] = engine.lane("one").held.items()
        assert work.token is not None
        whole = channels[0]._channel.backlog
        await whole.release("b", [(work.key, work.token)])
        taken = await whole.claim("b", "one", 0, 1, 1000, engine.channel.now() + 100)  # type: ignore[arg-type]
        assert len(taken.entries) == 1
        channels[0].held.clear()
        held.set()
        await eventually(lambda: engine.lane("one").running == 0)
        assert not one.deliveries
        assert engine.lane("one").gate.running == 0
        await whole.release("b", [(taken.entries[0].key, taken.entries[0].lease.token)])
        engine.lane("one").refresh()
        await one.got(1)
        await engine.idle()
    assert one.ids() == {"0": 1}


async def test_a_shorter_time_out_does_not_shorten_the_lease_of_what_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from eventing.dispatch import broker as broker_module

    for module in (backlog_module, broker_module):
        monkeypatch.setattr(module, "MARGIN", 0.1)
    gate = asyncio.Event()
    async with subscribers(1) as (one,), rig(tmp_path, hand_over_after=0.3) as engine:
        waiting_on(gate, subscriber=one, first=0)
        engine.trigger("one", one.url, policy=DeliveryPolicy(timeout=20.0))
        await engine.start()
        await engine.append(event(0))
        await one.got(1)
        engine.trigger("one", one.url, policy=DeliveryPolicy(timeout=0.01))
        await engine.apply()
        await engine.drained()
        # A lease of 110 ms would have lapsed by now.
        now = engine.channel.now()
        await eventually(lambda: engine.channel.now() > now + 0.15)
        states = await engine.channel.backlog.states("b")
        assert [(state.entries, state.next_due) for state in states] == [(1, None)]
        gate.set()
        await engine.idle()
    assert one.ids() == {"0": 1}


async def test_a_clock_that_leaps_forward_repeats_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog_module, "REFRESH", 0.05)
    gate = asyncio.Event()
    channels, wrap = troubled()
    async with subscribers(1) as (one,), rig(tmp_path, wrap=wrap, hand_over_after=0.01) as engine:
        waiting_on(gate, subscriber=one, first=0)
        engine.trigger("one", one.url)
        await engine.start()
        await engine.append(*(event(number) for number in range(10)))
        await one.got(10)
        await engine.drained()
        engine.leap += 3600.0
        await eventually(lambda: channels[0].calls["claim"] >= 1)
        calls = channels[0].calls["states"]
        await eventually(lambda: channels[0].calls["states"] >= calls + 3)
        gate.set()
        await engine.idle()
    assert set(one.ids().values()) == {1}


async def test_a_broker_that_goes_settles_what_it_delivered_and_comes_back(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        one.answer = lambda received, times: Response(500) if times == 1 and int(received.id) % 2 else Response(204)
        engine.brokers["c"] = BrokerPlan("c", "ns", "c")
        engine.trigger("one", one.url, policy=RETRY_TWICE)
        await engine.start()
        for number in range(200):
            await engine.append(event(number))
            if number == 100:
                del engine.brokers["b"]
                await engine.apply()
                assert engine.metrics.brokers["b"].gauges is None
                engine.brokers["b"] = BrokerPlan("b", "ns", "b")
                await engine.apply()
        await one.until(lambda: sum(one.ids().values()) == 300)
        await engine.idle()
    assert one.ids() == {str(number): 1 + number % 2 for number in range(200)}


async def test_a_broker_that_hangs_goes_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher_module, "REMOVAL", 0.1)
    gate = asyncio.Event()
    async with subscribers(2) as (one, other), rig(tmp_path) as engine:
        waiting_on(gate, subscriber=one, first=0)
        engine.brokers["c"] = BrokerPlan("c", "ns", "c")
        engine.trigger("one", one.url)
        engine.trigger("other", other.url, broker="c")
        await engine.start()
        await engine.append(event(0))
        await one.got(1)
        del engine.brokers["b"]
        await engine.apply()
        await engine.append(event(1), broker="c")
        await other.got(1)
        await eventually(lambda: engine.dispatcher.shares.used == 0)


async def test_plans_that_come_at_once_are_followed_one_after_the_other(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        engine.trigger("one", one.url, broker="c")
        await engine.start()
        engine.brokers["c"] = BrokerPlan("c", "ns", "c")
        await asyncio.gather(*(engine.apply() for _ in range(5)))
        await engine.append(event(1), broker="c")
        await one.got(1)
        del engine.brokers["c"]
        await asyncio.gather(*(engine.apply() for _ in range(5)))
        engine.brokers["c"] = BrokerPlan("c", "ns", "c")
        await engine.apply()
        await engine.append(event(2), broker="c")
        await one.got(2)
    assert one.ids() == {"1": 1, "2": 1}


async def test_a_plan_that_can_not_be_followed_now_leaves_the_rest_as_it_was(tmp_path: Path) -> None:
    channels, wrap = troubled()
    async with subscribers(1) as (one,), rig(tmp_path, wrap=wrap) as engine:
        engine.trigger("one", one.url)
        await engine.start()
        del engine.brokers["b"]
        engine.brokers["c"] = BrokerPlan("c", "ns", "c")
        channels[0].failing = {"ensure_broker"}
        with pytest.raises(ChannelUnavailable):
            await engine.apply()
        channels[0].failing = set()
        await engine.append(event(1))
        await one.got(1)
        engine.brokers["b"] = BrokerPlan("b", "ns", "b")
        await engine.apply()
        await engine.append(event(2))
        await one.got(2)
        await engine.idle()


async def test_all_windows_together_have_half_of_the_memory(tmp_path: Path) -> None:
    mib = 1024 * 1024
    async with rig(tmp_path, memory_bytes=64 * mib, window_bytes=16 * mib) as engine:
        await engine.start()
        assert engine.dispatcher.broker("b").window_bytes == 16 * mib
        for number in range(7):
            engine.brokers[f"c{number}"] = BrokerPlan(f"c{number}", "ns", f"c{number}")
        await engine.apply()
        assert {engine.dispatcher.broker(uid).window_bytes for uid in engine.brokers} == {4 * mib}
        engine.brokers = {"b": engine.brokers["b"]}
        await engine.apply()
        assert engine.dispatcher.broker("b").window_bytes == 16 * mib


async def test_a_sink_and_a_subscriber_that_change_are_used_from_the_next_attempt_on(tmp_path: Path) -> None:
    async with subscribers(4) as (one, two, sink, new_sink), rig(tmp_path) as engine:
        one.answer = two.answer = lambda _received, _times: Response(500)
        sink.answer = lambda _received, _times: Response(503)
        slow = DeliveryPolicy(retry=100, delay=0.05)
        engine.trigger("one", one.url, policy=slow, dead_letter=Target(sink.url))
        await engine.start()
        await engine.append(event(1))
        await one.until(lambda: one.ids()["1"] == 2)
        engine.trigger("one", two.url, policy=DeliveryPolicy(retry=5, delay=0.01), dead_letter=Target(sink.url))
        await engine.apply()
        await sink.got(1)
        engine.trigger("one", two.url, policy=slow, dead_letter=Target(new_sink.url))
        await engine.apply()
        await new_sink.got(1)
        await engine.idle()
    # Attempts made before still count against the new policy.
    assert sum(one.ids().values()) + sum(two.ids().values()) == 6


async def test_a_filter_that_changes_leaves_what_was_matched(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with subscribers(1) as (one,), rig(tmp_path, hand_over_after=0.01) as engine:
        waiting_on(gate, subscriber=one, first=0)
        engine.trigger("one", one.url, only("a"), max_in_flight=1)
        await engine.start()
        await engine.append(event(1, "a"), event(2, "a"), event(3, "b"))
        await one.got(1)
        await engine.drained()
        engine.trigger("one", one.url, only("b"), max_in_flight=1)
        await engine.apply()
        await engine.append(event(4, "a"), event(5, "b"))
        gate.set()
        await one.got(3)
        await engine.idle()
    assert one.ids() == {"1": 1, "2": 1, "5": 1}


async def test_slots_follow_the_plan_in_both_directions(tmp_path: Path) -> None:
    gates = [asyncio.Event(), asyncio.Event(), asyncio.Event()]

    async def wait(received: Event, _times: int) -> Response:
        await gates[int(received.id) // 100].wait()
        return Response(204)

    async with subscribers(1) as (one,), rig(tmp_path, hand_over_after=60.0) as engine:
        one.answer = wait
        engine.trigger("one", one.url, max_in_flight=2)
        await engine.start()
        engine.trigger("one", one.url, max_in_flight=90)
        await engine.apply()
        await engine.append(*(event(number) for number in range(90)))
        await one.until(lambda: one.running == 90)
        # More wait in memory when the slots shrink: what ran before doesn't make room for them.
        await engine.append(*(event(number) for number in range(100, 120)))
        await eventually(lambda: len(engine.lane("one").queue) == 20)
        engine.trigger("one", one.url, max_in_flight=1)
        await engine.apply()
        gates[0].set()
        await eventually(lambda: engine.lane("one").running == 1)
        await one.until(lambda: len(one.deliveries) == 91 and one.running == 1)
        one.most = 0
        gates[1].set()
        await one.got(110)
        assert one.most <= 1
        await engine.idle()
    assert set(one.ids().values()) == {1}
