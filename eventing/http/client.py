"""The data plane's HTTP/1.1 client, for deliveries (RFC 9110, RFC 9112)."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Hashable
from functools import lru_cache
from math import inf
from time import monotonic
from typing import cast

from eventing.errors import ConnectFailed, DeliveryFailed, DeliveryTimeout
from eventing.http.client_connection import Answered, ClientConnection, ClosedUnanswered, Done, describe
from eventing.http.known_answers import KnownAnswers
from eventing.http.limits import ClientLimits
from eventing.http.log import Log
from eventing.http.pool import Pool, Pools, Slot
from eventing.http.resolver import AddressGuard, Resolver, plain_address
from eventing.http.serialise import RequestWriter
from eventing.http.tls import ClientContexts
from eventing.http.url import Target, parse_target
from eventing.ports.http import Headers, Response

_BUSY_TICK, _IDLE_TICK = 0.05, 1.0
"""How often time-outs are looked at, in seconds, with requests under way and without."""

_NO_FILES = frozenset({errno.EMFILE, errno.ENFILE})
_FILES_PAUSE = 0.05
"""How soon it is tried again to open a connection when the process has no file left: that is no fault of the subscriber."""

_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


class HttpClient:
    """Keep-alive connections pooled by origin. Belongs to the loop that it is first used on; `close` it there.

    Redirects are answers like any other (WebHook 1.0, 2.2). Sizes and bounds: `ClientLimits`.
    """

    def __init__(
        self,
        *,
        limits: ClientLimits | None = None,
        resolver: Resolver,
        guard: AddressGuard | None = None,
        log: Log,
    ) -> None:
        self._limits = limits or ClientLimits()
        self._resolver, self._guard, self._log = resolver, guard, log
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pools = Pools(self._limits, monotonic)
        self._connections: set[ClientConnection] = set()
        self._contexts = ClientContexts(self._limits.max_tls_contexts)
        self._writer = RequestWriter()
        self._answers = KnownAnswers()
        self._target = lru_cache(self._limits.max_urls)(parse_target)
        self._timer: asyncio.TimerHandle | None = None
        self._tick = inf
        self._waiting = 0
        self._outbox: list[tuple[ClientConnection, bytes, bytes]] = []
        self._closed = False

    async def send(
        self,
        url: str,
        headers: Headers,
        body: bytes,
        *,
        timeout: float,
        connect_timeout: float | None = None,
        ca_certs: str | None = None,
        method: str = "POST",
    ) -> Response:
        """One request and its complete answer, whatever its status.

        ``timeout``: seconds for all of it, from waiting for a connection to the answer's last byte. ``connect_timeout``:
        seconds for resolving, connecting and TLS. ``ca_certs``: authorities to trust beside the system's, PEM.

        A connection that had been kept open and turns out to be closed is replaced by a new one, once, unnoticed. Nobody can
        tell a close that crossed the request from one that the request caused; one that came late is the request's.

        Raises `NameNotResolved`, `ConnectFailed`, `DeliveryTimeout`, `AnswerMalformed` and `AnswerTooLarge`, whose messages
        name host and port; ValueError for headers or a method that can't be sent. Cancelling it drops its connection.
        """
        if method not in _METHODS:
            raise ValueError("the HTTP method is not one that this client sends")
        head = self._writer.head(method.encode() + self._target(url).start, headers, len(body))
        deadline = (self._loop or self._bind()).time() + timeout
        is_head = method == "HEAD"
        return await self.exchange(
            url,
            head,
            body,
            deadline=deadline,
            timeout=timeout,
            ca_certs=ca_certs,
            connect_timeout=connect_timeout,
            is_head=is_head,
        )

    # In two steps, for those who send much ------------------------------------------------------------------------------

    def block(self, headers: Headers) -> bytes:
        """Header lines, for `head`. Raises ValueError as `send` does."""
        return self._writer.block(headers)

    def head(self, url: str, block: bytes, length: int) -> bytes:
        """The head of a POST of ``length`` bytes, with these lines in it. Raises `ConnectFailed` for a URL that can't be used."""
        return b"POST%b%bcontent-length: %d\r\n\r\n" % (self._target(url).start, block, length)

    def begin(
        self, url: str, head: bytes, body: bytes, done: Done, *, timeout: float, ca_certs: str | None = None
    ) -> ClientConnection | None:
        """Send over a connection that is open and free; None where there is none, then `exchange` has to be awaited.
        ``done`` is called once with what came of it; not after `ClientConnection.cancel`. Where that is `ClosedUnanswered`,
        `exchange` over a ``fresh`` connection is due."""
        target = self._target(url)
        pool = self._pools.get(target.origin if ca_certs is None else (target.origin, ca_certs))
        if not pool.idle:
            return None
        connection = cast(ClientConnection, pool.idle.pop())
        loop = self._loop or self._bind()
        if self._tick > _BUSY_TICK:
            self._schedule(loop, _BUSY_TICK)
        now = loop.time()
        connection.begin(done, now=now, deadline=now + timeout, timeout=timeout, is_head=False)
        if not self._outbox:
            loop.call_soon(self._post)
        self._outbox.append((connection, head, body))
        return connection

    def _post(self) -> None:
        """Send what `begin` was given in this round of the event loop. One after the other costs half of what it costs with
        other work between: then each would wake a subscriber that had just gone to sleep."""
        outbox, self._outbox = self._outbox, []
        for connection, head, body in outbox:
            connection.write(head, body)

    async def exchange(
        self,
        url: str,
        head: bytes,
        body: bytes,
        *,
        deadline: float,
        timeout: float,
        ca_certs: str | None = None,
        connect_timeout: float | None = None,
        is_head: bool = False,
        fresh: bool = False,
    ) -> Response:
        """As `send`, with a head that is written already, up to ``deadline`` on the loop's clock. ``fresh``: not over a
        connection that was kept open."""
        target = self._target(url)
        loop = self._loop or self._bind()
        key: Hashable = target.origin if ca_certs is None else (target.origin, ca_certs)
        self._waiting += 1
        if self._tick > _BUSY_TICK:
            self._schedule(loop, _BUSY_TICK)
        try:
            connection = None if fresh else cast(ClientConnection | None, self._pools.take_idle(self._pools.get(key)))
            if connection is None:
                connection = await self._connect(key, target, ca_certs, deadline, timeout, connect_timeout, fresh=fresh)
            try:
                return await _answer(connection, loop, head, body, deadline, timeout, is_head=is_head)
            except ClosedUnanswered as closed:
                closed.__traceback__ = None  # it leads to the request, which would stay with it until the collector comes
            connection = await self._connect(key, target, ca_certs, deadline, timeout, connect_timeout, fresh=True)
            return await _answer(connection, loop, head, body, deadline, timeout, is_head=is_head)
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        """Drop all connections; requests under way fail with `ConnectFailed`."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        connections = list(self._connections)
        for connection in connections:
            connection.drop(ConnectFailed(f"{connection.label}: the HTTP client was closed"))
        try:
            async with asyncio.timeout(5):
                for connection in connections:
                    await connection.wait_lost()
        except TimeoutError:
            self._log.warning("connections did not close in time", count=len(connections))

    # Connecting ---------------------------------------------------------------------------------------------------------

    async def _connect(
        self,
        key: Hashable,
        target: Target,
        ca_certs: str | None,
        deadline: float,
        timeout: float,
        connect_timeout: float | None,
        *,
        fresh: bool,
    ) -> ClientConnection:
        """A connection in the caller's turn; a new one if ``fresh``."""
        pool = self._pools.get(key)
        loop = asyncio.get_running_loop()
        doing = f"waiting for a connection to {target.label}"
        limit = self._limits.connect_timeout if connect_timeout is None else connect_timeout
        try:
            async with asyncio.timeout_at(deadline):
                while not self._pools.try_slot(pool):
                    lease = await self._pools.wait(pool)
                    if isinstance(lease, Slot):
                        break
                    connection = cast(ClientConnection, lease)
                    if not connection.ended and not fresh:
                        return connection
                    connection.abort()  # its slot goes to whoever is next, so get in line again
                    pool = self._pools.get(key)
                doing = f"connecting to {target.label}"
                left = deadline - loop.time()
                try:
                    return await self._open(pool, target, ca_certs, min(limit, left))
                except TimeoutError:
                    if left <= limit:
                        raise
                    raise ConnectFailed(f"connecting to {target.label} took longer than {limit:g} s") from None
        except TimeoutError:
            raise DeliveryTimeout(f"{doing} took longer than the {timeout:g} s for the whole request") from None

    async def _open(self, pool: Pool, target: Target, ca_certs: str | None, limit: float) -> ClientConnection:
        """Fill a slot, or give it back. Raises TimeoutError beyond ``limit``."""
        opened = False
        try:
            if self._closed:
                raise ConnectFailed(f"{target.label}: the HTTP client is closed")
            async with asyncio.timeout(limit):
                addresses = await self._resolver.resolve(target.host, limit)
                connection = await self._open_any(pool, target, ca_certs, addresses, limit)
            opened = True
            return connection
        finally:
            if not opened:
                self._pools.free(pool)

    async def _open_any(
        self, pool: Pool, target: Target, ca_certs: str | None, addresses: tuple[str, ...], limit: float
    ) -> ClientConnection:
        """The first address that answers; each gets its share of the time, so that a dead one leaves some to the next."""
        failure: DeliveryFailed | None = None
        for index, address in enumerate(addresses):
            share = limit / (len(addresses) - index) if index + 1 < len(addresses) else None
            try:
                if self._guard is not None:
                    self._guard(target.host, plain_address(address))
                async with asyncio.timeout(share):
                    return await self._open_one(pool, target, ca_certs, address, share or limit)
            except ConnectFailed as error:
                failure = failure or error
            except TimeoutError:
                failure = failure or ConnectFailed(f"can't connect to {target.label}: no answer from {address}")
            except OSError as error:
                failure = failure or ConnectFailed(f"can't connect to {target.label}: {describe(error)}")
        raise failure or ConnectFailed(f"can't connect to {target.label}: it has no address")

    async def _open_one(self, pool: Pool, target: Target, ca_certs: str | None, address: str, limit: float) -> ClientConnection:
        loop = asyncio.get_running_loop()
        until = loop.time() + limit - _FILES_PAUSE

        def ended(connection: ClientConnection) -> None:
            self._connections.discard(connection)
            self._pools.ended(pool, connection)

        def idled(connection: ClientConnection) -> None:
            self._pools.idled(pool, connection)

        connection = ClientConnection(self._limits, target.label, self._answers)
        secure = target.scheme == "https"
        while True:
            try:
                await loop.create_connection(
                    lambda: connection,
                    address,
                    target.port,
                    ssl=self._contexts.get(ca_certs) if secure else None,
                    server_hostname=target.host.rstrip(".") if secure else None,
                )
                break
            except OSError as error:
                # A connection that was given up for this one keeps its file until the loop's next round; others' may end too.
                if error.errno not in _NO_FILES or loop.time() >= until:
                    raise
            await asyncio.sleep(_FILES_PAUSE)
        if self._closed:
            connection.abort()
        if not connection.adopt(idled, ended):
            raise ConnectFailed(f"can't connect to {target.label}: the connection was closed at once")
        self._connections.add(connection)
        return connection

    # Time ---------------------------------------------------------------------------------------------------------------

    def _bind(self) -> asyncio.AbstractEventLoop:
        self._loop = asyncio.get_running_loop()
        self._pools.clock = self._loop.time
        return self._loop

    def _schedule(self, loop: asyncio.AbstractEventLoop, tick: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._tick = tick
        self._timer = loop.call_later(tick, self._sweep, loop)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """One timer for all time-outs: a timer per request would cost more than its parsing."""
        now, busy = loop.time(), self._waiting > 0
        for connection in list(self._connections):
            if connection.deadline <= now:
                connection.expire()
            busy = busy or connection.busy
        self._timer, self._tick = None, inf
        if busy or self._connections:
            self._schedule(loop, _BUSY_TICK if busy else _IDLE_TICK)


async def _answer(
    connection: ClientConnection,
    loop: asyncio.AbstractEventLoop,
    head: bytes,
    body: bytes,
    deadline: float,
    timeout: float,
    *,
    is_head: bool,
) -> Response:
    """Raises `DeliveryFailed` and `ClosedUnanswered`."""
    answer: asyncio.Future[Response] = loop.create_future()

    def done(outcome: Answered) -> None:
        if answer.done():
            return
        if isinstance(outcome, Response):
            answer.set_result(outcome)
        else:
            answer.set_exception(outcome)

    connection.begin(done, now=loop.time(), deadline=deadline, timeout=timeout, is_head=is_head)
    connection.write(head, body)
    try:
        return await answer
    except asyncio.CancelledError:
        connection.cancel(done)
        raise
