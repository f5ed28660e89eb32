"""A second reader of HTTP/1.1, slow and simple: whole messages from whole bytes, by the letter of RFC 9112.

It knows what the server ought to make of a stream of bytes, and checks what the program itself sends. It shares nothing with
`eventing.http`, so that a fault there is not repeated here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

Headers = list[tuple[bytes, bytes]]

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_START = re.compile(rb"(" + TOKEN + rb") +([\x21\x22\x24-\x7e]+) +HTTP/(\d)\.(\d)")
"""More than one space is what a recipient may bear (RFC 9112, 3), and llhttp does."""
_NAME = rb"(?:[A-Za-z0-9._~!$&'()*+;=\-]|%[0-9A-Fa-f]{2})"
"""Of a host; without the comma, which RFC 3986 allows and two headers in one bring."""
_ADDRESS = rb"\[[0-9A-Fa-f:.]+\]"
_ABSOLUTE = re.compile(rb"[Hh][Tt][Tt][Pp][Ss]?://(?:" + _NAME + rb"+|" + _ADDRESS + rb")(?::[0-9]{0,5})?(?:[/?].*)?")
"""With a host and without a user (RFC 9110, 4.2)."""
_FIELD = re.compile(rb"(" + TOKEN + rb"):[ \t]*([\t\x20-\x7e\x80-\xff]*)")
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) [\t\x20-\x7e]*")
_ANSWERED = re.compile(rb"HTTP/1\.([01]) (\d{3})(?: [^\r\n]*)?")
"""What a reason phrase holds matters to nobody."""
_FRAMES = frozenset((b"content-length", b"transfer-encoding", b"connection"))
_LARGE = 1 << 40
_MANY = 60_000
# llhttp lets an extension without a name or a value pass; extensions mean nothing here, and nothing about where a chunk ends.
_VALUE = rb"(?:" + TOKEN + rb'|"(?:[^"\\\x00-\x1f\x7f]|\\[^\x00-\x1f\x7f])*")?'
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;(?:" + TOKEN + rb"(?:=" + _VALUE + rb")?|=" + _VALUE + rb"|(?=;)))*")
_HOST = re.compile(rb"(?:" + _NAME + rb"*|" + _ADDRESS + rb")(?::[0-9]{0,5})?")
_DIGITS = re.compile(rb"[0-9]{1,19}")
METHODS = frozenset(
    b"GET HEAD POST PUT PATCH DELETE OPTIONS TRACE COPY LOCK MKCOL MOVE PROPFIND PROPPATCH SEARCH UNLOCK BIND REBIND UNBIND ACL"
    b" REPORT MKACTIVITY CHECKOUT MERGE M-SEARCH NOTIFY SUBSCRIBE UNSUBSCRIBE PURGE MKCALENDAR LINK UNLINK QUERY".split()
)
"""Those that are registered, without CONNECT; another one ends the connection, because nobody knows what follows it."""

MAX_URL = 8 * 1024
MAX_HEADER = 200 * 1024
MAX_HEADERS = 256 * 1024
_TOO_LARGE, _EXTENSION = "body too large", "a chunk extension"
_SEEN_LATE = frozenset((_TOO_LARGE, _EXTENSION))


class Broken(Exception):
    """These bytes are no HTTP, or nothing that a server has to understand. The text says why."""


class Partial(Exception):
    """More bytes are needed."""


@dataclass(slots=True)
class Message:
    """``last``: nothing may follow it on its connection. ``target``: as it was sent. Names of headers are in lower case."""

    method: bytes
    target: bytes
    headers: Headers
    body: bytes
    last: bool

    def header(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key == name), None)


@dataclass(slots=True)
class Answer:
    status: int
    headers: Headers
    body: bytes

    def header(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key == name), None)


@dataclass(slots=True)
class Stream:
    """What a stream of bytes holds. ``stop``: why reading ended before its end: `broken`, `partial`, or empty where it didn't;
    ``why`` the same in words. ``patient``: what is broken has a head without end, or another reader may take what is there
    and see it only by what follows: then nothing has to come before the client's end."""

    messages: list[Message] = field(default_factory=list)
    stop: str = ""
    why: str = ""
    patient: bool = False


