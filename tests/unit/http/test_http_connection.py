"""The server's connection on a transport in memory: any bytes, any cut, and the answers still parse."""

from __future__ import annotations

import asyncio
from math import inf
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eventing.http.connection import ServerConnection
from eventing.http.limits import ClientLimits, ServerLimits
from eventing.http.request_parser import RequestParser
from eventing.http.response_parser import ResponseParser
from eventing.http.state import ServerState
from eventing.ports.http import Request, Response

LIMITS = ServerLimits(max_url=100, max_header=300, max_headers=400, max_body=64, max_pipelined=2)


class Wire(asyncio.Transport):
    """Keeps what is written; delivers the end of the connection when closed."""

    def __init__(self, protocol: ServerConnection) -> None:
        super().__init__()
        self.protocol, self.out, self.closed, self.eof, self.reading = protocol, bytearray(), False, False, True

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("192.0.2.1", 1) if name == "peername" else default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.eof
        if not self.closed:
            self.out += data

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.eof = True

    def pause_reading(self) -> None:
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading
        self.reading = True

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.protocol.connection_lost(None)

    def abort(self) -> None:
        self.close()


class Log:
    def warning(self, message: str, /, **fields: object) -> None:
        raise AssertionError(message)

    def error(self, message: str, /, **fields: object) -> None:
        raise AssertionError(message)


def answers(wire: bytes, heads: list[bool]) -> list[Response]:
    """Parse all of the server's answers; ``heads``: which of them are to HEAD requests."""
    found = []
    while wire:
        parser = ResponseParser(ClientLimits())
        head = heads[len(found)] if len(found) < len(heads) else False
        parser.expect(head=head)
        end = wire.index(b"\r\n\r\n") + 4
        length = 0
        for line in wire[:end].split(b"\r\n"):
            if line.startswith(b"content-length: ") and not head:
                length = int(line[16:])
        parser.feed(wire[: end + length])
        wire = wire[end + length :]
        if parser.response is not None:
            found.append(parser.response)
        else:
            assert parser.begun  # an interim answer: 100 Continue
    return found


GOOD = b"POST /ns/b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
HEAD = b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
PIECES = st.sampled_from(
    [
        GOOD,
        HEAD,
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: upgrade\r\nContent-Length: 5\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"POST / HTTP/1.1\r\n",
        b"Host: a\r\n",
        b"Content-Length: 7\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"\r\n",
    ]
)


@settings(max_examples=400, deadline=None)
@given(
    pieces=st.lists(st.one_of(PIECES, st.binary(max_size=40)), max_size=10),
    later=st.booleans(),
    eof=st.booleans(),
    data=st.data(),
)
@example(pieces=[GOOD] * 9, later=True, eof=True, data=None)
@example(
    pieces=[GOOD[:-5].replace(b"Content", b"Expect: 100-continue\r\nContent"), b"hello", HEAD], later=False, eof=False, data=None
)
def test_any_bytes_end_in_answers_or_a_clean_close(
    pieces: list[bytes], later: bool, eof: bool, data: st.DataObject | None
) -> None:
    stream = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5))) if data is not None else []

    async def run() -> None:
        heads: list[bool] = []
        waiting: list[asyncio.Future[Response]] = []

        def handler(request: Request) -> Response | asyncio.Future[Response]:
            heads.append(request.method == "HEAD")
            if not later:
                return Response(202, (), request.body)
            assert not waiting, "two requests of one connection at a time"
            waiting.append(asyncio.get_running_loop().create_future())
            return waiting[-1]

        state = ServerState(handler, LIMITS, None, Log())
        connection = ServerConnection(state)
        wire = Wire(connection)
        connection.connection_made(wire)

        async def settle() -> None:
            while waiting:
                waiting.pop().set_result(Response(202, (), b"later"))
                await asyncio.sleep(0)

        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            if start < end and not wire.closed:
                if not wire.reading:
                    await settle()
                connection.data_received(stream[start:end])
        if eof and not wire.closed and not connection.eof_received():
            wire.close()
        await settle()
        assert wire.reading or wire.closed
        found = answers(bytes(wire.out), heads)
        assert [response.status for response in found[: len(heads)]] == [202] * min(len(heads), len(found))
        assert len(found) - len(heads) <= 1
        if len(found) > len(heads):
            assert 400 <= found[-1].status < 600
            assert found[-1].header(b"connection") == b"close"
            assert wire.eof or wire.closed
        wire.close()
        assert state.held == 0
        assert state.unanswered == 0
        assert not state.connections
        assert not state.lingering

    asyncio.run(run())


