"""SIGTERM and SIGINT: accept nothing more, end what runs or hand it over, exit 0."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

import pytest

from eventing.ports.http import Response
from tests.support.fixtures import Listen, Make
from tests.support.load import Load
from tests.support.manifest import broker, trigger
from tests.support.subscriber import Gate, Received
from tests.support.wait import eventually

pytestmark = pytest.mark.acceptance


async def test_sigterm_under_load_loses_and_repeats_nothing(make: Make, listen: Listen, load: Callable[..., Load]) -> None:
    async def half_a_second(_received: Received) -> Response:
        await asyncio.sleep(0.5)
        return Response(204)

    quick, slow = await listen(keep=False), await listen(half_a_second, keep=False)
    engine = make([broker(), trigger("quick", quick.url), trigger("slow", slow.url)])
    await engine.start()
    sender = load(engine.url())
    sender.run(8, pause=0.01)
    await sender.until(300)
    assert await engine.terminate() == 0
    await sender.stop()
    assert set(sender.refused) <= {503}, "refused while it closed"
    await engine.start()
    for name, subscriber in {"quick": quick, "slow": slow}.items():
        await subscriber.until_done(sender.accepted, 60, name)
    assert await engine.terminate() == 0
    assert quick.repeats == 0
    assert slow.repeats == 0
    assert set(quick.attempts) - set(sender.accepted) <= sender.unknown


async def test_what_doesn_t_end_in_time_is_for_the_next_start(make: Make, listen: Listen, load: Callable[..., Load]) -> None:
    gate = Gate()
    hanging = await listen(gate.hold())
    engine = make([broker(), trigger("t", hanging.url)], "--drain-timeout", "1s")
    await engine.start()
    sender = load(engine.url())
    await sender.many(100)
    await hanging.until(lambda: hanging.held == 64, 20, "all slots taken")
    assert await engine.terminate(15) == 0
    assert "next start" in engine.stderr()
    gate.open()
    await engine.start()
    await hanging.until_done(sender.accepted, 20)


async def test_sigint_is_the_same_and_a_second_signal_ends_it_at_once(
    make: Make, listen: Listen, load: Callable[..., Load]
) -> None:
    gate = Gate()
    hanging = await listen(gate.hold())
    engine = make([broker(), trigger("t", hanging.url)])
    await engine.start()
    engine.signal(signal.SIGINT)
    assert await engine.wait() == 0
    await engine.start()
    assert await load(engine.url()).one() == 202
    await hanging.until(lambda: hanging.held == 1, 20)
    engine.signal(signal.SIGTERM)

    async def closing() -> bool:
        try:
            return (await engine.control("/readyz")).status == 503
        except ConnectionError:
            return False

    await eventually(closing, 10, "not ready while it closes")
    engine.signal(signal.SIGTERM)
    assert await engine.wait(10) == 1
    gate.open()
