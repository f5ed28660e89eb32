"""A trigger whose `spec.broker` was changed, which Kubernetes would refuse: nothing is lost unheard, and it can go back."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from reconcile_rig import Apply, broker, trigger

from eventing.dispatch.janitor import Janitor
from eventing.dispatch.settings import DispatchSettings
from eventing.event import Event
from eventing.ports.channel import Channel, ChannelContext
from eventing.ports.records import EntryKey, NewEntry, NewRecord, Settlement
from eventing.resources.identity import GRACE, KEPT, Claim, Identified, Identities, claims_of
from eventing.resources.kind_table import EVENTING, Key
from eventing.resources.plan import Plan
from eventing.telemetry.logs import Log
from eventing.telemetry.metrics import Metrics
from eventing_channels.sqlite import open_channel

pytestmark = pytest.mark.requirement("B4")

T = Key(EVENTING, "Trigger", "ns", "t")
ONE = Key(EVENTING, "Broker", "ns", "one")
TWO = Key(EVENTING, "Broker", "ns", "two")


@pytest.fixture
async def channel(tmp_path: Path) -> AsyncIterator[Channel]:
    opened = open_channel("sqlite", ChannelContext(tmp_path))
    await opened.open()
    yield opened
    await opened.close()


async def claim(channel: Channel, at: float, *, of: str = "", brokers: tuple[Key, ...] = (ONE, TWO)) -> Identified:
    """A start with these brokers, and the trigger at ``of`` unless that is empty."""
    wanted = [Claim(key) for key in brokers] + ([Claim(T, of)] if of else [])
    return await Identities(channel.documents).claim(wanted, at)


async def test_a_trigger_with_another_broker_is_another_trigger_and_the_first_is_told_of(channel: Channel) -> None:
    first = (await claim(channel, 100.0, of="one")).uids[T]
    then = await claim(channel, 200.0, of="two")
    assert then.uids[T] != first
    [moved] = then.moved
    assert (moved.key, moved.uid, moved.was, moved.now, moved.at) == (T, first, "one", "two", 200.0)
    assert then.retired[first].keep == KEPT
    again = await claim(channel, 300.0, of="two")
    assert again.moved == [moved], "it is told of for as long as it is kept"


async def test_the_broker_put_back_within_seven_days_is_the_first_trigger_again(channel: Channel) -> None:
    first = (await claim(channel, 100.0, of="one")).uids[T]
    second = (await claim(channel, 200.0, of="two")).uids[T]
    back = await claim(channel, 200.0 + KEPT, of="one")
    assert back.uids[T] == first
    assert [(moved.uid, moved.was, moved.now) for moved in back.moved] == [(second, "two", "one")]


async def test_the_first_broker_is_kept_as_long_though_it_is_gone_from_the_manifests(channel: Channel) -> None:
    before = await claim(channel, 100.0, of="one")
    gone = await claim(channel, 200.0, of="two", brokers=(TWO,))
    assert gone.retired[before.uids[ONE]].keep == KEPT
    back = await claim(channel, 200.0 + KEPT, of="one")
    assert (back.uids[ONE], back.uids[T]) == (before.uids[ONE], before.uids[T])


async def test_another_broker_that_is_gone_is_kept_no_longer_than_ever(channel: Channel) -> None:
    before = await claim(channel, 100.0, of="one")
    await claim(channel, 200.0, of="one", brokers=(ONE,))
    gone = await claim(channel, 300.0, of="one", brokers=(ONE,))
    assert gone.retired[before.uids[TWO]].keep == 0.0
    assert (await claim(channel, 201.0 + GRACE, of="one")).uids[TWO] != before.uids[TWO]


async def test_a_trigger_deleted_first_and_made_anew_elsewhere_was_not_moved(channel: Channel) -> None:
    # As Knative has it done: delete, then create.
    first = (await claim(channel, 100.0, of="one")).uids[T]
    await claim(channel, 200.0)
    then = await claim(channel, 300.0, of="two")
    assert then.moved == []
    assert (then.retired[first].at, then.retired[first].keep) == (200.0, 0.0)


async def test_a_moved_trigger_that_is_deleted_afterwards_is_said_to_be_gone(channel: Channel) -> None:
    await claim(channel, 100.0, of="one")
    await claim(channel, 200.0, of="two")
    assert [moved.now for moved in (await claim(channel, 300.0)).moved] == [""]


def test_a_brokers_config_and_class_do_not_make_it_another_broker(apply: Apply) -> None:
    plain = apply(broker())
    annotated = ", annotations: {eventing.knative.dev/broker.class: K}"
    other = apply(broker(spec="{config: {apiVersion: v1, kind: C, name: c}}", metadata=annotated))
    assert claims_of(plain.objects) == claims_of(other.objects) == [Claim(Key(EVENTING, "Broker", "default", "b"))]


def test_a_broker_reference_and_a_broker_of_the_same_name_are_the_same_broker(apply: Apply) -> None:
    by_name = apply(trigger())
    by_reference = apply(trigger().replace("broker: b", "brokerRef: {name: b}"))
    assert claims_of(by_name.objects) == claims_of(by_reference.objects)


async def test_what_a_moved_trigger_owes_is_kept_beyond_the_grace_time_and_dropped_with_a_line_in_the_end(
    channel: Channel,
) -> None:
    start = channel.now()
    before = await claim(channel, start - KEPT - GRACE, of="one")
    uid, place = before.uids[T], before.uids[ONE]
    await channel.ensure_broker(place)
    positions = await channel.append(place, [NewRecord(Event({"id": str(number)})) for number in range(3)])
    await channel.settle(place, Settlement(handovers=[NewEntry(EntryKey(uid, position), 0.0) for position in positions]))

    async def sweep(found: Identified) -> list[dict[str, Any]]:
        lines = io.StringIO()
        log = Log(lines, form="json")
        plan = Plan(keys={of: key for key, of in found.uids.items()}, retired=found.retired)
        janitor = Janitor(channel, Metrics("test"), log, DispatchSettings(), lambda: plan, forgotten=lambda _uid: None)
        await janitor.sweep()
        log.close()
        return [json.loads(line) for line in lines.getvalue().splitlines()]

    moved = await claim(channel, start - KEPT + 60.0, of="two", brokers=(TWO,))
    assert await sweep(moved) == []
    assert [state.entries for state in await channel.backlog.states(place)] == [3]
    late = {of: replace(retired, at=retired.at - 120.0) for of, retired in moved.retired.items()}
    told = await sweep(replace(moved, retired=late))
    assert [(line["message"], line.get("count")) for line in told][:1] == [("the backlog of a deleted trigger was dropped", 3)]
    assert (told[0]["trigger"], told[0]["broker"]) == ("ns/t", "ns/one")
