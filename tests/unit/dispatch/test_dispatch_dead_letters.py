"""What a dead-letter sink gets, to the byte, and what becomes of it there (Knative, "Event delivery"; control plane, "Event
Delivery" 5)."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from dispatch_rig import RETRY_TWICE, Subscriber, event, rig, subscribers

from eventing.bindings import http as binding
from eventing.event import Event
from eventing.policy.delivery import DeliveryPolicy
from eventing.ports.http import Headers, Request, Response
from eventing.resources.plan import Target
from tests.support.ports import ReservedPort

ONCE = DeliveryPolicy(retry=0, delay=0.01, timeout=5.0)


async def letter_for(
    tmp_path: Path, answer: Response, *, path: str = "", format_: str = "binary", sent: Event | None = None
) -> tuple[Event, Request, Subscriber]:
    """An event, its subscriber's answer, and the letter that reaches the sink."""
    async with subscribers(2) as (one, dead), rig(tmp_path) as engine:
        one.answer = lambda _event, _times: answer
        engine.trigger("one", one.url + path, policy=ONCE, dead_letter=Target(dead.url), format=format_)
        await engine.start()
        await engine.append(sent or event(1))
        await dead.got(1)
        await engine.idle()
    [(letter, request)] = dead.deliveries
    return letter, request, one


@pytest.mark.requirement("D12")
@pytest.mark.parametrize("length", [0, 1, 1023, 1024, 1025, 5000])
async def test_error_data_is_the_base64_of_the_first_1024_bytes_of_the_body(tmp_path: Path, length: int) -> None:
    body = bytes(number % 256 for number in range(length))
    _, request, _ = await letter_for(tmp_path, Response(422, [(b"content-type", b"image/png")], body))
    data = request.header(b"ce-knativeerrordata")
    assert data == (base64.b64encode(body[:1024]) if body else None), "of an empty body nothing is told"


@pytest.mark.requirement("D12")
@pytest.mark.parametrize("body", [b"line\nline\r\n", b"\x00\xff\xfe binary", '{"message": "größer"}'.encode(), b'%41 "quoted"'])
async def test_error_data_holds_lines_binary_and_text_unchanged(tmp_path: Path, body: bytes) -> None:
    letter, _, _ = await letter_for(tmp_path, Response(400, (), body))
    assert base64.b64decode(str(letter.get("knativeerrordata")), validate=True) == body


@pytest.mark.requirement("D12")
async def test_error_dest_is_the_exact_address_with_path_and_query(tmp_path: Path) -> None:
    path = "orders/a%20b?x=1&y=%C3%A9#"
    letter, _, one = await letter_for(tmp_path, Response(400), path=path)
    assert letter.get("knativeerrordest") == one.url + path
    assert one.deliveries[0][1].query == "x=1&y=%C3%A9"


@pytest.mark.requirement("D12")
async def test_error_code_is_the_status_of_the_last_attempt(tmp_path: Path) -> None:
    async with subscribers(2) as (one, dead), rig(tmp_path) as engine:
        one.answer = lambda _event, times: Response((500, 503, 507)[times - 1], (), b"attempt %d" % times)
        engine.trigger("one", one.url, policy=RETRY_TWICE, dead_letter=Target(dead.url))
        await engine.start()
        await engine.append(event(1))
        await dead.got(1)
        await engine.idle()
    [(letter, _)] = dead.deliveries
    assert letter.get("knativeerrorcode") == "507"
    assert base64.b64decode(str(letter.get("knativeerrordata"))) == b"attempt 3"


@pytest.mark.requirement("D12")
async def test_without_an_answer_a_dead_letter_has_the_address_and_neither_code_nor_data(tmp_path: Path) -> None:
    nobody = ReservedPort()
    async with subscribers(1) as (dead,), rig(tmp_path) as engine:
        url = f"http://127.0.0.1:{nobody.number}/x"
        engine.trigger("one", url, policy=ONCE, dead_letter=Target(dead.url))
        await engine.start()
        await engine.append(event(1))
        await dead.got(1)
        await engine.idle()
    nobody.close()
    assert dead.deliveries[0][0] == event(1, knativeerrordest=url)


