"""A small HTTP server of its own for the program's deliveries: it hands on whole requests and writes what it is given."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import cast

_LENGTH = re.compile(rb"\r\ncontent-length: (\d{1,9})\r\n")


@dataclass(frozen=True, slots=True)
class Reply:
    """``data``: the answer's bytes, whatever they are. ``close``: whether the connection is closed after them; ``reset``: cut off
    instead. ``after``: seconds until then, `inf` for never. ``ended``: told once whether it was written, or the connection ended
    before."""

    data: bytes
    close: bool = False
    reset: bool = False
    after: float = 0.0
    ended: Callable[[bool], None] | None = None


NO_CONTENT = Reply(b"HTTP/1.1 204 No Content\r\n\r\n")


class Receiver:
    """``take`` is called with each request as it came."""

    def __init__(self, take: Callable[[bytes], Reply]) -> None:
        self.take = take
        self.connections: set[asyncio.Transport] = set()
        self._server: asyncio.Server | None = None

    async def start(self, port: int = 0) -> int:
        """Listen; returns the port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", port, backlog=1024)
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def listening(self) -> bool:
        return self._server is not None

    async def stop(self) -> None:
        """It may be started again."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for transport in list(self.connections):
            transport.abort()
        while self.connections:  # noqa: ASYNC110 - their ends are reported within a few rounds of the loop
            await asyncio.sleep(0)


class _Connection(asyncio.Protocol):
    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._buffer = b""
        self._later: tuple[Reply, asyncio.TimerHandle | None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._receiver.connections.add(self._transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (head := self._buffer.find(b"\r\n\r\n")) >= 0 and not self._transport.is_closing():
            match = _LENGTH.search(self._buffer, 0, head + 2)
            end = head + 4 + (int(match[1]) if match else 0)
            if len(self._buffer) < end:
                return
            message, self._buffer = self._buffer[:end], self._buffer[end:]
            reply = self._receiver.take(message)
            if reply.after:
                # The next request comes after the answer: the program sends one at a time.
                timer = None
                if reply.after < inf:
                    timer = asyncio.get_running_loop().call_later(reply.after, self._answer, reply)
                self._later = (reply, timer)
            else:
                self._answer(reply)

    def _answer(self, reply: Reply) -> None:
        self._later = None
        if reply.reset:
            linger = struct.pack("ii", 1, 0)
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self._transport.abort()
        else:
            self._transport.write(reply.data)
            if reply.close:
                self._transport.close()
        if reply.ended is not None:
            reply.ended(not reply.reset)

    def connection_lost(self, exc: Exception | None) -> None:
        self._receiver.connections.discard(self._transport)
        if self._later is not None:
            reply, timer = self._later
            if timer is not None:
                timer.cancel()
            if reply.ended is not None:
                reply.ended(False)
