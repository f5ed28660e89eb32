"""Draining: what is under way is answered, what is not begun is not taken, with and without TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

import pytest
import uvloop
from http_support import Lines, on_both_loops, serving, until

from eventing.http import ServerLimits, server_context
from eventing.ports.http import Request, Response
from tests.support.certificates import NAME, issue, trusting

POST = b"POST /ns/b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
EXPECTING = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"


@on_both_loops
async def test_drain_answers_what_is_in_flight_and_closes_the_rest() -> None:
    entered, release = asyncio.Event(), asyncio.Event()

    async def handler(request: Request) -> Response:
        entered.set()
        await release.wait()
        return Response(202)

    async with serving(handler) as (server, port):
        idle_reader, idle_writer = await asyncio.open_connection("127.0.0.1", port)
        busy_reader, busy_writer = await asyncio.open_connection("127.0.0.1", port)
        part_reader, part_writer = await asyncio.open_connection("127.0.0.1", port)
        part_writer.write(POST[:-1])
        busy_writer.write(POST)
        await entered.wait()
        await until(lambda: server.connections == 3)
        draining = asyncio.ensure_future(server.drain(30))
        assert await idle_reader.read() == b""
        with pytest.raises(OSError):  # noqa: PT011 - refused or reset, by platform
            await asyncio.open_connection("127.0.0.1", port)
        assert not draining.done()
        part_writer.write(POST[-1:])
        release.set()
        for reader in (busy_reader, part_reader):
            answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 202 ")
            assert b"connection: close\r\n" in answer
        await draining
        assert server.connections == 0
        for writer in (idle_writer, busy_writer, part_writer):
            writer.close()


def test_drain_does_not_wait_for_a_connection_that_was_being_accepted_when_it_began() -> None:
    """On uvloop. What asyncio's own loop is accepting when its server closes, it drops by itself."""

    async def run(rounds: int) -> None:
        log = Lines()
        async with serving(lambda _request: Response(202), log=log) as (server, port):
            with socket.create_connection(("127.0.0.1", port)):
                for _ in range(rounds):
                    await asyncio.sleep(0)
                await server.drain(1)
                for _ in range(10):
                    await asyncio.sleep(0)
                assert server.connections == 0
        assert not log.lines

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for rounds in range(6):
            runner.run(run(rounds))


@on_both_loops
async def test_drain_gives_up_at_its_time_out() -> None:
    log = Lines()
    started = asyncio.Event()

    async def handler(request: Request) -> Response:
        started.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with serving(handler, log=log) as (server, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(POST)
        await started.wait()
        await server.drain(0.05)
        assert server.connections == 0
        assert await reader.read() == b""
        writer.close()
    assert ("connections were closed before they were answered", {"count": 1}) in log.lines


def context(folder: Path) -> ssl.SSLContext:
    chain, key = issue()
    (folder / "tls.crt").write_bytes(chain)
    (folder / "tls.key").write_bytes(key)
    return server_context(folder / "tls.crt", folder / "tls.key")


def test_over_tls_what_is_in_flight_or_half_there_is_answered_and_handshakes_end(tmp_path: Path) -> None:
    @on_both_loops
    async def run() -> None:
        entered, release = asyncio.Event(), asyncio.Event()

        async def handler(request: Request) -> Response:
            entered.set()
            await release.wait()
            return Response(202, (), request.body)

        async with serving(handler, ServerLimits(handshake_timeout=60), ssl=context(tmp_path)) as (server, port):
            (idle, idle_writer), (busy, busy_writer), (part, part_writer) = [
                await asyncio.open_connection("127.0.0.1", port, ssl=trusting(), server_hostname=NAME) for _ in range(3)
            ]
            silent, silent_writer = await asyncio.open_connection("127.0.0.1", port)
            busy_writer.write(POST)
            part_writer.write(EXPECTING)
            assert await part.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            part_writer.write(b"hel")
            await entered.wait()
            await until(lambda: server.connections == 3)
            await until(lambda: server._server is not None and len(server._server._handshakes) == 1)  # type: ignore[union-attr]
            draining = asyncio.ensure_future(server.drain(30))
            assert await idle.read() == b""
            assert await silent.read() == b""
            with pytest.raises(OSError):  # noqa: PT011 - refused or reset, by platform
                await asyncio.open_connection("127.0.0.1", port)
            assert not draining.done()
            part_writer.write(b"lo")
            release.set()
            for reader in (busy, part):
                answer = await reader.read()
                assert answer.startswith(b"HTTP/1.1 202 ")
                assert b"\r\nconnection: close\r\n" in answer
            await draining
            for writer in (idle_writer, busy_writer, part_writer, silent_writer):
                writer.close()

    for loop in ("asyncio", "uvloop"):
        run(loop)


@on_both_loops
async def test_requests_behind_the_one_in_flight_are_not_taken_so_that_their_sender_sends_them_again() -> None:
    seen: list[str] = []
    entered, release = asyncio.Event(), asyncio.Event()

    async def handler(request: Request) -> Response:
        seen.append(request.path)
        entered.set()
        await release.wait()
        return Response(202)

    async with serving(handler, ServerLimits(linger=0.1)) as (server, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(POST + POST.replace(b"/ns/b", b"/second") * 3)
        await entered.wait()
        draining = asyncio.ensure_future(server.drain(30))
        await asyncio.sleep(0)
        release.set()
        answer = await reader.read()
        assert answer.count(b"HTTP/1.1 202 ") == answer.count(b"connection: close") == 1
        await draining
        assert seen == ["/ns/b"]
        writer.close()


@on_both_loops
async def test_a_body_that_never_ends_does_not_hold_up_the_drain_beyond_its_time_out() -> None:
    log = Lines()
    async with serving(lambda _: Response(202), log=log) as (server, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(EXPECTING)
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"hell")
        await server.drain(0.1)
        assert await reader.read() == b""
        writer.close()
    assert log.lines == [("connections were closed before they were answered", {"count": 1})]
