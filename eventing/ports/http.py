"""HTTP requests and responses as the data plane passes them; sources that receive webhooks see these."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]
"""Name and value pairs in order. Names are lower case on the way in; values are stripped of surrounding white space."""


@dataclass(slots=True)
class Request:
    """A complete request. ``path``: percent-encoded as received, without query, never empty. ``query``: raw, without `?`."""

    method: str
    path: str
    query: str
    headers: Headers
    body: bytes
    peer: str = ""

    def header(self, name: bytes) -> bytes | None:
        """The first value under this lower-case name."""
        for key, value in self.headers:
            if key == name:
                return value
        return None


@dataclass(slots=True)
class Response:
    """A complete response. `content-length`, `date` and `connection` are added by the server."""

    status: int
    headers: Headers = ()
    body: bytes = b""

    def header(self, name: bytes) -> bytes | None:
        for key, value in self.headers:
            if key == name:
                return value
        return None


Handler: TypeAlias = Callable[[Request], Response | Awaitable[Response]]
"""Answers a request, at once or later. It must not raise for a bad request; what it raises becomes a 500 and a log line."""
