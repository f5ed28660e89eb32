"""What all connections of one server share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from eventing.http.limits import ServerLimits
from eventing.http.log import Log
from eventing.http.serialise import ResponseWriter
from eventing.ports.http import ACCEPTED, Handler, Response

if TYPE_CHECKING:
    from eventing.http.connection import ServerConnection


_LOOK = 0.25
"""Seconds between two looks for slow requests where the one before found too few: it goes through all connections."""


class ServerState:
    """``held``: bytes of requests being read or answered. ``unanswered``: requests a handler has, whether or not their
    client is still there. ``lingering``: refused connections that are only read empty."""

    __slots__ = (
        "_next_look",
        "_quiet",
        "_written",
        "connections",
        "date",
        "draining",
        "handler",
        "held",
        "limits",
        "lingering",
        "log",
        "loop",
        "on_refused",
        "tasks",
        "unanswered",
        "writer",
    )

    def __init__(self, handler: Handler, limits: ServerLimits, on_refused: Callable[[str], None] | None, log: Log) -> None:
        self.handler, self.limits, self.on_refused, self.log = handler, limits, on_refused, log
        self.loop = asyncio.get_running_loop()
        self.connections: set[ServerConnection] = set()
        self.lingering: set[ServerConnection] = set()
        self.tasks: set[asyncio.Task[Any]] = set()
        self.held = 0
        self.unanswered = 0
        self.draining = False
        self.writer = ResponseWriter()
        self._quiet: asyncio.Future[None] | None = None
        self._next_look = 0.0
        self.date = b""
        self._written: dict[bytes, bytes] = {}
        self.tick()

    def tick(self) -> None:
        """Renew the Date header; called at least once a second."""
        self.date = b"date: " + formatdate(time.time(), usegmt=True).encode() + b"\r\n"
        self._written.clear()

    def write(self, response: Response, connection: bytes, *, head: bool) -> bytes:
        """The answer's bytes. Raises what `ResponseWriter.write` raises. Those of `ACCEPTED`, which answers almost every
        request, are kept until the date changes."""
        if response is ACCEPTED and not head:
            written = self._written.get(connection)
            if written is None:
                written = self._written[connection] = self.writer.write(response, date=self.date, connection=connection)
            return written
        return self.writer.write(response, date=self.date, connection=connection, head=head)

    def refused(self, reason: str) -> None:
        if self.on_refused is not None:
            self.on_refused(reason)

    def run(self, answer: Awaitable[Response]) -> asyncio.Task[Response]:
        """As a task that the server owns."""
        task = self.loop.create_task(_await(answer))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def make_room(self) -> bool:
        """Whether no more is held than may be, after requests that take too long to arrive were broken off, as far as need be:
        clients that send most of a request and then dawdle must not keep out the others for as long as they may dawdle."""
        limits, now = self.limits, time.monotonic()
        if self.held > limits.max_held and now >= self._next_look:
            slow = [(since, connection) for connection in self.connections if (since := connection.reading_since) is not None]
            for since, connection in sorted(slow, key=_first):
                if self.held <= limits.max_held or now - since < limits.slow_after:
                    break
                connection.shed()
            if self.held > limits.max_held:
                self._next_look = now + _LOOK
        return self.held <= limits.max_held

    def quiet(self) -> asyncio.Future[None]:
        """Done once no connection and no request is left."""
        self._quiet = self.loop.create_future()
        self.check_quiet()
        return self._quiet

    def check_quiet(self) -> None:
        waiting = self._quiet
        if waiting is not None and not waiting.done() and not (self.connections or self.lingering or self.unanswered):
            waiting.set_result(None)


def _first(slow: tuple[float, object]) -> float:
    return slow[0]


async def _await(answer: Awaitable[Response]) -> Response:
    return await answer
