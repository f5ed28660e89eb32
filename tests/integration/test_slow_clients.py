"""Clients that take their time: none of them keeps a connection, memory or a file for longer than it may."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress

import pytest
from http_support import on_both_loops, read_answer, serving, until

from eventing.http import ServerLimits, server_context
from eventing.ports.http import Request, Response
from tests.support.certificates import NAME, issue, trusting

HEAD = b"POST /ns/b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
POST = HEAD + b"hello"


def echo(request: Request) -> Response:
    return Response(200, (), request.body)


async def talk(port: int, wire: bytes) -> bytes:
    """Send, and read until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(wire)
    answer = await reader.read()
    writer.close()
    return answer


async def drip(port: int, start: bytes, drop: bytes) -> bytes:
    """Send the start and then drop after drop, until the server closes or resets; what it said until then."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    said = bytearray()

    async def listen() -> None:
        with suppress(ConnectionError):
            while some := await reader.read(65536):
                said.extend(some)

    writer.write(start)
    listening = asyncio.ensure_future(listen())
    while not listening.done():
        writer.write(drop)
        await asyncio.wait([listening], timeout=0.02)
    await listening
    writer.close()
    return bytes(said)


@on_both_loops
async def test_time_outs_of_idle_and_slow_clients() -> None:
    refused: list[str] = []
    limits = ServerLimits(idle_timeout=0.1, head_timeout=0.1, body_timeout=0.1, linger=0.1)
    async with serving(echo, limits, refused.append) as (server, port):
        assert await talk(port, b"") == b""
        assert (await talk(port, b"POST / HT")).startswith(b"HTTP/1.1 408 ")
        assert (await talk(port, POST[:-1])).startswith(b"HTTP/1.1 408 ")
        answer = await talk(port, POST)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.count(b"HTTP/1.1") == 1
        assert refused == ["timeout", "timeout"]
        assert server.connections == 0


@on_both_loops
async def test_a_slow_head_is_not_prolonged_by_its_bytes() -> None:
    async with serving(echo, ServerLimits(head_timeout=0.2, linger=0.05)) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n")
        answer = asyncio.ensure_future(reader.read())
        while not answer.done():
            writer.write(b"X: y\r\n")
            await asyncio.wait([answer], timeout=0.02)
        assert (await answer).startswith(b"HTTP/1.1 408 ")
        writer.close()


@on_both_loops
async def test_a_client_that_does_not_read_its_answers_is_cut_off() -> None:
    async with serving(lambda request: Response(200, (), b"x" * 1_000_000), ServerLimits(write_timeout=0.2)) as (server, port):
        sock = socket.create_connection(("127.0.0.1", port))
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(sock, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 50)
        await until(lambda: server.connections > 0)
        await until(lambda: server.connections == 0)
        sock.close()


DRIPPING = {
    "head": (b"GET / HTTP/1.1\r\nHost: a\r\n", b"X: y\r\n"),
    "one header": (b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"y"),
    "request line": (b"GET /", b"x"),
    "body": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n", b"x"),
    "chunks": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "chunk extension": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x"),
    "trailers": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),
    "body of an upgrade": (
        b"POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 100000\r\n\r\n",
        b"x",
    ),
}


@pytest.mark.parametrize("part", DRIPPING)
def test_what_drips_in_ends_at_its_time_out_however_often_a_byte_comes(part: str) -> None:
    start, drop = DRIPPING[part]

    @on_both_loops
    async def run() -> None:
        async with serving(echo, ServerLimits(head_timeout=0.2, body_timeout=0.2, linger=0.05)) as (server, port):
            assert (await drip(port, start, drop)).startswith(b"HTTP/1.1 408 ")
            await until(lambda: server.connections == 0)

    for loop in ("asyncio", "uvloop"):
        run(loop)


@on_both_loops
async def test_empty_lines_do_not_keep_a_connection() -> None:
    async with serving(echo, ServerLimits(head_timeout=0.2, idle_timeout=0.2)) as (_, port):
        assert await drip(port, b"", b"\r\n") == b""
        answer = await drip(port, POST, b"\r\n")
        assert answer.count(b"HTTP/1.1") == answer.count(b"HTTP/1.1 200 ") == 1


@on_both_loops
async def test_a_refused_client_that_sends_on_for_ever_is_read_for_a_moment_only() -> None:
    async with serving(echo, ServerLimits(max_body=1, linger=0.1)) as (server, port):
        assert (await drip(port, POST, b"x" * 1000)).startswith(b"HTTP/1.1 413 ")
        assert server.connections == 0


async def dawdler(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A client that was told to go on, and sends all but the last 1,000 bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 100000\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"x" * 99_000)
    return reader, writer


@on_both_loops
async def test_clients_that_dawdle_with_most_of_a_request_make_room_for_one_that_does_not() -> None:
    """They may take up to the body's time-out, but not the place of others for as long."""
    refused: list[str] = []
    limits = ServerLimits(max_held=1_000_000, slow_after=0.0, linger=60)
    async with serving(echo, limits, refused.append) as (_, port):
        dawdling = [await dawdler(port) for _ in range(10)]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n" + b"x" * 500_000)
        assert (await read_answer(reader))[0] == 200
        broken_off = [reader.at_eof() or len(reader._buffer) > 0 for reader, _ in dawdling]  # type: ignore[attr-defined]
        assert broken_off == sorted(broken_off, reverse=True), "those that came first are broken off first"
        assert 0 < sum(broken_off) < 10
        assert set(refused) == {"overload"}
        assert (await read_answer(dawdling[0][0]))[0] == 503
        dawdling[-1][1].write(b"x" * 1000)
        assert (await read_answer(dawdling[-1][0]))[0] == 200
        for _, each in [*dawdling, (reader, writer)]:
            each.close()


