"""What subscribers answer: events that re-enter the broker, and what is none."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from eventing.ports.http import Response
from eventing.ports.records import MAX_HOPS
from tests.support.events import binary, structured
from tests.support.fixtures import Listen, Make
from tests.support.load import Load
from tests.support.manifest import broker, trigger
from tests.support.subscriber import Received, event_answer
from tests.support.wait import eventually

pytestmark = pytest.mark.acceptance


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


async def test_a_malformed_reply_is_a_failure_and_a_page_is_not(make: Make, listen: Listen, load: Callable[..., Load]) -> None:
    def answer(received: Received) -> Response:
        if received.id == "page":
            return Response(200, [(b"content-type", b"text/html")], b"<p>ok</p>")
        headers = binary("x", "reply")
        del headers["ce-source"]
        return event_answer(headers)

    asked = await listen(answer)
    engine = make([broker(), trigger("asked", asked.url, delivery={"retry": 2, "backoffDelay": "PT0.02S"})])
    await engine.start()
    sender = load(engine.url())
    assert await sender.one(id_="page") == 202
    assert await sender.one(id_="bad") == 202

    async def ended() -> bool:
        page = await engine.metrics()
        return page.trigger("dead_letters_total", "asked") == 1

    await eventually(ended, 20, "the end of the retries")
    assert asked.attempts["bad"] == 3
    assert asked.attempts["page"] == 1
    assert (await engine.metrics()).trigger("delivery_failures_total", "asked", reason="reply_invalid") == 3


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
    assert (await engine.metrics()).total("eventing_window_events") == 0
