"""The load generator: every status is checked, and the times of an open loop don't wait for anybody."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from bench.load import Load, LoadFailed
from bench.messages import Shape
from bench.sink import Sink

ACCEPTED = b"HTTP/1.1 202 Accepted\r\ndate: x\r\ncontent-length: 0\r\n\r\n"
FULL = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nfull"
BUSY = b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n"
SHAPE = Shape(64)
ID = re.compile(rb"ce-id: ([0-9a-f]{8})-([0-9a-f]{16})\r\n")
Answer = Callable[[int], list[bytes] | None]


@asynccontextmanager
async def server(answer: Answer, ids: list[tuple[int, int]] | None = None, pause: float = 0.0) -> AsyncIterator[int]:
    """``answer``: the pieces of the answer to a request by its number, in the order of coming; None closes."""
    count = 0

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(64)
                number, count = count, count + 1
                found = ID.search(head)
                assert found is not None
                if ids is not None:
                    ids.append((int(found[1], 16), int(found[2], 16)))
                if pause:
                    await asyncio.sleep(pause)
                pieces = answer(number)
                if pieces is None:
                    return
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    running = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield running.sockets[0].getsockname()[1]
    finally:
        running.close()


@asynccontextmanager
async def load(port: int, connections: int = 4, expected: int = 202) -> AsyncIterator[Load]:
    load = Load(SHAPE, port, connections=connections, expected=expected)
    await load.open()
    yield load
    await load.close()


async def test_so_many_events_are_sent_each_once() -> None:
    ids: list[tuple[int, int]] = []
    async with server(lambda _: [ACCEPTED], ids) as port, load(port) as sender:
        assert await sender.closed(events=50) == 50
        assert await sender.closed(events=7) == 7
        assert (sender.accepted, sender.refused) == (57, {})
    assert sorted(number for number, _ in ids) == list(range(57))


async def test_what_is_refused_is_counted_by_its_status() -> None:
    answers = {0: FULL, 1: BUSY}
    async with server(lambda number: [answers.get(number % 5, ACCEPTED)]) as port, load(port) as sender:
        await sender.closed(events=50)
        assert (sender.accepted, sender.refused) == (30, {503: 10, 429: 10})


async def test_an_answer_in_pieces_is_one_answer() -> None:
    def pieces(number: int) -> list[bytes]:
        whole = FULL if number % 2 else ACCEPTED
        cut = 1 + number % (len(whole) - 1)
        return [whole[:cut], whole[cut:]]

    async with server(pieces) as port, load(port, connections=1) as sender:
        await sender.closed(events=120)
        assert (sender.accepted, sender.refused) == (60, {503: 60})


async def test_a_connection_that_is_closed_fails_the_run() -> None:
    async with server(lambda number: None if number == 3 else [ACCEPTED]) as port, load(port) as sender:
        with pytest.raises(LoadFailed, match="closed by the other side"):
            await sender.closed(events=50)


async def test_a_request_without_an_answer_fails_the_run() -> None:
    async with server(lambda number: [] if number == 3 else [ACCEPTED]) as port, load(port) as sender:
        with pytest.raises(LoadFailed, match="1 requests had no answer"):
            await sender.closed(events=50, patience=0.05)


async def test_the_times_of_an_open_loop_are_fixed_however_slow_the_answers_are() -> None:
    ids: list[tuple[int, int]] = []
    async with server(lambda _: [ACCEPTED], ids, pause=0.01) as port, load(port, connections=1) as sender:
        assert await sender.scheduled(1000, 0.03) == 30
        assert len(sender.lateness) == 30
    # One connection and answers that come late: each was sent long after its time, and has that time all the same.
    stamps = [stamp for _, stamp in sorted(ids)]
    assert [stamp - stamps[0] for stamp in stamps] == [number * 1_000_000 for number in range(30)]


async def test_an_open_loop_spreads_its_events_evenly() -> None:
    ids: list[tuple[int, int]] = []
    async with server(lambda _: [ACCEPTED], ids) as port, load(port) as sender:
        assert await sender.scheduled(3500, 0.02) == 70
    stamps = [stamp for _, stamp in ids]
    beats = [stamps.count(min(stamps) + beat * 1_000_000) for beat in range(21)]
    assert sum(beats) == 70
    assert set(beats[1:-1]) == {3, 4}


async def test_an_open_loop_ends_early_when_told_to() -> None:
    async with server(lambda _: [ACCEPTED]) as port, load(port) as sender:
        assert 5 <= await sender.scheduled(1000, 60, stop=lambda: sender.number >= 5) < 60_000
        assert sender.accepted == sender.number


async def test_load_and_sink_agree_on_what_was_sent() -> None:
    sink = Sink(64)
    try:
        async with load(await sink.start(), connections=8, expected=204) as sender:
            await sender.closed(events=500)
            assert sink.distinct == sender.accepted == 500
            assert not sink.missing(500)
    finally:
        await sink.stop()
