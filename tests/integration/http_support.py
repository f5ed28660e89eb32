"""Small servers and clients on real sockets for the HTTP tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop

from eventing.http import AddressGuard, ClientLimits, HttpClient, HttpServer, Resolver, ServerLimits
from eventing.ports.http import Handler, Response

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HEADERS = ((b"ce-id", b"1"), (b"content-type", b"application/json"))

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def on_both_loops(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[[str], None]:
    """The same code must run on the standard event loop and on uvloop. The loop's error handler must stay unused."""

    @pytest.mark.parametrize("loop", LOOPS)
    def run(loop: str) -> None:
        problems: list[dict[str, Any]] = []

        async def bounded() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
            async with asyncio.timeout(20):
                await test()
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left, left

        with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
            runner.run(bounded())
        assert not problems, problems

    run.__name__ = test.__name__
    run.__doc__ = test.__doc__
    return run


async def until(condition: Callable[[], bool]) -> None:
    """For what only the other end of a socket decides; the test's own time-out bounds it."""
    while not condition():  # noqa: ASYNC110 - no event tells of it
        await asyncio.sleep(0)


class Lines:
    """A log that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, object]]] = []

    def warning(self, message: str, /, **fields: object) -> None:
        self.lines.append((message, fields))

    def error(self, message: str, /, **fields: object) -> None:
        self.lines.append((message, fields))


@asynccontextmanager
async def serving(
    handler: Handler,
    limits: ServerLimits | None = None,
    on_refused: Callable[[str], None] | None = None,
    log: Lines | None = None,
    **start: Any,
) -> AsyncIterator[tuple[HttpServer, int]]:
    server = HttpServer(handler, limits=limits, on_refused=on_refused, log=log or Lines())
    port = await server.start(**start)
    try:
        yield server, port
    finally:
        await server.close()


@asynccontextmanager
async def raw_server(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    host: str = "127.0.0.1",
    **how: Any,
) -> AsyncIterator[int]:
    """Calls ``serve`` per connection and closes when that returns; on the way out it cancels what still runs."""
    tasks: set[asyncio.Task[None]] = set()

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(connection(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accepted, host, 0, **how)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        pending = list(tasks)
        for task in pending:
            task.cancel()
        results = await asyncio.gather(*pending, return_exceptions=True)
        assert not [result for result in results if result is not None and not isinstance(result, asyncio.CancelledError)]


@asynccontextmanager
async def client(
    limits: ClientLimits | None = None, resolver: Resolver | None = None, guard: AddressGuard | None = None
) -> AsyncIterator[HttpClient]:
    resolver = resolver or Resolver(log=Lines())
    made = HttpClient(limits=limits, resolver=resolver, guard=guard, log=Lines())
    try:
        yield made
    finally:
        await made.close()
        resolver.close()


async def read_request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Head and body of one request with a Content-Length."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[16:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length: "))
    return head, await reader.readexactly(length)


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes, bytes]:
    """Status, head and body of one answer with a Content-Length."""
    head, body = await read_request(reader)
    return int(head.split(b" ")[1]), head, body


async def send(http: HttpClient, port: int, body: bytes = b"hello", *, timeout: float = 10, host: str = "127.0.0.1") -> Response:
    """A delivery over plain HTTP."""
    return await http.send(f"http://{host}:{port}/x?y=z", HEADERS, body, timeout=timeout)