def read_requests(data: bytes, max_body: int, max_header: int = MAX_HEADER) -> Stream:
    """All requests of a connection, up to the first that can't be taken or that is the last one. ``max_header``: bytes of one;
    all together may have a little more."""
    stream = Stream()
    place = 0
    while True:
        while data[place : place + 1] in {b"\r", b"\n"}:
            place += 1
        if place >= len(data):
            return stream
        try:
            message, place = _request(data, place, max_body, max_header)
        except Partial:
            stream.stop = "partial"
            return stream
        except Broken as error:
            stream.stop, stream.why = "broken", str(error)
            stream.patient = stream.why in _SEEN_LATE or b"\r\n\r\n" not in data[place:]
            return stream
        stream.messages.append(message)
        if message.last:
            return stream


def read_answers(data: bytes, methods: list[bytes]) -> tuple[list[Answer], int]:
    """The final answers in ``data`` to requests with these methods, and how many bytes they and interim answers take.
    Raises `Broken`."""
    answers: list[Answer] = []
    place = 0
    while place < len(data):
        try:
            line, after = _line(data, place)
            headers, after = _fields(data, after)
        except Partial:
            break
        match = _STATUS.fullmatch(line)
        if match is None:
            raise Broken(f"no status line: {line[:80]!r}")
        status = int(match[1])
        if status == 100:
            if headers:
                raise Broken("100 Continue with headers")
            place = after
            continue
        head = len(answers) < len(methods) and methods[len(answers)] == b"HEAD"
        lengths = [value for name, value in headers if name == b"content-length"]
        if status in {204, 304}:
            if lengths:
                raise Broken("a length where no body can be")
            lengths = [b"0"]
        if len(lengths) != 1 or _DIGITS.fullmatch(lengths[0]) is None:
            raise Broken(f"no single length: {lengths!r}")
        end = after + (0 if head else int(lengths[0]))
        if end > len(data):
            break
        answers.append(Answer(status, headers, data[after:end]))
        place = end
    return answers, place


def _line(data: bytes, place: int) -> tuple[bytes, int]:
    end = data.find(b"\n", place)
    if end < 0:
        raise Partial
    if end == place or data[end - 1 : end] != b"\r":
        raise Broken("a line that ends without CR LF")
    line = data[place : end - 1]
    if b"\r" in line:
        raise Broken("a CR within a line")
    return line, end + 1


def _fields(data: bytes, place: int) -> tuple[Headers, int]:
    headers: Headers = []
    while True:
        line, place = _line(data, place)
        if not line:
            return headers, place
        match = _FIELD.fullmatch(line)
        if match is None:
            raise Broken("no header line")
        name, value = match[1].lower(), match[2].strip(b" \t")
        if name == b"transfer-encoding" and match[2].strip(b" ").endswith(b"\t"):
            value += b"\t"  # which is white space to RFC 9110, 5.6.3, but no end of a coding to llhttp
        headers.append((name, value))


def _request(data: bytes, place: int, max_body: int, max_header: int) -> tuple[Message, int]:
    line, place = _line(data, place)
    match = _START.fullmatch(line)
    if match is None:
        raise Broken("no request line")
    method, target, version = match[1], match[2], (match[3], match[4])
    if version not in {(b"1", b"0"), (b"1", b"1")}:
        raise Broken("another version")
    if method not in METHODS:
        raise Broken("an unknown method")
    if len(target) > MAX_URL:
        raise Broken("the target is too long")
    if target[:1] != b"/" and target != b"*" and _ABSOLUTE.fullmatch(target) is None:
        raise Broken("no target")
    headers, place = _fields(data, place)
    sizes = [len(name) + len(value) + 4 for name, value in headers]
    if sizes and (max(sizes) > max_header or sum(sizes) > max_header + MAX_HEADERS - MAX_HEADER):
        raise Broken("headers too large")
    old = version == (b"1", b"0")
    length = _framing(headers, old)
    last = _wishes(headers, b"close") or (old and not _wishes(headers, b"keep-alive"))
    if length is not None and length > max_body:
        raise Broken(_TOO_LARGE)
    if length is None:
        body, place, trailers = _chunks(data, place, max_body)
        if any(name in {b"content-length", b"transfer-encoding"} for name, _ in trailers):
            raise Broken("framing in a trailer")
        last = last or _wishes(trailers, b"close")
    else:
        body = data[place : place + length]
        if len(body) < length:
            raise Partial
        place += length
    return Message(method, target, headers, body, last), place


