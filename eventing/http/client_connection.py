"""One connection to one origin: sends a request, waits for its answer, and says whether another may follow."""

from __future__ import annotations

import asyncio
import errno
import os
import ssl
from collections.abc import Callable
from math import inf
from time import monotonic
from typing import TypeAlias, cast

from eventing.errors import AnswerMalformed, AnswerTooLarge, DeliveryFailed, DeliveryTimeout
from eventing.http.known_answers import KnownAnswers
from eventing.http.limits import ClientLimits
from eventing.http.response_parser import ResponseParser
from eventing.ports.http import Response

_ONE_WRITE = 64 * 1024
"""Up to this size, copying the body behind its head is cheaper than a second system call."""


class ClosedUnanswered(Exception):
    """The peer closed a connection that had been used before, at once and without a byte of an answer: it closed it as idle, and
    the request may be sent again."""


Answered: TypeAlias = Response | DeliveryFailed | ClosedUnanswered
"""What came of a request: an answer, whatever its status, or why there is none."""

Done: TypeAlias = Callable[[Answered], None]


class ClientConnection(asyncio.Protocol):
    """``label``: host and port, for messages. ``answers``: shared by all connections of a client."""

    __slots__ = (
        "_answers",
        "_began",
        "_done",
        "_head",
        "_idled",
        "_limits",
        "_lost",
        "_on_ended",
        "_parser",
        "_sent",
        "_timeout",
        "_transport",
        "deadline",
        "ended",
        "label",
        "used",
    )

    def __init__(self, limits: ClientLimits, label: str, answers: KnownAnswers) -> None:
        self.label = label
        self._answers = answers
        self._head = False
        self._parser = ResponseParser(limits)
        self._idled: Callable[[ClientConnection], None] | None = None
        self._on_ended: Callable[[ClientConnection], None] | None = None
        self._limits = limits
        self._transport: asyncio.Transport | None = None
        self._done: Done | None = None
        # A request was written and is under way: from its `write` to its end.
        self._sent = False
        self._began = self._timeout = 0.0
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

    @property
    def busy(self) -> bool:
        """A request is under way."""
        return self._done is not None

    def begin(self, done: Done, *, now: float, deadline: float, timeout: float, is_head: bool) -> None:
        """A request is under way; `write` sends it. ``done`` is called once, when there is an answer or none can come, but not
        from within this call; never after `cancel`. ``now``, ``deadline``: on the loop's clock."""
        self._parser.expect(head=is_head)
        self._head = is_head
        self._began, self.deadline, self._timeout, self._done = now, deadline, timeout, done

    def write(self, head: bytes, body: bytes) -> None:
        """Send the request that was begun, unless it was given up since."""
        if self._done is None:
            return
        transport = self._transport
        try:
            if transport is None or self.ended:
                self._closed(None)
                return
            self._sent = True
            if len(body) <= _ONE_WRITE:
                transport.write(head + body)
            else:
                transport.writelines((head, body))
        except (RuntimeError, MemoryError) as error:  # uvloop: the transport is closed, and has not said so yet
            self._closed(error)

    def cancel(self, done: Done) -> None:
        """Whoever began the request does not wait any more: close, since an answer may still come."""
        if self._done == done:  # else it was answered in this very round, and may be someone else's by now
            self.abort()

    def expire(self) -> None:
        """The deadline passed: that of the request under way, or that of an idle connection."""
        if self._done is not None:
            self.drop(DeliveryTimeout(f"no complete answer from {self.label} within {self._timeout:g} s"))
        else:
            self.abort()

    def drop(self, error: DeliveryFailed | ClosedUnanswered) -> None:
        """Close now; the request under way fails with ``error``."""
        done = self._done
        self.abort()
        if done is not None:
            done(error)

    def abort(self) -> None:
        """Close now. Nobody is told of the request under way."""
        self._done = None
        self._sent = False
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
        parser = self._parser
        if not self._sent:  # nobody asked: what comes next could be taken for the next answer
            if self._done is not None:
                self.drop(ClosedUnanswered())  # begun, and not a byte of it went out
            else:
                self.abort()
            return
        if not parser.begun:
            known = self._answers.get(data)
            if known is not None and not self._head:
                self._answered(known)
                return
        try:
            parser.feed(data)
        except DeliveryFailed as error:
            self.drop(_labelled(error, self.label))
            return
        if parser.response is not None:
            self._answers.note(data, parser)
            self._answered(parser.response)

    def eof_received(self) -> None:
        self._closed(None)
        self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed(exc)
        self._transport = None
        self._end()
        self._parser.release()
        self._idled = self._on_ended = None
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(None)

    # ---------------------------------------------------------------------------------------------------------------------

    def _answered(self, response: Response) -> None:
        done, self._done = self._done, None
        self._sent = False
        assert done is not None
        transport = self._transport
        # An answer that came before the whole request went out: the rest of the request would still follow.
        unsent = transport is None or transport.get_write_buffer_size() > 0
        if self._parser.reusable and not unsent and not self.ended:
            self.used = True
            if self._idled is not None:
                self._idled(self)
        else:
            self.abort()
        done(response)

    def _closed(self, exc: Exception | None) -> None:
        """No byte will follow."""
        if self._done is None:
            return
        parser = self._parser
        if not parser.begun:
            if self.used and (not self._sent or monotonic() - self._began <= self._limits.resend_within):
                self.drop(ClosedUnanswered())
            else:
                cause = describe(exc) if exc is not None else "closed"
                self.drop(AnswerMalformed(f"{self.label}: the connection ended before any answer: {cause}"))
            return
        try:
            if exc is not None:
                raise AnswerMalformed(f"the connection broke in the middle of the answer: {describe(exc)}")
            parser.finish()
        except DeliveryFailed as error:
            self.drop(_labelled(error, self.label))
            return
        if parser.response is not None:
            self._answered(parser.response)

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
