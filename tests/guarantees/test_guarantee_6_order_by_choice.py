"""Guarantee 6: a trigger that asks for order gets the events of a key one at a time and in order, through `kill -9` and
failures; a key that fails holds up only itself, and a trigger that doesn't ask knows nothing of it."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import defaultdict
from collections.abc import Callable

import pytest

from eventing.ports.http import Response
from tests.support.fixtures import Listen, Make
from tests.support.load import Load
from tests.support.manifest import broker, trigger
from tests.support.subscriber import Received, Script

pytestmark = [pytest.mark.acceptance, pytest.mark.crash, pytest.mark.timeout(240)]

KEYS = tuple("abcdefgh")
BAD = "bad"
KILLS = 6
DELIVERY = {"retry": 100_000, "backoffPolicy": "linear", "backoffDelay": "PT0.02S"}


class Watch:
    """A script that fails and delays at random, and what came of each key in which order. ``lives``: of each life of the engine
    the numbers of each key as their attempts began."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.broken = True
        self.running: dict[str, int] = defaultdict(int)
        self.at_once = 0
        self.lives: list[dict[str, list[int]]] = [defaultdict(list)]

    async def __call__(self, received: Received) -> Response:
        key, number = received.headers["ce-partitionkey"], int(received.headers["ce-number"])
        life, running = self.lives[-1], self.running
        life[key].append(number)
        running[key] += 1
        self.at_once = max(self.at_once, running[key])
        try:
            await asyncio.sleep(self._chance.choice((0.0, 0.0, 0.0, 0.002, 0.01, 0.3)) if self._chance.random() < 0.3 else 0.0)
        finally:
            running[key] -= 1
        return Response(500 if (key == BAD and self.broken) or self._chance.random() < 0.1 else 204)

    def killed(self) -> None:
        """Attempts that ran are the dead engine's."""
        self.running = defaultdict(int)
        self.lives.append(defaultdict(list))

    def faults(self) -> list[str]:
        """Events that began after a later one of their key in the same life, or where an earlier one had not come at all."""
        found = []
        for number, life in enumerate(self.lives):
            for key, came in life.items():
                found += [f"life {number}, key {key}: {b} after {a}" for a, b in itertools.pairwise(came) if b < a]
        return found


async def send(load: Load, chance: random.Random, serial: dict[str, int], count: int) -> None:
    """One after the other for each key, so that the order they are stored in is known."""

    async def of(key: str) -> None:
        for _ in range(count):
            if await load.one(partitionkey=key, number=str(serial[key])) == 202:
                serial[key] += 1

    keys = [*KEYS, BAD]
    chance.shuffle(keys)
    await asyncio.gather(*map(of, keys))


@pytest.mark.requirement("B8")
async def test_order_per_key_through_kills_and_failures(make: Make, listen: Listen, load: Callable[..., Load]) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    watch = Watch(chance)
    ordered = await listen(watch, keep=False)
    unordered = await listen(_sometimes(chance), keep=False)
    knatives = trigger("knatives", unordered.url, delivery=DELIVERY)
    engine = make([broker(), trigger("ordered", ordered.url, delivery=DELIVERY, order="key"), knatives])
    await engine.start()
    sender = load(engine.url())
    serial: dict[str, int] = defaultdict(int)
    for _ in range(KILLS):
        await send(sender, chance, serial, 20)
        await asyncio.sleep(chance.uniform(0.0, 0.3))  # the random moment itself, not a wait for anything
        await engine.kill()
        watch.killed()
        await engine.start()
    await send(sender, chance, serial, 20)
    total = (KILLS + 1) * 20
    assert set(serial.values()) == {total}
    await unordered.until_done(sender.accepted, 60, "the unordered trigger")
    await ordered.until(lambda: len(ordered.done) == len(KEYS) * total, 60, "every key but the one that fails")
    assert {number for life in watch.lives for number in life[BAD]} == {0}, "nothing of its key overtakes the first"
    watch.broken = False
    await ordered.until_done(sender.accepted, 60, "the ordered trigger")
    assert watch.faults() == []
    assert watch.at_once == 1
    page = await engine.metrics()
    assert page.trigger("parked_total", "knatives", reason="order") == 0
    assert await engine.terminate() == 0


def _sometimes(chance: random.Random) -> Script:
    return lambda _received: Response(500 if chance.random() < 0.1 else 204)