def _wishes(headers: Headers, option: bytes) -> bool:
    found = [wish for name, value in headers if name == b"connection" for wish in value.split(b",")]
    return option in [wish.strip(b" \t").lower() for wish in found]


def _framing(headers: Headers, old: bool) -> int | None:
    """The body's length, None for chunks."""
    found: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        found.setdefault(name, []).append(value)
    hosts = found.get(b"host", [])
    if len(hosts) > 1 or (not hosts and not old) or any(_HOST.fullmatch(host) is None for host in hosts):
        raise Broken("host")
    if any(value.lower() != b"100-continue" for value in found.get(b"expect", ())):
        raise Broken("an expectation")
    lengths, codings = found.get(b"content-length", []), found.get(b"transfer-encoding", [])
    if codings:
        if lengths or len(codings) > 1 or codings[0].lower() != b"chunked" or old:
            raise Broken("transfer coding")
        return None
    if not lengths:
        return 0
    if len(lengths) > 1 or not lengths[0].isdigit():
        raise Broken("content length")
    digits = lengths[0].lstrip(b"0") or b"0"
    if len(digits) > 19:
        raise Broken("content length")
    return int(digits)


def _chunks(data: bytes, place: int, max_body: int) -> tuple[bytes, int, Headers]:
    """The body, where it ends, and its trailers."""
    parts: list[bytes] = []
    total = 0
    while True:
        line, place = _line(data, place)
        match = _CHUNK.fullmatch(line)
        if match is None:
            raise Broken(_EXTENSION if _CHUNK.fullmatch(line.partition(b";")[0]) else "no chunk size")
        size = int(match[1], 16)
        if not size:
            break
        total += size
        if total > max_body:
            raise Broken(_TOO_LARGE)
        parts.append(data[place : place + size])
        place += size
        if place + 2 > len(data):
            if data[place:] not in {b"", b"\r"}:
                raise Broken("no end of a chunk")
            raise Partial
        if data[place : place + 2] != b"\r\n":
            raise Broken("no end of a chunk")
        place += 2
    trailers, place = _fields(data, place)
    return b"".join(parts), place, trailers


def read_answer(data: bytes, *, closed: bool) -> tuple[Answer, str]:
    """The final answer to a POST, and why its meaning is in doubt, or nothing. ``closed``: nothing follows ``data``.

    Raises `Broken`, `Partial`.
    """
    place = 0
    while True:
        while data[place : place + 1] in {b"\r", b"\n"}:
            place += 1
        line, after = _line(data, place)
        match = _ANSWERED.fullmatch(line)
        if match is None:
            raise Broken("no status line")
        headers, after = _fields(data, after)
        status = int(match[2])
        if status >= 200:
            break
        place = after
        if status < 100 or status == 101 or any(name in _FRAMES for name, _ in headers):
            return Answer(status, headers, b""), "an interim answer that isn't one"
    lengths = [value for name, value in headers if name == b"content-length"]
    codings = [value for name, value in headers if name == b"transfer-encoding"]
    rest = data[after:]
    doubt = "" if match[1] == b"1" else "chunks in HTTP/1.0"
    if status in {204, 304}:
        return Answer(status, headers, b""), "a length where no body can be" if lengths or codings else ""
    if codings:
        if lengths or len(codings) > 1 or codings[0].lower() != b"chunked":
            raise Broken("transfer coding")
        body, _, trailers = _chunks(data, after, _LARGE)
        if any(name == b"content-length" or (name == b"transfer-encoding" and not value.strip()) for name, value in trailers):
            raise Broken("framing in a trailer")  # where llhttp minds it: of a coding in an answer's trailers only if it is empty
        return Answer(status, headers, body), doubt
    if lengths:
        if len(lengths) > 1 or _DIGITS.fullmatch(lengths[0]) is None:
            raise Broken("content length")
        length = int(lengths[0])
        if length > _MANY:
            return Answer(status, headers, rest), "it is said to be large"
        if len(rest) < length:
            raise Partial
        return Answer(status, headers, rest[:length]), ""
    if not closed:
        raise Partial
    return Answer(status, headers, rest), ""
