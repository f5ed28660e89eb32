"""The answer parser by bytes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventing.errors import AnswerMalformed, AnswerTooLarge, DeliveryFailed
from eventing.http.limits import ClientLimits
from eventing.http.response_parser import ResponseParser

LIMITS = ClientLimits(max_response=64, max_response_headers=300)
OK = b"HTTP/1.1 200 OK\r\nContent-Type: \t a/b \t\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n3;e=1\r\nhel\r\n2\r\nlo\r\n0\r\nX-Trailer: t\r\n\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"


def feed(data: bytes, *, cut: int = 0, head: bool = False, end: bool = False) -> ResponseParser:
    parser = ResponseParser(LIMITS)
    parser.expect(head=head)
    step = cut or len(data) or 1
    for start in range(0, len(data), step):
        parser.feed(data[start : start + step])
    if end:
        parser.finish()
    return parser


@pytest.mark.parametrize("wire", [OK, CHUNKED, INTERIM + OK, INTERIM + CHUNKED])
def test_every_split_gives_the_same_answer(wire: bytes) -> None:
    whole = feed(wire)
    assert whole.response is not None
    assert whole.response.body == b"hello"
    assert whole.reusable
    for position in range(1, len(wire)):
        parser = ResponseParser(LIMITS)
        parser.expect(head=False)
        parser.feed(wire[:position])
        assert parser.response is None
        parser.feed(wire[position:])
        assert parser.response == whole.response
        assert parser.reusable
    assert feed(wire, cut=1).response == whole.response


@pytest.mark.parametrize("trailer", [b"Connection: close", b"Connection: x, close", b"Transfer-Encoding: x"])
def test_a_connection_is_not_used_again_after_a_trailer_that_ends_it(trailer: bytes) -> None:
    """The parser below takes nothing behind such an answer: a good second one would count as malformed."""
    wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n" + trailer + b"\r\n\r\n"
    for cut in (0, 1):
        parser = feed(wire, cut=cut)
        assert parser.response is not None
        assert parser.response.body == b"x"
        assert not parser.reusable


def test_a_fault_of_ours_is_told_and_retried() -> None:
    class Broken(ResponseParser):
        def on_body(self, data: bytes) -> None:
            raise MemoryError

    parser = Broken(LIMITS)
    parser.expect(head=False)
    with pytest.raises(AnswerMalformed, match="could not be read: MemoryError"):
        parser.feed(OK)


def test_a_length_of_any_number_of_digits() -> None:
    wire = b"HTTP/1.1 200 OK\r\nContent-Length: " + b"0" * 5000 + b"5\r\n\r\nhello"
    parser = ResponseParser(ClientLimits())
    parser.feed(wire)
    assert parser.response is not None
    assert parser.response.body == b"hello"


@pytest.mark.parametrize("before", [b"", INTERIM])
@pytest.mark.parametrize(
    ("wire", "status"),
    [
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", 101),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\nPRI * HTTP/2.0", 101),
        (b"HTTP/1.1 101 Switching Protocols\r\nContent-Length: 3\r\n\r\nabc", 101),
        (b"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n", 100),
        (b"HTTP/1.1 103 Early Hints\r\nContent-Length: 2\r\n\r\n{}", 103),
        (b"HTTP/1.1 199 Odd\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 199),
        (b"HTTP/1.1 102 Processing\r\nConnection: close\r\n\r\n", 102),
        (b"HTTP/1.0 150 Odd\r\n\r\n", 150),
    ],
)
def test_a_1xx_that_no_answer_can_follow_is_the_answer(before: bytes, wire: bytes, status: int) -> None:
    for cut in (0, 1):
        parser = ResponseParser(LIMITS)
        parser.expect(head=False)
        stream = before + wire
        step = cut or len(stream)
        for start in range(0, len(stream), step):
            if parser.response is None:
                parser.feed(stream[start : start + step])
        assert parser.response is not None
        assert (parser.response.status, parser.response.body) == (status, b"")
        assert not parser.reusable


def test_a_connection_that_ends_after_an_interim_answer_brought_none() -> None:
    with pytest.raises(AnswerMalformed):
        feed(INTERIM, end=True)


def test_headers_are_lower_case_stripped_and_without_those_of_interim_answers_and_trailers() -> None:
    response = feed(INTERIM + OK).response
    assert response is not None
    assert list(response.headers) == [(b"content-type", b"a/b"), (b"content-length", b"5")]
    response = feed(CHUNKED).response
    assert response is not None
    assert response.header(b"x-trailer") is None


def test_one_parser_takes_the_next_answer() -> None:
    parser = feed(OK)
    for wire in (CHUNKED, OK):
        parser.expect(head=False)
        assert not parser.begun
        parser.feed(wire)
        assert parser.response is not None
        assert parser.response.body == b"hello"
        assert parser.reusable


@pytest.mark.parametrize(
    ("wire", "body", "reusable"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 70000\r\n\r\n", b"", True),
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", b"", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi", b"hi", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"hi", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi", b"hi", True),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive, close\r\nContent-Length: 2\r\n\r\nhi", b"hi", False),
        (b"HTTP/1.1 200 OK\r\nUpgrade: h2c\r\nConnection: upgrade\r\nContent-Length: 2\r\n\r\nhi", b"hi", True),
        (b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://x/\r\nContent-Length: 0\r\n\r\n", b"", True),
    ],
)
def test_where_an_answer_ends(wire: bytes, body: bytes, reusable: bool) -> None:
    for cut in (0, 1):
        parser = feed(wire, cut=cut)
        assert parser.response is not None
        assert parser.response.body == body
        assert parser.reusable is reusable


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.0 200 OK\r\nContent-Type: a/b\r\n\r\n"])
def test_an_answer_delimited_by_the_close(start: bytes) -> None:
    for cut in (0, 1):
        assert feed(start + b"hello", cut=cut).response is None
        parser = feed(start + b"hello", cut=cut, end=True)
        assert parser.response is not None
        assert parser.response.body == b"hello"
        assert not parser.reusable


@pytest.mark.parametrize("wire", [OK, CHUNKED])
def test_a_truncated_answer_is_malformed_at_every_byte(wire: bytes) -> None:
    for position in range(1, len(wire)):
        with pytest.raises(AnswerMalformed):
            feed(wire[:position], end=True)


@pytest.mark.parametrize("extra", [b"H", b"x", OK, b"HTTP/1.1 200 OK\r\n", b"\r\nx", b"\x00"])
@pytest.mark.parametrize("wire", [OK, CHUNKED, b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"])
def test_bytes_after_an_answer_end_the_reuse(wire: bytes, extra: bytes) -> None:
    parser = feed(wire + extra)
    assert parser.response is not None
    assert parser.response.body in {b"hello", b""}
    assert not parser.reusable
    late = feed(wire)
    late.feed(extra)
    assert not late.reusable


def test_a_head_answer_has_no_body_and_ends_the_connection() -> None:
    parser = feed(b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n", head=True)
    assert parser.response is not None
    assert parser.response.body == b""
    assert not parser.reusable


@pytest.mark.parametrize(
    "wire",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"ICE/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"\r\n\nRTSP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/2.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/0.9 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n",  # else it would be read up to the time-out
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
    ],
)
def test_malformed(wire: bytes) -> None:
    for cut in (0, 1):
        with pytest.raises(AnswerMalformed):
            feed(wire, cut=cut)


@pytest.mark.parametrize(
    "wire",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 65\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 65,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n41\r\n" + b"x" * 65,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 400,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 2000,
        INTERIM * 10,
    ],
)
def test_too_large(wire: bytes) -> None:
    for cut in (0, 1):
        with pytest.raises(AnswerTooLarge):
            feed(wire, cut=cut)


PIECES = st.sampled_from([OK, CHUNKED, INTERIM, b"HTTP/1.1 200 OK\r\n", b"\r\n", b"Content-Length: 3\r\n", b"abc", b"0\r\n\r\n"])


@settings(max_examples=300)
@given(st.lists(st.one_of(PIECES, st.binary(max_size=30)), max_size=8), st.data())
def test_any_bytes_give_an_answer_or_one_error_wherever_they_are_cut(pieces: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(pieces)

    def run(cuts: list[int]) -> object:
        parser = ResponseParser(LIMITS)
        parser.expect(head=False)
        try:
            for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
                if start < end and parser.response is None:
                    parser.feed(stream[start:end])
            parser.finish()
        except DeliveryFailed:
            return None
        return parser.response

    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=4)))
    assert run(cuts) == run([])
