"""Order per key: one at a time, in the order stored, retries included; a failing key holds up only itself (DATAPATH 3, 12)."""

from __future__ import annotations

from pathlib import Path

import pytest
from dispatch_rig import RETRY_TWICE, rig, subscribers
from order_support import FOR_EVER, OneAtATime, by_key, keyed

from eventing.policy.order import ordering_key
from eventing.ports.http import Response
from eventing.resources.plan import Target


@pytest.mark.requirement("B8")
async def test_a_healthy_ordered_trigger_needs_no_backlog(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path, hand_over_after=1000.0) as engine:
        watch = OneAtATime(one)
        engine.trigger("one", one.url, ordered=True)
        await engine.start()
        await engine.append(*(keyed(number, f"k{number % 7}") for number in range(210)))
        await one.got(210)
        await engine.idle()
        # What came before it was known that the backlog is empty waited in memory, too.
        assert engine.metrics.triggers["one"].parked.total == 0
    assert by_key(one) == {f"k{k}": list(range(k, 210, 7)) for k in range(7)}
    assert watch.most == 1
    assert one.most > 1, "different keys run at the same time"


@pytest.mark.requirement("B8")
async def test_a_failing_key_holds_up_only_itself_and_goes_on_in_order(tmp_path: Path) -> None:
    broken = True
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        one.answer = lambda received, _times: Response(503) if broken and ordering_key(received) == "bad" else Response(204)
        watch = OneAtATime(one)
        engine.trigger("one", one.url, ordered=True, policy=FOR_EVER)
        await engine.start()
        for start in range(0, 300, 30):
            await engine.append(*(keyed(n, "bad" if n % 3 == 0 else f"good{n % 3}") for n in range(start, start + 30)))
        await one.until(lambda: sum(ordering_key(e) != "bad" for e, _ in one.deliveries) == 200)
        assert set(by_key(one)["bad"]) == {0}, "nothing overtakes the first"
        broken = False
        await one.got(300)
        await engine.idle()
    assert by_key(one) == {"bad": list(range(0, 300, 3)), "good1": list(range(1, 300, 3)), "good2": list(range(2, 300, 3))}
    assert watch.most == 1


async def test_a_refused_or_exhausted_event_is_dead_lettered_and_its_key_goes_on(tmp_path: Path) -> None:
    async with subscribers(2) as (one, sink), rig(tmp_path) as engine:
        one.answer = lambda received, _times: Response({"2": 400, "5": 500}.get(received.id, 204))
        watch = OneAtATime(one)
        engine.trigger("stored", one.url, ordered=True, policy=RETRY_TWICE)
        await engine.start()
        await engine.append(*(keyed(number, "k") for number in range(10)))
        await one.got(10)
        await engine.idle()
        assert by_key(one)["k"] == list(range(10))
        assert one.ids()["5"] == 3
        assert engine.stored("stored") == 2
        engine.triggers.clear()
        engine.trigger("sunk", one.url, ordered=True, policy=RETRY_TWICE, dead_letter=Target(sink.url))
        await engine.apply()
        one.deliveries.clear()
        await engine.append(*(keyed(number, "k") for number in range(10)))
        await one.got(10)
        await sink.got(2)
        await engine.idle()
    assert by_key(one)["k"] == list(range(10))
    assert set(sink.ids()) == {"2", "5"}
    assert watch.most == 1