@on_both_loops
async def test_who_has_not_been_sending_for_long_is_not_broken_off_for_a_newcomer() -> None:
    limits = ServerLimits(max_held=150_000, slow_after=60.0)
    async with serving(echo, limits) as (_, port):
        reader, writer = await dawdler(port)
        large = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000
        while not (await talk(port, large)).startswith(b"HTTP/1.1 503 "):
            continue  # until the first one's bytes have come
        writer.write(b"x" * 1000)
        assert (await read_answer(reader))[0] == 200
        writer.close()


# TLS ---------------------------------------------------------------------------------------------------------------------


def context(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    folder = tmp_path_factory.mktemp("tls")
    chain, key = issue()
    (folder / "tls.crt").write_bytes(chain)
    (folder / "tls.key").write_bytes(key)
    return server_context(folder / "tls.crt", folder / "tls.key")


def test_a_tls_handshake_that_is_never_finished_ends_at_its_time_out(tmp_path_factory: pytest.TempPathFactory) -> None:
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"

    @on_both_loops
    async def run() -> None:
        refused: list[str] = []
        limits = ServerLimits(handshake_timeout=0.2)
        async with serving(echo, limits, refused.append, ssl=context(tmp_path_factory)) as (server, port):
            assert await talk(port, b"") == b""
            assert await drip(port, hello, b"\x03") == b""
            assert b"HTTP" not in await talk(port, b"GET / HTTP/1.1\r\n\r\n")
            await until(lambda: len(refused) == 3)
            assert refused == ["tls", "tls", "tls"]
            assert server.connections == 0
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting(), server_hostname=NAME)
            writer.write(POST)
            assert (await read_answer(reader))[0] == 200
            writer.close()

    for loop in ("asyncio", "uvloop"):
        run(loop)


def test_unfinished_handshakes_count_against_the_cap(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Else clients who only connect could take every file of the process."""

    @on_both_loops
    async def run() -> None:
        refused: list[str] = []
        limits = ServerLimits(max_connections=4, handshake_timeout=30.0)
        assert limits.max_lingering == 16
        async with serving(echo, limits, refused.append, ssl=context(tmp_path_factory)) as (server, port):
            held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
            for _ in range(3):
                assert await talk(port, b"") == b""
            assert refused == ["connections"] * 3
            held[0][1].close()
            await until(lambda: refused == ["connections"] * 3 + ["tls"])
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting(), server_hostname=NAME)
            writer.write(POST)
            assert (await read_answer(reader))[0] == 200
            assert server.connections == 1
            for _, each in [*held, (reader, writer)]:
                each.close()

    for loop in ("asyncio", "uvloop"):
        run(loop)
