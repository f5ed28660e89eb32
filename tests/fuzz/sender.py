"""Plays a session on a socket of its own."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import cast

from tests.fuzz.model import MAX_BODY
from tests.fuzz.oracle import Outcome
from tests.fuzz.session import Ending, Session
from tests.fuzz.wire import Broken, read_answers, read_requests

BOUND = 60.0
"""Seconds within which the server must have answered all and closed, on a machine that does other things too."""
PROMPT_BOUND = 12.0
"""The same for answers that need no end of the client: less than the shortest time-out of the server, 15 s."""
SILENT_BOUND = 100.0
"""The same where the client falls silent: the longest time-out of the server is 75 s."""
_RESET = struct.pack("ii", 1, 0)


class _Client(asyncio.Protocol):
    def __init__(self) -> None:
        self.received = bytearray()
        self.ended = ""
        self.changed = asyncio.Event()
        self.gone = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.received += data
        self.changed.set()

    def eof_received(self) -> bool:
        self.ended = self.ended or "closed"
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = self.ended or ("reset" if exc is not None else "closed")
        self.changed.set()
        self.gone.set_result(None)


async def play(port: int, session: Session) -> Outcome:
    """Send it all and read all. Raises OSError where no connection is made."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    transport, client = await loop.create_connection(_Client, "127.0.0.1", port)
    try:
        async with asyncio.timeout(SILENT_BOUND if session.ending is Ending.SILENT else BOUND):
            if session.ending is Ending.STEPS:
                await _step(client, session)
            else:
                for number, piece in enumerate(session.pieces):
                    if number:
                        await asyncio.sleep(0)
                    if not transport.is_closing():
                        transport.write(piece)
            if session.ending is Ending.PROMPT:
                async with asyncio.timeout(PROMPT_BOUND):
                    await _answered(client, [message.method for message in session.stream.messages], session.stream.stop)
            if session.ending is not Ending.SILENT and not transport.is_closing():
                _finish(transport, reset=session.ending is Ending.RESET)
            await client.gone
    except TimeoutError:
        client.ended = "late"
        transport.abort()
        await client.gone
    return Outcome(bytes(client.received), client.ended, loop.time() - began)


def _finish(transport: asyncio.Transport, *, reset: bool) -> None:
    try:
        if reset:
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            transport.abort()
        else:
            transport.write_eof()
    except OSError:  # the server was faster; its end is reported as any other
        transport.abort()


async def _step(client: _Client, session: Session) -> None:
    """Each piece when what was asked before is answered."""
    sent = b""
    for piece in session.pieces:
        if client.transport.is_closing():
            return
        client.transport.write(piece)
        sent += piece
        methods = [message.method for message in read_requests(sent, MAX_BODY).messages]
        await _answered(client, methods)


async def _answered(client: _Client, methods: list[bytes], stop: str = "") -> None:
    """Wait for the answers to requests with these methods, and for the refusal of what is no request after them."""
    wanted = len(methods) + (stop == "broken")
    while not client.transport.is_closing():
        client.changed.clear()
        try:
            answers, _ = read_answers(bytes(client.received), methods)
        except Broken:
            return
        if len(answers) >= wanted:
            return
        await client.changed.wait()
