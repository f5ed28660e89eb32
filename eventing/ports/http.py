"""HTTP requests and responses as the data plane passes them; sources that receive webhooks see these."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import Any, TypeAlias

from msgspec import Struct

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]
"""Name and value pairs in order. Names are lower case on the way in; values are stripped of surrounding white space."""


class Request(Struct, gc=False):
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


class Response(Struct, gc=False):
    """A complete response. `content-length`, `date` and `connection` are added by the server."""

    status: int
    headers: Headers = ()
    body: bytes = b""

    def header(self, name: bytes) -> bytes | None:
        for key, value in self.headers:
            if key == name:
                return value
        return None


ACCEPTED = Response(202)
"""The events are stored."""


class Pending:
    """An answer that comes later, in the step in which it is there: lighter than a future, and without a round of the event
    loop. `answer` is called once, on the event loop; an error in place of the answer becomes a 500 and a log line."""

    __slots__ = ("_result", "_then")

    def __init__(self) -> None:
        self._result: Response | BaseException | None = None
        self._then: Callable[[Response | BaseException], None] | None = None

    def answer(self, result: Response | BaseException) -> None:
        """Here it is."""
        if self._then is not None:
            self._then(result)
        else:
            self._result = result

    def __await__(self) -> Generator[Any, None, Response]:
        """For everyone but the server."""
        future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

        def told(result: Response | BaseException) -> None:
            if future.done():
                return
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)

        self.then(told)
        return future.__await__()

    def then(self, told: Callable[[Response | BaseException], None]) -> None:
        """For the server: ``told`` is called with the answer, at once where it is there already."""
        if self._result is not None:
            told(self._result)
        else:
            self._then = told


Handler: TypeAlias = Callable[[Request], Response | Awaitable[Response]]
"""Answers a request, at once or later. It must not raise for a bad request; what it raises becomes a 500 and a log line."""
