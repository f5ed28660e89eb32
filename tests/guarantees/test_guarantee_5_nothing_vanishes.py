"""Guarantee 5: every event x trigger ends as delivered, filtered out, parked, dead-lettered, expired or dropped, and a counter
shows it. The numbers on `/metrics` are held against what the subscribers saw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from eventing.ports.records import MAX_HOPS
from tests.support.fixtures import Listen, Make
from tests.support.load import Load
from tests.support.manifest import broker, trigger
from tests.support.metrics import Page
from tests.support.ports import ReservedPort
from tests.support.process import EventingProcess
from tests.support.subscriber import Gate, Subscriber, always, first
from tests.support.wait import eventually

pytestmark = pytest.mark.acceptance

EVENTS = 120
TYPES = ("a", "b", "c")
OF_EACH = EVENTS // len(TYPES)
PAST, FUTURE = "2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z"


def balance(page: Page, name: str, *, to_sink: int = 0) -> dict[str, int]:
    """How the trigger's deliveries ended. ``to_sink``: those to its dead-letter sink, which count as delivered too."""
    return {
        "delivered": page.trigger("deliveries_total", name, result="delivered") - to_sink,
        "dead": page.trigger("dead_letters_total", name),
        "expired": page.trigger("expired_total", name),
        "dropped": page.trigger("dropped_total", name),
        "waiting": page.trigger("backlog_entries", name, lane="subscriber"),
    }


@pytest.mark.requirement("B5", "D15")
async def test_every_event_of_every_trigger_is_accounted_for(make: Make, listen: Listen, load: Callable[..., Load]) -> None:
    quick, flaky, sink = await listen(), await listen(first(503, 2)), await listen()
    broken, refusing, late = await listen(always(500)), await listen(always(403)), await listen(Gate().hold())
    nobody = ReservedPort()
    delays = {"backoffPolicy": "linear", "backoffDelay": "PT0.02S"}
    hour = {"retry": 5, "backoffPolicy": "linear", "backoffDelay": "PT1H"}
    engine = make(
        [
            broker(),
            trigger("quick", quick.url, types=["a"]),
            trigger("flaky", flaky.url, types=["a", "b"], delivery={"retry": 5, **delays}),
            trigger("sunk", broken.url, types=["b"], delivery={"retry": 2, "deadLetterSink": {"uri": sink.url}, **delays}),
            trigger("refused", refusing.url, types=["b"], delivery={"retry": 2, **delays}),
            trigger("gone", f"http://127.0.0.1:{nobody.number}/", types=["a"], delivery={"retry": 1, **delays}),
            trigger("paused", quick.url, types=["c"], paused="true"),
            trigger("late", late.url, types=["a"], delivery=hour),
            trigger("waits", f"http://127.0.0.1:{nobody.number}/", types=["b"], delivery=hour),
            trigger("nothing", quick.url, types=["never"]),
        ]
    )
    await engine.start()
    sender = load(engine.url(), types=lambda number: TYPES[number % len(TYPES)])
    await sender.many(EVENTS, connections=8)
    for number in range(10):
        assert await sender.one(type="a", id_=f"old-{number}", expirytime=PAST) == 202
        assert await sender.one(type="unmatched", id_=f"none-{number}", expirytime=FUTURE) == 202
    accepted = EVENTS + 20

    # matched, then how that many ended: name, matched, of these delivered, dead, expired, waiting
    expected = {
        "quick": (OF_EACH + 10, OF_EACH, 0, 10, 0),
        "flaky": (2 * OF_EACH + 10, 2 * OF_EACH, 0, 10, 0),
        "sunk": (OF_EACH, 0, OF_EACH, 0, 0),
        "refused": (OF_EACH, 0, OF_EACH, 0, 0),
        "gone": (OF_EACH + 10, 0, OF_EACH, 10, 0),
        "paused": (OF_EACH, 0, 0, 0, OF_EACH),
        "late": (OF_EACH + 10, 0, 0, 10, OF_EACH),
        "waits": (OF_EACH, 0, 0, 0, OF_EACH),
        "nothing": (0, 0, 0, 0, 0),
    }

    async def settled() -> Page | None:
        page = await engine.metrics()
        ends = {name: balance(page, name, to_sink=sum(sink.done.values()) if name == "sunk" else 0) for name in expected}
        same = all(
            list(ends[name].values()) == [delivered, dead, expired, 0, waiting]
            for name, (_, delivered, dead, expired, waiting) in expected.items()
        )
        last.append(str(ends))
        quiet = page.total("eventing_window_events") == page.total("eventing_reader_lag_events") == 0
        return page if same and quiet and len(sink.done) == OF_EACH else None

    last: list[str] = []
    try:
        page = await eventually(settled, 30, "every event settled")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{last[-1]}\n{engine.tail()}") from None
    assert isinstance(page, Page)
    for name, (matched, *_) in expected.items():
        assert page.trigger("events_matched_total", name) == matched, name
        assert page.trigger("events_filtered_total", name) == accepted - matched, name
        assert sum(balance(page, name, to_sink=OF_EACH if name == "sunk" else 0).values()) == matched, name
    assert page.total("eventing_events_accepted_total", broker="default/default") == accepted
    assert page.total("eventing_events_unmatched_total", broker="default/default") == 10
    assert page.trigger("dead_letters_stored", "refused") == page.trigger("dead_letters_stored", "gone") == OF_EACH
    assert page.trigger("dead_letters_stored", "sunk") == 0
    for name, subscriber in {"quick": quick, "flaky": flaky, "refused": refusing}.items():
        check_attempts(page, name, subscriber)
    check_why(engine)
    ids = {type_: {f"e-{n}" for n in range(EVENTS) if TYPES[n % len(TYPES)] == type_} for type_ in TYPES}
    for name, type_ in {"refused": "b", "gone": "a"}.items():
        letters = await listed(engine, name, "deadletters")
        assert {letter["id"] for letter in letters} == ids[type_]
        assert len(letters) == OF_EACH
    assert all(letter["errors"][-1]["code"] == 403 for letter in await listed(engine, "refused", "deadletters"))
    for name, type_ in {"paused": "c", "waits": "b", "late": "a"}.items():
        waiting = await listed(engine, name, "backlog")
        assert {entry["id"] for entry in waiting} == ids[type_]
        assert len(waiting) == OF_EACH
    nobody.close()


