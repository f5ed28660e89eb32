"""One client's connection to the server: reads ahead within bounds, answers in order, one request at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from enum import Enum, auto
from math import inf
from time import monotonic
from typing import cast

from eventing.http.refusal import Refusal
from eventing.http.request_parser import SLICE, Incoming, RequestParser
from eventing.http.state import ServerState
from eventing.ports.http import Pending, Response

_READ_AHEAD = 256 * 1024
"""Bytes of requests waiting behind the request being answered before reading stops."""


class _Phase(Enum):
    IDLE = auto()
    HEAD = auto()
    BODY = auto()
    HANDLING = auto()
    ENDED = auto()
    """The last answer is written; the transport is closing, or being read empty."""


class ServerConnection(asyncio.Protocol):
    """Requests of one connection are handled strictly one after the other: RFC 9112, 9.3.2 forbids handling them at the
    same time unless they are all safe, and a sender that pipelines means its order.

    A handler's awaitable is never cancelled because the client left: what it accepted stays accepted.
    """

    __slots__ = (
        "_ahead",
        "_current",
        "_eof",
        "_parser",
        "_partial",
        "_paused",
        "_phase",
        "_queue",
        "_state",
        "_transport",
        "_unparsed",
        "_unparsed_size",
        "_write_paused",
        "deadline",
    )

    def __init__(self, state: ServerState) -> None:
        self._state = state
        self._transport: asyncio.Transport | None = None
        self._queue: deque[Incoming | Refusal] = deque()
        self._ahead = self._unparsed_size = self._partial = 0
        self._current: Incoming | None = None
        self._unparsed: deque[memoryview] = deque()
        self._phase = _Phase.IDLE
        self._paused = self._write_paused = self._eof = False
        self.deadline = inf
        """When `expire` is due, on the monotonic clock."""

    # Transport ----------------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        state = self._state
        self._transport = cast(asyncio.Transport, transport)
        self._parser = RequestParser(state.limits, self._received, _peer(transport))
        if len(state.connections) >= state.limits.max_connections:
            if len(state.lingering) >= state.limits.max_lingering:
                state.refused("connections")
                self._transport.abort()
            else:
                self._refuse(self._overloaded("connections", "too many connections"))
            return
        state.connections.add(self)
        self.deadline = monotonic() + state.limits.head_timeout
        if state.draining:  # it was being accepted when the others were told
            self._end()

    def data_received(self, data: bytes) -> None:
        if self._phase is _Phase.ENDED:
            return
        if self._unparsed or len(data) > SLICE:
            view = memoryview(data)
            self._unparsed_size += len(data)
            self._state.held += len(data)
            self._unparsed.extend(view[start : start + SLICE] for start in range(0, len(data), SLICE))
            self._parse_on()
        else:
            self._parse(data)
        self._advance()

    def eof_received(self) -> bool:
        """A client may close its side and still wait for its answers; TLS has no such half."""
        self._eof = True
        transport = self._transport
        if self._phase is _Phase.ENDED or transport is None or transport.get_extra_info("sslcontext") is not None:
            return False
        self._advance()
        return self._transport is not None and not transport.is_closing()

    def connection_lost(self, exc: Exception | None) -> None:
        state = self._state
        self._transport, self._phase, self.deadline = None, _Phase.ENDED, inf
        self._drop_read_ahead()
        self._parser.release()
        state.connections.discard(self)
        state.lingering.discard(self)
        state.check_quiet()

    def pause_writing(self) -> None:
        self._write_paused = True
        if self._phase in {_Phase.HEAD, _Phase.BODY}:  # by a 100: what is left of the request gets its time afterwards
            self._phase = _Phase.HANDLING
        self.deadline = monotonic() + self._state.limits.write_timeout

    def resume_writing(self) -> None:
        self._write_paused = False
        if self._phase is not _Phase.ENDED:
            self.deadline = inf
            self._advance()

    # What the server calls ----------------------------------------------------------------------------------------------

    def expire(self) -> None:
        """The deadline passed."""
        if self._transport is None:
            self.deadline = inf
        elif self._phase is _Phase.ENDED or self._write_paused:
            self._transport.abort()
        elif self._phase is _Phase.IDLE:
            self._end()
        else:
            part = "head" if self._phase is _Phase.HEAD else "body"
            self._refuse(Refusal(408, "timeout", f"the request's {part} did not arrive in time"))

    @property
    def reading_since(self) -> float | None:
        """When what arrives now began, head or body; None where nothing does."""
        limits = self._state.limits
        if self._write_paused or self._phase not in {_Phase.HEAD, _Phase.BODY}:
            return None
        return self.deadline - (limits.head_timeout if self._phase is _Phase.HEAD else limits.body_timeout)

    def shed(self) -> None:
        """Break off the request that is arriving: there is no room for it."""
        self._refuse(self._overloaded("overload", "too many requests at once"))

    def drain(self) -> None:
        """Close if nothing is under way; else the next answer is the last."""
        if self._phase is _Phase.IDLE:
            self._end()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # Reading ------------------------------------------------------------------------------------------------------------

    def _received(self, incoming: Incoming) -> None:
        self._ahead += incoming.size
        self._state.held += incoming.size
        self._queue.append(incoming)

    def _parse(self, data: bytes | memoryview) -> None:
        parser = self._parser
        try:
            parser.feed(data)
        except Refusal as refusal:
            self._stop_reading(refusal)
        except MemoryError:
            self._stop_reading(self._overloaded("overload", "out of memory"))
        except Exception as error:  # noqa: BLE001 - any other fault is ours, never the request's
            self._state.log.error("a request could not be read", error=type(error).__qualname__)
            self._stop_reading(Refusal(500, "internal", "internal error"))
        partial = parser.holding
        if partial != self._partial:
            self._state.held += partial - self._partial
            self._partial = partial

    def _stop_reading(self, refusal: Refusal) -> None:
        self._parser.stop()
        self._drop_unparsed()
        self._queue.append(refusal)

    def _parse_on(self) -> None:
        """Parse what waits, as far as the read-ahead allows."""
        while self._unparsed and not self._full():
            piece = self._unparsed.popleft()
            self._unparsed_size -= len(piece)
            self._state.held -= len(piece)
            self._parse(piece)

    def _full(self) -> bool:
        return len(self._queue) >= self._state.limits.max_pipelined or self._ahead > _READ_AHEAD

    def _drop_read_ahead(self) -> None:
        state = self._state
        state.held -= self._ahead + self._partial
        if self._current is not None:
            state.held += self._current.size  # its handler still has it
        self._ahead = self._partial = 0
        self._parser.stop()
        self._queue.clear()
        self._drop_unparsed()

    def _drop_unparsed(self) -> None:
        self._state.held -= self._unparsed_size
        self._unparsed_size = 0
        self._unparsed.clear()

    # Answering ----------------------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Answer what can be answered, then see what to wait for."""
        queue = self._queue
        while self._phase is not _Phase.ENDED:
            if self._current is not None or self._write_paused:
                break
            if not queue:
                if not self._unparsed:
                    break
                self._parse_on()
                continue
            item = queue.popleft()
            if type(item) is Incoming:
                self._handle(item)
            else:
                self._refuse(cast(Refusal, item))
        self._rest()

    def _rest(self) -> None:
        if self._phase is _Phase.ENDED:
            return
        full = bool(self._unparsed) or self._write_paused or (bool(self._queue) and self._full())
        if full is not self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = full
            if full:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()
        if self._current is not None:
            self._phase = _Phase.HANDLING
            if not self._write_paused:
                self.deadline = inf
        elif self._write_paused:
            return
        elif self._parser.begun:
            self._read_on()
        elif self._eof:
            self._end()
        elif self._phase is not _Phase.IDLE:  # empty lines between requests don't prolong it
            self._phase = _Phase.IDLE
            self.deadline = monotonic() + self._state.limits.idle_timeout

    def _read_on(self) -> None:
        """A request is there in part."""
        state, parser = self._state, self._parser
        if self._eof:
            self._refuse(Refusal(400, "malformed", "the request was cut short"))
            return
        if parser.in_body:
            if self._phase is not _Phase.BODY:
                self._phase = _Phase.BODY
                self.deadline = monotonic() + state.limits.body_timeout
        elif self._phase is not _Phase.HEAD:
            self._phase = _Phase.HEAD
            self.deadline = monotonic() + state.limits.head_timeout
        if state.held > state.limits.max_held and not state.make_room() and self._phase is not _Phase.ENDED:
            self.shed()
        elif parser.expects_continue:
            parser.expects_continue = False
            if not parser.buffered and self._transport is not None:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _handle(self, incoming: Incoming) -> None:
        state = self._state
        self._current, self._phase = incoming, _Phase.HANDLING
        state.unanswered += 1
        if state.held > state.limits.max_held and not state.make_room():
            refusal = self._overloaded("overload", "too many requests at once")
            state.refused(refusal.reason)
            self._answer(refusal.response())
            return
        try:
            result = state.handler(incoming.request)
        except Exception as error:  # noqa: BLE001 - any fault of a handler is a 500 and a log line
            self._answer(self._failed(error))
            return
        if type(result) is Pending:
            result.then(self._late)
        elif type(result) is Response:
            self._answer(result)
        elif asyncio.isfuture(result):
            if result.done():
                self._answer(self._result(result))
            else:
                result.add_done_callback(self._completed)
        else:
            state.run(cast(Awaitable[Response], result)).add_done_callback(self._completed)

    def _late(self, result: Response | BaseException) -> None:
        self._answer(result if type(result) is Response else self._failed(cast(BaseException, result)))
        self._advance()

    def _completed(self, future: asyncio.Future[Response]) -> None:
        self._answer(self._result(future))
        self._advance()

    def _result(self, future: asyncio.Future[Response]) -> Response:
        if future.cancelled():
            return self._failed(asyncio.CancelledError())
        error = future.exception()
        if error is not None:
            return self._failed(error)
        return future.result()

    def _failed(self, error: BaseException) -> Response:
        """The error's text may hold what the client sent, so only its type is told."""
        current = self._current
        method, path = (current.request.method, current.request.path) if current is not None else ("", "")
        self._state.log.error("a request handler failed", method=method, path=path, error=type(error).__qualname__)
        return Response(500, ((b"content-type", b"text/plain; charset=utf-8"),), b"internal error\n")

    def _answer(self, response: Response) -> None:
        state, incoming, transport = self._state, self._current, self._transport
        assert incoming is not None
        state.held -= incoming.size
        state.unanswered -= 1
        if transport is None:
            self._current = None
            state.check_quiet()
            return
        self._ahead -= incoming.size
        last = not incoming.keep_alive or state.draining
        connection = b"connection: close\r\n" if last else b"connection: keep-alive\r\n" if incoming.http10 else b""
        head = incoming.request.method == "HEAD"
        try:
            data = state.write(response, connection, head=head)
        except (ValueError, TypeError, AttributeError) as error:
            data = state.writer.write(self._failed(error), date=state.date, connection=connection, head=head)
        self._current = None
        transport.write(data)
        if last:
            more = self._parser.surplus or self._unparsed or self._queue
            if more or (not incoming.keep_alive and transport.can_write_eof()):
                self._linger()
            else:
                self._end()

    # Ending -------------------------------------------------------------------------------------------------------------

    def _overloaded(self, reason: str, message: str) -> Refusal:
        return Refusal(503, reason, message, retry_after=self._state.limits.retry_after)

    def _refuse(self, refusal: Refusal) -> None:
        state, transport = self._state, self._transport
        if transport is None:
            return
        state.refused(refusal.reason)
        transport.write(state.writer.write(refusal.response(), date=state.date, connection=b"connection: close\r\n"))
        self._linger()

    def _linger(self) -> None:
        """Read and throw away for a moment what the client still sends after its last answer: closing with bytes unread would
        reset the connection, and the client might never see that answer (RFC 9112, 9.6)."""
        state, transport = self._state, self._transport
        assert transport is not None
        if self._eof or len(state.lingering) >= state.limits.max_lingering:
            self._end()
            return
        state.connections.discard(self)
        state.lingering.add(self)
        self._ended(state.limits.linger)
        if transport.can_write_eof():
            transport.write_eof()
        if self._paused:
            self._paused = False
            transport.resume_reading()

    def _end(self) -> None:
        """Close once what is written has gone out, at the latest after the write time-out."""
        self._ended(self._state.limits.write_timeout)
        if self._transport is not None:
            self._transport.close()

    def _ended(self, wait: float) -> None:
        self._phase = _Phase.ENDED
        self.deadline = monotonic() + wait
        self._drop_read_ahead()


def _peer(transport: asyncio.BaseTransport) -> str:
    name = transport.get_extra_info("peername")
    return str(name[0]) if isinstance(name, tuple) and name else ""
