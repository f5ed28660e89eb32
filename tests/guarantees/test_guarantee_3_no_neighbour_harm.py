"""Guarantee 3: a slow, dead, paused or rate-limited subscriber delays no other trigger, and memory stays bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from eventing.dispatch.lane import DEFAULT_SLOTS
from eventing.dispatch.settings import DispatchSettings
from eventing.ports.http import Response
from tests.support.fixtures import Listen, Make
from tests.support.load import Load
from tests.support.manifest import broker, trigger
from tests.support.ports import ReservedPort
from tests.support.subscriber import Gate, Received, always
from tests.support.wait import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]

MIB = 1024 * 1024
EVENTS = 3 * DispatchSettings().window
BIG = 512 * 1024
MANY = 900
RSS_BOUND = 256 * MIB
HUGE = 900 * 1024
STUCK = 12
HUGE_BOUND = 384 * MIB


async def test_the_healthy_one_gets_everything_while_the_others_are_stuck(
    make: Make, listen: Listen, load: Callable[..., Load]
) -> None:
    gate = Gate()
    hanging = await listen(gate.hold(), keep=False)
    limited = await listen(always(429, {"retry-after": "3600"}), keep=False)
    healthy = await listen(keep=False)
    rated, paused = await listen(keep=False), await listen(keep=False)
    nobody = ReservedPort()
    engine = make(
        [
            broker(),
            trigger("hanging", hanging.url),
            trigger("refusing", f"http://127.0.0.1:{nobody.number}/"),
            trigger("limited", limited.url),
            trigger("nameless", "http://nobody.invalid/"),
            trigger("rated", rated.url, rate="1/h"),
            trigger("paused", paused.url, paused="true"),
            trigger("healthy", healthy.url),
        ]
    )
    await engine.start()
    sender = load(engine.url())
    await sender.many(EVENTS, connections=32)
    await healthy.until_done(sender.accepted, 60)
    # All of it came while the requests of the first 64 events to the hanging one were still open.
    assert hanging.held == DEFAULT_SLOTS
    assert not hanging.done
    assert healthy.repeats == 0
    assert (sum(rated.attempts.values()), sum(paused.attempts.values())) == (1, 0)
    # The one that asks for quiet is left alone: what was under way when it said so, and nothing since.
    assert sum(limited.attempts.values()) <= DEFAULT_SLOTS
    page = await engine.metrics()
    assert page.trigger("deliveries_total", "healthy", result="delivered") == EVENTS
    assert page.trigger("delivery_failures_total", "refusing", reason="connect") > 0
    assert page.trigger("parked_total", "limited", reason="retry_after") > 0
    assert page.trigger("parked_total", "rated", reason="rate") > 0
    assert page.trigger("parked_total", "paused", reason="paused") == EVENTS

    async def owed() -> bool:
        page = await engine.metrics()
        owing = dict.fromkeys(("hanging", "refusing", "limited", "nameless", "paused"), EVENTS) | {"rated": EVENTS - 1}
        return all(page.trigger("backlog_entries", name) == count for name, count in owing.items())

    await eventually(owed, 30, "everything owed to the others, in their backlogs")
    gate.open()
    await hanging.until_done(sender.accepted, 60)
    nobody.close()


async def test_memory_is_bounded_under_a_backlog_of_big_events(make: Make, listen: Listen, load: Callable[..., Load]) -> None:
    gate = Gate()
    hanging = await listen(gate.hold(), keep=False)
    healthy = await listen(keep=False)
    engine = make([broker(), trigger("hanging", hanging.url), trigger("healthy", healthy.url)], "--channel", "sqlite:?min-free=0")
    await engine.start()
    sender = load(engine.url())
    highest = 0
    for _ in range(9):
        await sender.many(MANY // 9, body=b'"' + b"x" * BIG + b'"', connections=4)
        highest = max(highest, engine.rss())
    await healthy.until_done(sender.accepted, 60)
    highest = max(highest, engine.rss())
    print(f"at most {highest // MIB} MiB with {MANY * BIG // MIB} MiB owed")
    assert MANY * BIG > RSS_BOUND
    assert highest < RSS_BOUND
    assert not hanging.done


async def test_memory_is_bounded_when_many_big_retries_hang(make: Make, listen: Listen, load: Callable[..., Load]) -> None:
    """Each trigger reads its retries from the store by itself: slots alone would let all of them hold far more than the bound."""
    gate = Gate()
    held = gate.hold()

    def fail_then_hang(received: Received) -> Response | Awaitable[Response]:
        return Response(503) if received.attempt == 1 else held(received)

    stuck = [await listen(fail_then_hang, keep=False) for _ in range(STUCK)]
    healthy = await listen(keep=False)
    delivery = {"retry": 5, "backoffPolicy": "linear", "backoffDelay": "PT0.2S", "timeout": "PT5M"}
    engine = make(
        [broker(), trigger("healthy", healthy.url), *(trigger(f"s{n}", s.url, delivery=delivery) for n, s in enumerate(stuck))]
    )
    await engine.start()
    sender = load(engine.url())
    await sender.many(DEFAULT_SLOTS, body=b'"' + b"x" * HUGE + b'"', connections=4)
    await healthy.until_done(sender.accepted, 60)

    highest = 0
    calm = 0
    while calm < 50:  # until the number of requests that hang has been the same for a second
        before = sum(subscriber.held for subscriber in stuck)
        await asyncio.sleep(0.02)
        highest = max(highest, engine.rss())
        calm = calm + 1 if sum(subscriber.held for subscriber in stuck) == before > STUCK else 0
    wanted = STUCK * DEFAULT_SLOTS * HUGE
    print(f"at most {highest // MIB} MiB with {wanted // MIB} MiB to deliver at once, {before} requests open")
    assert wanted > HUGE_BOUND
    assert highest < HUGE_BOUND
    # The bound costs nobody anything but time.
    gate.open()
    for subscriber in stuck:
        await subscriber.until_done(sender.accepted, 60)
