"""One connection to one origin: sends a request, waits for its answer, and says whether another may follow."""

from __future__ import annotations

import asyncio
import errno
import os
import ssl
from collections.abc import Callable
from math import inf
from typing import cast

from eventing.errors import AnswerMalformed, AnswerTooLarge, DeliveryFailed, DeliveryTimeout
from eventing.http.limits import ClientLimits
from eventing.http.response_parser import ResponseParser
from eventing.ports.http import Response

_ONE_WRITE = 64 * 1024
"""Up to this size, copying the body behind its head is cheaper than a second system call."""


class ClosedUnanswered(Exception):
    """The peer closed before the first byte of an answer. On a connection that had been used before this says that it was
    closed as idle, not that the request failed."""


class ClientConnection(asyncio.Protocol):
    """``label``: host and port, for messages."""

    __slots__ = (
        "_answer",
        "_idled",
        "_lost",
        "_on_ended",
        "_parser",
        "_timeout",
        "_transport",
        "deadline",
        "ended",
        "label",
        "used",
    )

    def __init__(self, limits: ClientLimits, label: str) -> None:
        self.label = label
        self._parser = ResponseParser(limits)
        self._idled: Callable[[ClientConnection], None] | None = None
        self._on_ended: Callable[[ClientConnection], None] | None = None
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Response] | None = None
        self._timeout = 0.0
        self._lost: asyncio.Future[None] | None = None
        self.used = False
        """It carried a request before the present one."""
        self.ended = False
        self.deadline = inf
        """When `expire` is due, on the loop's clock."""

    # What the client calls ----------------------------------------------------------------------------------------------

    def adopt(self, idled: Callable[[ClientConnection], None], ended: Callable[[ClientConnection], None]) -> bool:
        """From now on ``idled`` is called when an answer is complete and another request may follow, ``ended`` once, when
        none may. False where the connection has ended already; then neither is called."""
        if self.ended or self._transport is None:
            return False
        self._idled, self._on_ended = idled, ended
        return True

    async def exchange(
        self,
        loop: asyncio.AbstractEventLoop,
        head: bytes,
        body: bytes,
        *,
        deadline: float,
        timeout: float,
        is_head: bool = False,
    ) -> Response:
        """Raises `DeliveryTimeout`, `AnswerMalformed`, `AnswerTooLarge`, and `ClosedUnanswered`. Cancelling it ends the
        connection, since an answer may still come."""
        transport = self._transport
        if transport is None or self.ended:
            raise ClosedUnanswered
        self._parser.expect(head=is_head)
        self.deadline, self._timeout = deadline, timeout
        answer: asyncio.Future[Response] = loop.create_future()
        self._answer = answer
        if len(body) <= _ONE_WRITE:
            transport.write(head + body)
        else:
            transport.writelines((head, body))
        try:
            return await answer
        except asyncio.CancelledError:
            if self._answer is answer:  # else it was answered in this very round, and may be someone else's by now
                self.abort()
            raise

    def expire(self) -> None:
        """The deadline passed: that of the request under way, or that of an idle connection."""
        if self._answer is not None:
            self.drop(DeliveryTimeout(f"no complete answer from {self.label} within {self._timeout:g} s"))
        else:
            self.abort()

    def drop(self, error: Exception) -> None:
        """Close now; the request under way fails with ``error``."""
        answer = self._answer
        if answer is not None and not answer.done():
            answer.set_exception(error)
        self.abort()

    def abort(self) -> None:
        """Close now. No request may be under way."""
        self._answer = None
        self._end()
        if self._transport is not None:
            self._transport.abort()

    async def wait_lost(self) -> None:
        """Until the transport is gone; after `abort`."""
        if self._transport is not None:
            self._lost = asyncio.get_running_loop().create_future()
            await self._lost

    # Transport ----------------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        parser, answer = self._parser, self._answer
        if answer is None or answer.done():  # nobody asked: what comes next could be taken for the next answer
            self.abort()
            return
        try:
            parser.feed(data)
        except DeliveryFailed as error:
            self.drop(_labelled(error, self.label))
            return
        if parser.response is not None:
            self._answered(answer, parser.response)

    def eof_received(self) -> None:
        self._closed(None)
        self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed(exc)
        self._transport = None
        self._end()
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(None)

    # ---------------------------------------------------------------------------------------------------------------------

    def _answered(self, answer: asyncio.Future[Response], response: Response) -> None:
        self._answer = None
        transport = self._transport
        # An answer that came before the whole request went out: the rest of the request would still follow.
        unsent = transport is None or transport.get_write_buffer_size() > 0
        if self._parser.reusable and not unsent and not self.ended:
            self.used = True
            answer.set_result(response)
            if self._idled is not None:
                self._idled(self)
        else:
            answer.set_result(response)
            self.abort()

    def _closed(self, exc: Exception | None) -> None:
        """No byte will follow."""
        answer = self._answer
        if answer is None or answer.done():
            return
        parser = self._parser
        if not parser.begun:
            self.drop(ClosedUnanswered(describe(exc) if exc is not None else "closed"))
            return
        try:
            if exc is not None:
                raise AnswerMalformed(f"the connection broke in the middle of the answer: {describe(exc)}")
            parser.finish()
        except DeliveryFailed as error:
            self.drop(_labelled(error, self.label))
            return
        if parser.response is not None:
            self._answered(answer, parser.response)

    def _end(self) -> None:
        if not self.ended:
            self.ended = True
            self.deadline = inf
            if self._on_ended is not None:
                self._on_ended(self)


def describe(error: BaseException) -> str:
    """Why a connection failed, in plain words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {(error.reason or 'protocol error').replace('_', ' ').lower()}"
    if isinstance(error, OSError) and error.errno:
        words = {errno.ECONNREFUSED: "connection refused", errno.ECONNRESET: "connection reset"}
        return words.get(error.errno) or os.strerror(error.errno).lower()
    if isinstance(error, ConnectionResetError):
        return "connection reset"
    if isinstance(error, ConnectionError):
        return "connection lost"
    return type(error).__name__


def _labelled(error: DeliveryFailed, label: str) -> DeliveryFailed:
    message = f"{label}: {error}"
    if isinstance(error, AnswerTooLarge):
        return AnswerTooLarge(message, status=error.status, headers=error.headers)
    return type(error)(message)
