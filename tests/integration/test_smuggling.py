"""Request smuggling over real sockets: one answer, the connection's end, and a handler that saw nothing."""

from __future__ import annotations

import asyncio
import re

from http_support import on_both_loops, serving, until

from eventing.ports.http import Request, Response
from tests.support.smuggling import ONE, REFUSED, SECOND


class Seen:
    """A handler that notes what comes to it."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, bytes]] = []

    def __call__(self, request: Request) -> Response:
        self.requests.append((request.path, request.body))
        return Response(202)


def statuses(answers: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"^HTTP/1\.1 (\d{3}) ", answers, re.MULTILINE)]


async def talk(port: int, *parts: bytes) -> bytes:
    """Everything that comes back until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        return await reader.read()
    finally:
        writer.close()


@on_both_loops
async def test_each_refused_request_gets_one_answer_and_ends_its_connection_unseen() -> None:
    handler, refused = Seen(), list[str]()
    async with serving(handler, on_refused=refused.append) as (server, port):
        for name, (wire, status, reason) in REFUSED.items():
            refused.clear()
            answer = await talk(port, wire + SECOND * 3)
            assert answer.startswith(b"HTTP/1.1 %d " % status), name
            assert statuses(answer) == [status], name
            assert b"\r\nconnection: close\r\n" in answer, name
            assert refused == [reason], name
            assert handler.requests == [], name
        await until(lambda: server.connections == 0)


@on_both_loops
async def test_a_request_before_the_refused_one_is_answered_and_none_behind_it_is_seen() -> None:
    handler = Seen()
    async with serving(handler) as (_, port):
        for name, (wire, status, _reason) in REFUSED.items():
            handler.requests.clear()
            answer = await talk(port, SECOND, wire, SECOND)
            assert statuses(answer) == [202, status], name
            assert handler.requests == [("/smuggled", b"")], name


@on_both_loops
async def test_each_request_beyond_doubt_is_seen_once_with_its_body_and_the_next_one_too() -> None:
    handler = Seen()
    last = SECOND.replace(b"Host: a", b"Host: a\r\nConnection: close")
    async with serving(handler) as (_, port):
        for name, (wire, body) in ONE.items():
            handler.requests.clear()
            answer = await talk(port, wire + last)
            assert [status for status in statuses(answer) if status >= 200] == [202, 202], name
            assert handler.requests == [("/", body), ("/smuggled", b"")], name
