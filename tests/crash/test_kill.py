"""Guarantee 2 under load: `kill -9` at any moment, twenty times over, and every accepted event reaches every trigger."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest

from eventing.dispatch.settings import DispatchSettings
from eventing.ports.http import Response
from tests.support.fixtures import Listen, Make
from tests.support.load import Load
from tests.support.manifest import broker, trigger
from tests.support.process import EventingProcess
from tests.support.subscriber import Received, Script, Subscriber

pytestmark = [pytest.mark.crash, pytest.mark.timeout(240)]

KILLS = 20
CONNECTIONS = 8
PAUSE = 0.02
WINDOW = DispatchSettings().window
FIRST_DELIVERY_SECONDS = 1.0


def failing_one_in_ten(chance: random.Random) -> Script:
    return lambda _received: Response(500 if chance.random() < 0.1 else 204)


def slow(chance: random.Random) -> Script:
    """Longer than a delivery may hold its event in the window, so that it is handed over."""

    async def answer(_received: Received) -> Response:
        await asyncio.sleep(chance.uniform(0.3, 0.6))
        return Response(204)

    return answer


class Markers:
    """Wraps a script: a marker's first attempt is held until the process that made it is dead, so the marker is pending then.
    ``arrived``: when each marker came again."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.arrived: dict[str, float] = {}
        self._held: list[asyncio.Future[Response]] = []

    def __call__(self, received: Received) -> Any:
        if not received.id.startswith("marker-"):
            return self._script(received)
        if received.attempt == 1:
            future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
            self._held.append(future)
            return future
        self.arrived.setdefault(received.id, time.monotonic())
        return Response(204)

    def let_go(self) -> None:
        """Answer the dead: nobody listens."""
        for future in self._held:
            if not future.done():
                future.set_result(Response(500))
        self._held.clear()


async def kill_and_restart(
    engine: EventingProcess, load: Load, marked: Subscriber, markers: Markers, chance: random.Random, cycle: int
) -> float:
    """One cycle; seconds from the ready line to the first delivery of an event that was pending at the kill."""
    marker = f"marker-{cycle}"
    assert await load.one(id_=marker) == 202
    await marked.until(lambda: marked.attempts[marker] == 1, 20, "the marker's first attempt")
    await asyncio.sleep(chance.uniform(0.0, 0.6))  # the random moment itself, not a wait for anything
    await engine.kill()
    markers.let_go()
    await engine.start()
    ready = time.monotonic()
    await marked.until(lambda: marker in markers.arrived, 30, f"{marker} after the restart")
    return max(0.0, markers.arrived[marker] - ready)


@pytest.mark.parametrize("triggers", [1, 4])
async def test_no_accepted_event_is_lost_by_twenty_kills(
    triggers: int, make: Make, listen: Listen, load: Callable[..., Load]
) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    markers = Markers(lambda _received: Response(204))
    quick = await listen(markers, keep=False)
    others: Sequence[Subscriber] = ()
    if triggers == 4:
        others = [
            await listen(failing_one_in_ten(chance), keep=False),
            await listen(slow(chance), keep=False),
            await listen(keep=False),
        ]
    subscribers = [quick, *others]
    # More retries than one in ten can use up: nothing may end as a dead letter here.
    delivery = {"retry": 30, "backoffPolicy": "linear", "backoffDelay": "PT0.05S"}
    engine = make([broker(), *(trigger(f"t{n}", s.url, delivery=delivery) for n, s in enumerate(subscribers))])
    await engine.start()
    sender = load(engine.url())
    sender.run(CONNECTIONS, pause=PAUSE)
    first: list[float] = []
    repeats = [0]
    for cycle in range(KILLS):
        await sender.until(len(sender.accepted) + 50)
        first.append(await kill_and_restart(engine, sender, quick, markers, chance, cycle))
        repeats.append(sum(subscriber.repeats for subscriber in subscribers))
    await sender.stop()

    accepted = sender.accepted.keys()
    assert len(accepted) >= KILLS * 50
    for number, subscriber in enumerate(subscribers):
        await subscriber.until_done(accepted, 60, f"trigger t{number}")
        possible = accepted | sender.unknown
        assert subscriber.attempts.keys() <= possible, "an event that nobody sent"
    repeats.append(sum(subscriber.repeats for subscriber in subscribers))
    of_each_kill = [after - before for before, after in pairwise(repeats)]
    print(
        f"{len(accepted)} accepted, {len(sender.unknown)} unanswered, {repeats[-1]} repeats over {KILLS} kills; "
        f"first delivery after ready: median {statistics.median(first):.3f} s, longest {max(first):.3f} s"
    )
    # Far more than one window was accepted, so a cursor that doesn't move shows here.
    assert max(of_each_kill) <= WINDOW * triggers, of_each_kill
    assert statistics.median(first) <= FIRST_DELIVERY_SECONDS, first
    assert await engine.terminate() == 0
