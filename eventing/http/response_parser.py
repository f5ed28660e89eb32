"""Bytes in, one answer out; no sockets, no clock."""

from __future__ import annotations

import httptools

from eventing.errors import AnswerMalformed, AnswerTooLarge, DeliveryFailed
from eventing.http.limits import ClientLimits
from eventing.http.pieces import Pieces
from eventing.http.request_parser import closes, content_length
from eventing.ports.http import Response

_CHUNKED = -1
_CHUNK_OVERHEAD = 8
"""A body in chunks may take this many times its size on the wire (a chunk of one byte takes six)."""


class ResponseParser:
    """Parses the answers of one connection, one at a time: `expect`, then `feed` until ``response`` is there.

    Interim answers (1xx) are skipped. A 1xx that no other answer can follow is the answer itself, without a body: 101, which
    nobody asked for (RFC 9110, 15.2.2), and one framed as only a final answer may be, with a length (RFC 9110, 8.6) or as the
    connection's last. ``reusable`` says whether another request may follow on the connection; it is false
    as soon as a byte arrived that belongs to no answer.
    """

    __slots__ = (
        "_body",
        "_connection",
        "_head",
        "_headers",
        "_length",
        "_limits",
        "_parser",
        "_pieces",
        "_raw",
        "_refusal",
        "_size",
        "_status",
        "_unnamed",
        "begun",
        "response",
        "reusable",
    )

    def __init__(self, limits: ClientLimits) -> None:
        self._limits = limits
        self._parser = httptools.HttpResponseParser(self)
        self._refusal: DeliveryFailed | None = None
        self.reusable = True
        self.response: Response | None = None
        self.expect(head=False)

    def expect(self, *, head: bool) -> None:
        """The next answer is that of a request just sent; ``head``: a HEAD request, whose answer has no body."""
        self._head = head
        self._status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._length: int | None = None
        self._connection = False
        self._body = b""
        self._pieces: Pieces | None = None
        self._size = self._raw = 0
        self._unnamed = True
        self.begun = False
        """A byte of the answer arrived."""
        self.response = None

    def feed(self, data: bytes) -> None:
        """Sets ``response`` once it is complete. Raises `AnswerMalformed`, `AnswerTooLarge`."""
        self.begun = True
        if self._unnamed:
            if data[:1] == b"H":
                self._unnamed = False
            else:
                self._check_name(data)
        self._raw += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            # What failed here, memory above all, is no fault of the answer; but it can't be told, so another attempt must.
            fault = type(error.__context__ or error).__qualname__
            raise self._refusal or AnswerMalformed(f"the answer could not be read: {fault}") from None
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if self.response is None:
                raise AnswerMalformed(f"not a valid HTTP answer: {_text(error)}") from None
            self.reusable = False  # the answer is whole, what follows it is not
            return
        if self.response is None:
            self._bound_raw()

    def is_whole(self, data: bytes) -> bool:
        """Whether ``data``, just fed, is by itself the answer that is there now, and another may follow it."""
        return self.reusable and not self._head and self._raw == len(data)

    def release(self) -> None:
        """Nothing will be fed any more: let go of the parser below, which refers to this one."""
        del self._parser

    def finish(self) -> None:
        """The peer closed. Completes an answer that ends so; raises `AnswerMalformed` for one cut short."""
        self.reusable = False
        if self.response is not None:
            return
        if not self._status or self._length is not None:
            raise AnswerMalformed("the connection was closed in the middle of the answer")
        self._complete()

    def _bound_raw(self) -> None:
        """The parser keeps an unfinished header, and skips chunk extensions and interim answers, without telling."""
        limits = self._limits
        if not self._status:
            if self._raw > limits.max_response_headers:
                raise _headers_too_large(limits)
        elif self._raw > 2 * limits.max_response_headers + _CHUNK_OVERHEAD * limits.max_response:
            raise AnswerTooLarge(
                "the chunks of the answer take too many bytes beside the data", status=self._status, headers=self._headers
            )

    # What httptools calls -----------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.response is not None:
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        name, written, value = name.lower(), value, value.strip()
        if self._status:
            return  # a trailer, or a header of something that follows the answer
        if name == b"content-length":
            self._length = content_length(value)
        elif name == b"transfer-encoding":
            # Not even chunked twice (RFC 9112, 7). llhttp sees no coding before a tab, and would read up to the connection's end.
            if written.rstrip(b" ").lstrip().lower() != b"chunked" or self._length == _CHUNKED:
                self._refuse(AnswerMalformed("the answer has a Transfer-Encoding other than chunked"))
            self._length = _CHUNKED
        elif name == b"connection":
            self._connection = True
            if closes(value):
                self.reusable = False
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self.response is not None:
            return
        status = self._parser.get_status_code()
        if self._raw > self._limits.max_response_headers:
            self._check_sizes()
        if status < 200:
            if status < 100:
                self._refuse(AnswerMalformed(f"the answer has the status {status}, which is none"))
            if status == 101 or self._length is not None or not self._parser.should_keep_alive():
                self._status = status
                self.reusable = False  # what follows is another protocol, or a body that may not be there
                self._complete()
                return
            self._headers = []
            self._length = None
            return
        keep_alive = self._parser.should_keep_alive()
        if not keep_alive:
            self.reusable = False
        # With no Connection header, keep-alive is true in HTTP/1.1 alone: the common case needs no look.
        if self._connection or not keep_alive:
            self._check_version()
        if self._length is not None and self._length > self._limits.max_response and not self._head and status != 304:
            self._refuse(self._body_too_large(status))
        self._status = status
        if self._head:
            self.reusable = False  # the parser would take what follows for a body
            self._complete()

    def on_body(self, data: bytes) -> None:
        if self.response is not None:
            return
        self._size += len(data)
        if self._size > self._limits.max_response:
            self._refuse(self._body_too_large(self._status))
        if self._pieces is not None:
            self._pieces.append(data)
        elif self._body:
            self._pieces = Pieces(self._body, data)
        else:
            self._body = data

    def on_message_complete(self) -> None:
        if self._status and self.response is None:
            if self._length == _CHUNKED and not self._parser.should_keep_alive():
                self.reusable = False  # so said a trailer, which llhttp heeds: it takes no further answer
            self._complete()

    # ---------------------------------------------------------------------------------------------------------------------

    def _complete(self) -> None:
        body = self._body if self._pieces is None else self._pieces.join()
        self.response = Response(self._status, self._headers, body)

    def _check_name(self, data: bytes) -> None:
        """llhttp takes RTSP and ICE, too; and it skips empty lines before an answer."""
        first = data.lstrip(b"\r\n")[:1]
        self._unnamed = not first
        if first not in {b"", b"H"}:
            raise AnswerMalformed("not a valid HTTP answer: it does not begin with HTTP/")

    def _check_version(self) -> None:
        version = self._parser.get_http_version()
        if version not in {"1.1", "1.0"}:
            self._refuse(AnswerMalformed(f"the answer is HTTP/{version}, only 1.0 and 1.1 are understood"))

    def _check_sizes(self) -> None:
        if sum(len(name) + len(value) + 4 for name, value in self._headers) > self._limits.max_response_headers:
            self._refuse(_headers_too_large(self._limits))

    def _body_too_large(self, status: int) -> AnswerTooLarge:
        message = f"the answer's body is larger than {self._limits.max_response} bytes"
        return AnswerTooLarge(message, status=status, headers=self._headers)

    def _refuse(self, error: DeliveryFailed) -> None:
        # httptools replaces what its callbacks raise, so the error is kept aside for `feed`.
        self._refusal = error
        raise error


def _text(error: Exception) -> str:
    return "it switches protocols" if isinstance(error, httptools.HttpParserUpgrade) else str(error)


def _headers_too_large(limits: ClientLimits) -> AnswerTooLarge:
    return AnswerTooLarge(f"the answer's headers are larger than {limits.max_response_headers} bytes")
