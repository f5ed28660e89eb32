"""What goes along with an event beside its attributes: headers of its request, of an answer with a reply, and our own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dispatch_rig import RETRY_TWICE, event, eventually, only, rig, subscribers

from eventing.bindings import http as binding
from eventing.policy.delivery import DeliveryPolicy
from eventing.ports.http import Request, Response
from eventing.resources.plan import BrokerPlan, Target

TRACE = (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
STATE = (b"tracestate", b"vendor=value,other=2")
SENT = ((b"x-request-id", b"request 1"), TRACE, STATE, (b"x-b3-traceid", b"463ac35c9f6413ad"), (b"knative-thing", b"caf\xc3\xa9"))
SECRETS = ((b"authorization", b"Bearer secret"), (b"cookie", b"session=secret"), (b"user-agent", b"sender/1"))


def post(number: int, type_: str = "a", **extensions: str) -> list[tuple[bytes, bytes]]:
    headers, _ = binding.encode_binary(event(number, type_, **extensions))
    return [*SECRETS, *headers, *SENT]


def along(request: Request) -> tuple[tuple[bytes, bytes], ...]:
    """What came beside the event and HTTP's own headers."""
    own = {b"host", b"content-length", b"content-type", b"prefer", b"kn-namespace", b"eventing-engine-hops"}
    return tuple((name, value) for name, value in request.headers if name not in own and not name.startswith(b"ce-"))


@pytest.mark.requirement("I20")
async def test_headers_of_a_request_go_with_its_event_to_every_subscriber_in_both_formats(tmp_path: Path) -> None:
    async with subscribers(2) as (one, two), rig(tmp_path) as engine:
        engine.trigger("one", one.url)
        engine.trigger("two", two.url, format="json")
        await engine.start()
        assert await engine.post(post(1), b"payload 1") == 202
        await one.got(1)
        await two.got(1)
    for subscriber in (one, two):
        [(received, request)] = subscriber.deliveries
        assert received == event(1), "they go beside it"
        assert along(request) == SENT


