"""What belongs to deleted triggers and brokers is kept for the grace time, and then nothing of it is left."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from dispatch_rig import event

from eventing.dispatch.janitor import Janitor
from eventing.dispatch.settings import DispatchSettings
from eventing.errors import ChannelUnavailable
from eventing.ports.channel import Channel, ChannelContext
from eventing.ports.records import DeadLetter, EntryKey, NewEntry, NewRecord, Settlement
from eventing.resources.plan import BrokerPlan, Plan
from eventing.telemetry.logs import Log
from eventing.telemetry.metrics import Metrics
from eventing_channels.sqlite import open_channel

GRACE = 100.0


class Keeper:
    def __init__(self, channel: Channel, log: Log) -> None:
        self.channel = channel
        self.leap = 0.0
        self.forgotten: list[str] = []
        self.metrics = Metrics("test")
        self.plan = Plan(brokers={"b": BrokerPlan("b", "ns", "b")})
        settings = DispatchSettings(trigger_grace=GRACE, dead_letter_age=GRACE, wall=lambda: 0.0)
        self.janitor = Janitor(channel, self.metrics, log, settings, lambda: self.plan, forgotten=self.forgotten.append)

    def retire(self, *uids: str, ago: float) -> None:
        now = self.channel.now()
        self.plan = replace(self.plan, retired={**self.plan.retired, **dict.fromkeys(uids, now - ago)})

    async def park(self, trigger: str, broker: str = "b", number: int = 3) -> None:
        positions = await self.channel.append(broker, [NewRecord(event(k)) for k in range(number)])
        entries = [NewEntry(EntryKey(trigger, position), 0.0) for position in positions]
        await self.channel.settle(broker, Settlement(handovers=entries))

    async def owed(self, broker: str = "b") -> dict[str, int]:
        return {state.trigger: state.entries for state in await self.channel.backlog.states(broker)}


@asynccontextmanager
async def keeper(tmp_path: Path) -> AsyncIterator[Keeper]:
    log = Log(level="error")
    channel = open_channel("sqlite", ChannelContext(tmp_path))
    await channel.open()
    for broker in ("b", "c"):
        await channel.ensure_broker(broker)
    try:
        yield Keeper(channel, log)
    finally:
        await channel.close()
        log.close()


async def test_entries_of_a_deleted_trigger_end_after_the_grace_time(tmp_path: Path) -> None:
    async with keeper(tmp_path) as made:
        await made.park("gone", number=1500)
        await made.park("stays")
        handle = made.metrics.trigger("gone", "ns/gone", made.metrics.broker("b", "ns/b"))
        made.retire("gone", ago=GRACE - 50)
        await made.janitor.sweep()
        assert (await made.owed())["gone"] == 1500
        assert made.forgotten == []
        made.retire("gone", ago=GRACE + 1)
        await made.janitor.sweep()
        assert await made.owed() == {"stays": 3}
        assert made.forgotten == ["gone"]
        assert handle.dropped["trigger_deleted"] == 1500
        await made.janitor.sweep()
        assert made.forgotten == ["gone"]


async def test_a_deleted_broker_keeps_its_data_for_the_grace_time(tmp_path: Path) -> None:
    async with keeper(tmp_path) as made:
        await made.park("t", "c")
        made.retire("c", ago=GRACE - 50)
        await made.janitor.sweep()
        assert await made.owed("c") == {"t": 3}
        made.retire("c", ago=GRACE + 1)
        await made.janitor.sweep()
        with pytest.raises(KeyError):
            await made.channel.backlog.states("c")
        assert made.forgotten == ["c"]


async def test_a_broker_that_comes_back_brings_no_entries_of_triggers_deleted_before(tmp_path: Path) -> None:
    async with keeper(tmp_path) as made:
        await made.park("old", "c")
        await made.park("fresh", "c")
        made.retire("old", ago=GRACE + 1)
        made.retire("c", ago=10)
        await made.janitor.sweep()
        assert await made.owed("c") == {"fresh": 3}
        assert made.forgotten == ["old"]


async def test_a_trigger_deleted_twice_is_cleaned_up_twice(tmp_path: Path) -> None:
    async with keeper(tmp_path) as made:
        made.retire("t", ago=GRACE + 1)
        await made.janitor.sweep()
        made.plan = replace(made.plan, retired={})
        await made.janitor.sweep()
        await made.park("t")
        made.retire("t", ago=GRACE + 1)
        await made.janitor.sweep()
        assert await made.owed() == {}
        assert made.forgotten == ["t", "t"]


async def test_dead_letters_go_by_age(tmp_path: Path) -> None:
    async with keeper(tmp_path) as made:
        handle = made.metrics.trigger("t", "ns/t", made.metrics.broker("b", "ns/b"))
        now = made.channel.now()
        letters = [
            DeadLetter("t", position, event(position), "refused", (), 1, now - ago)
            for position, ago in ((1, GRACE + 5), (2, GRACE - 50))
        ]
        await made.channel.settle("b", Settlement(dead=letters))
        await made.janitor.sweep()
        left = await made.channel.dead_letters.list("b", None, 10)
        assert [stored.letter.position for stored in left] == [2]
        assert handle.dropped["dead_letter_age"] == 1


async def test_a_store_that_fails_is_asked_again(tmp_path: Path) -> None:
    async with keeper(tmp_path) as made:
        await made.park("t")
        made.retire("t", ago=GRACE + 1)
        working, made.channel.backlog = made.channel.backlog, Failing()  # type: ignore[misc,assignment]
        with pytest.raises(ChannelUnavailable):
            await made.janitor.sweep()
        assert made.forgotten == []
        made.channel.backlog = working  # type: ignore[misc]
        await made.janitor.sweep()
        assert made.forgotten == ["t"]
        assert await made.owed() == {}


class Failing:
    async def states(self, _broker: str) -> None:
        raise ChannelUnavailable("not now")