async def test_a_flood_of_pipelined_requests_is_held_back() -> None:
    """10,000 requests in one read: a bounded number of them become objects, the rest stay bytes until their turn."""
    waiting: list[asyncio.Future[Response]] = []

    def handler(request: Request) -> asyncio.Future[Response]:
        waiting.append(asyncio.get_running_loop().create_future())
        return waiting[-1]

    state = ServerState(handler, ServerLimits(max_pipelined=8), None, Log())
    connection = ServerConnection(state)
    wire = Wire(connection)
    connection.connection_made(wire)
    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    connection.data_received(request * 10_000)
    assert not wire.reading
    assert len(connection._queue) <= 65536 // len(request) + 8
    answered = 0
    while waiting:
        waiting.pop().set_result(Response(202))
        answered += 1
        await asyncio.sleep(0)
    assert answered == 10_000
    assert wire.reading
    assert bytes(wire.out).count(b"HTTP/1.1 202 Accepted\r\n") == 10_000
    wire.close()


async def test_nothing_piles_up_behind_a_large_request_that_is_being_answered() -> None:
    waiting: list[asyncio.Future[Response]] = []

    def handler(request: Request) -> asyncio.Future[Response]:
        waiting.append(asyncio.get_running_loop().create_future())
        return waiting[-1]

    state = ServerState(handler, ServerLimits(), None, Log())
    connection = ServerConnection(state)
    wire = Wire(connection)
    connection.connection_made(wire)
    large = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 600000\r\n\r\n" + b"x" * 600_000
    connection.data_received(large + large)
    assert not wire.reading
    assert state.held > 1_200_000, "what waits to be parsed is held too"
    for _ in range(2):
        waiting.pop().set_result(Response(202))
        await asyncio.sleep(0)
    assert wire.reading
    assert bytes(wire.out).count(b"HTTP/1.1 202") == 2
    assert state.held == 0
    wire.close()


