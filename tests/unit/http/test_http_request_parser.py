"""The request parser by bytes: what it takes, what it refuses, however the bytes are cut."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from request_support import LIMITS, head, parse, refused

from eventing.http.limits import ServerLimits
from eventing.http.refusal import Refusal
from eventing.http.request_parser import SLICE, Incoming, RequestParser

SIMPLE = b"POST /ns/broker?a=b&c HTTP/1.1\r\nHost: localhost:8080\r\nCe-Id: \t x y \t\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"PUT /%20 HTTP/1.1\r\nhost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"
    b"3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: secret\r\nHost: no\r\n\r\n"
)
UPGRADE = (
    b"POST /up HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n"
    b"Content-Length: 5\r\n\r\nhello"
)
UPGRADE_CHUNKED = (
    b"POST /up HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n0\r\n\r\n"
)
UPGRADE_EMPTY = b"GET /up HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
OLD = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"


def test_a_request_is_taken_apart() -> None:
    (incoming,) = parse(SIMPLE)
    request = incoming.request
    assert (request.method, request.path, request.query) == ("POST", "/ns/broker", "a=b&c")
    assert list(request.headers) == [(b"host", b"localhost:8080"), (b"ce-id", b"x y"), (b"content-length", b"5")]
    assert request.body == b"hello"
    assert incoming.keep_alive
    assert not incoming.http10


@pytest.mark.parametrize("callback", ["on_url", "on_header", "on_headers_complete", "on_body", "on_message_complete"])
@pytest.mark.parametrize("wire", [SIMPLE, CHUNKED, UPGRADE, SIMPLE.replace(b"Ce-Id", b"Connection: close\r\nCe-Id")])
@pytest.mark.parametrize("fault", [MemoryError, RuntimeError])
def test_a_fault_of_ours_is_not_blamed_on_the_request(callback: str, wire: bytes, fault: type[Exception]) -> None:
    def fail(*_: object) -> None:
        raise fault

    broken = type("Broken", (RequestParser,), {callback: fail})
    with pytest.raises(fault):
        broken(LIMITS, [].append).feed(wire)


def test_the_last_request_that_could_not_be_handed_on_is_not_forgotten() -> None:
    def emit(incoming: Incoming) -> None:
        raise MemoryError

    parser = RequestParser(LIMITS, emit)
    with pytest.raises(MemoryError):
        parser.feed(SIMPLE.replace(b"Ce-Id", b"Connection: close\r\nCe-Id"))


def test_a_length_of_any_number_of_digits() -> None:
    limits = ServerLimits(max_body=64)
    (incoming,) = parse(SIMPLE.replace(b"Length: 5", b"Length: " + b"0" * 5000 + b"5"), limits=limits)
    assert incoming.request.body == b"hello"
    assert refused(SIMPLE.replace(b"Length: 5", b"Length: " + b"0" * 5000 + b"65"), limits=limits) == (413, "body_too_large")
    assert refused(SIMPLE.replace(b"Length: 5", b"Length: " + b"9" * 5000), limits=limits) == (400, "malformed")
    assert refused(SIMPLE.replace(b"Length: 5", b"Length: 18446744073709551615"), limits=limits) == (413, "body_too_large")


@pytest.mark.requirement("I19")
def test_trailers_are_neither_headers_nor_framing() -> None:
    (incoming,) = parse(CHUNKED)
    assert incoming.request.body == b"abcde"
    assert incoming.request.header(b"trailer") is None
    assert [value for name, value in incoming.request.headers if name == b"host"] == [b"a"]


@pytest.mark.requirement("I19")
@pytest.mark.parametrize("upgrade", [b"", b"Connection: Upgrade\r\nUpgrade: h2c\r\n"])
def test_close_in_a_trailer_ends_the_requests(upgrade: bytes) -> None:
    """It has no business there, but the parser below heeds it: what follows is nobody's, rather than refused."""
    last = (
        b"POST / HTTP/1.1\r\nHost: a\r\n"
        + upgrade
        + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nConnection: close\r\n\r\n"
    )
    for cut in (0, 1, 7):
        (incoming,) = parse(last + SIMPLE, cut=cut)
        assert (incoming.request.body, incoming.keep_alive) == (b"x", False)


@pytest.mark.requirement("I19")
@pytest.mark.parametrize("body", [b"", b"hello"])
def test_close_ends_the_requests_though_http_1_0_also_says_keep_alive(body: bytes) -> None:
    last = b"POST / HTTP/1.0\r\nConnection: keep-alive, close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    for cut in (0, 1, 7):
        (incoming,) = parse(last + SIMPLE, cut=cut)
        assert incoming.request.body == body


