"""What belongs to deleted triggers and brokers is kept for the grace time, and then nothing of it is left."""

from __future__ import annotations

import io
import json
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
from eventing.resources.identity import Claim, Identified, Identities, Retired
from eventing.resources.kind_table import EVENTING, Key
from eventing.resources.plan import BrokerPlan, Plan
from eventing.telemetry.logs import Log
from eventing.telemetry.metrics import Metrics
from eventing_channels.sqlite import open_channel

GRACE = 100.0
DAY = 24 * 3600.0


def key_of(uid: str) -> Key:
    return Key(EVENTING, "Broker" if len(uid) == 1 and uid in "abc" else "Trigger", "ns", f"{uid}-name")


class Keeper:
    """Brokers have the uids a, b and c; the broker b is the one that runs."""

    def __init__(self, channel: Channel, age: float = GRACE) -> None:
        self.channel = channel
        self._lines = io.StringIO()
        self.log = Log(self._lines, form="json")
        self.forgotten: list[str] = []
        self.forgets = True
        self.metrics = Metrics("test")
        self.plan = Plan(brokers={"b": BrokerPlan("b", "ns", "b-name")}, keys={"b": key_of("b"), "t": key_of("t")})
        settings = DispatchSettings(trigger_grace=GRACE, dead_letter_age=age, wall=lambda: 0.0)
        self.janitor = Janitor(channel, self.metrics, self.log, settings, lambda: self.plan, forgotten=self._forget)

    def _forget(self, uid: str) -> None:
        self.forgotten.append(uid)
        if self.forgets:
            self.plan = replace(self.plan, retired={old: it for old, it in self.plan.retired.items() if old != uid})

    def retire(self, *uids: str, ago: float) -> None:
        at = self.channel.now() - ago
        keys = {uid: key for uid, key in self.plan.keys.items() if uid not in uids}
        retired = {**self.plan.retired, **{uid: Retired(key_of(uid), uid, at) for uid in uids}}
        self.plan = replace(self.plan, keys=keys, retired=retired)

    def told(self) -> list[dict[str, object]]:
        """What it logged, without times; nothing is logged afterwards."""
        self.log.close()
        return [
            {name: value for name, value in json.loads(line).items() if name not in {"time", "level"}}
            for line in self._lines.getvalue().splitlines()
        ]

    async def bury(self, trigger: str, broker: str, *ages: float) -> None:
        now = self.channel.now()
        letters = [DeadLetter(trigger, at, event(at), "refused", (), 1, now - age) for at, age in enumerate(ages)]
        await self.channel.settle(broker, Settlement(dead=letters))

    async def park(self, trigger: str, broker: str = "b", number: int = 3) -> None:
        positions = await self.channel.append(broker, [NewRecord(event(k)) for k in range(number)])
        entries = [NewEntry(EntryKey(trigger, position), 0.0) for position in positions]
        await self.channel.settle(broker, Settlement(handovers=entries))

    async def owed(self, broker: str = "b") -> dict[str, int]:
        return {state.trigger: state.entries for state in await self.channel.backlog.states(broker)}


@asynccontextmanager
async def keeper(tmp_path: Path) -> AsyncIterator[Keeper]:
    channel = open_channel("sqlite", ChannelContext(tmp_path))
    await channel.open()
    for broker in ("b", "c"):
        await channel.ensure_broker(broker)
    made = Keeper(channel)
    try:
        yield made
    finally:
        await channel.close()
        made.log.close()


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


async def test_what_a_deleted_broker_owed_is_told_by_name(tmp_path: Path) -> None:
    async with keeper(tmp_path) as made:
        await made.park("t", "c", number=2)
        await made.park("gone", "c")
        await made.park("gone")
        made.retire("c", "gone", ago=GRACE + 1)
        await made.janitor.sweep()
        trigger = {
            "message": "the backlog of a deleted trigger was dropped",
            "trigger": "ns/gone-name",
            "uid": "gone",
            "count": 3,
        }
        broker = {"broker": "ns/c-name", "uid": "c"}
        assert made.told() == [
            {**trigger, "broker": "ns/c-name"},
            {**trigger, "broker": "ns/b-name"},
            {
                "message": "the backlog of a deleted broker was dropped",
                "trigger": "ns/t-name",
                "broker": "ns/c-name",
                "uid": "t",
                "count": 2,
            },
            {"message": "the data of a deleted broker is gone", **broker, "deliveries": 2},
        ]


async def test_dead_letters_outlive_their_broker_by_their_own_age(tmp_path: Path) -> None:
    async with keeper(tmp_path) as made:
        await made.bury("t", "c", GRACE - 50, GRACE - 60)
        made.retire("c", ago=GRACE + 1)
        await made.janitor.sweep()
        await made.janitor.sweep()
        assert await made.channel.dead_letters.count("c") == {"t": 2}
        assert made.forgotten == [], "its identity is what finds them"
        # The next process begins anew.
        later = Keeper(made.channel, age=GRACE - 55)
        later.retire("c", ago=GRACE + 1)
        await later.janitor.sweep()
        assert await made.channel.dead_letters.count("c") == {"t": 1}
        assert later.forgotten == []
        last = Keeper(made.channel, age=GRACE - 55 - 10)
        last.retire("c", ago=GRACE + 1)
        await last.janitor.sweep()
        await last.janitor.sweep()
        assert await made.channel.dead_letters.count("c") == {}
        assert last.forgotten == ["c"]
        stay = {
            "message": "dead letters of a deleted object stay until they reach their age",
            "object": "Broker ns/c-name",
            "uid": "c",
            "days": 0.0,
        }
        drop = {"message": "dead letters were dropped by age", "trigger": "ns/t-name", "broker": "ns/c-name", "count": 1}
        gone = {"message": "the data of a deleted broker is gone", "broker": "ns/c-name", "uid": "c", "deliveries": 0}
        assert made.told() == [gone, {**stay, "count": 2}]
        assert later.told() == [drop, {**stay, "count": 1}]
        assert last.told() == [drop]