@pytest.mark.requirement("D12", "D13")
@pytest.mark.parametrize("format_", ["binary", "json"])
async def test_a_dead_letter_is_the_original_and_the_three_attributes_in_both_formats(tmp_path: Path, format_: str) -> None:
    attributes = {"specversion": "1.0", "id": "1", "source": "/s", "type": "a", "subject": "ü %", "datacontenttype": "text/plain"}
    sent = Event({**attributes, "number": 7, "flag": True}, b"data \xff")
    letter, request, one = await letter_for(tmp_path, Response(422, (), b"no"), format_=format_, sent=sent)
    told = {"knativeerrordest": one.url, "knativeerrorcode": "422", "knativeerrordata": "bm8="}
    if format_ == "json":
        assert request.header(b"content-type") == b"application/cloudevents+json"
        assert letter == Event({**dict(sent.items()), **told}, sent.data)
        assert json.loads(request.body)["number"] == 7
    else:
        assert request.header(b"content-type") == b"text/plain"
        assert letter == Event({**attributes, "number": "7", "flag": "true", **told}, sent.data)


@pytest.mark.requirement("D12")
async def test_headers_of_the_answer_that_begin_with_kne_are_attributes_of_the_dead_letter(tmp_path: Path) -> None:
    headers: Headers = [
        (b"KNE-Reason", b"out of stock"),
        (b"kne-where", "Zürich".encode()),
        (b"kne-id", b"not the event's"),
        (b"kne-known", b"not the event's"),
        (b"kne-knativeerrorcode", b"200"),
        (b"kne-no_name", b"x"),
        (b"kne-bad", b"\xff"),
        (b"reason", b"x"),
    ]
    letter, _, one = await letter_for(tmp_path, Response(422, headers), sent=event(1, known="kept"))
    told = {"knativeerrordest": one.url, "knativeerrorcode": "422"}
    assert letter == event(1, known="kept", **told, reason="out of stock", where="Zürich")


@pytest.mark.requirement("D12", "F8")
async def test_a_dead_letter_keeps_the_expiry_of_its_event(tmp_path: Path) -> None:
    letter, _, _ = await letter_for(tmp_path, Response(400), sent=event(1, expirytime="2999-01-01T00:00:00Z"))
    assert letter.get("expirytime") == "2999-01-01T00:00:00Z"


@pytest.mark.requirement("D11")
async def test_the_dead_letter_sink_is_retried_by_the_same_policy_and_then_done_with(tmp_path: Path) -> None:
    async with subscribers(2) as (one, dead), rig(tmp_path) as engine:
        one.answer = lambda _event, _times: Response(400)
        dead.answer = lambda _event, times: Response(503 if times < 3 else 202)
        engine.trigger("one", one.url, policy=RETRY_TWICE, dead_letter=Target(dead.url))
        await engine.start()
        await engine.append(event(1))
        await dead.until(lambda: dead.ids()["1"] == 3)
        await engine.idle()
        assert await engine.channel.dead_letters.list("b", None, 10) == []
    assert one.ids() == {"1": 1}
    bodies = {request.body for _, request in dead.deliveries}
    assert len(bodies) == 1
    assert {letter.get("knativeerrorcode") for letter, _ in dead.deliveries} == {"400"}, "the subscriber's error, not the sink's"


@pytest.mark.requirement("D11")
@pytest.mark.parametrize("answer", ["a reply", "a malformed reply", "a reply that is too large", "a page"])
async def test_whatever_a_dead_letter_sink_says_beside_a_200_the_letter_is_delivered(tmp_path: Path, answer: str) -> None:
    headers, body = binding.encode_binary(event(9, "pong"))
    answers = {
        "a reply": Response(200, headers, body),
        "a malformed reply": Response(200, headers[1:], body),
        "a reply that is too large": Response(200, headers, b"x" * 2_000_000),
        "a page": Response(200, (), b"<p>thanks</p>"),
    }
    async with subscribers(2) as (one, dead), rig(tmp_path) as engine:
        one.answer = lambda _event, _times: Response(400)
        dead.answer = lambda _event, _times: answers[answer]
        engine.trigger("one", one.url, policy=RETRY_TWICE, dead_letter=Target(dead.url))
        await engine.start()
        await engine.append(event(1))
        await dead.got(1)
        await engine.idle()
        assert await engine.channel.dead_letters.list("b", None, 10) == []
    assert dead.ids() == {"1": 1}
    assert one.ids() == {"1": 1}, "and none of it enters the broker"
