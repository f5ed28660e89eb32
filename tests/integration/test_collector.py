"""The collector counts objects and not how large they are, and `serve` has it look seldom: so nothing large may wait for it.
Here it is off, and a payload that is part of a circle of references would stay for good."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from http_support import client, raw_server, read_request, send, serving, until

from eventing.dispatch.sender import Encoded, Sender
from eventing.errors import DeliveryFailed
from eventing.http import server_context
from eventing.ports.channel import ChannelContext
from eventing.ports.http import Response
from eventing.ports.records import NewRecord, Settlement
from eventing.resources.plan import Target
from eventing.testing.channels.harness import event, take
from eventing.testing.clock import FakeClock
from eventing_channels.sqlite.channel import SqliteChannel
from eventing_channels.sqlite.settings import Settings
from tests.support.certificates import issue
from tests.support.ports import ReservedPort

ROUNDS, LARGE = 20, 50_000
PAYLOAD = b"x" * LARGE


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()
    gc.collect()


async def left_by(one: Callable[[int], Awaitable[object]]) -> float:
    """Bytes that a round leaves behind, once the first ones have filled what is kept for good."""
    tracemalloc.start()
    try:
        held = []
        for part in range(2):
            for number in range(ROUNDS):
                await one(part * ROUNDS + number)
            for _ in range(5):
                await asyncio.sleep(0)
            held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    return (held[1] - held[0]) / ROUNDS


CUT = {
    "a body": b"Content-Length: 60000\r\n\r\n" + PAYLOAD,
    "a body in chunks": b"Transfer-Encoding: chunked\r\n\r\nC350\r\n" + PAYLOAD,
    "a header": b"X: " + PAYLOAD,
    "the last of many headers": b"".join(b"x%d: %s\r\n" % (n, b"y" * 1000) for n in range(50)) + b"X: y",
}


@pytest.mark.parametrize("what", CUT)
async def test_nothing_large_stays_of_a_client_that_left(what: str) -> None:
    async with serving(lambda _request: Response(202)) as (server, port):

        async def one(_number: int) -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST / HTTP/1.1\r\nHost: a\r\n" + CUT[what])
            writer.write_eof()
            await reader.read()
            writer.close()
            await until(lambda: server.connections == 0)

        assert await left_by(one) < LARGE / 2


async def test_nothing_large_stays_of_a_handshake_that_failed(tmp_path: Path) -> None:
    for name, pem in zip(("tls.crt", "tls.key"), issue(), strict=True):
        (tmp_path / name).write_bytes(pem)
    context = server_context(tmp_path / "tls.crt", tmp_path / "tls.key")
    refused: list[str] = []
    async with serving(lambda _request: Response(202), on_refused=refused.append, ssl=context) as (_, port):

        async def one(number: int) -> None:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"no TLS at all" * 1000)
            await until(lambda: len(refused) > number)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

        assert await left_by(one) < LARGE / 2
        assert set(refused) == {"tls"}


@pytest.mark.parametrize("answer", [b"", b"no HTTP\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n" + PAYLOAD])
async def test_nothing_large_stays_of_an_exchange_on_a_connection_that_ended(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer)

    async with raw_server(serve) as port, client() as http:

        async def one(_number: int) -> None:
            with suppress(DeliveryFailed):
                await send(http, port)
            await until(lambda: not http._connections)

        assert await left_by(one) < LARGE / 2


@pytest.mark.parametrize("answer", ["refused", "closed", "malformed", "500", "too late"])
async def test_nothing_large_stays_of_an_event_that_a_subscriber_does_not_take(answer: str, tmp_path: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        if answer == "too late":
            await reader.read()
        writer.write({"malformed": b"no HTTP\r\n\r\n", "500": b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"}.get(answer, b""))

    async with raw_server(serve) as open_port, client() as http:
        held = ReservedPort()
        port = held.number if answer == "refused" else open_port
        sender = Sender(http, SqliteChannel(Settings(tmp_path / "e.db"), ChannelContext(tmp_path)), max_reply=1000)
        target = Target(f"http://127.0.0.1:{port}/")

        async def one(number: int) -> None:
            message = Encoded(event(str(number), b"%d" % number + PAYLOAD))
            timeout = 0.05 if answer == "too late" else 5.0
            attempt = await sender.attempt(message, 5, target, format_="", namespace=b"default", timeout=timeout, asks_reply=True)
            assert attempt.failure is not None

        assert await left_by(one) < LARGE / 2
        held.close()


async def test_nothing_large_stays_of_what_was_stored(tmp_path: Path) -> None:
    """Appends alone, and then in the transaction that counts them."""
    clock = FakeClock()
    channel = SqliteChannel(Settings(tmp_path / "e.db", ballast=0, min_free=0), ChannelContext(tmp_path, wall=clock))
    await channel.open()
    await channel.ensure_broker("a")
    reader = await channel.reader("a")

    async def one(number: int) -> None:
        for part in range(2):
            clock.advance(0.6)
            await channel.append("a", [NewRecord(event(f"{number}-{part}", b"%d" % number + PAYLOAD))])
        records = await take(reader, 2)
        await channel.settle("a", Settlement(done=[record.position for record in records]))

    assert await left_by(one) < LARGE / 2
    await channel.close()
