"""What goes out: well-formed, and never more than one message."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eventing.http.limits import ClientLimits, ServerLimits
from eventing.http.request_parser import Incoming, RequestParser
from eventing.http.response_parser import ResponseParser
from eventing.http.serialise import RequestWriter, ResponseWriter
from eventing.ports.http import Response

DATE = b"date: Mon, 23 Nov 2026 08:00:00 GMT\r\n"
START = b"POST / HTTP/1.1\r\nhost: a\r\n"


def answer(response: Response, **how: bytes | bool) -> bytes:
    return ResponseWriter().write(response, date=DATE, **how)  # type: ignore[arg-type]


def test_a_response_on_the_wire() -> None:
    wire = answer(Response(202, [(b"X-A", b"b"), (b"retry-after", b"1")], b"hi"))
    assert wire == b"HTTP/1.1 202 Accepted\r\n" + DATE + b"X-A: b\r\nretry-after: 1\r\ncontent-length: 2\r\n\r\nhi"


def test_the_servers_own_headers_are_never_doubled() -> None:
    wire = answer(
        Response(200, [(b"Content-Length", b"9"), (b"Date", b"x"), (b"connection", b"x"), (b"Transfer-Encoding", b"x")], b"hi")
    )
    assert wire == b"HTTP/1.1 200 OK\r\n" + DATE + b"content-length: 2\r\n\r\nhi"


def test_head_keeps_the_length_and_drops_the_body() -> None:
    assert answer(Response(200, (), b"hi"), head=True).endswith(b"content-length: 2\r\n\r\n")


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_a_body_have_no_length(status: int) -> None:
    wire = answer(Response(status, (), b"ignored"), connection=b"connection: close\r\n")
    assert wire.endswith(DATE + b"connection: close\r\n\r\n")


def test_an_unregistered_status_has_an_empty_phrase() -> None:
    assert answer(Response(299)).startswith(b"HTTP/1.1 299 \r\n")


@pytest.mark.parametrize("status", [0, 100, 101, 199, 1000, -1])
def test_interim_and_impossible_statuses_are_refused(status: int) -> None:
    with pytest.raises(ValueError, match="status"):
        answer(Response(status))


INJECTIONS = [
    (b"x", b"a\r\nEvil: 1"),
    (b"x", b"a\nEvil: 1"),
    (b"x", b"a\r"),
    (b"x", b"\0"),
    (b"x\r\nEvil", b"1"),
    (b"x: y\r\n\r\nGET / HTTP/1.1\r\nz", b"1"),
    (b"x y", b"1"),
    (b"x:", b"1"),
    (b"", b"1"),
    (b"\xc3\xa4", b"1"),
]


@pytest.mark.parametrize(("name", "value"), INJECTIONS)
def test_header_injection_is_impossible(name: bytes, value: bytes) -> None:
    writer = RequestWriter()
    writer.head(START, [(b"x", b"fine")], 0)  # a name known as good must not make its values good
    for headers in ([(name, value)], [(b"a", b"b"), (name, value), (b"c", b"d")]):
        with pytest.raises(ValueError, match="header") as caught:
            writer.head(START, headers, 0)
        assert "Evil: 1" not in str(caught.value)
        with pytest.raises(ValueError, match="header"):
            answer(Response(200, headers))


def test_two_faults_that_make_the_count_right_are_found() -> None:
    with pytest.raises(ValueError, match="header"):
        RequestWriter().head(START, [(b"a", b"b\r"), (b"c", b"d\n")], 0)


@pytest.mark.parametrize("name", [b"Host", b"content-length", b"Connection", b"transfer-encoding", b"Expect", b"upgrade"])
def test_the_clients_own_headers_are_refused(name: bytes) -> None:
    with pytest.raises(ValueError, match="client itself"):
        RequestWriter().head(START, [(name, b"x")], 0)


def test_the_memory_of_names_is_bounded() -> None:
    writer = RequestWriter()
    for number in range(5000):
        writer.head(START, [(b"x%d" % number, b"")], 0)
    assert len(writer._headers._prefixes) <= 1024


HEADERS = st.lists(
    st.tuples(st.one_of(st.sampled_from([b"x", b"ce-id"]), st.binary(max_size=8)), st.binary(max_size=12)), max_size=5
)


@given(HEADERS, st.binary(max_size=20))
@example([(b"x", b"\x01")], b"")
@example([(b"x", b"\x7f")], b"")
def test_what_is_written_is_read_back_as_one_message(headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    try:
        head = RequestWriter().head(START, headers, len(body))
        wire = answer(Response(200, headers, body))
    except ValueError:
        return
    if any((byte < 32 and byte != 9) or byte == 127 for _, value in headers for byte in value):
        return  # other control characters don't end a line; whether a receiver likes them is its affair
    expected = [(name.lower(), value.strip(b" \t")) for name, value in headers]
    found: list[Incoming] = []
    RequestParser(ServerLimits(), found.append).feed(head + body)
    assert [list(incoming.request.headers)[1:-1] for incoming in found] == [expected]
    assert found[0].request.body == body
    parser = ResponseParser(ClientLimits())
    parser.feed(wire)
    assert parser.response is not None
    assert parser.reusable
    assert parser.response.body == body
