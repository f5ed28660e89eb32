"""A connection between `begin` and `write`: what arrives then is no answer, and the request has not gone out."""

from __future__ import annotations

import pytest

from eventing.errors import DeliveryFailed
from eventing.http.client_connection import Answered, ClientConnection, ClosedUnanswered
from eventing.http.known_answers import KnownAnswers
from eventing.http.limits import ClientLimits
from eventing.ports.http import Response

ANSWER = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"


class Wire:
    """A transport: what was written, and whether it was closed."""

    def __init__(self) -> None:
        self.written = b""
        self.aborted = False
        self.fault: Exception | None = None

    def write(self, data: bytes) -> None:
        if self.fault is not None:
            raise self.fault
        self.written += data

    def abort(self) -> None:
        self.aborted = True

    def get_write_buffer_size(self) -> int:
        return 0


def kept() -> tuple[ClientConnection, Wire]:
    """A connection that had an answer and was kept."""
    wire = Wire()
    connection = ClientConnection(ClientLimits(resend_within=-1.0), "there:80", KnownAnswers())
    connection.connection_made(wire)  # type: ignore[arg-type]
    assert connection.adopt(lambda _connection: None, lambda _connection: None)
    told = begin(connection)
    connection.write(b"head", b"body")
    connection.data_received(ANSWER)
    assert [type(answered) for answered in told] == [Response]
    assert connection.used
    wire.written = b""
    return connection, wire


def begin(connection: ClientConnection) -> list[Answered]:
    told: list[Answered] = []
    connection.begin(told.append, now=0.0, deadline=10.0, timeout=10.0, is_head=False)
    return told


def test_an_answer_that_comes_before_the_request_is_sent_is_not_its_answer() -> None:
    connection, wire = kept()
    told = begin(connection)
    connection.data_received(ANSWER)  # of nobody, or a second one to the request before
    assert [type(answered) for answered in told] == [ClosedUnanswered]
    assert wire.aborted
    connection.write(b"head", b"body")
    assert wire.written == b""


@pytest.mark.parametrize("lost", [True, False])
def test_a_close_before_the_request_is_sent_is_not_the_requests_however_late_it_is_seen(lost: bool) -> None:
    connection, wire = kept()
    told = begin(connection)
    if lost:
        connection.connection_lost(None)
    else:
        connection.eof_received()
    assert [type(answered) for answered in told] == [ClosedUnanswered]
    connection.write(b"head", b"body")
    assert wire.written == b""


def test_a_second_answer_and_one_after_the_end_close_the_connection_and_reach_nobody() -> None:
    connection, wire = kept()
    connection.data_received(ANSWER)
    assert wire.aborted
    connection.data_received(ANSWER)
    assert connection.ended


def test_a_request_that_there_is_no_memory_to_send_keeps_no_other_from_being_sent() -> None:
    connection, wire = kept()
    told = begin(connection)
    wire.fault = MemoryError()
    connection.write(b"head", b"body")
    assert isinstance(told[0], ClosedUnanswered | DeliveryFailed)
    assert len(told) == 1
    assert wire.aborted