@pytest.mark.parametrize("wish", [UPGRADE, UPGRADE_CHUNKED])
def test_an_upgrade_is_ignored_and_the_body_kept(wish: bytes) -> None:
    first, second = parse(wish + SIMPLE)
    assert first.request.body == b"hello"
    assert first.request.path == "/up"
    assert first.request.header(b"upgrade") == b"h2c"
    assert first.keep_alive
    assert second.request.path == "/ns/broker"


@pytest.mark.parametrize("start", [b"POST /up HTTP/1.1\r\nHost: a\r\nConnection: close\r\n", b"POST /up HTTP/1.0\r\n"])
@pytest.mark.parametrize("after", [SIMPLE, b"GARBAGE", b"POST / HTTP/1.1\r\nExpect: x\r\n"])
def test_nothing_is_read_after_an_upgrade_that_is_the_last_request(start: bytes, after: bytes) -> None:
    last = start + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n\r\nhello"
    for cut in (0, 1, 7):
        (incoming,) = parse(last + after, cut=cut)
        assert incoming.request.body == b"hello"
        assert not incoming.keep_alive


def test_an_upgrade_whose_body_is_too_large_is_refused() -> None:
    assert refused(UPGRADE.replace(b"Length: 5", b"Length: 65")) == (413, "body_too_large")
    assert refused(UPGRADE_CHUNKED.replace(b"5\r\nhello", b"41\r\n" + b"x" * 65)) == (413, "body_too_large")


@pytest.mark.parametrize("data", [SIMPLE, CHUNKED, UPGRADE, UPGRADE_CHUNKED, UPGRADE_EMPTY, OLD])
def test_every_split_gives_the_same_request(data: bytes) -> None:
    stream = data + SIMPLE
    whole = parse(stream)
    assert len(whole) == 2
    for position in range(len(stream) + 1):
        found: list[Incoming] = []
        parser = RequestParser(LIMITS, found.append)
        parser.feed(stream[:position])
        parser.feed(stream[position:])
        assert found == whole, position
        assert not parser.begun
        assert parser.buffered == 0
    assert parse(stream, cut=1) == whole


def test_begun_tells_a_request_in_part_from_none() -> None:
    parser = RequestParser(LIMITS, [].append)
    parser.feed(SIMPLE + b"P")
    assert parser.begun
    parser.feed(SIMPLE[1:])
    assert not parser.begun
    parser.feed(b"\r\n\r\n")  # RFC 9112, 2.2: empty lines before a request are skipped
    assert not parser.begun


@pytest.mark.parametrize(
    ("wire", "keep_alive", "http10"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", True, False),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", False, False),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", True, False),
        (b"GET / HTTP/1.0\r\n\r\n", False, True),
        (b"GET / HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n", True, True),
        (b"GET / HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive, Close\r\n\r\n", False, True),
        (b"GET / HTTP/1.0\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n", False, True),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive ,close\r\n\r\n", False, False),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n", True, False),
    ],
)
def test_keep_alive_follows_version_and_connection(wire: bytes, keep_alive: bool, http10: bool) -> None:
    (incoming,) = parse(wire)
    assert (incoming.keep_alive, incoming.http10) == (keep_alive, http10)


