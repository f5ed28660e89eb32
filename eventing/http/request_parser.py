"""Bytes in, complete requests out; no sockets, no clock.

llhttp (through httptools, no leniency set) refuses what request smuggling lives on: Content-Length twice or beside
Transfer-Encoding, bare CR and LF, folded headers, white space before the colon, control characters. What it lets pass and
RFC 9112 does not is refused here: other codings than `chunked`, codings in HTTP/1.0, other versions, a missing or second Host.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

import httptools

from eventing.http.limits import ServerLimits
from eventing.http.pieces import Pieces
from eventing.http.refusal import Refusal
from eventing.ports.http import Request

SLICE = 64 * 1024
"""The most that is handed to the parser at a time, so that a flood of tiny pipelined requests can be stopped early."""

_METHODS = {name.encode(): name for name in ("POST", "GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE")}
_ALLOW = b"POST, OPTIONS"
_FRAMING = frozenset({b"host", b"content-length", b"transfer-encoding", b"connection", b"expect"})
_AUTHORITY = rb"(?:(?:[A-Za-z0-9._~!$&'()*+;=\-]|%[0-9A-Fa-f]{2})*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?"
_HOST = re.compile(_AUTHORITY)
"""Without the comma, which RFC 3986 allows: no host has one, and joined headers do."""
_ABSOLUTE = re.compile(rb"https?://(?![:/?]|$)" + _AUTHORITY + rb"(?=[/?]|$)", re.IGNORECASE)
_TARGET = re.compile(rb"[\x21\x22\x24-\x7e]+")
_HEADER = 96
"""Bytes that a header takes beside its name and value: objects, not text, are what a flood of tiny headers costs."""
_CHUNK_OVERHEAD = 8
"""A body in chunks may take this many times its size on the wire (a chunk of one byte takes six)."""


@dataclass(slots=True)
class Incoming:
    """A complete request and what its answer must heed. ``size``: bytes it takes, head and body, at most a slice too many."""

    request: Request
    keep_alive: bool
    http10: bool
    size: int = field(compare=False)


class _Discarded(list[tuple[bytes, bytes]]):
    """Where trailers go (RFC 9110, 6.5.1)."""

    def append(self, header: tuple[bytes, bytes], /) -> None:
        pass


_TRAILERS = _Discarded()


class _Surplus(Exception):
    """More begins after the last request."""


class RequestParser:
    """``emit`` is called with each complete request, from within `feed`.

    `feed` raises `Refusal` for what can't be accepted; nothing may be fed after that, nor after a request that does not
    keep the connection alive (it is ignored). What else goes wrong within it, such as `MemoryError`, is raised as it is: that
    is not the client's fault.
    """

    __slots__ = (
        "_body",
        "_closing",
        "_connection",
        "_emit",
        "_headers",
        "_host",
        "_http10",
        "_keep_alive",
        "_known_host",
        "_known_target",
        "_known_url",
        "_length",
        "_limits",
        "_parser",
        "_peer",
        "_pieces",
        "_raw",
        "_refusal",
        "_request",
        "_upgrading",
        "_url",
        "begun",
        "buffered",
        "ended",
        "expects_continue",
        "in_body",
        "surplus",
    )

    def __init__(self, limits: ServerLimits, emit: Callable[[Incoming], None], peer: str = "") -> None:
        self._limits, self._emit, self._peer = limits, emit, peer
        self._parser = httptools.HttpRequestParser(self)
        # Most clients send to one address: what was checked is remembered for the next request.
        self._known_host = self._known_url = b""
        self._known_target = ("/", "")
        self._refusal: Refusal | None = None
        self._upgrading = False
        self.ended = False
        """A request said that it is the last one."""
        self.surplus = False
        """More came after the last one."""
        self._reset()

    def _reset(self) -> None:
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._host: bytes | None = None
        self._length = 0
        self._connection = self._closing = False
        self._request: Request | None = None
        self._keep_alive, self._http10 = True, False
        self._body = b""
        self._pieces: Pieces | None = None
        self._raw = 0
        self.begun = False
        """The first byte of a request is there, the last one is not."""
        self.in_body = False
        self.buffered = 0
        """Bytes of the unfinished body held so far."""
        self.expects_continue = False

    @property
    def holding(self) -> int:
        """Bytes that the unfinished request takes, head and body."""
        if not self.begun:
            return 0
        return self._raw + _HEADER * len(self._headers if self._request is None else self._request.headers)

    # What the connection calls ------------------------------------------------------------------------------------------

    def feed(self, data: bytes | memoryview) -> None:
        """Take at most `SLICE` bytes. Raises `Refusal`."""
        self.surplus = self.surplus or self.ended
        try:
            while not self.ended:
                self._raw += len(data)
                try:
                    self._parser.feed_data(data)
                except httptools.HttpParserUpgrade as upgrade:
                    rest = upgrade.args[0]
                else:
                    if self.begun:
                        self._bound_raw()
                    return
                # Outside of the handler above, whose exception would take the place of a callback's as the context.
                data = memoryview(data)[rest:]
                self._go_on_without_upgrade()
        except httptools.HttpParserCallbackError as error:
            if isinstance(error.__context__, _Surplus):
                self.surplus = True
                return
            raise self._refusal or error.__context__ or error from None
        except httptools.HttpParserError as error:
            if self.ended:  # llhttp objects to bytes after the last request; they are nobody's
                self.surplus = True
                return
            if isinstance(error, httptools.HttpParserInvalidMethodError):
                raise _other_method("it does not begin with a method that is known here") from None
            raise Refusal(400, "malformed", f"not a valid HTTP request: {error}") from None

    def stop(self) -> None:
        """Take nothing more, and let go of the unfinished request."""
        self.ended = True
        self._reset()

    def release(self) -> None:
        """Nothing will be fed any more: let go of the parser below, which refers to this one, and of the connection."""
        self.stop()
        del self._parser, self._emit

    def _bound_raw(self) -> None:
        """The parser keeps an unfinished header, and skips white space and chunk extensions, without telling."""
        limits = self._limits
        if not self.in_body:
            if self._raw > limits.max_headers + limits.max_url:
                raise _headers_too_large(limits)
        elif self._raw > limits.max_headers + limits.max_url + SLICE + _CHUNK_OVERHEAD * limits.max_body:
            raise Refusal(413, "body_too_large", "the chunks of the body take too many bytes beside the data")

    def _go_on_without_upgrade(self) -> None:
        """Upgrade is ignored (RFC 9110, 7.8), but llhttp stops before the body of a request that asks for it. So a new
        parser gets the same framing without the wish, and reads on from there, if this is the last request up to its end."""
        self._parser = httptools.HttpRequestParser(self)
        self._upgrading = False
        if not self.begun:
            return
        head = (self._request, self._headers, self._keep_alive, self._http10, self.expects_continue, self._raw)
        framing = b"transfer-encoding: chunked" if self._length < 0 else b"content-length: %d" % self._length
        self._url = b""
        last = b"" if self._keep_alive else b"\r\nconnection: close"
        self._parser.feed_data(b"POST / HTTP/1.1\r\nhost: upgrade\r\n" + framing + last + b"\r\n\r\n")
        self._request, self._headers, self._keep_alive, self._http10, self.expects_continue, self._raw = head

    # What httptools calls -----------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.ended:  # llhttp would go on where HTTP/1.0 says both keep-alive and close
            raise _Surplus
        self.begun = True

    def on_url(self, url: bytes) -> None:
        self._url = self._url + url if self._url else url
        if len(self._url) > self._limits.max_url:
            self._refuse(Refusal(414, "url_too_large", f"the request target is longer than {self._limits.max_url} bytes"))

    def on_header(self, name: bytes, value: bytes) -> None:
        name, value = name.lower(), value.strip()
        if name in _FRAMING and not self.in_body:
            self._frame(name, value)
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        parser = self._parser
        self._keep_alive = parser.should_keep_alive() and not self._closing
        if self._connection or not self._keep_alive:
            self._check_version()
        name = parser.get_method()
        if name == b"CONNECT":  # llhttp takes what follows it for another protocol
            self._refuse(_other_method("CONNECT is not supported"))
        method = _METHODS.get(name) or name.decode("ascii")
        host = self._host
        if host is None:
            if not self._http10:
                self._refuse(Refusal(400, "host", "an HTTP/1.1 request needs exactly one Host header (RFC 9112, 3.2)"))
        elif host != self._known_host:
            if _HOST.fullmatch(host) is None:
                self._refuse(Refusal(400, "host", "the Host header is not a host and port (RFC 9112, 3.2)"))
            self._known_host = host
        if self._length < 0 and self._http10:
            self._refuse(Refusal(400, "transfer_encoding", "Transfer-Encoding needs HTTP/1.1 (RFC 9112, 6.1)"))
        if self._raw > self._limits.max_header - SLICE:
            self._check_sizes()
        if self._url != self._known_url:
            self._known_target = self._target()
            self._known_url = self._url
        path, query = self._known_target
        if self._length > self._limits.max_body:
            self._refuse(_body_too_large(self._limits))
        self._upgrading = parser.should_upgrade()
        self._request = Request(method, path, query, self._headers, b"", self._peer)
        self._headers = _TRAILERS
        self.in_body = True

    def on_body(self, data: bytes) -> None:
        self.buffered += len(data)
        if self.buffered > self._limits.max_body:
            self._refuse(_body_too_large(self._limits))
        if self._pieces is not None:
            self._pieces.append(data)
        elif self._body:
            self._pieces = Pieces(self._body, data)
        else:
            self._body = data

    def on_message_complete(self) -> None:
        if self._upgrading and self._length:
            return  # llhttp ends the request at its head; the body is still to come
        request = self._request
        assert request is not None
        request.body = self._body if self._pieces is None else self._pieces.join()
        if self._length < 0 and not self._parser.should_keep_alive():
            self._keep_alive = False  # so said the head or a trailer, which llhttp heeds too: it takes no further request
        incoming = Incoming(
            request, self._keep_alive, self._http10, max(self._raw, len(request.body)) + _HEADER * len(request.headers)
        )
        if not self._keep_alive:
            self.ended = True
        self._reset()
        self._emit(incoming)

    # Rules --------------------------------------------------------------------------------------------------------------

    def _frame(self, name: bytes, value: bytes) -> None:
        if name == b"host":
            if self._host is not None:
                self._refuse(Refusal(400, "host", "more than one Host header (RFC 9112, 3.2)"))
            self._host = value
        elif name == b"content-length":
            self._length = content_length(value)
        elif name == b"transfer-encoding":
            if value.lower() != b"chunked":
                self._refuse(Refusal(400, "transfer_encoding", "the only Transfer-Encoding supported is chunked"))
            self._length = -1
        elif name == b"connection":
            self._connection = True
            self._closing = self._closing or closes(value)
        elif value.lower() == b"100-continue":
            self.expects_continue = True
        else:
            self._refuse(Refusal(417, "expectation", "the only expectation supported is 100-continue (RFC 9110, 10.1.1)"))

    def _check_version(self) -> None:
        # With no Connection header, keep-alive is true in HTTP/1.1 alone: the common case never gets here.
        version = self._parser.get_http_version()
        if version == "1.0":
            self._http10 = True
            self.expects_continue = False  # RFC 9110, 10.1.1
        elif version != "1.1":
            self._refuse(Refusal(400, "version", "only HTTP/1.0 and HTTP/1.1 are supported"))

    def _check_sizes(self) -> None:
        sizes = [len(name) + len(value) + 4 for name, value in self._headers]
        if sizes and max(sizes) > self._limits.max_header:
            self._refuse(Refusal(431, "headers_too_large", f"a header is larger than {self._limits.max_header} bytes"))
        if sum(sizes) > self._limits.max_headers:
            self._refuse(_headers_too_large(self._limits))

    def _target(self) -> tuple[str, str]:
        url = self._url
        if _TARGET.fullmatch(url) is None:
            self._refuse(Refusal(400, "malformed", "the request target holds characters that must be percent-encoded"))
        if url[:1] != b"/" and url != b"*":  # absolute form: what a client sends that takes this for its proxy (RFC 9112, 3.2.2)
            absolute = _ABSOLUTE.match(url)
            if absolute is None:
                self._refuse(Refusal(400, "malformed", "the request target is neither a path nor an absolute http URL"))
            url = url[absolute.end() :] or b"/"
            if url[:1] == b"?":
                url = b"/" + url
        path, _, query = url.partition(b"?")
        return path.decode("ascii"), query.decode("ascii")

    def _refuse(self, refusal: Refusal) -> NoReturn:
        # httptools replaces what its callbacks raise, so the refusal is kept aside for `feed`.
        self._refusal = refusal
        raise refusal


def closes(value: bytes) -> bool:
    """Whether a `Connection` header holds the option `close`, which wins over `keep-alive` in every version (RFC 9112, 9.3)."""
    return b"close" in [option.strip() for option in value.lower().split(b",")]


def content_length(value: bytes) -> int:
    """Of a value that llhttp let pass: digits, below 2**64 (RFC 9110, 8.6). Leading zeros may outnumber what `int` takes."""
    return int(value.lstrip(b"0") or b"0")


def _other_method(problem: str) -> Refusal:
    return Refusal(405, "method", f"not a request that is served: {problem}; events are sent with POST", allow=_ALLOW)


def _headers_too_large(limits: ServerLimits) -> Refusal:
    return Refusal(431, "headers_too_large", f"the headers are larger than {limits.max_headers} bytes")


def _body_too_large(limits: ServerLimits) -> Refusal:
    return Refusal(413, "body_too_large", f"the body is larger than {limits.max_body} bytes")
