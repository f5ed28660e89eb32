"""Subscribers that answer without end or otherwise than HTTP has it: each costs a failed attempt, and no more."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from contextlib import suppress

import pytest
from http_support import OK, client, on_both_loops, raw_server, read_request, send

from eventing.errors import AnswerMalformed, AnswerTooLarge, DeliveryTimeout
from eventing.http import ClientLimits
from eventing.ports.http import Response

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


ENDLESS = {
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n", "headers"),
    "headers of an interim answer": (b"HTTP/1.1 103 Early Hints\r\n", b"Link: x\r\n", "headers"),
    "empty lines": (b"HTTP/1.1 200 OK\r\nX: y", b" ", "headers"),
    "the reason": (b"HTTP/1.1 200 ", b"O", "headers"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", "headers"),
    "one header": (b"HTTP/1.1 200 OK\r\nX: ", b"y", "headers"),
    "one header's name": (b"HTTP/1.1 200 OK\r\n", b"X", "headers"),
    "a body up to the end of the connection": (b"HTTP/1.1 200 OK\r\n\r\n", b"x", "body"),
    "chunks": (CHUNKED, b"3e8\r\n" + b"x" * 1000 + b"\r\n", "body"),
    "chunks of one byte": (CHUNKED, b"1\r\nx\r\n", "body"),
    "a chunk's size": (CHUNKED, b"0", "chunks"),
    "a chunk's extension": (CHUNKED + b"1;", b"x", "chunks"),
    "trailers": (CHUNKED + b"0\r\n", b"X: y\r\n", "chunks"),
    "one trailer": (CHUNKED + b"0\r\nX: ", b"y", "chunks"),
}


@pytest.mark.parametrize("part", ENDLESS)
def test_an_answer_without_end_is_cut_off(part: str) -> None:
    start, more, what = ENDLESS[part]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(start)
        while True:
            writer.write(more * (16_384 // len(more)))
            await writer.drain()

    @on_both_loops
    async def run() -> None:
        async with raw_server(serve) as port, client() as http:
            with pytest.raises(AnswerTooLarge, match=f"127.0.0.1:{port}: the .*{what}.* (larger than|too many bytes)"):
                await send(http, port)
            assert http._pools.total == 0

    for loop in ("asyncio", "uvloop"):
        run(loop)


@on_both_loops
async def test_what_drips_in_ends_at_the_time_out() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while not reader.at_eof():
            writer.write(b"X: y\r\n")
            with suppress(TimeoutError):
                async with asyncio.timeout(0.02):
                    await reader.read()

    async with raw_server(serve) as port, client() as http:
        with pytest.raises(DeliveryTimeout, match="no complete answer"):
            await send(http, port, timeout=0.2)
        assert http._pools.total == 0


@on_both_loops
async def test_a_server_that_never_reads_ends_at_the_time_out() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await gone.wait()

    gone = asyncio.Event()
    async with raw_server(serve) as port, client() as http:
        with pytest.raises(DeliveryTimeout, match="no complete answer"):
            await send(http, port, os.urandom(20_000_000), timeout=0.3)
        assert http._pools.total == 0
        gone.set()


@on_both_loops
async def test_a_reset_in_the_middle_of_an_answer_is_a_failure_and_before_it_too() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answers.pop())
        await writer.drain()
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe", b"HTTP/1.1 200 OK\r\n\r\nhe", b"HTTP/1.1 2", b""]
    async with raw_server(serve) as port, client() as http:
        while answers:
            with pytest.raises(AnswerMalformed, match=f"127.0.0.1:{port}"):
                await send(http, port)
        assert http._pools.total == 0


@on_both_loops
async def test_one_hostile_server_does_not_harm_the_requests_to_another() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        while True:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)
            await writer.drain()

    async def good(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            writer.write(OK)

    async with raw_server(endless) as bad, raw_server(good) as fine, client(ClientLimits(max_connections=8)) as http:
        results = await asyncio.gather(*(send(http, port) for _ in range(20) for port in (bad, fine)), return_exceptions=True)
        assert [type(result) for result in results] == [AnswerTooLarge, Response] * 20