def test_what_follows_the_last_request_is_ignored() -> None:
    last = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    for cut in (0, 1):
        assert [incoming.request.path for incoming in parse(last + SIMPLE, cut=cut)] == ["/last"]


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/", "/", ""),
        (b"//x/../y", "//x/../y", ""),
        (b"/a%2Fb?x=%20?&y", "/a%2Fb", "x=%20?&y"),
        (b"http://other.example/ns/b?q", "/ns/b", "q"),
        (b"http://other.example", "/", ""),
        (b"http://other.example?q", "/", "q"),
        (b"*", "*", ""),
    ],
)
def test_request_targets(target: bytes, path: str, query: str) -> None:
    (incoming,) = parse(b"OPTIONS " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (incoming.request.path, incoming.request.query) == (path, query)


@pytest.mark.parametrize(
    ("wire", "status", "reason"),
    [
        # methods; what smuggling lives on is in test_http_smuggling.py
        (head(b"Host: a", start=b"BREW / HTTP/1.1"), 405, "method"),
        (head(b"Host: a", start=b"post / HTTP/1.1"), 405, "method"),
        # targets
        (head(b"Host: a", start=b"GET /\xc3\xa4 HTTP/1.1"), 400, "malformed"),
        (head(b"Host: a", start=b"GET /#fragment HTTP/1.1"), 400, "malformed"),
        (head(b"Host: a", start=b"GET relative HTTP/1.1"), 400, "malformed"),
        # sizes
        (head(b"Host: a", start=b"GET /" + b"x" * 100 + b" HTTP/1.1"), 414, "url_too_large"),
        (head(b"Host: a", b"X: " + b"x" * 300), 431, "headers_too_large"),
        (head(b"Host: a", b"X: " + b"x" * 200, b"Y: " + b"y" * 200), 431, "headers_too_large"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 600, 431, "headers_too_large"),
        (b"POST / HTTP/1.1\r\nHost: a\r\n" + b"x" * 600, 431, "headers_too_large"),
        (head(b"Host: a", b"Content-Length: 65"), 413, "body_too_large"),
        (head(b"Host: a", b"Content-Length: 65", b"Expect: 100-continue"), 413, "body_too_large"),
        (
            head(b"Host: a", b"Transfer-Encoding: chunked") + b"28\r\n" + b"x" * 40 + b"\r\n28\r\n" + b"x" * 40,
            413,
            "body_too_large",
        ),
    ],
)
def test_refused(wire: bytes, status: int, reason: str) -> None:
    assert refused(wire) == (status, reason)


@pytest.mark.requirement("I19")
def test_chunk_extensions_and_leading_empty_lines_are_bounded() -> None:
    limits = ServerLimits(max_url=10, max_header=100, max_headers=100, max_body=10)
    found: list[Incoming] = []
    for start in (head(b"Host: a", b"Transfer-Encoding: chunked") + b"5;", b""):
        parser = RequestParser(limits, found.append)
        parser.feed(start)
        filler = b"x" * 1000 if start else b"\r\n" * 500
        flood = [filler] * 100 if start else [filler, b"G"]
        with pytest.raises(Refusal):
            list(map(parser.feed, flood))
    assert not found


@pytest.mark.requirement("I17")
def test_an_event_of_64_kib_passes_though_all_of_it_were_headers_and_percent_encoded() -> None:
    limits = ServerLimits()
    one = head(b"Host: a", b"ce-subject: " + b"x" * 64 * 1024)
    many = head(b"Host: a", *(b"ce-e%d: " % number + b"x" * 1000 for number in range(64)))
    encoded = head(b"Host: a", b"ce-subject: " + b"%20" * 64 * 1024)
    for wire in (one, many, encoded):
        for cut in (0, 4096, 65_537):
            found: list[Incoming] = []
            parser = RequestParser(limits, found.append)
            step = min(cut or SLICE, SLICE)
            for start in range(0, len(wire), step):
                parser.feed(wire[start : start + step])
            assert len(found) == 1


def test_the_exact_limits_pass() -> None:
    found = parse(head(b"Host: a", b"Content-Length: 64") + b"x" * 64)
    assert len(found[0].request.body) == 64
    chunk = b"20\r\n" + b"x" * 32 + b"\r\n"
    found = parse(head(b"Host: a", b"Transfer-Encoding: chunked") + chunk * 2 + b"0\r\n\r\n")
    assert len(found[0].request.body) == 64
    assert parse(head(b"Host: a", start=b"GET /" + b"x" * 99 + b" HTTP/1.1"))


@pytest.mark.requirement("I19")
def test_expect_is_told_before_the_body_and_ignored_in_http_1_0() -> None:
    parser = RequestParser(LIMITS, [].append)
    parser.feed(head(b"Host: a", b"Expect: 100-Continue", b"Content-Length: 5"))
    assert parser.expects_continue
    assert parser.in_body
    parser.feed(b"hello")
    assert not parser.expects_continue
    parser = RequestParser(LIMITS, [].append)
    parser.feed(head(b"Expect: 100-continue", b"Connection: keep-alive", b"Content-Length: 5", start=b"POST / HTTP/1.0"))
    assert not parser.expects_continue


PIECES = st.sampled_from(
    [
        *(SIMPLE, CHUNKED, UPGRADE, UPGRADE_CHUNKED, OLD, b"GET / HTTP/1.1\r\n", b"Host: a\r\n", b"\r\n"),
        *(
            b"Content-Length: 3\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"Upgrade: x\r\nConnection: upgrade\r\n",
            b"0\r\n\r\n",
            b"\n",
            b"\x00",
            b":",
        ),
    ]
)


@settings(max_examples=300)
@given(st.lists(st.one_of(PIECES, st.binary(max_size=40)), max_size=12), st.data())
def test_any_bytes_give_requests_or_one_refusal_wherever_they_are_cut(pieces: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(pieces)

    def run(cuts: list[int]) -> tuple[list[Incoming], int | None]:
        found: list[Incoming] = []
        parser = RequestParser(LIMITS, found.append)
        try:
            for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
                parser.feed(stream[start:end])
        except Refusal as refusal:
            return found, refusal.status
        return found, None

    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    whole, cut = run([]), run(cuts)
    assert whole[0] == cut[0]
    assert (whole[1] is None) == (cut[1] is None)
    assert whole[1] is None or 400 <= whole[1] < 600