@pytest.mark.requirement("I20")
async def test_headers_wait_with_their_event_in_the_backlog_and_over_a_restart(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        one.answer = lambda _event, times: Response(503 if times == 1 else 204)
        engine.trigger("one", one.url, policy=DeliveryPolicy(retry=3, delay=3600.0, cap=3600.0))
        await engine.start()
        assert await engine.post(post(1), b"payload 1") == 202
        await one.got(1)
        await eventually(lambda: engine.lane("one").entries == 1)
        await engine.stop()
        engine.leap = 7200.0
        await engine.start()
        await one.until(lambda: one.ids()["1"] == 2)
        await engine.idle()
    assert [along(request) for _, request in one.deliveries] == [SENT, SENT]


@pytest.mark.requirement("I20")
async def test_headers_go_with_the_dead_letter_too(tmp_path: Path) -> None:
    async with subscribers(2) as (one, dead), rig(tmp_path) as engine:
        one.answer = lambda _event, _times: Response(400, [(b"x-request-id", b"of the answer")])
        engine.trigger("one", one.url, dead_letter=Target(dead.url))
        await engine.start()
        assert await engine.post(post(1), b"payload 1") == 202
        await dead.got(1)
        await engine.idle()
    [(_, request)] = dead.deliveries
    assert along(request) == SENT


@pytest.mark.requirement("I20")
async def test_headers_are_kept_with_a_letter_in_the_built_in_store(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        one.answer = lambda _event, _times: Response(400)
        engine.trigger("one", one.url)
        await engine.start()
        assert await engine.post(post(1), b"payload 1") == 202
        await one.got(1)
        await engine.idle()
        await engine.stop()
        await engine.start()
        [stored] = await engine.channel.dead_letters.list("b", "one", 10)
    assert stored.letter.headers == SENT
    assert stored.letter.event == event(1)


@pytest.mark.requirement("I20")
async def test_a_reply_takes_the_headers_of_its_answer_and_continues_the_trace(tmp_path: Path) -> None:
    async with subscribers(2) as (asked, heard), rig(tmp_path) as engine:
        headers, body = binding.encode_binary(event(2, "reply"))
        headers += [(b"x-request-id", b"theirs"), (b"set-cookie", b"secret"), (b"server", b"theirs")]
        asked.answer = lambda _event, _times: Response(200, headers, body)
        engine.trigger("asked", asked.url, only("a"))
        engine.trigger("heard", heard.url, only("reply"))
        await engine.start()
        assert await engine.post(post(1), b"payload 1") == 202
        await heard.got(1)
        await engine.idle()
    [(received, request)] = heard.deliveries
    assert received == event(2, "reply")
    assert along(request) == (TRACE, STATE, (b"x-request-id", b"theirs"))


@pytest.mark.requirement("I20")
async def test_headers_go_on_to_another_broker_of_the_same_engine(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        engine.brokers["c"] = BrokerPlan("c", "ns", "c")
        engine.trigger("there", "http://here/ns/c", subscriber=Target("http://here/ns/c", broker="c"))
        engine.trigger("one", one.url, broker="c")
        await engine.start()
        assert await engine.post(post(1), b"payload 1") == 202
        await one.got(1)
        await engine.idle()
    assert along(one.deliveries[0][1]) == SENT


@pytest.mark.requirement("I20")
async def test_headers_of_a_batch_go_with_each_of_its_events(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        engine.trigger("one", one.url)
        await engine.start()
        batch = [{"specversion": "1.0", "id": str(number), "source": "/s", "type": "a"} for number in range(3)]
        headers = [(b"content-type", b"application/cloudevents-batch+json"), TRACE, *SECRETS]
        assert await engine.post(headers, json.dumps(batch).encode()) == 202
        await one.got(3)
        await engine.idle()
    assert [along(request) for _, request in one.deliveries] == [(TRACE,)] * 3


@pytest.mark.requirement("I20")
async def test_more_headers_than_are_kept_cost_no_event(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        engine.trigger("one", one.url)
        await engine.start()
        headers = [*post(1), *((b"knative-%d" % number, b"x" * 1000) for number in range(60))]
        assert await engine.post(headers, b"payload 1") == 202
        await one.got(1)
        await engine.idle()
    went = along(one.deliveries[0][1])
    assert went[: len(SENT)] == SENT
    assert sum(len(name) + len(value) for name, value in went) <= 8192


@pytest.mark.requirement("I20", "F8")
async def test_the_trace_in_which_an_event_began_stays_its_attribute_beside_the_trace_of_the_hop(tmp_path: Path) -> None:
    began = "00-11111111111111111111111111111111-2222222222222222-01"
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        engine.trigger("one", one.url)
        await engine.start()
        assert await engine.post(post(1, traceparent=began, tracestate="a=b"), b"payload 1") == 202
        await one.got(1)
        await engine.idle()
    [(received, request)] = one.deliveries
    assert received == event(1, traceparent=began, tracestate="a=b")
    assert request.header(b"traceparent") == TRACE[1]
    assert request.header(b"tracestate") == STATE[1]


@pytest.mark.requirement("B6")
@pytest.mark.parametrize("format_", ["binary", "json"])
async def test_a_subscriber_is_asked_for_a_reply_and_told_the_namespace_in_every_attempt(tmp_path: Path, format_: str) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        one.answer = lambda _event, times: Response(503 if times == 1 else 204)
        engine.trigger("one", one.url, policy=RETRY_TWICE, format=format_)
        await engine.start()
        await engine.append(event(1))
        await one.until(lambda: one.ids()["1"] == 2)
        await engine.idle()
    for _, request in one.deliveries:
        assert request.header(b"prefer") == b"reply"
        assert request.header(b"kn-namespace") == b"ns"


@pytest.mark.requirement("B6", "D11")
async def test_a_dead_letter_sink_is_told_the_namespace_and_asked_for_no_reply_since_none_is_taken(tmp_path: Path) -> None:
    async with subscribers(2) as (one, dead), rig(tmp_path) as engine:
        one.answer = lambda _event, _times: Response(400)
        engine.trigger("one", one.url, dead_letter=Target(dead.url))
        await engine.start()
        await engine.append(event(1))
        await dead.got(1)
        await engine.idle()
    [(_, request)] = dead.deliveries
    assert request.header(b"kn-namespace") == b"ns"
    assert request.header(b"prefer") is None
