"""Order per key under random failures, delays, crashes, hand-overs and changed triggers (DATAPATH 12), on each channel.

For each key: never two at once; never out of order, but that a crash goes back to an earlier event and goes on in order from
there; nothing lost; and while one key fails all the time, every other key comes to its end.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from eventing.dispatch import backlog
from eventing.ports.channel import Channel, ChannelContext
from eventing_channels import memory, sqlite
from tests.support.order_world import BAD, KEYS, World

Open = Callable[[ChannelContext], Channel]
CHANNELS: list[Open] = [
    lambda context: memory.open_channel("memory://", context),
    lambda context: sqlite.open_channel("sqlite", context),
]
ROUNDS = 60
FRESH = random.SystemRandom().randrange(2**32)


async def rounds(world: World) -> None:
    chance = world.chance
    for number in range(ROUNDS):
        if number == ROUNDS // 2:
            world.subscribers.broken = True
            await world.append(20)
        what = chance.randrange(24)
        if what < 10:
            await world.append(chance.choice((1, 2, 10, 40)))
        elif what < 16:
            await asyncio.sleep(chance.choice((0.0, 0.002, 0.01, 0.03)))  # a random moment, not a wait for anything
        elif what == 16:
            await world.crash()
            await world.start()
        elif what == 17 and chance.random() < 0.5:
            await world.restart()
            await world.start()
        elif what == 18:
            world.failing.slow = chance.choice((0.0, 0.0, 0.005, 0.03))
        elif what == 19:
            world.trigger("ordered", paused=chance.random() < 0.5)
        elif what == 20:
            world.trigger(chance.choice(("ordered", "ordered-few")), max_in_flight=chance.choice((1, 2, 8, None)))
        elif what == 21:
            world.trigger("sometimes", ordered=chance.random() < 0.5)
        elif what == 22:
            gone = world.plans.pop("ordered-come-and-go", None)
            if gone is None:
                world.trigger("ordered-come-and-go", ordered=True)
        else:
            world.leap += chance.choice((0.01, 100.0))
        await world.apply()


@pytest.mark.requirement("B8")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [1, 2, 3, 4, FRESH], ids=["1", "2", "3", "4", "fresh"])
@pytest.mark.parametrize("open_channel", CHANNELS, ids=["memory", "sqlite"])
async def test_order_per_key_holds_whatever_happens(
    open_channel: Open, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    print(f"seed {seed}")
    monkeypatch.setattr(backlog, "REFRESH", 1000.0)  # no wake-up that was lost may go unseen
    world = World(tmp_path, seed, open_channel)
    subscribers = world.subscribers
    always = ("ordered", "ordered-few", "plain", "slow", "sometimes")
    await world.start()
    try:
        await rounds(world)
        world.failing.slow = 0.0
        world.trigger("ordered", paused=False)
        world.trigger("ordered-come-and-go", ordered=True)
        await world.apply()
        await world.until(lambda: not any(subscribers.missing(name, KEYS) for name in always), "all but the bad key")
        assert subscribers.missing("ordered", (BAD,)), "the bad key's first event fails"
        subscribers.broken = False
        await world.until(lambda: not any(subscribers.missing(name, (BAD,)) for name in always), "the bad key")
    finally:
        await world.close()
    assert subscribers.faults == []
    print(f"{world.serial} events, {subscribers.attempts} attempts")
