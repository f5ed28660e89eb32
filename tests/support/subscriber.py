"""Subscribers in the test's process: a real HTTP server that notes what it gets and answers as it is told."""

from __future__ import annotations

import asyncio
import json
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from eventing.http.server import HttpServer
from eventing.ports.http import Request, Response
from tests.support.ports import ReservedPort


class Quiet:
    """The log of the test's own servers and clients: kept, to be looked at."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def warning(self, message: str, /, **fields: object) -> None:
        self.lines.append(f"{message} {fields}")

    error = info = debug = warning


@dataclass(slots=True)
class Received:
    """One request. ``attempt``: 1 for the first with this event id. ``headers``: names in lower case."""

    id: str
    attempt: int
    headers: dict[str, str]
    body: bytes

    @property
    def type(self) -> str:
        return self.headers.get("ce-type", "")


Script = Callable[[Received], Response | Awaitable[Response]]


def always(status: int, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Script:
    answer = Response(status, [(name.encode(), value.encode()) for name, value in (headers or {}).items()], body)
    return lambda _received: answer


def first(status: int, times: int = 1, then: int = 204) -> Script:
    """Each event's first ``times`` attempts get ``status``."""
    return lambda received: Response(status if received.attempt <= times else then)


def event_answer(headers: Mapping[str, str], body: bytes = b"{}") -> Response:
    """A 200 that carries an event."""
    return Response(200, [(name.encode(), value.encode()) for name, value in headers.items()], body)


@dataclass(slots=True)
class Subscriber:
    """``script`` may be changed at any time. ``keep``: whether whole requests are kept, or only counted.

    ``attempts``: requests by event id; ``done``: those answered with 2xx.
    """

    script: Script = field(default_factory=lambda: always(204))
    keep: bool = True
    received: list[Received] = field(default_factory=list)
    attempts: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    held: int = 0
    log: Quiet = field(default_factory=Quiet)
    _port: ReservedPort = field(default_factory=ReservedPort)
    _server: HttpServer | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def port(self) -> int:
        return self._port.number

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    async def start(self) -> Subscriber:
        """Listen, always on the same port."""
        self._server = HttpServer(self._handle, log=self.log)
        await self._server.start(port=self.port)
        return self

    async def stop(self) -> None:
        """From now on connections are refused."""
        server, self._server = self._server, None
        if server is not None:
            await server.close()

    async def close(self) -> None:
        """It is never started again."""
        await self.stop()
        self._port.close()

    def _handle(self, request: Request) -> Response | Awaitable[Response]:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
        structured = headers.get("content-type", "").startswith("application/cloudevents")
        id_ = str(json.loads(request.body)["id"]) if structured else headers.get("ce-id", "")
        self.attempts[id_] += 1
        received = Received(id_, self.attempts[id_], headers, request.body)
        if self.keep:
            self.received.append(received)
        answer = self.script(received)
        if isinstance(answer, Response):
            return self._answered(id_, answer)
        self.held += 1
        self._changed.set()
        return self._later(id_, answer)

    async def _later(self, id_: str, answer: Awaitable[Response]) -> Response:
        try:
            return self._answered(id_, await answer)
        finally:
            self.held -= 1

    def _answered(self, id_: str, answer: Response) -> Response:
        if 200 <= answer.status < 300:
            self.done[id_] += 1
        self._changed.set()
        return answer

    async def until(self, condition: Callable[[], object], timeout: float, what: str = "") -> None:
        """Wait for a condition on what came in; asked anew with every request. Raises AssertionError."""
        try:
            async with asyncio.timeout(timeout):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(
                f"not within {timeout:g} s: {what or 'a condition'}; {len(self.attempts)} events came, "
                f"{sum(self.attempts.values())} requests, {len(self.done)} events done"
            ) from None

    async def until_done(self, ids: Collection[str], timeout: float, what: str = "") -> None:
        """Wait until each of these events was answered with 2xx. Raises AssertionError."""
        wanted = set(ids)
        await self.until(
            lambda: len(self.done) >= len(wanted) and self.done.keys() >= wanted,
            timeout,
            f"all {len(wanted)} events at {what or 'the subscriber'}",
        )

    @property
    def repeats(self) -> int:
        """How often an event came again although it had been answered with 2xx."""
        return sum(count - 1 for count in self.done.values())


class Gate:
    """Holds answers back until it is opened; for a script: ``await gate.passed()``."""

    def __init__(self) -> None:
        self._open = asyncio.Event()

    def open(self) -> None:
        self._open.set()

    def hold(self, status: int = 204) -> Script:
        async def answer(_received: Received) -> Response:
            await self._open.wait()
            return Response(status)

        return answer


class RawSubscriber:
    """Below HTTP: reads a request's head, writes ``answer`` as it is (None: nothing, ever), closes if ``close``."""

    def __init__(self, answer: bytes | None, *, close: bool = True) -> None:
        self._answer, self._close = answer, close
        self.requests = 0
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    async def start(self) -> RawSubscriber:
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self._server = await asyncio.start_server(self._serve, sock=listener)
        return self

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await reader.readuntil(b"\r\n\r\n")
            self.requests += 1
            if self._answer is not None:
                writer.write(self._answer)
                await writer.drain()
            if not self._close:
                await asyncio.get_running_loop().create_future()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()