async def listed(engine: EventingProcess, name: str, what: str) -> list[dict[str, Any]]:
    """All pages of a trigger's backlog or dead letters, as a person reads them who asks where an event is."""
    items: list[dict[str, Any]] = []
    after = -1
    while True:
        path = f"/apis/eventing-engine.dev/v1alpha1/namespaces/default/triggers/{name}/{what}?limit=7&after={after}"
        answer = await engine.control(path)
        assert answer.status == 200, answer.text
        items += answer.json()["items"]
        if "next" not in answer.json():
            return items
        after = answer.json()["next"]


def check_attempts(page: Page, name: str, subscriber: Subscriber) -> None:
    """Each attempt that the subscriber saw was counted, by result."""
    done, tried = sum(subscriber.done.values()), sum(subscriber.attempts.values())
    assert page.trigger("deliveries_total", name, result="delivered") == done
    assert page.trigger("deliveries_total", name, result="failed") == tried - done
    assert page.trigger("delivery_failures_total", name) == tried - done


def check_why(engine: EventingProcess) -> None:
    """A person who asks what became of an event given up on finds it in the log, with the reason."""
    lines = [line for line in engine.stderr().splitlines() if "given up on" in line]
    assert any("default/refused" in line and "403" in line for line in lines), lines
    assert any("default/gone" in line and "refused" in line for line in lines), lines
    assert any("default/sunk" in line and "dead letter sink" in line for line in lines), lines


@pytest.mark.requirement("R6", "I21")
async def test_an_event_that_passed_too_many_brokers_is_counted_as_dropped(make: Make, load: Callable[..., Load]) -> None:
    """Two brokers that feed each other: the ring ends, and the last step is dropped and nothing else."""
    engine = make([broker("left"), broker("right")])
    engine.write(
        [
            broker("left"),
            broker("right"),
            trigger("over", engine.url("right"), broker="left"),
            trigger("back", engine.url("left"), broker="right"),
        ]
    )
    await engine.start()
    sender = load(engine.url("left"))
    assert await sender.one() == 202

    async def ended() -> bool:
        return (await engine.metrics()).total("eventing_dropped_total", reason="hop_limit") == 1

    await eventually(ended, 30, "the end of the ring")
    page = await engine.metrics()
    for name in ("over", "back"):
        assert sum(balance(page, name).values()) == page.trigger("events_matched_total", name), name
    assert page.total("eventing_events_matched_total") == MAX_HOPS
