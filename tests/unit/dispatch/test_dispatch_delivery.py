"""What becomes of an event: delivered, retried, dead-lettered, replied to, expired."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import pytest
from dispatch_rig import RETRY_TWICE, event, eventually, rig, subscribers

from eventing.bindings import http as binding
from eventing.filters import compile_filter
from eventing.policy.delivery import DeliveryPolicy
from eventing.ports.http import Response
from eventing.resources.plan import BrokerPlan, Target


@pytest.mark.requirement("B2", "B5")
async def test_each_matching_trigger_gets_the_event_once_and_the_cursor_moves(tmp_path: Path) -> None:
    async with subscribers(2) as (one, two), rig(tmp_path) as engine:
        engine.trigger("one", one.url)
        engine.trigger("two", two.url, compile_filter([{"exact": {"type": "b"}}], None))
        await engine.start()
        await engine.append(*(event(number, "ab"[number % 2]) for number in range(100)))
        await one.got(100)
        await two.got(50)
        await engine.idle()
        await engine.stop()
        await engine.start()
        await engine.append(event(100, "b"))
        await two.got(51)
        await engine.idle()
    assert one.ids() == {str(number): 1 for number in range(101)}
    assert two.ids() == {str(number): 1 for number in range(1, 100, 2)} | {"100": 1}


@pytest.mark.requirement("B6", "D13")
async def test_a_delivery_has_the_headers_of_its_format_and_those_of_knative(tmp_path: Path) -> None:
    async with subscribers(2) as (one, two), rig(tmp_path) as engine:
        engine.trigger("one", one.url)
        engine.trigger("two", two.url, format="json")
        await engine.start()
        await engine.append(event(1, comexampleext="x y"))
        await one.got(1)
        await two.got(1)
    received, request = one.deliveries[0]
    assert received == event(1, comexampleext="x y")
    assert request.header(b"prefer") == b"reply"
    assert request.header(b"kn-namespace") == b"ns"
    assert request.header(b"ce-comexampleext") == b"x%20y"
    assert two.deliveries[0][1].header(b"content-type") == b"application/cloudevents+json"
    assert two.deliveries[0][0].id == "1"


@pytest.mark.requirement("D1", "D4", "D11", "D12")
@pytest.mark.parametrize(("status", "attempts"), [(500, 3), (404, 3), (429, 3), (400, 1), (301, 1)])
async def test_after_its_attempts_an_event_goes_to_the_dead_letter_sink(tmp_path: Path, status: int, attempts: int) -> None:
    async with subscribers(2) as (one, dead), rig(tmp_path) as engine:
        one.answer = lambda _event, _times: Response(status, [(b"location", b"/elsewhere")], b"because")
        engine.trigger("one", one.url, policy=RETRY_TWICE, dead_letter=Target(dead.url))
        await engine.start()
        await engine.append(event(1))
        await dead.got(1)
        await engine.idle()
    assert one.ids() == {"1": attempts}
    [(letter, _)] = dead.deliveries
    assert letter.get("knativeerrordest") == one.url
    assert letter.get("knativeerrorcode") == str(status)
    assert base64.b64decode(str(letter.get("knativeerrordata"))) == b"because"
    assert letter.data == event(1).data


@pytest.mark.requirement("D11")
async def test_without_a_sink_the_built_in_store_keeps_it(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        one.answer = lambda _event, _times: Response(500)
        engine.trigger("one", one.url, policy=RETRY_TWICE)
        await engine.start()
        await engine.append(event(1))
        await one.until(lambda: one.ids()["1"] == 3)
        await engine.idle()
        [stored] = await engine.channel.dead_letters.list("b", "one", 10)
    assert stored.letter.why == "exhausted"
    assert stored.letter.attempts == 3
    assert stored.letter.event == event(1)
    assert [failure.code for failure in stored.letter.failures] == [500]


@pytest.mark.requirement("D11")
async def test_a_dead_letter_that_its_sink_refuses_goes_to_the_store_with_both_errors(tmp_path: Path) -> None:
    async with subscribers(2) as (one, dead), rig(tmp_path) as engine:
        one.answer = lambda _event, _times: Response(500)
        dead.answer = lambda _event, _times: Response(503)
        engine.trigger("one", one.url, policy=RETRY_TWICE, dead_letter=Target(dead.url))
        await engine.start()
        await engine.append(event(1))
        await dead.until(lambda: dead.ids()["1"] == 3)
        await engine.idle()
        [stored] = await engine.channel.dead_letters.list("b", "one", 10)
    assert one.ids()["1"] == 3
    assert [failure.code for failure in stored.letter.failures] == [500, 503]


async def test_an_answer_lost_on_the_way_is_retried(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        one.answer = lambda _event, times: Response(500) if times == 1 else Response(204)
        engine.trigger("one", one.url, policy=RETRY_TWICE)
        await engine.start()
        await engine.append(*(event(number) for number in range(20)))
        await one.until(lambda: sum(one.ids().values()) == 40)
        await engine.idle()
    assert set(one.ids().values()) == {2}
    assert engine.metrics.triggers["one"].retries == 20
    assert engine.metrics.triggers["one"].delivered == 20


@pytest.mark.requirement("R2", "R6", "I21")
async def test_replies_enter_the_broker_and_a_loop_ends(tmp_path: Path) -> None:
    def reply(received: object, _times: int) -> Response:
        headers, body = binding.encode_binary(event(1, "pong"))
        return Response(200, headers, body)

    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        one.answer = reply
        engine.trigger("one", one.url)
        await engine.start()
        await engine.append(event(1))
        await eventually(lambda: engine.metrics.triggers["one"].replies["hop_limit"] == 1)
        await engine.idle()
    assert len(one.deliveries) == 255
    assert engine.metrics.triggers["one"].replies["stored"] == 254


@pytest.mark.requirement("R1", "R4")
async def test_202_with_an_event_is_not_routed_and_a_malformed_reply_is_a_failure(tmp_path: Path) -> None:
    headers, body = binding.encode_binary(event(9, "pong"))
    broken = [(name, value) for name, value in headers if name != b"ce-type"]
    answers = {"1": Response(202, headers, body), "2": Response(200, broken, body), "3": Response(200, (), b"thanks")}
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        one.answer = lambda received, _times: answers[received.id]
        engine.trigger("one", one.url, policy=RETRY_TWICE)
        await engine.start()
        await engine.append(event(1), event(2), event(3))
        await one.until(lambda: one.ids()["2"] == 3)
        await engine.idle()
        stored = await engine.channel.dead_letters.list("b", "one", 10)
    assert one.ids() == {"1": 1, "2": 3, "3": 1}
    assert [item.letter.event.id for item in stored] == ["2"]


@pytest.mark.requirement("D11")
async def test_a_reply_of_the_dead_letter_sink_is_not_routed(tmp_path: Path) -> None:
    headers, body = binding.encode_binary(event(9, "pong"))
    async with subscribers(2) as (one, dead), rig(tmp_path) as engine:
        one.answer = lambda received, _times: Response(400) if received.type == "a" else Response(204)
        dead.answer = lambda _received, _times: Response(200, headers, body)
        engine.trigger("one", one.url, dead_letter=Target(dead.url))
        await engine.start()
        await engine.append(event(1))
        await dead.got(1)
        await engine.idle()
        await engine.append(event(2, "b"))
        await one.got(2)
        await engine.idle()
    assert one.ids() == {"1": 1, "2": 1}
    assert engine.metrics.triggers["one"].replies["from_dead_letter_sink"] == 1


@pytest.mark.requirement("R6", "I21")
async def test_a_ring_of_our_own_brokers_ends(tmp_path: Path) -> None:
    async with subscribers(1) as (watcher,), rig(tmp_path) as engine:
        engine.brokers["c"] = BrokerPlan("c", "ns", "c")
        engine.trigger("there", "http://here/ns/c", subscriber=Target("http://here/ns/c", broker="c"))
        engine.trigger("back", "http://here/ns/b", broker="c", subscriber=Target("http://here/ns/b", broker="b"))
        engine.trigger("watch", watcher.url)
        await engine.start()
        await engine.append(event(1))
        await watcher.until(lambda: watcher.ids()["1"] == 128)
        await engine.idle()
        await eventually(lambda: sum(engine.metrics.triggers[name].dropped["hop_limit"] for name in ("there", "back")) == 1)
    assert watcher.ids() == {"1": 128}


@pytest.mark.requirement("D15", "F8")
async def test_expired_events_end_unattempted(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        engine.trigger("one", one.url)
        await engine.start()
        await engine.append(event(1, expirytime="2020-01-01T00:00:00Z"), event(2, expirytime="soon"))
        await one.got(1)
        await engine.idle()
    assert one.ids() == {"2": 1}
    assert engine.metrics.triggers["one"].expired == 1


@pytest.mark.requirement("D3", "D9")
async def test_a_subscriber_that_never_answers_times_out_and_is_retried(tmp_path: Path) -> None:
    async def hang(_received: object, times: int) -> Response:
        if times == 1:
            await asyncio.get_running_loop().create_future()
        return Response(204)

    async with subscribers(1) as (one,), rig(tmp_path, hand_over_after=0.02) as engine:
        one.answer = hang  # type: ignore[assignment]
        engine.trigger("one", one.url, policy=DeliveryPolicy(retry=1, delay=0.01, timeout=0.2))
        await engine.start()
        await engine.append(event(1))
        await one.until(lambda: one.ids()["1"] == 2)
        await engine.idle()
    assert engine.metrics.triggers["one"].failures["timeout"] == 1
    assert engine.metrics.triggers["one"].delivered == 1


@pytest.mark.requirement("D1")
async def test_an_answer_too_large_is_judged_by_its_status(tmp_path: Path) -> None:
    page = b"x" * 300_000
    headers, _ = binding.encode_binary(event(9, "pong"))
    answers = {"1": Response(503, (), page), "2": Response(200, (), page), "3": Response(200, headers, page)}
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        one.answer = lambda received, _times: answers[received.id]
        engine.trigger("one", one.url, policy=RETRY_TWICE)
        await engine.start()
        await engine.append(event(1), event(2), event(3))
        await one.until(lambda: one.ids()["1"] == 3 and one.ids()["3"] == 1)
        await engine.idle()
        stored = await engine.channel.dead_letters.list("b", "one", 10)
    assert one.ids() == {"1": 3, "2": 1, "3": 1}
    assert {item.letter.event.id: item.letter.why for item in stored} == {"1": "exhausted", "3": "refused"}
