"""Connections that are used again, and the races in it: no answer goes to another request, none is sent twice without need."""

from __future__ import annotations

import asyncio

import pytest
from http_support import OK, client, on_both_loops, raw_server, read_request, send, serving, until

from eventing.errors import AnswerMalformed
from eventing.http import ClientLimits
from eventing.ports.http import Response


@on_both_loops
async def test_a_kept_connection_that_was_closed_is_replaced_unnoticed() -> None:
    """The server answers and closes without saying so: each further request finds its connection dead."""
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await read_request(reader)
        writer.write(OK)

    async with raw_server(serve) as port, client() as http:
        for _ in range(20):
            assert (await send(http, port)).status == 200
    assert connections == 20


@on_both_loops
async def test_a_request_that_meets_the_close_is_sent_again_once_and_only_on_a_kept_connection() -> None:
    """Every connection answers its first request and then reads the next one and closes: the race as it happens."""
    requests: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(requests)
        requests.append(0)
        while True:
            await read_request(reader)
            requests[number] += 1
            if requests[number] == 2 or (fresh_fails and number > 0):
                return
            writer.write(OK)

    fresh_fails = False
    async with raw_server(serve) as port, client() as http:
        for _ in range(3):
            assert (await send(http, port)).status == 200
        assert requests == [2, 2, 1]
        fresh_fails = True
        with pytest.raises(AnswerMalformed, match=f"127.0.0.1:{port}: the connection ended before any answer"):
            await send(http, port)
        assert requests == [2, 2, 2, 1]  # one connection had been kept, its replacement failed, and that was that


class DiesOfTheSecond:
    """Answers a connection's first request; the second gets ``last`` and the end of the connection."""

    def __init__(self, last: bytes = b"") -> None:
        self.died = 0
        self._last = last

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK)
        await read_request(reader)
        self.died += 1
        writer.write(self._last)


@on_both_loops
async def test_a_kept_connection_that_is_closed_late_was_not_closed_before_the_request() -> None:
    """A subscriber that worked on the request and then died of it must not get it again for the same attempt."""
    serve = DiesOfTheSecond()
    async with raw_server(serve) as port, client(ClientLimits(resend_within=-1.0)) as http:
        await send(http, port)
        with pytest.raises(AnswerMalformed, match="ended before any answer"):
            await send(http, port)
    assert serve.died == 1


@on_both_loops
async def test_a_new_connection_closed_without_an_answer_is_not_tried_again() -> None:
    requests = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await read_request(reader)
        requests += 1

    async with raw_server(serve) as port, client() as http:
        with pytest.raises(AnswerMalformed, match="ended before any answer"):
            await send(http, port)
    assert requests == 1


@on_both_loops
async def test_a_kept_connection_closed_after_the_first_byte_is_not_retried() -> None:
    serve = DiesOfTheSecond(b"H")
    async with raw_server(serve) as port, client() as http:
        await send(http, port)
        with pytest.raises(AnswerMalformed, match="middle of the answer"):
            await send(http, port)
    assert serve.died == 1


@on_both_loops
async def test_bytes_after_an_answer_never_become_the_next_answer() -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await read_request(reader)
        writer.write(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
        await reader.read()

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK)
        await release.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
        await reader.read()

    release = asyncio.Event()
    async with raw_server(serve) as port, client() as http:
        for _ in range(3):
            assert (await send(http, port)).body == b"ok"
        assert connections == 3
    async with raw_server(late) as port, client() as http:
        assert (await send(http, port)).body == b"ok"
        assert http._pools.total == 1
        release.set()
        await until(lambda: http._pools.total == 0)


@on_both_loops
async def test_an_early_answer_ends_the_connection() -> None:
    """The server refuses before it read the body: what is unsent must not be taken for the next request."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
        await done.wait()

    done = asyncio.Event()
    async with raw_server(serve, limit=1024) as port, client() as http:
        assert (await send(http, port, b"x" * 50_000_000)).status == 413
        assert http._pools.total == 0
        done.set()


@on_both_loops
async def test_an_answer_and_a_cancellation_in_one_round_leave_the_next_owner_alone() -> None:
    """The answered connection has gone to a waiter when its first owner is cancelled."""
    async with (
        serving(lambda request: Response(200, (), request.body)) as (_, port),
        client(ClientLimits(max_per_origin=1)) as http,
    ):
        used: set[object] = set()
        for _ in range(20):
            first = asyncio.ensure_future(send(http, port, b"1"))
            second = asyncio.ensure_future(send(http, port, b"2"))
            pool = http._pools.get(("http", "127.0.0.1", port))
            await until(lambda pool=pool: bool(pool.waiters))  # type: ignore[misc]
            await until(lambda pool=pool: not pool.waiters)  # type: ignore[misc]
            first.cancel()
            assert (await second).body == b"2"
            await asyncio.gather(first, return_exceptions=True)
            used |= http._connections
        assert len(used) == 1


@on_both_loops
async def test_idle_connections_end_after_their_time() -> None:
    async with serving(lambda request: Response(200)) as (server, port), client(ClientLimits(idle_timeout=0.05)) as http:
        await send(http, port)
        await until(lambda: server.connections == 0)
        assert http._pools.total == 0
