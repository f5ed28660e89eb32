"""Events that subscribers answer with (Knative data plane, "Derived (Reply) Events"; control plane, "Content Based Routing")."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dispatch_rig import RETRY_TWICE, event, eventually, only, rig, subscribers, troubled

from eventing.bindings import http as binding
from eventing.event import Event
from eventing.ports.http import Response
from eventing.ports.records import MAX_HOPS

LONG = bytes(number % 251 for number in range(36_000))
REPLY = Event(
    {
        "specversion": "1.0",
        "id": "größer 100 %",
        "source": "urn:reply:1",
        "type": "reply",
        "subject": 'a "quoted" subject',
        "time": "2018-04-05T17:31:00.123456789-00:00",
        "datacontenttype": "text/xml; charset=utf-8",
        "emptyext": "",
        "knativebrokerttl": "1",
    },
    b"<a/>\x00\xff",
)


@pytest.mark.requirement("R2", "R5", "B7")
@pytest.mark.parametrize("mode", ["binary", "structured"])
@pytest.mark.parametrize("version", ["1.0", "0.3"])
async def test_a_reply_in_both_modes_and_versions_reaches_its_triggers_as_it_was(tmp_path: Path, mode: str, version: str) -> None:
    reply = REPLY.replace(specversion=version)
    encode = binding.encode_binary if mode == "binary" else binding.encode_structured
    headers, body = encode(reply)
    async with subscribers(2) as (asked, heard), rig(tmp_path) as engine:
        asked.answer = lambda _event, _times: Response(200, headers, body)
        engine.trigger("asked", asked.url, only("a"))
        engine.trigger("heard", heard.url, only("reply"), format="json")
        await engine.start()
        await engine.append(event(1))
        await heard.got(1)
        await engine.idle()
    assert [received for received, _ in heard.deliveries] == [reply]
    assert len(asked.deliveries) == 1


@pytest.mark.requirement("R5")
@pytest.mark.parametrize("mode", ["binary", "structured"])
async def test_a_reply_of_36000_bytes_is_taken_whole_in_both_modes(tmp_path: Path, mode: str) -> None:
    reply = Event({**dict(event(2, "reply").items()), "datacontenttype": "application/octet-stream"}, LONG)
    encode = binding.encode_binary if mode == "binary" else binding.encode_structured
    headers, body = encode(reply)
    async with subscribers(2) as (asked, heard), rig(tmp_path) as engine:
        asked.answer = lambda _event, _times: Response(200, headers, body)
        engine.trigger("asked", asked.url, only("a"))
        engine.trigger("heard", heard.url, only("reply"))
        await engine.start()
        await engine.append(event(1))
        await heard.got(1)
        await engine.idle()
    assert heard.deliveries[0][0] == reply


@pytest.mark.requirement("R2")
async def test_a_reply_meets_all_triggers_the_one_that_caused_it_too(tmp_path: Path) -> None:
    headers, body = binding.encode_binary(event(2, "reply"))
    async with subscribers(2) as (asked, other), rig(tmp_path) as engine:
        asked.answer = lambda received, _times: Response(200, headers, body) if received.type == "a" else Response(204)
        engine.trigger("asked", asked.url)
        engine.trigger("other", other.url)
        await engine.start()
        await engine.append(event(1))
        await asked.got(2)
        await other.got(2)
        await engine.idle()
    assert asked.ids() == other.ids() == {"1": 1, "2": 1}


@pytest.mark.requirement("R2")
async def test_where_a_reply_can_t_be_stored_the_whole_delivery_is_repeated(tmp_path: Path) -> None:
    """The end of a delivery and its reply are one step of the store: without the one there is not the other."""
    made, wrap = troubled()
    headers, body = binding.encode_binary(event(2, "reply"))
    async with subscribers(2) as (asked, heard), rig(tmp_path, wrap=wrap) as engine:
        asked.answer = lambda _event, _times: Response(200, headers, body)
        engine.trigger("asked", asked.url, only("a"))
        engine.trigger("heard", heard.url, only("reply"))
        await engine.start()
        made[0].failing.add("settle")
        await engine.append(event(1))
        await eventually(lambda: made[0].calls["settle"] > 0)
        assert heard.deliveries == []
        await engine.stop()
        await engine.start()
        await heard.got(1)
        await engine.idle()
    assert asked.ids() == {"1": 2}
    assert heard.ids() == {"2": 1}


@pytest.mark.requirement("R1")
@pytest.mark.parametrize("status", [201, 202, 203, 204, 206, 299])
async def test_an_event_in_another_answer_than_200_goes_nowhere_and_the_delivery_is_done(tmp_path: Path, status: int) -> None:
    headers, body = binding.encode_binary(event(2, "reply"))
    async with subscribers(1) as (asked,), rig(tmp_path) as engine:
        asked.answer = lambda _event, _times: Response(status, headers, body)
        engine.trigger("asked", asked.url, policy=RETRY_TWICE)
        await engine.start()
        await engine.append(event(1))
        await asked.got(1)
        await engine.idle()
    assert asked.ids() == {"1": 1}
    assert engine.metrics.triggers["asked"].delivered == 1
    assert engine.metrics.triggers["asked"].replies["stored"] == 0


MODEST = [(b"ce-id", b"1"), (b"ce-source", b"/s"), (b"ce-type", b"t")]
VALID = {"specversion": "1.0", "id": "2", "source": "/s", "type": "reply"}
JSON = [(b"content-type", b"application/cloudevents+json")]
MALFORMED: dict[str, Response] = {
    "no id": Response(200, [(b"ce-specversion", b"1.0"), *MODEST[1:]]),
    "an unknown version": Response(
        200, [(b"ce-specversion", b"2.0"), (b"ce-id", b"1"), (b"ce-source", b"/s"), (b"ce-type", b"t")]
    ),
    "a version and nothing else": Response(200, [(b"ce-specversion", b"1.0")], b"{}"),
    "an attribute and no version": Response(200, [(b"ce-id", b"1")]),
    "a bad name": Response(200, [*((b"ce-" + k.encode(), v.encode()) for k, v in VALID.items()), (b"ce-a_b", b"1")]),
    "a bad escape": Response(200, [*((b"ce-" + k.encode(), v.encode()) for k, v in VALID.items()), (b"ce-a", b"%zz")]),
    "an empty structured body": Response(200, JSON),
    "half a JSON document": Response(200, JSON, json.dumps(VALID).encode()[:-1]),
    "JSON that is no object": Response(200, JSON, b"[]"),
    "JSON without type": Response(200, JSON, b'{"specversion":"1.0","id":"1","source":"/s"}'),
    "a format that is not known": Response(200, [(b"content-type", b"application/cloudevents+avro")], b"x"),
    "a batch": Response(200, [(b"content-type", b"application/cloudevents-batch+json")], b"[%s]" % json.dumps(VALID).encode()),
}


@pytest.mark.requirement("R4")
@pytest.mark.parametrize("what", MALFORMED)
async def test_a_malformed_reply_fails_the_delivery_which_is_retried(tmp_path: Path, what: str) -> None:
    async with subscribers(1) as (asked,), rig(tmp_path) as engine:
        asked.answer = lambda _event, _times: MALFORMED[what]
        engine.trigger("asked", asked.url, policy=RETRY_TWICE)
        await engine.start()
        await engine.append(event(1))
        await asked.until(lambda: asked.ids()["1"] == 3)
        await engine.idle()
        [stored] = await engine.channel.dead_letters.list("b", "asked", 10)
    assert stored.letter.why == "exhausted"
    [failure] = stored.letter.failures
    assert failure.code == 200
    assert "reply" in failure.reason
    assert asked.ids() == {"1": 3}


@pytest.mark.requirement("R4")
@pytest.mark.parametrize("content_type", [b"text/html", b"application/json", b"application/cloudevent", b"", None])
async def test_a_200_with_a_body_that_is_no_event_is_a_success(tmp_path: Path, content_type: bytes | None) -> None:
    headers = [] if content_type is None else [(b"content-type", content_type)]
    async with subscribers(1) as (asked,), rig(tmp_path) as engine:
        asked.answer = lambda _event, _times: Response(200, headers, json.dumps(VALID).encode())
        engine.trigger("asked", asked.url, policy=RETRY_TWICE)
        await engine.start()
        await engine.append(event(1))
        await asked.got(1)
        await engine.idle()
    assert asked.ids() == {"1": 1}
    assert engine.metrics.triggers["asked"].delivered == 1


@pytest.mark.requirement("R6", "I21")
async def test_a_reply_has_one_hop_less_than_its_cause_whatever_it_claims(tmp_path: Path) -> None:
    headers, body = binding.encode_binary(event(2, "reply", knativebrokerttl="255"))
    headers.append((b"eventing-engine-hops", b"255"))
    async with subscribers(2) as (asked, heard), rig(tmp_path) as engine:
        asked.answer = lambda _event, _times: Response(200, headers, body)
        engine.trigger("asked", asked.url, only("a"))
        engine.trigger("heard", heard.url, only("reply"))
        await engine.start()
        await engine.append(event(1))
        await heard.got(1)
        await engine.idle()
    assert heard.deliveries[0][1].header(b"eventing-engine-hops") == b"%d" % (MAX_HOPS - 2)