async def test_answers_wait_while_the_client_does_not_read_them() -> None:
    handled: list[str] = []

    def handler(request: Request) -> Response:
        handled.append(request.path)
        connection.pause_writing()
        return Response(200)

    state = ServerState(handler, ServerLimits(), None, Log())
    connection = ServerConnection(state)
    wire = Wire(connection)
    connection.connection_made(wire)
    connection.data_received(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert handled == ["/1"]
    assert not wire.reading
    connection.resume_writing()
    assert handled == ["/1", "/2"]
    connection.resume_writing()
    assert wire.reading
    connection.pause_writing()
    connection.expire()  # the write time-out
    assert wire.closed


async def test_what_is_held_is_bounded_over_all_connections() -> None:
    waiting: list[asyncio.Future[Response]] = []
    refused: list[str] = []

    def handler(request: Request) -> asyncio.Future[Response]:
        waiting.append(asyncio.get_running_loop().create_future())
        return waiting[-1]

    state = ServerState(handler, ServerLimits(max_held=800, retry_after=7), refused.append, Log())
    wires = []
    for _ in range(4):
        connection = ServerConnection(state)
        wires.append(Wire(connection))
        connection.connection_made(wires[-1])
        connection.data_received(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n" + b"x" * 100)
    assert len(waiting) == 2
    assert refused == ["overload", "overload"]
    assert b"503 Service Unavailable" in wires[3].out
    assert b"retry-after: 7" in wires[3].out
    part = ServerConnection(state)
    wire = Wire(part)
    part.connection_made(wire)
    part.data_received(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n" + b"x" * 99)
    assert wire.eof
    assert b"503 Service Unavailable" in wire.out
    for future in waiting:
        future.set_result(Response(202))
    await asyncio.sleep(0)
    assert state.held == 0
    for each in [*wires, wire]:
        each.close()
    assert state.held == 0


async def test_heads_are_held_too_whether_they_are_read_or_wait() -> None:
    waiting: list[asyncio.Future[Response]] = []
    refused: list[str] = []

    def handler(request: Request) -> asyncio.Future[Response]:
        waiting.append(asyncio.get_running_loop().create_future())
        return waiting[-1]

    state = ServerState(handler, ServerLimits(max_held=100_000), refused.append, Log())
    head = b"POST / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 30_000
    wires = []
    for end in (b"\r\n\r\n", b"", b"", b""):
        connection = ServerConnection(state)
        wires.append(Wire(connection))
        connection.connection_made(wires[-1])
        connection.data_received(head + end)
    assert len(waiting) == 1
    assert refused == ["overload"]
    assert b"503 Service Unavailable" in wires[-1].out
    assert wires[-1].eof
    wires[0].close()
    assert state.held > 90_000, "its handler still has it"
    waiting[0].set_result(Response(202))
    await asyncio.sleep(0)
    for wire in wires:
        wire.close()
    assert state.held == 0


async def test_a_client_that_leaves_does_not_stop_its_handler() -> None:
    done = asyncio.get_running_loop().create_future()

    async def handler(request: Request) -> Response:
        await release.wait()
        done.set_result(request.body)
        return Response(202)

    release = asyncio.Event()
    state = ServerState(handler, ServerLimits(), None, Log())
    connection = ServerConnection(state)
    wire = Wire(connection)
    connection.connection_made(wire)
    connection.data_received(GOOD)
    await asyncio.sleep(0)
    wire.close()
    assert state.unanswered == 1
    quiet = state.quiet()
    assert not quiet.done()
    release.set()
    assert await done == b"hello"
    await quiet
    assert (state.unanswered, state.held) == (0, 0)


@pytest.mark.parametrize("callback", ["on_body", "on_message_complete"])
@pytest.mark.parametrize(
    ("fault", "status", "reason"),
    [(MemoryError, b"HTTP/1.1 503 Service Unavailable\r\n", "overload"), (RuntimeError, b"HTTP/1.1 500 ", "internal")],
)
async def test_what_fails_here_is_not_answered_as_a_bad_request(
    monkeypatch: pytest.MonkeyPatch, callback: str, fault: type[Exception], status: bytes, reason: str
) -> None:
    said: list[tuple[str, object]] = []

    class Told(Log):
        def error(self, message: str, /, **fields: object) -> None:
            said.append((message, fields["error"]))

    def fail(*_: object) -> None:
        raise fault("hello")

    monkeypatch.setattr("eventing.http.connection.RequestParser", type("Broken", (RequestParser,), {callback: fail}))
    refused: list[str] = []
    state = ServerState(lambda _: Response(202), ServerLimits(retry_after=7), refused.append, Told())
    connection = ServerConnection(state)
    wire = Wire(connection)
    connection.connection_made(wire)
    connection.data_received(GOOD[:-2])
    connection.data_received(GOOD[-2:])
    assert wire.out.startswith(status)
    assert (b"\r\nretry-after: 7\r\n" in wire.out) is (fault is MemoryError)
    assert b"\r\nconnection: close\r\n" in wire.out
    assert b"hello" not in wire.out
    assert wire.eof
    assert refused == [reason]
    assert said == ([] if fault is MemoryError else [("a request could not be read", "RuntimeError")])
    assert state.held == 0
    wire.close()


@pytest.mark.parametrize("sent", [b"", b"he"])
async def test_a_request_whose_100_continue_was_held_up_has_an_end_all_the_same(sent: bytes) -> None:
    """A client that leaves its answers unread until the 100 has to wait, then reads them, and never sends the rest."""
    state = ServerState(lambda _request: Response(202), ServerLimits(), None, Log())
    connection = ServerConnection(state)

    class Full(Wire):
        def write(self, data: bytes | bytearray | memoryview) -> None:
            super().write(data)
            connection.pause_writing()

    wire = Full(connection)
    connection.connection_made(wire)
    connection.data_received(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
    assert bytes(wire.out) == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert connection.deadline < inf
    connection.resume_writing()
    if sent:
        connection.data_received(sent)
    assert connection.deadline < inf
    connection.deadline = 0.0
    connection.expire()
    assert b"HTTP/1.1 408" in wire.out
    wire.close()
    assert state.held == 0