async def test_dead_letters_of_a_broker_that_can_t_run_have_their_age_too(tmp_path: Path) -> None:
    async with keeper(tmp_path) as made:
        await made.bury("t", "c", GRACE + 5, GRACE - 50)
        await made.park("gone", "c")
        made.plan = replace(made.plan, keys={**made.plan.keys, "c": key_of("c")})
        made.retire("gone", ago=GRACE + 1)
        await made.janitor.sweep()
        assert await made.channel.dead_letters.count("c") == {"t": 1}
        assert await made.owed("c") == {}
        assert made.forgotten == ["gone"]


async def test_a_deleted_trigger_is_known_while_its_dead_letters_are_kept(tmp_path: Path) -> None:
    async with keeper(tmp_path) as made:
        await made.bury("gone", "b", GRACE - 50)
        made.retire("gone", ago=GRACE + 1)
        await made.janitor.sweep()
        assert made.forgotten == []
        (stored,) = await made.channel.dead_letters.list("b", None, 10)
        await made.channel.dead_letters.remove("b", [stored.number])
        await made.janitor.sweep()
        assert made.forgotten == ["gone"]
        (line,) = made.told()
        assert (line["object"], line["count"]) == ("Trigger ns/gone-name", 1)


async def test_dead_letters_of_a_removed_broker_go_after_30_days_over_restarts(tmp_path: Path) -> None:
    now = 1_800_000_000.0
    names = {name: Key(EVENTING, kind, "ns", name) for name, kind in (("a", "Broker"), ("b", "Broker"), ("t", "Trigger"))}
    uids: dict[Key, str] = {}

    async def start(*claimed: str, then: float = 0.0) -> tuple[dict[str, int], list[dict[str, object]]]:
        """A process of today: the letters left by broker, and what it says."""
        nonlocal now
        now += then
        channel = open_channel("sqlite", ChannelContext(tmp_path, wall=lambda: now))
        await channel.open()
        try:
            identities = Identities(channel.documents)
            found: Identified = await identities.claim([Claim(names[name]) for name in claimed], channel.now())
            uids.update(found.uids)
            keeper = Keeper(channel, age=30 * DAY)
            keeper.plan = Plan(keys={uid: key for key, uid in found.uids.items()}, retired=found.retired)
            for key, uid in found.uids.items():
                if key.kind == "Broker":
                    await channel.ensure_broker(uid)
                    if not then:
                        await keeper.bury(uids[names["t"]], uid, *[0.0] * 5)
            await keeper.janitor.sweep()
            for uid in keeper.forgotten:
                await identities.forget(uid)
            left = {
                name: sum((await channel.dead_letters.count(uids[names[name]])).values())
                for name in ("a", "b")
                if names[name] in uids
            }
            return left, keeper.told()
        finally:
            await channel.close()

    assert (await start("a", "b", "t"))[0] == {"a": 5, "b": 5}
    assert (await start("b", "t", then=10.0))[0] == {"a": 5, "b": 5}
    left, told = await start("b", "t", then=2 * 3600)
    assert left == {"a": 5, "b": 5}
    assert [(line["message"], line.get("count"), line.get("days")) for line in told] == [
        ("the data of a deleted broker is gone", None, None),
        ("dead letters of a deleted object stay until they reach their age", 5, 30.0),
    ]
    assert (await start("b", "t", then=29 * DAY))[0] == {"a": 5, "b": 5}, "not before their age"
    left, told = await start("b", "t", then=11 * DAY)
    assert left == {"a": 0, "b": 0}
    assert sorted((line["message"], line["broker"], line["trigger"], line["count"]) for line in told) == [
        ("dead letters were dropped by age", "ns/a", "ns/t", 5),
        ("dead letters were dropped by age", "ns/b", "ns/t", 5),
    ]
    assert (await start("b", "t", then=1.0))[1] == []


async def test_a_trigger_deleted_twice_is_cleaned_up_twice(tmp_path: Path) -> None:
    async with keeper(tmp_path) as made:
        made.retire("t", ago=GRACE + 1)
        await made.janitor.sweep()
        await made.janitor.sweep()
        await made.park("t")
        made.retire("t", ago=GRACE + 1)
        await made.janitor.sweep()
        assert await made.owed() == {}
        assert made.forgotten == ["t", "t"]


async def test_a_forgetting_that_failed_is_asked_for_again(tmp_path: Path) -> None:
    async with keeper(tmp_path) as made:
        made.retire("t", ago=GRACE + 1)
        made.forgets = False
        await made.janitor.sweep()
        made.forgets = True
        await made.janitor.sweep()
        await made.janitor.sweep()
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
