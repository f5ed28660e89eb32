"""What a request or an answer takes while it arrives: bounded, and counted for what it is, however finely it is cut."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Callable
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from request_support import head

from eventing.http.connection import ServerConnection
from eventing.http.limits import ClientLimits, ServerLimits
from eventing.http.log import Log
from eventing.http.pieces import Pieces
from eventing.http.request_parser import SLICE, Incoming, RequestParser
from eventing.http.response_parser import ResponseParser
from eventing.http.state import ServerState
from eventing.ports.http import Response

MIB = 1024 * 1024
CHUNKED = head(b"Host: a", b"Transfer-Encoding: chunked")
TINY_CHUNK = b"2\r\nxx\r\n"


def taken(feed: Callable[[bytes], None], wire: bytes) -> int:
    """Bytes of memory that are held once all of it was fed."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for start in range(0, len(wire), SLICE):
            feed(wire[start : start + SLICE])
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return after - before


@given(st.lists(st.binary(max_size=3), max_size=1200))
def test_pieces_are_joined_in_order(pieces: list[bytes]) -> None:
    joined = Pieces()
    for piece in pieces:
        joined.append(piece)
    assert joined.join() == b"".join(pieces)


def test_a_request_in_half_a_million_pieces_takes_no_multiple_of_its_size() -> None:
    found: list[Incoming] = []
    parser = RequestParser(ServerLimits(), found.append)
    parser.feed(CHUNKED)
    assert taken(parser.feed, TINY_CHUNK * (MIB // 2)) < 1.5 * MIB
    assert parser.holding > MIB
    parser.feed(b"0\r\n\r\n")
    assert found[0].request.body == b"x" * MIB


def test_an_answer_in_half_a_million_pieces_takes_no_multiple_of_its_size() -> None:
    parser = ResponseParser(ClientLimits(max_response=MIB))
    parser.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert taken(parser.feed, TINY_CHUNK * (MIB // 2)) < 1.5 * MIB
    parser.feed(b"0\r\n\r\n")
    assert parser.response is not None
    assert parser.response.body == b"x" * MIB


def test_trailers_take_nothing() -> None:
    parser = RequestParser(ServerLimits(), [].append)
    parser.feed(CHUNKED + b"1\r\nx\r\n0\r\n")
    assert taken(parser.feed, b"ab: cd\r\n" * 100_000) < 100_000


@pytest.mark.parametrize("done", [False, True])
def test_many_tiny_headers_count_for_what_they_take(done: bool) -> None:
    found: list[Incoming] = []
    parser = RequestParser(ServerLimits(), found.append)
    parser.feed(b"POST / HTTP/1.1\r\nHost: a\r\n")
    wire = b"".join(b"x%d: %d\r\n" % (number, number) for number in range(15_000))
    size = taken(parser.feed, wire)
    if done:
        parser.feed(b"\r\n")
    counted = found[0].size if done else parser.holding
    assert size / 1.5 < counted < size * 1.5, "else a bound on what is held is none"


@pytest.mark.parametrize("end", ["shed", "expire"])
async def test_what_a_refused_request_had_sent_is_let_go_of_while_its_connection_is_read_empty(end: str) -> None:
    """Else breaking off slow requests would make no room: it is no longer counted, and would be there until the client leaves."""
    state = ServerState(lambda _request: Response(202), ServerLimits(), None, Mock(spec=Log))
    connection = ServerConnection(state)
    connection.connection_made(Mock(spec=asyncio.Transport))
    connection.data_received(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 60_000)
    assert connection._parser.buffered == 60_000
    getattr(connection, end)()
    assert connection in state.lingering
    assert (state.held, connection._parser.buffered) == (0, 0)
    connection.data_received(b"x" * 60_000)
    assert (state.held, connection._parser.buffered) == (0, 0)
    connection.connection_lost(None)
    assert (state.held, len(state.lingering)) == (0, 0)
