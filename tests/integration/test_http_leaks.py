"""Nothing stays of a request once it is over, whichever way it ends: measured in Python's own memory, where 100 bytes show."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
from http_support import OK, client, raw_server, read_request, send, serving, until

from eventing.errors import DeliveryFailed
from eventing.http import HttpServer, ServerLimits, server_context
from eventing.ports.http import Request, Response
from tests.support.certificates import NAME, issue, trusting

ROUNDS = 150
BYTES = 100
"""What a round may leave behind; a request, an answer or a connection is 500 and more."""

POST = b"POST / HTTP/1.1\r\nHost: a\r\nce-id: 1\r\nContent-Length: 5\r\n\r\nhello"
LAST = POST.replace(b"Host: a", b"Host: a\r\nConnection: close")
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
SENT = {
    "answered": (LAST, False),
    "pipelined": (POST * 3 + LAST, False),
    "malformed": (POST.replace(b"Host", b"Ho st"), False),
    "a body too large": (POST.replace(b"Length: 5", b"Length: 50000000"), False),
    "in chunks": (LAST.replace(b"Content-Length: 5\r\n\r\nhello", CHUNKED), False),
    "an upgrade": (LAST.replace(b"Host: a\r\n", b"Host: a\r\nUpgrade: h2c\r\n").replace(b"close", b"close, Upgrade"), False),
    "cut short": (POST[:-1], True),
    "nothing": (b"", True),
}  # fmt: skip


def echo(request: Request) -> Response:
    return Response(200, (), request.body)


async def left_by(one: Callable[[], Awaitable[object]], rounds: int = ROUNDS) -> float:
    """Bytes that a round leaves behind, once the first ones have filled what is kept for good."""
    tracemalloc.start()
    try:
        held = []
        for _ in range(2):
            for _ in range(rounds):
                await one()
            for _ in range(5):
                await asyncio.sleep(0)
            gc.collect()
            held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    return (held[1] - held[0]) / rounds


async def talk(server: HttpServer, port: int, wire: bytes, eof: bool, **how: object) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, **how)  # type: ignore[arg-type]
    writer.write(wire)
    if eof:
        writer.write_eof()
    await reader.read()
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    await until(lambda: server.connections == 0)


@pytest.mark.parametrize("case", SENT)
async def test_nothing_stays_of_what_the_server_was_sent(case: str) -> None:
    wire, eof = SENT[case]
    async with serving(echo) as (server, port):
        assert await left_by(lambda: talk(server, port, wire, eof)) < BYTES
        state = server._state
        assert state is not None
        assert (state.held, state.unanswered, len(state.lingering), len(state.tasks)) == (0, 0, 0, 0)


async def test_nothing_stays_of_connections_over_tls_nor_of_their_failed_handshakes(tmp_path: Path) -> None:
    chain, key = issue()
    (tmp_path / "tls.crt").write_bytes(chain)
    (tmp_path / "tls.key").write_bytes(key)
    trusted = trusting()
    context = server_context(tmp_path / "tls.crt", tmp_path / "tls.key")
    async with serving(echo, ssl=context) as (server, port):
        assert await left_by(lambda: talk(server, port, LAST, False, ssl=trusted, server_hostname=NAME), 40) < 2 * BYTES
        assert await left_by(lambda: talk(server, port, POST, False), 40) < 2 * BYTES


ANSWERS = {
    "kept alive": OK,
    "the connection's last": OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"),
    "malformed": b"HTTP/1.1 2x0\r\n\r\n",
    "cut short": OK[:-1],
    "too large": b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n",
}


@pytest.mark.parametrize("case", ANSWERS)
async def test_nothing_stays_of_what_a_subscriber_answered(case: str) -> None:
    answer = ANSWERS[case]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            writer.write(answer)
            if answer is not OK:
                return

    async with raw_server(serve) as port, client() as http:

        async def one() -> None:
            with suppress(DeliveryFailed):
                await send(http, port)

        assert await left_by(one) < BYTES
        assert http._pools.total == len(http._connections) == (answer is OK)


async def test_nothing_stays_of_requests_that_were_broken_off() -> None:
    limits = ServerLimits(max_held=10)
    async with serving(echo, limits) as (server, port):
        assert await left_by(lambda: talk(server, port, LAST, False)) < BYTES
        assert server._state is not None
        assert server._state.held == 0
