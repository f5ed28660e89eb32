"""Subscribers as they are: names that don't resolve, closed ports, silence, garbage. Each is told in words, none harms others."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.fixtures import Listen, Make
from tests.support.load import Load
from tests.support.manifest import broker, trigger
from tests.support.ports import ReservedPort
from tests.support.process import EventingProcess
from tests.support.subscriber import always, first
from tests.support.wait import eventually

pytestmark = pytest.mark.acceptance

ONCE = {"retry": 0, "timeout": "PT1S"}


async def told(engine: EventingProcess, trigger_name: str, reason: str, words: str) -> None:
    """The failure is counted by cause, and the log says it in words."""

    async def counted() -> bool:
        return (await engine.metrics()).trigger("delivery_failures_total", trigger_name, reason=reason) >= 1

    await eventually(counted, 30, f"a failure {reason} of {trigger_name}")

    def line() -> str | None:
        lines = engine.stderr().splitlines()
        return next((one for one in lines if f"default/{trigger_name}" in one and words in one), None)

    await eventually(line, 10, f"a line of the log about {trigger_name} with {words!r}; the log: {engine.tail()}")


@pytest.mark.requirement("D3")
async def test_a_name_without_an_address_is_a_failure_told_in_words(make: Make, load: Callable[..., Load]) -> None:
    engine = make([broker(), trigger("t", "http://nobody.invalid:81/x", delivery=ONCE)])
    await engine.start()
    assert await load(engine.url()).one() == 202
    await told(engine, "t", "dns", "nobody.invalid")


@pytest.mark.requirement("D3")
async def test_a_closed_port_is_a_failure_told_in_words(make: Make, load: Callable[..., Load]) -> None:
    nobody = ReservedPort()
    engine = make([broker(), trigger("t", f"http://127.0.0.1:{nobody.number}/", delivery=ONCE)])
    await engine.start()
    assert await load(engine.url()).one() == 202
    await told(engine, "t", "connect", f"127.0.0.1:{nobody.number}")
    nobody.close()


ANSWERS: dict[str, tuple[bytes | None, bool, str, str]] = {
    "silence": (None, False, "timeout", "1 s"),
    "half an answer": (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", False, "timeout", "1 s"),
    "closed at once": (None, True, "malformed", "before any answer"),
    "not HTTP": (b"220 mail.example ESMTP ready\r\n", False, "malformed", ""),
    "cut short": (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", True, "malformed", ""),
    "two lengths": (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx", False, "malformed", ""),
    "a redirect": (b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n", False, "http_3xx", "302"),
    "an error without end": (b"HTTP/1.1 500 Oops\r\ncontent-length: 99999999999\r\n\r\n", False, "too_large", "larger than"),
    "a reply without end": (
        b"HTTP/1.1 200 OK\r\nce-specversion: 1.0\r\ncontent-length: 99999999999\r\n\r\n",
        False,
        "reply_too_large",
        "larger than",
    ),
}


@pytest.mark.requirement("D2", "D3")
@pytest.mark.parametrize("what", ANSWERS)
async def test_an_answer_that_is_none_is_told_in_words_and_harms_no_neighbour(
    what: str, make: Make, listen: Listen, listen_raw: Callable[..., Any], load: Callable[..., Load]
) -> None:
    answer, close, reason, words = ANSWERS[what]
    odd, well = await listen_raw(answer, close=close), await listen()
    engine = make([broker(), trigger("odd", odd.url, delivery=ONCE), trigger("well", well.url)])
    await engine.start()
    sender = load(engine.url())
    await sender.many(3)
    await told(engine, "odd", reason, words)
    await well.until_done(sender.accepted, 20)
    assert (await engine.metrics()).trigger("dead_letters_total", "well") == 0
    assert await engine.terminate() == 0


async def test_a_subscriber_that_can_t_be_resolved_is_a_condition(make: Make) -> None:
    engine = make(
        [
            broker(),
            {
                **trigger("lost", ""),
                "spec": {
                    "broker": "default",
                    "subscriber": {"ref": {"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "name": "absent"}},
                },
            },
            trigger("orphan", "http://127.0.0.1:9/", broker="absent"),
        ]
    )
    await engine.start()
    ready = await engine.condition("triggers", "lost")
    assert ready["status"] == "False"
    assert "absent" in ready["message"]
    orphan = await engine.condition("triggers", "orphan", "BrokerReady")
    assert (orphan["status"], orphan["reason"]) == ("False", "BrokerDoesNotExist")
    assert (await engine.control("/readyz")).status == 200, "each says why it isn't Ready, so nothing is waited for"
    log = engine.stderr()
    assert "Trigger default/lost" in log
    assert "Trigger default/orphan" in log


@pytest.mark.requirement("D11", "D12")
async def test_dead_letters_say_what_happened(make: Make, listen: Listen, load: Callable[..., Load]) -> None:
    refusing, sink = await listen(always(422, body=b"no such order " + b"x" * 2000)), await listen()
    nobody = ReservedPort()
    dead_letters = {"retry": 0, "deadLetterSink": {"uri": sink.url}}
    engine = make(
        [
            broker(),
            trigger("refused", f"{refusing.url}orders?x=1", types=["a"], delivery=dead_letters),
            trigger("down", f"http://127.0.0.1:{nobody.number}/", types=["b"], delivery=dead_letters),
        ]
    )
    await engine.start()
    sender = load(engine.url())
    assert await sender.one(b'{"n":1}', "r", type="a", comext="kept") == 202
    assert await sender.one(b"{}", "d", type="b") == 202
    await sink.until_done(["r", "d"], 20)
    letters = {received.id: received for received in sink.received}
    headers = letters["r"].headers
    assert headers["ce-knativeerrordest"] == f"{refusing.url}orders?x=1"
    assert headers["ce-knativeerrorcode"] == "422"
    body = base64.b64decode(headers["ce-knativeerrordata"])
    assert body.startswith(b"no such order x")
    assert len(body) == 1024
    assert headers["ce-comext"] == "kept"
    assert letters["r"].body == b'{"n":1}'
    assert letters["d"].headers["ce-knativeerrordest"] == f"http://127.0.0.1:{nobody.number}/"
    assert "ce-knativeerrorcode" not in letters["d"].headers, "there was no answer, so there is no code"
    nobody.close()


@pytest.mark.requirement("D4", "D11")
async def test_a_dead_letter_never_loops(make: Make, listen: Listen, load: Callable[..., Load]) -> None:
    """Refused by its sink too, it ends in the built-in store, with the same policy."""
    failing, sink = await listen(always(500)), await listen(always(503))
    delivery = {"retry": 2, "backoffDelay": "PT0.02S", "deadLetterSink": {"uri": sink.url}}
    engine = make([broker(), trigger("t", failing.url, delivery=delivery)])
    await engine.start()
    assert await load(engine.url()).one(id_="e") == 202

    async def stored() -> bool:
        return (await engine.metrics()).trigger("dead_letters_stored", "t") == 1

    await eventually(stored, 20, "the dead letter in the built-in store")
    assert failing.attempts["e"] == 3
    assert sink.attempts["e"] == 3


@pytest.mark.requirement("D10")
async def test_retry_after_holds_the_whole_trigger(make: Make, listen: Listen, load: Callable[..., Load]) -> None:
    busy = await listen(always(503, {"retry-after": "3600"}))
    deaf = await listen(first(503))
    one_second, done = always(429, {"retry-after": "1"}), always(204)
    soon = await listen(lambda received: (one_second if (received.id, received.attempt) == ("e", 1) else done)(received))
    quickly = {"retry": 9, "backoffDelay": "PT0.02S"}
    engine = make(
        [
            broker(),
            trigger("busy", busy.url, delivery=quickly, max_in_flight="1"),
            trigger("deaf", deaf.url, delivery={**quickly, "retryAfterMax": "PT0S"}),
            trigger("soon", soon.url, delivery=quickly, max_in_flight="1"),
        ]
    )
    await engine.start()
    sender = load(engine.url())
    assert await sender.one(id_="e") == 202
    await busy.until(lambda: busy.attempts["e"] == 1, 20)
    await soon.until_done(["e"], 20)

    async def parked() -> bool:
        return (await engine.metrics()).trigger("backlog_entries", "busy") == len(sender.accepted)

    await eventually(parked, 20, "the event in the backlog")
    await sender.many(20)
    await deaf.until_done(sender.accepted, 20)
    await soon.until_done(sender.accepted, 60)
    await eventually(parked, 20, "all events in the backlog")
    assert sum(busy.attempts.values()) == 1, "the others wait with the one that was refused"


@pytest.mark.requirement("D13")
async def test_delivery_format_json_sends_one_json_document(make: Make, listen: Listen, load: Callable[..., Load]) -> None:
    subscriber = await listen()
    engine = make([broker(), trigger("t", subscriber.url, delivery={"retry": 1, "format": "json"})])
    await engine.start()
    assert await load(engine.url()).one(b'{"n": 1}', "e", comext="x") == 202
    await subscriber.until_done(["e"], 20)
    (received,) = subscriber.received
    assert received.headers["content-type"].startswith("application/cloudevents+json")
    event = json.loads(received.body)
    assert (event["id"], event["data"], event["comext"]) == ("e", {"n": 1}, "x")
