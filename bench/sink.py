"""Subscribers that cost next to nothing: they count ids and take times, and answer with bytes made before."""

from __future__ import annotations

import asyncio
import socket
from array import array
from time import monotonic_ns
from typing import cast

from bench.messages import ID_LENGTH

NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
TOO_MANY = b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n"
_ID = b"\r\nce-id: "
_KEY = b"\r\nce-partitionkey: "
_LENGTH = b"\r\ncontent-length: "
_HEAD = 64 * 1024


class Sink:
    """One subscriber. ``size``: bytes of data that each event has to have. ``delay``: seconds before it answers. ``answer``: one
    that is no 2xx makes it count nothing but requests. ``ordered``: whether to check the order within each key.

    ``distinct``: events that came, each once however often it came; ``repeats``: how often one came again. ``latencies``: of the
    first coming of each, in nanoseconds. ``faults``: what was not as it has to be, the first few.
    """

    def __init__(
        self, size: int, *, delay: float = 0.0, answer: bytes = NO_CONTENT, ordered: bool = False, name: str = "sink"
    ) -> None:
        self.size, self.delay, self.answer, self.ordered, self.name = size, delay, answer, ordered, name
        self.requests = self.distinct = self.repeats = 0
        self.latencies = array("q")
        self.faults: list[str] = []
        self.transports: set[asyncio.Transport] = set()
        self.first = self.last = 0
        """When the first event since `restart` came, and the latest; nanoseconds on the monotonic clock."""
        self._seen = bytearray(1 << 16)
        self._keys: dict[bytes, int] = {}
        self._target = 0
        self._reached: asyncio.Future[None] | None = None
        self._server: asyncio.Server | None = None

    async def start(self, listener: socket.socket | None = None) -> int:
        """Listen, on ``listener`` if given; returns the port."""
        loop = asyncio.get_running_loop()
        if listener is None:
            self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0, backlog=1024)
        else:
            self._server = await loop.create_server(lambda: _Connection(self), sock=listener, backlog=1024)
        return int(self._server.sockets[0].getsockname()[1])

    def restart(self) -> None:
        """Forget the times that were taken, not the ids."""
        self.latencies = array("q")
        self.first = 0

    async def until(self, distinct: int, patience: float) -> None:
        """Until so many different events came, or none for ``patience`` seconds."""
        while self.distinct < distinct:
            before = self.distinct
            self._target = distinct
            self._reached = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._reached], timeout=patience)
            self._target = 0
            if self.distinct == before:
                return

    def missing(self, sent: int) -> list[int]:
        """Which of the events 0 to ``sent`` - 1 never came."""
        seen = self._seen[:sent].ljust(sent, b"\0")
        found, place = [], seen.find(0)
        while place >= 0:
            found.append(place)
            place = seen.find(0, place + 1)
        return found

    async def stop(self) -> None:
        """Close everything. Answers that are still delayed are never given."""
        if self._server is not None:
            self._server.close()
        for transport in list(self.transports):
            transport.abort()
        async with asyncio.timeout(10):
            while self.transports:  # noqa: ASYNC110 - their ends are reported within a few rounds of the loop
                await asyncio.sleep(0)

    def came(self, id_: bytes, length: int) -> None:
        """One event, whole."""
        now = monotonic_ns()
        try:
            number, stamp = int(id_[:8], 16), int(id_[9:], 16)
        except ValueError:
            self.fault(f"an event with the id {id_[:40]!r}, which nobody sent")
            return
        if length != self.size:
            self.fault(f"event {number} with {length} bytes of data instead of {self.size}")
        try:
            again = self._seen[number]
        except IndexError:
            self._seen.extend(bytes(number))
            again = 0
        if again:
            self.repeats += 1
            return
        self._seen[number] = 1
        self.latencies.append(now - stamp)
        self.last = now
        if not self.first:
            self.first = now
        self.distinct += 1
        if self.distinct == self._target and self._reached is not None and not self._reached.done():
            self._reached.set_result(None)

    def in_order(self, head: bytes, id_: bytes) -> None:
        """Hold the event against the one before it that had its key."""
        at = head.find(_KEY)
        key = head[at + len(_KEY) : head.find(b"\r", at + 2)] if at >= 0 else b""
        number = int(id_[:8], 16)
        if number < self._keys.get(key, -1):
            self.fault(f"event {number} came after {self._keys[key]}, which has the same key and was sent later")
        self._keys[key] = number

    def fault(self, text: str) -> None:
        if len(self.faults) < 5:
            self.faults.append(f"{self.name}: {text}")


class _Connection(asyncio.Protocol):
    __slots__ = ("_held", "_id", "_length", "_missing", "_sink", "_transport")

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._held = self._id = b""
        self._missing = self._length = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._sink.transports.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._sink.transports.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        if self._missing:
            # A large body comes in pieces, which nobody wants to keep.
            if len(data) < self._missing:
                self._missing -= len(data)
                return
            data = data[self._missing :]
            self._missing = 0
            self._done(self._id, self._length)
        elif self._held:
            data, self._held = self._held + data, b""
        while data:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._held = data
                if len(data) > _HEAD:
                    self._broken("a request whose head has no end")
                return
            at = data.find(_LENGTH, 0, end) + 18
            place = data.find(_ID, 0, end) + 9
            if at < 18 or place < 9:
                self._broken("a request without a length or an id")
                return
            length = int(data[at : data.find(b"\r", at)])
            id_ = data[place : place + ID_LENGTH]
            if self._sink.ordered:
                self._sink.in_order(data[:end] + b"\r\n", id_)
            total = end + 4 + length
            if total > len(data):
                self._missing, self._id, self._length = total - len(data), id_, length
                return
            self._done(id_, length)
            if total == len(data):
                return
            data = data[total:]

    def _done(self, id_: bytes, length: int) -> None:
        sink = self._sink
        sink.requests += 1
        if sink.answer is NO_CONTENT:
            sink.came(id_, length)
        if sink.delay:
            asyncio.get_running_loop().call_later(sink.delay, self._answer)
        else:
            self._transport.write(sink.answer)

    def _answer(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(self._sink.answer)

    def _broken(self, what: str) -> None:
        self._sink.fault(what)
        self._transport.abort()
