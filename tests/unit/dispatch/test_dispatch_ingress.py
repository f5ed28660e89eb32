"""The data plane's front door where the store misbehaves: every request is answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from dispatch_rig import event, eventually

from eventing.bindings import http as binding
from eventing.dispatch import hops as hop_count
from eventing.dispatch.ingress import TOGETHER, BrokerIngress
from eventing.errors import ChannelClosed, ChannelFull, ChannelUnavailable
from eventing.event import Event
from eventing.ports.http import Pending, Request, Response
from eventing.ports.records import MAX_HOPS
from eventing.telemetry.metrics import Metrics


class Refusing:
    """A channel whose appends end as they are told to."""

    def __init__(self, end: Callable[[asyncio.Future[object]], object]) -> None:
        self._end = end

    def append(self, _broker: str, _records: object) -> asyncio.Future[object]:
        future = asyncio.get_running_loop().create_future()
        self._end(future)
        return future


def post() -> Request:
    headers, body = binding.encode_binary(event(1))
    return Request("POST", "/ns/b", "", headers, body)


@pytest.mark.requirement("I7")
@pytest.mark.parametrize(
    ("error", "counted"),
    [
        (ChannelFull("full"), "full"),
        (ChannelUnavailable("away"), "unavailable"),
        (ChannelClosed("closed"), "unavailable"),
        (KeyError("b"), "unavailable"),
    ],
)
async def test_what_is_not_stored_is_a_503(error: Exception, counted: str) -> None:
    metrics = Metrics("test").broker("b", "ns/b")
    ingress = BrokerIngress(Refusing(lambda future: future.set_exception(error)), "b", metrics)  # type: ignore[arg-type]
    answer = ingress.handle(post())
    assert not isinstance(answer, Response)
    response = await answer
    assert response.status == 503
    assert response.header(b"retry-after") == b"1"
    assert metrics.refused[counted] == 1
    assert metrics.accepted == 0


@pytest.mark.requirement("I7")
async def test_an_append_that_was_cancelled_is_a_503() -> None:
    metrics = Metrics("test").broker("b", "ns/b")
    ingress = BrokerIngress(Refusing(lambda future: future.cancel()), "b", metrics)  # type: ignore[arg-type]
    response = await ingress.handle(post())  # type: ignore[misc]
    assert response.status == 503


async def test_a_fault_of_the_store_reaches_the_server_and_no_client_waits_for_ever(tmp_path: Path) -> None:
    metrics = Metrics("test").broker("b", "ns/b")
    ingress = BrokerIngress(
        Refusing(lambda future: future.set_exception(ValueError("unforeseen"))),  # type: ignore[arg-type]
        "b",
        metrics,
    )
    with pytest.raises(ValueError, match="unforeseen"):
        async with asyncio.timeout(5):
            await ingress.handle(post())  # type: ignore[misc]
    assert metrics.accepted == 0


async def test_a_waiter_that_left_is_no_error_and_its_event_counts_as_accepted() -> None:
    metrics = Metrics("test").broker("b", "ns/b")
    pending: list[asyncio.Future[object]] = []
    ingress = BrokerIngress(Refusing(pending.append), "b", metrics)  # type: ignore[arg-type]
    waiter = asyncio.ensure_future(ingress.handle(post()))  # type: ignore[arg-type]
    await eventually(lambda: bool(pending))
    waiter.cancel()
    pending[0].set_result([1])
    await asyncio.wait([waiter])
    assert metrics.accepted == 1


class Choosy:
    """A channel that takes only so many events in one append. ``calls``: how many came in each."""

    def __init__(self, most: int, error: Exception) -> None:
        self.calls: list[int] = []
        self._most, self._error = most, error

    def append(self, _broker: str, records: Sequence[object]) -> asyncio.Future[object]:
        self.calls.append(len(records))
        future = asyncio.get_running_loop().create_future()
        if len(records) > self._most:
            future.set_exception(self._error)
        else:
            future.set_result(list(range(len(records))))
        return future


async def statuses(ingress: BrokerIngress, requests: int) -> list[int]:
    answers = [ingress.handle(post()) for _ in range(requests)]
    return [(await answer).status for answer in answers if not isinstance(answer, Response)]


async def test_requests_of_one_round_are_stored_by_one_call() -> None:
    channel = Choosy(1000, AssertionError())
    metrics = Metrics("test").broker("b", "ns/b")
    assert await statuses(BrokerIngress(channel, "b", metrics), 40) == [202] * 40  # type: ignore[arg-type]
    assert channel.calls == [40]
    assert metrics.accepted == sum(metrics.append_duration.counts) == 40


async def test_a_call_holds_a_bounded_number_of_events() -> None:
    channel = Choosy(1000, AssertionError())
    assert await statuses(BrokerIngress(channel, "b", Metrics("test").broker("b", "ns/b")), 150) == [202] * 150  # type: ignore[arg-type]
    assert channel.calls == [TOGETHER, TOGETHER, 150 - 2 * TOGETHER]


@pytest.mark.parametrize("error", [ChannelFull("together they are too many"), ValueError("one of them can't be stored")])
async def test_what_fails_together_is_tried_one_by_one(error: Exception) -> None:
    channel = Choosy(1, error)
    assert await statuses(BrokerIngress(channel, "b", Metrics("test").broker("b", "ns/b")), 3) == [202] * 3  # type: ignore[arg-type]
    assert channel.calls == [3, 1, 1, 1]


async def test_a_store_that_breaks_the_contract_and_raises_leaves_nobody_without_an_answer() -> None:
    class Raising(Choosy):
        def append(self, broker: str, records: Sequence[object]) -> asyncio.Future[object]:
            future = super().append(broker, records)
            if len(records) > 1:
                raise TypeError("one of them can't be written")
            return future

    channel = Raising(1, AssertionError())
    async with asyncio.timeout(30):
        assert await statuses(BrokerIngress(channel, "b", Metrics("test").broker("b", "ns/b")), 3) == [202] * 3  # type: ignore[arg-type]
    assert channel.calls == [3, 1, 1, 1]


@pytest.mark.parametrize("error", [ChannelUnavailable("nobody knows"), ChannelClosed("closed"), KeyError("b")])
async def test_what_may_be_stored_or_has_no_store_is_not_appended_again(error: Exception) -> None:
    channel = Choosy(1, error)
    metrics = Metrics("test").broker("b", "ns/b")
    assert await statuses(BrokerIngress(channel, "b", metrics), 3) == [503] * 3  # type: ignore[arg-type]
    assert channel.calls == [3]
    assert metrics.refused["unavailable"] == 3


async def test_a_request_that_cant_be_answered_keeps_no_other_from_its_answer() -> None:
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context["message"]))
    ingress = BrokerIngress(Choosy(9, AssertionError()), "b", Metrics("test").broker("b", "ns/b"))  # type: ignore[arg-type]
    first, second = ingress.handle(post()), ingress.handle(post())
    assert isinstance(first, Pending)
    first.then(lambda _result: 1 / 0)  # type: ignore[arg-type,return-value]
    assert (await second).status == 202  # type: ignore[misc]
    assert told == ["a request was not answered"]


@pytest.mark.requirement("I21")
@pytest.mark.parametrize(
    ("value", "hops"),
    [
        (b"254", 254),
        (b"1", 1),
        (b"0", 0),
        (b"255", 255),
        (b"256", 255),
        (b"999", 255),
        (b"1000", 255),
        (b"-1", 255),
        (b"", 255),
        (b"1.5", 255),
        ("²".encode("latin-1"), 255),
        (b"x", 255),
    ],
)
def test_a_request_has_as_many_hops_left_as_its_header_says_or_255(value: bytes, hops: int) -> None:
    request = post()
    assert hop_count.read(request) == MAX_HOPS == 255
    request.headers = [*request.headers, (hop_count.HEADER, value)]
    assert hop_count.read(request) == hops


@pytest.mark.requirement("I21")
@pytest.mark.parametrize(("hops", "sent"), [(255, b"254"), (2, b"1"), (1, b"0"), (0, b"0")])
def test_a_delivery_tells_one_hop_less_and_never_less_than_none(hops: int, sent: bytes) -> None:
    assert hop_count.header(hops) == (b"eventing-engine-hops", sent)


@pytest.mark.requirement("I21")
async def test_an_event_without_hops_left_is_refused_before_it_is_stored() -> None:
    metrics = Metrics("test").broker("b", "ns/b")
    ingress = BrokerIngress(Refusing(lambda _future: pytest.fail("appended")), "b", metrics)  # type: ignore[arg-type]
    request = post()
    request.headers = [*request.headers, (hop_count.HEADER, b"0")]
    response = ingress.handle(request)
    assert isinstance(response, Response)
    assert response.status == 400
    assert b"255 brokers" in response.body
    assert metrics.refused["hop_limit"] == 1


@pytest.mark.requirement("I21")
@pytest.mark.parametrize(
    ("counts", "text"),
    [
        (("1",), b"attribute knativebrokerttl: 1 lets no broker take the event\n"),
        (("9", "-3"), b"event 1 of the batch: attribute knativebrokerttl: -3 lets no broker take the event\n"),
    ],
)
async def test_a_knative_count_that_ran_out_is_named_and_no_journey_is_made_up(counts: tuple[str, ...], text: bytes) -> None:
    ingress = BrokerIngress(Refusing(lambda _future: pytest.fail("appended")), "b", Metrics("test").broker("b", "ns/b"))  # type: ignore[arg-type]
    events = [dict(event(number, knativebrokerttl=count).items()) for number, count in enumerate(counts)]
    request = Request("POST", "/ns/b", "", *binding.encode_binary(Event(events[0])))
    if len(events) > 1:
        request.headers, request.body = [(b"content-type", b"application/cloudevents-batch+json")], json.dumps(events).encode()
    response = ingress.handle(request)
    assert isinstance(response, Response)
    assert (response.status, response.body) == (400, text)
    request.headers = [*request.headers, (b"accept", b"application/json")]
    response = ingress.handle(request)
    assert isinstance(response, Response)
    assert json.loads(response.body)["attribute"] == "knativebrokerttl"
