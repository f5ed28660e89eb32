"""The data plane's HTTP/1.1 server (RFC 9110, RFC 9112)."""

from __future__ import annotations

import asyncio
import socket
import ssl as tls
from collections.abc import Callable
from time import monotonic

from eventing.http.connection import ServerConnection
from eventing.http.limits import ServerLimits
from eventing.http.log import Log
from eventing.http.state import ServerState
from eventing.http.tls_listener import TlsListener
from eventing.ports.http import Handler

_BACKLOG = 1024


class HttpServer:
    """Calls ``handler`` with complete requests. Start it once; then `drain`, `close`, or both.

    The handler may answer at once, with a future (then no task is made), or with a coroutine, which becomes a task that the
    server owns. What it raises is answered 500 and logged without the request's content.

    ``on_refused`` is called with a short stable word for each request or connection that no handler saw: ``malformed``,
    ``host``, ``method``, ``version``, ``expectation``, ``transfer_encoding``, ``url_too_large``, ``headers_too_large``,
    ``body_too_large``, ``timeout``, ``connections``, ``overload``, ``tls`` (its handshake failed or took too long), ``internal``
    (a fault of the server itself).
    """

    def __init__(
        self,
        handler: Handler,
        *,
        limits: ServerLimits | None = None,
        on_refused: Callable[[str], None] | None = None,
        log: Log,
    ) -> None:
        self._handler, self._limits, self._on_refused, self._log = handler, limits or ServerLimits(), on_refused, log
        self._state: ServerState | None = None
        self._server: asyncio.Server | TlsListener | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._interval = max(0.01, min(0.5, _shortest(self._limits) / 4))

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._state.connections) if self._state is not None else 0

    async def start(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        ssl: tls.SSLContext | None = None,
        sock: socket.socket | None = None,
    ) -> int:
        """Listen, on ``sock`` if given; returns the port. Raises OSError where the address can't be used."""
        if self._state is not None:
            raise RuntimeError("the server was started before")
        loop = asyncio.get_running_loop()
        state = ServerState(self._handler, self._limits, self._on_refused, self._log)
        server: asyncio.Server | TlsListener

        def connection() -> ServerConnection:
            return ServerConnection(state)

        if ssl is not None:
            server = TlsListener(state, await _listening(host, port) if sock is None else _listen(sock), ssl)
        elif sock is not None:
            server = await loop.create_server(connection, sock=sock, backlog=_BACKLOG)
        else:
            server = await loop.create_server(connection, host, port, backlog=_BACKLOG)
        self._state, self._server = state, server
        self._timer = loop.call_later(self._interval, self._sweep)
        return int(server.sockets[0].getsockname()[1])

    def use(self, ssl: tls.SSLContext) -> None:
        """From now on this certificate counts; connections that are open go on with theirs. Raises RuntimeError for a server that
        was not started with TLS."""
        if not isinstance(self._server, TlsListener):
            raise RuntimeError("the server does not run with TLS")
        self._server.context = ssl

    async def drain(self, timeout: float) -> None:
        """Stop accepting, close idle connections, answer what is in flight with `Connection: close`, and after ``timeout``
        seconds close what is left. Returns once no connection is open."""
        state = self._state
        if state is None:
            return
        state.draining = True
        if self._server is not None:
            self._server.close()
        for connection in list(state.connections):
            connection.drain()
        try:
            async with asyncio.timeout(timeout):
                await state.quiet()
        except TimeoutError:
            self._log.warning("connections were closed before they were answered", count=len(state.connections))
            await self._abort(state)

    async def close(self) -> None:
        """Close everything now. Handlers that run as tasks are cancelled and awaited."""
        state, self._state = self._state, None
        if state is None:
            return
        state.draining = True
        if self._server is not None:
            self._server.close()
        tasks = list(state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)  # their failures were logged by their connections
        if isinstance(self._server, TlsListener):
            await self._server.wait_closed()
        await self._abort(state)
        if self._timer is not None:
            self._timer.cancel()

    async def _abort(self, state: ServerState) -> None:
        for connection in [*state.connections, *state.lingering]:
            connection.abort()
        for _ in range(100):  # transports report the end one or a few rounds of the loop later
            if not state.connections and not state.lingering:
                return
            await asyncio.sleep(0)

    def _sweep(self) -> None:
        """One timer for all time-outs: a timer per request would cost more than its parsing."""
        state = self._state
        if state is None:
            return
        state.tick()
        now = monotonic()
        for connection in [*state.connections, *state.lingering]:
            if connection.deadline <= now:
                connection.expire()
        self._timer = state.loop.call_later(self._interval, self._sweep)


def _shortest(limits: ServerLimits) -> float:
    return min(limits.idle_timeout, limits.head_timeout, limits.body_timeout, limits.write_timeout, limits.linger)


async def _listening(host: str, port: int) -> socket.socket:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = found[0]
    return socket.create_server(address[:2], family=family, backlog=_BACKLOG)


def _listen(sock: socket.socket) -> socket.socket:
    sock.listen(_BACKLOG)
    return sock
