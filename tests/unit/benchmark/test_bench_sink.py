"""The benchmark's subscriber counts what really came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from time import monotonic_ns

import pytest

from bench.messages import Make, Shape, maker
from bench.sink import NO_CONTENT, TOO_MANY, Sink

SIZE = 64


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    sink = Sink(SIZE)
    yield sink
    await sink.stop()


def requests(sink: Sink, keyed: bool = False) -> Make:
    return maker(Shape(sink.size, keyed=keyed), "/x", 1)


async def send(port: int, pieces: list[bytes], answers: int = 1, answer: bytes = NO_CONTENT) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        async with asyncio.timeout(20):
            assert await reader.readexactly(answers * len(answer)) == answer * answers
    finally:
        writer.close()
        await writer.wait_closed()


async def test_each_event_is_counted_once_however_often_it_comes(sink: Sink) -> None:
    make, port = requests(sink), await sink.start()
    await send(port, [make(number, 1) for number in (0, 1, 1, 3)], 4)
    assert (sink.requests, sink.distinct, sink.repeats) == (4, 3, 1)
    assert sink.missing(4) == [2]
    assert sink.missing(200_000)[:2] == [2, 4]
    assert not sink.faults


async def test_a_request_cut_anywhere_is_the_same_request(sink: Sink) -> None:
    make, port = requests(sink), await sink.start()
    request = make(0, 1)
    for number, cut in enumerate(range(1, len(request), 7)):
        whole = make(number, 1)
        await send(port, [whole[:cut], whole[cut:]])
    assert sink.distinct == sink.requests
    assert not sink.missing(sink.requests)
    assert not sink.faults


async def test_requests_that_come_together_with_a_cut_body_are_all_counted(sink: Sink) -> None:
    make, port = requests(sink), await sink.start()
    stream = b"".join(make(number, 1) for number in range(5))
    await send(port, [stream[:-300], stream[-300:-290], stream[-290:]], 5)
    assert sink.distinct == 5


async def test_the_latency_is_that_from_the_time_in_the_id(sink: Sink) -> None:
    make, port = requests(sink), await sink.start()
    before = monotonic_ns()
    await send(port, [make(0, before - 10_000_000_000)])
    assert 10_000_000_000 <= sink.latencies[0] <= 10_000_000_000 + monotonic_ns() - before
    sink.restart()
    assert len(sink.latencies) == 0
    assert sink.distinct == 1


async def test_data_of_another_size_is_a_fault(sink: Sink) -> None:
    port = await sink.start()
    await send(port, [maker(Shape(SIZE + 1), "/x", 1)(0, 1)])
    assert sink.faults == [f"sink: event 0 with {SIZE + 1} bytes of data instead of {SIZE}"]


async def test_an_id_that_nobody_sent_is_a_fault(sink: Sink) -> None:
    port = await sink.start()
    await send(port, [requests(sink)(0, 1).replace(b"ce-id: 00000000-", b"ce-id: somebody-")])
    assert sink.distinct == 0
    assert "which nobody sent" in sink.faults[0]


async def test_order_is_held_per_key() -> None:
    sink = Sink(SIZE, ordered=True)
    try:
        make, port = requests(sink, keyed=True), await sink.start()
        sent = [make(number, 1) for number in range(20)]  # 0 and 16 have the same key
        await send(port, [sent[3], sent[1], sent[0], sent[16], sent[17]], 5)
        assert not sink.faults
        await send(port, [sent[19], sent[2], sent[3]], 3)
        assert sink.faults == ["sink: event 3 came after 19, which has the same key and was sent later"]
    finally:
        await sink.stop()


async def test_a_subscriber_that_answers_429_counts_no_event() -> None:
    sink = Sink(SIZE, answer=TOO_MANY)
    try:
        await send(await sink.start(), [requests(sink)(0, 1)], answer=TOO_MANY)
        assert (sink.requests, sink.distinct) == (1, 0)
    finally:
        await sink.stop()


async def test_waiting_ends_when_all_came_and_when_no_more_come(sink: Sink) -> None:
    make, port = requests(sink), await sink.start()
    waiting = asyncio.create_task(sink.until(2, 20))
    await send(port, [make(0, 1), make(1, 1)], 2)
    await waiting
    await sink.until(3, 0.01)
    assert sink.distinct == 2
