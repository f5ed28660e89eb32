"""Header blocks as bytes, with nothing in them that could start another header or message."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import NoReturn

from eventing.ports.http import Headers, Response

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_KNOWN = 1024
_BODILESS = frozenset({204, 304})
_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}


class HeaderWriter:
    """Writes header blocks. Names are checked once and remembered (the most recent `_KNOWN`), values every time.

    ``own``: lower-case names that the caller writes by itself. They are left out when ``skip_own``, else they are an error.
    """

    __slots__ = ("_own", "_prefixes", "_skip_own")

    def __init__(self, own: frozenset[bytes], *, skip_own: bool) -> None:
        self._own, self._skip_own = own, skip_own
        self._prefixes: dict[bytes, bytes] = {}

    def block(self, headers: Headers) -> bytes:
        """``name: value`` lines, each ended with CR LF. Raises ValueError, which names the header and never its value."""
        prefixes = self._prefixes
        parts = []
        for name, value in headers:
            prefix = prefixes.get(name)
            if prefix is None:
                prefix = self._learn(name)
            if prefix:
                parts.append(prefix + value)
        if not parts:
            return b""
        parts.append(b"")
        block = b"\r\n".join(parts)
        lines = len(parts) - 1
        if block.count(b"\n") != lines or block.count(b"\r") != lines or b"\0" in block:
            self._blame(headers)
        return block

    def _learn(self, name: bytes) -> bytes:
        lower = name.lower()
        if lower in self._own:
            if not self._skip_own:
                raise ValueError(f"the header {lower.decode()!r} is written by the HTTP client itself")
            prefix = b""
        elif _TOKEN.fullmatch(name) is None:
            raise ValueError(f"{name[:64]!r} is not a header name (RFC 9110, 5.1)")
        else:
            prefix = name + b": "
        if len(self._prefixes) >= _KNOWN:
            self._prefixes.clear()
        self._prefixes[name] = prefix
        return prefix

    @staticmethod
    def _blame(headers: Headers) -> NoReturn:
        for name, value in headers:
            if b"\r" in value or b"\n" in value or b"\0" in value:
                raise ValueError(f"the value of the header {name.decode('latin-1')!r} holds CR, LF or NUL (RFC 9110, 5.5)")
        raise ValueError("a header holds CR, LF or NUL (RFC 9110, 5.5)")


class ResponseWriter:
    """Serialises whole answers, for one write each."""

    __slots__ = ("_headers",)

    def __init__(self) -> None:
        own = frozenset({b"content-length", b"date", b"connection", b"transfer-encoding"})
        self._headers = HeaderWriter(own, skip_own=True)

    def write(self, response: Response, *, date: bytes, connection: bytes = b"", head: bool = False) -> bytes:
        """``date``: a complete header line. ``connection``: a complete header line, or empty where the version's default
        holds. ``head``: the answer to a HEAD request. Raises ValueError for what can't be sent."""
        status, body = response.status, response.body
        line = _STATUS_LINES.get(status)
        if line is None or status < 200:
            if not 200 <= status <= 999:
                raise ValueError(f"{status} is not the status of a final answer")
            line = b"HTTP/1.1 %d \r\n" % status
        block = self._headers.block(response.headers) if response.headers else b""
        if status in _BODILESS:
            return b"%b%b%b%b\r\n" % (line, date, block, connection)
        return b"%b%b%b%bcontent-length: %d\r\n\r\n%b" % (line, date, block, connection, len(body), b"" if head else body)


class RequestWriter:
    """Serialises the part of a request that follows its request line and Host."""

    __slots__ = ("_headers",)

    def __init__(self) -> None:
        own = frozenset({b"host", b"content-length", b"connection", b"transfer-encoding", b"expect", b"upgrade"})
        self._headers = HeaderWriter(own, skip_own=False)

    def block(self, headers: Headers) -> bytes:
        """Header lines. Raises ValueError for what can't be sent."""
        return self._headers.block(headers)

    def head(self, start: bytes, headers: Headers, length: int) -> bytes:
        """``start``: request line and Host header. Raises ValueError for headers that can't be sent."""
        return b"%b%bcontent-length: %d\r\n\r\n" % (start, self._headers.block(headers), length)
