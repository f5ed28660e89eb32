"""What subscribers answer: events that re-enter the broker, and what is none; and loops, which all end."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from eventing.ports.http import Response
from eventing.ports.records import MAX_HOPS
from tests.support.events import binary, structured
from tests.support.fixtures import Listen, Make
from tests.support.load import Load
from tests.support.manifest import broker, trigger
from tests.support.process import EventingProcess
from tests.support.subscriber import Received, event_answer
from tests.support.wait import eventually

pytestmark = pytest.mark.acceptance


@pytest.mark.requirement("R1", "R2", "R5")
async def test_replies_re_enter_the_broker(make: Make, listen: Listen, load: Callable[..., Load]) -> None:
    def answer(received: Received) -> Response:
        if received.id == "structured":
            body = json.dumps(structured("reply-structured", "reply", {"n": 2})).encode()
            return event_answer({"content-type": "application/cloudevents+json"}, body)
        event = event_answer(binary(f"reply-{received.id}", "reply"), b'{"n": 1}')
        return Response(202, event.headers, event.body) if received.id == "not-200" else event

    asked, heard = await listen(answer), await listen()
    engine = make([broker(), trigger("asked", asked.url, types=["question"]), trigger("heard", heard.url, types=["reply"])])
    await engine.start()
    sender = load(engine.url(), types=lambda _n: "question")
    for id_ in ("not-200", "binary", "structured"):
        assert await sender.one(id_=id_) == 202
    await heard.until_done(["reply-binary", "reply-structured"], 20)
    bodies = {received.id: received.body for received in heard.received}
    assert bodies["reply-binary"] == b'{"n": 1}'
    assert json.loads(bodies["reply-structured"]) == {"n": 2}
    page = await engine.metrics()
    assert page.trigger("replies_total", "asked", result="stored") == 2
    assert "reply-not-200" not in heard.attempts, "only a 200 carries a reply"


@pytest.mark.requirement("R4")
async def test_a_malformed_reply_is_a_failure_and_a_page_is_not(make: Make, listen: Listen, load: Callable[..., Load]) -> None:
    def answer(received: Received) -> Response:
        if received.id == "page":
            return Response(200, [(b"content-type", b"text/html")], b"<p>ok</p>")
        if received.id == "empty":
            return Response(200, [(b"content-type", b"application/cloudevents+json")])
        headers = binary("x", "reply")
        del headers["ce-source"]
        return event_answer(headers)

    asked = await listen(answer)
    engine = make([broker(), trigger("asked", asked.url, delivery={"retry": 2, "backoffDelay": "PT0.02S"})])
    await engine.start()
    sender = load(engine.url())
    assert await sender.one(id_="page") == 202
    assert await sender.one(id_="bad") == 202
    assert await sender.one(id_="empty") == 202

    async def ended() -> bool:
        page = await engine.metrics()
        return page.trigger("dead_letters_total", "asked") == 2

    await eventually(ended, 20, "the end of the retries")
    assert asked.attempts["bad"] == asked.attempts["empty"] == 3
    assert asked.attempts["page"] == 1
    assert (await engine.metrics()).trigger("delivery_failures_total", "asked", reason="reply_invalid") == 6


@pytest.mark.requirement("R6", "I21")
async def test_a_loop_of_replies_ends(make: Make, listen: Listen, load: Callable[..., Load]) -> None:
    """A subscriber that answers every event with another one, to its own trigger. What it claims itself changes nothing."""
    numbers = iter(range(10_000))

    def answer(_received: Received) -> Response:
        return event_answer(binary(f"n-{next(numbers)}", knativebrokerttl="255"))

    looping = await listen(answer, keep=False)
    engine = make([broker(), trigger("t", looping.url)])
    await engine.start()
    assert await load(engine.url()).one() == 202

    async def ended() -> bool:
        return (await engine.metrics()).trigger("replies_total", "t", result="hop_limit") == 1

    await eventually(ended, 30, "the end of the loop")
    assert sum(looping.attempts.values()) == MAX_HOPS

    async def settled() -> bool:
        return (await engine.metrics()).total("eventing_window_events") == 0

    await eventually(settled, 30, "the last event to be settled")


@pytest.mark.requirement("R6", "I21")
@pytest.mark.parametrize("host", ["0.0.0.0", "[::ffff:127.0.0.1]", "localhost"])
async def test_a_broker_that_feeds_itself_ends_under_whatever_name(host: str, make: Make, load: Callable[..., Load]) -> None:
    """Where a name is not known to be this engine's, the count travels in a header; nobody else is trusted to keep it."""
    engine = make([broker()])
    url = f"http://{host}:{engine.port}/default/default"
    engine.write([broker(), trigger("t", url)])
    await engine.start()
    assert await load(engine.url()).one() == 202

    async def ended() -> bool:
        page = await engine.metrics()
        return page.trigger("dead_letters_total", "t") + page.trigger("dropped_total", "t", reason="hop_limit") == 1

    await eventually(ended, 30, "the end of the loop")
    page = await engine.metrics()
    assert page.trigger("events_matched_total", "t") == MAX_HOPS
    if host == "localhost":
        assert "the hop count ran out" in engine.stderr()
        return
    assert page.total("eventing_events_refused_total", reason="hop_limit") == 1

    async def stored() -> bool:  # it is counted as soon as it is on its way there
        return bool((await listed(engine, "t"))["items"])

    await eventually(stored, 30, "the letter to be stored")
    [letter] = (await listed(engine, "t"))["items"]
    assert letter["why"] == "refused"
    assert "255 brokers" in (await engine.post({**binary("x"), "eventing-engine-hops": "0"})).text


@pytest.mark.requirement("R6", "D11")
async def test_a_dead_letter_sink_that_is_the_own_broker_loses_nothing(
    make: Make, listen: Listen, load: Callable[..., Load]
) -> None:
    """What fails comes back to the same trigger, as often as the hop count lets it; then the built-in store takes it."""
    refusing = await listen(lambda _received: Response(400), keep=False)
    sink = {"ref": {"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "name": "default"}}
    engine = make([broker(), trigger("t", refusing.url, delivery={"retry": 0, "deadLetterSink": sink})])
    await engine.start()
    assert await load(engine.url()).one(id_="e") == 202

    async def stored() -> bool:
        return len((await listed(engine, "t"))["items"]) == 1

    await eventually(stored, 30, "the dead letter")
    page = await engine.metrics()
    assert page.trigger("dropped_total", "t") == 0
    assert page.trigger("delivery_failures_total", "t", reason="hop_limit") == 1

    async def stored() -> bool:  # it is counted as soon as it is on its way there
        return bool((await listed(engine, "t"))["items"])

    await eventually(stored, 30, "the letter to be stored")
    [letter] = (await listed(engine, "t"))["items"]
    assert letter["id"] == "e"
    assert ["circle" in error["reason"] for error in letter["errors"]] == [False, True]
    assert sum(refusing.attempts.values()) == MAX_HOPS


async def listed(engine: EventingProcess, name: str) -> dict[str, Any]:
    answer = await engine.control(f"/apis/eventing-engine.dev/v1alpha1/namespaces/default/triggers/{name}/deadletters")
    assert answer.status == 200
    found: dict[str, Any] = json.loads(answer.text)
    return found
