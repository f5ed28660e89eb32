"""The load generator: requests made before, sent over connections that each have one request under way at most."""

from __future__ import annotations

import asyncio
from array import array
from collections import deque
from collections.abc import Callable
from time import monotonic_ns
from typing import cast

from bench.messages import Make, Shape, maker
from bench.ticks import Ticks

_END = b"\r\n\r\n"
_LENGTH = b"content-length: "
_TICK = 1_000_000
"""Nanoseconds between two moments at which an open loop sends what is due."""
_ENDLESS = 1 << 60


class LoadFailed(Exception):
    """The load could not be put on: the text says why."""


class Load:
    """``port``, ``path``: where to. ``expected``: the status that each request has to be answered with.

    ``number``: events sent so far, which is also the number of the next. ``accepted``: events whose request was answered as
    expected; ``refused``: events by the status they got instead. ``lateness``: how long after their time requests of an open loop
    were sent, in nanoseconds.
    """

    def __init__(
        self, shape: Shape, port: int, path: str = "/default/default", *, connections: int = 64, expected: int = 202
    ) -> None:
        self.shape = shape
        self.number = self.accepted = self.left = 0
        self.refused: dict[int, int] = {}
        self.lateness = array("q")
        self.lost = ""
        self.expected = b"%d" % expected
        self.step = shape.batch
        """Events of one request."""
        self._port, self._path, self._size = port, path, connections
        self._connections: list[_Connection] = []
        self._idle: list[_Connection] = []
        self._due: deque[int] = deque()
        self._changed: asyncio.Future[None] | None = None

    @property
    def answered(self) -> int:
        """Events whose request was answered in any way."""
        return self.accepted + sum(self.refused.values())

    async def open(self) -> None:
        """Connect; after `close` again, and the numbers go on. Raises OSError."""
        loop = asyncio.get_running_loop()
        self.lost = ""
        for index in range(self._size):
            connection = _Connection(self, maker(self.shape, self._path, self._port, index))
            await loop.create_connection(lambda connection=connection: connection, "127.0.0.1", self._port)  # type: ignore[misc]
            self._connections.append(connection)
        self._idle = list(self._connections)

    async def close(self) -> None:
        connections, self._connections = self._connections, []
        self.left = 0
        for connection in connections:
            connection.transport.abort()
        while any(not connection.ended for connection in connections):  # noqa: ASYNC110 - a few rounds of the loop
            await asyncio.sleep(0)

    async def closed(self, *, events: int | None = None, seconds: float = 0.0, patience: float = 30.0) -> int:
        """Each connection sends its next request once the one before is answered: so many events, or for so long. Returns how
        many events were sent once all are answered. Raises `LoadFailed`."""
        before = self.number
        self.left = _ENDLESS if events is None else -(-events // self.shape.batch)
        idle, self._idle = self._idle, []
        for connection in idle:
            self.rest(connection)
        if events is None:
            await self._wait(seconds)
            self.left = 0
            await self._quiet(patience)
        else:
            await self._quiet(patience)
        return self.number - before

    async def scheduled(
        self, rate: float, seconds: float, *, stop: Callable[[], bool] = lambda: False, patience: float = 30.0
    ) -> int:
        """Send at times that were fixed before, whatever the answers do: each millisecond what is due by then. An event's
        time is that at which it was due, so the wait for a free connection counts (no coordinated omission). ``stop``: asked
        each millisecond whether to end before ``seconds`` are over. Returns and raises what `closed` does."""
        before = self.number
        requests = max(1, round(rate * seconds / self.shape.batch))
        interval = seconds * 1e9 / requests
        self.lateness = array("q")
        start = (monotonic_ns() // _TICK + 3) * _TICK
        sent = 0
        with Ticks(start, _TICK) as ticks:
            while sent < requests and not self.lost and not stop():
                tick = (await ticks.next() - start) // _TICK
                # Each has the time of the beat that it is due at: nobody is to count what lies between two beats as delay.
                while sent < requests and (due := -(-int(sent * interval) // _TICK)) <= tick:
                    self._send_due(start + due * _TICK)
                    sent += 1
        await self._quiet(patience)
        return self.number - before

    def _send_due(self, stamp: int) -> None:
        if self._idle:
            self._idle.pop().send(stamp)
            self.lateness.append(monotonic_ns() - stamp)
        else:
            self._due.append(stamp)

    def rest(self, connection: _Connection) -> None:
        """A connection is free: what is due goes first."""
        if self._due:
            stamp = self._due.popleft()
            connection.send(stamp)
            self.lateness.append(monotonic_ns() - stamp)
        elif self.left:
            self.left -= 1
            connection.send(monotonic_ns())
        else:
            self._idle.append(connection)
            if len(self._idle) == len(self._connections):
                self.wake()

    def wake(self) -> None:
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)

    def ended(self, connection: _Connection) -> None:
        """A connection ended, which is a fault unless it was closed here."""
        if connection in self._connections:
            self.lost = "a connection of the load was closed by the other side"
            self.wake()

    async def _wait(self, seconds: float) -> None:
        self._changed = asyncio.get_running_loop().create_future()
        await asyncio.wait([self._changed], timeout=seconds)

    async def _quiet(self, patience: float) -> None:
        """Until every request is answered; time-outs count from the latest answer."""
        while not self.lost and len(self._idle) < len(self._connections):
            before = self.answered
            await self._wait(patience)
            if self.answered == before and len(self._idle) < len(self._connections):
                missing = len(self._connections) - len(self._idle)
                raise LoadFailed(f"{missing} requests had no answer within {patience:g} s")
        if self.lost:
            raise LoadFailed(self.lost)


class _Connection(asyncio.Protocol):
    __slots__ = ("_held", "_load", "_make", "ended", "transport")

    def __init__(self, load: Load, make: Make) -> None:
        self._load, self._make = load, make
        self._held = b""
        self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True
        self._load.ended(self)

    def send(self, stamp: int) -> None:
        load = self._load
        number = load.number
        load.number = number + load.step
        self.transport.write(self._make(number, stamp))

    def data_received(self, data: bytes) -> None:
        load = self._load
        if not self._held and data[9:12] == load.expected and data[-4:] == _END:
            load.accepted += load.step
            load.rest(self)
        else:
            self._slowly(self._held + data)

    def _slowly(self, data: bytes) -> None:
        """An answer in pieces, one with a body, or one that was not expected."""
        end = data.find(_END)
        at = data.find(_LENGTH, 0, end) + len(_LENGTH)
        length = int(data[at : data.find(b"\r", at)]) if at >= len(_LENGTH) else 0
        if end < 0 or len(data) < end + 4 + length:
            self._held = data
            return
        self._held = b""
        load, status = self._load, data[9:12]
        if status == load.expected:
            load.accepted += load.step
        else:
            load.refused[int(status)] = load.refused.get(int(status), 0) + load.step
        load.rest(self)
