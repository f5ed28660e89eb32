"""The HTTP client against servers on real sockets, well-behaved and not."""

from __future__ import annotations

import asyncio

import pytest
from http_support import OK, client, on_both_loops, raw_server, read_request, send, serving

from eventing.errors import AnswerMalformed, AnswerTooLarge, ConnectFailed, DeliveryTimeout
from eventing.http import ClientLimits
from eventing.ports.http import Request, Response


@on_both_loops
async def test_a_request_on_the_wire() -> None:
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.extend(await read_request(reader))
        writer.write(OK)

    async with raw_server(serve) as port, client() as http:
        response = await send(http, port)
    assert (response.status, response.body) == (200, b"ok")
    assert seen == [
        b"POST /x?y=z HTTP/1.1\r\nhost: 127.0.0.1:%d\r\n" % port
        + b"ce-id: 1\r\ncontent-type: application/json\r\ncontent-length: 5\r\n\r\n",
        b"hello",
    ]


@on_both_loops
async def test_requests_one_after_the_other_share_a_connection_and_many_at_once_are_bounded() -> None:
    peak = 0

    async def handler(request: Request) -> Response:
        nonlocal peak
        peak = max(peak, server.connections)
        await asyncio.sleep(0)
        return Response(200, ((b"x-method", request.method.encode()),), request.body)

    async with serving(handler) as (server, port), client(ClientLimits(max_per_origin=3)) as http:
        for number in range(5):
            assert (await send(http, port, b"%d" % number)).body == b"%d" % number
        assert peak == 1
        answers = await asyncio.gather(*(send(http, port, b"%d" % number) for number in range(50)))
        assert [answer.body for answer in answers] == [b"%d" % number for number in range(50)]
        assert peak == 3
        big = await send(http, port, b"x" * 200_000)
        assert len(big.body) == 200_000
        head = await http.send(f"http://127.0.0.1:{port}/", (), b"", timeout=10, method="HEAD")
        assert (head.status, head.body, head.header(b"x-method")) == (200, b"", b"HEAD")
        got = await http.send(f"http://127.0.0.1:{port}/", (), b"", timeout=10, method="GET")
        assert got.header(b"x-method") == b"GET"


@on_both_loops
async def test_time_outs() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        gone.set()

    async def trickling(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b"x")
            try:
                async with asyncio.timeout(0.02):
                    await reader.read()
                return
            except TimeoutError:
                continue

    gone = asyncio.Event()
    async with raw_server(silent) as port, client(ClientLimits(max_per_origin=1)) as http:
        first = asyncio.ensure_future(send(http, port, timeout=0.3))
        second = asyncio.ensure_future(send(http, port, timeout=0.05))
        with pytest.raises(DeliveryTimeout, match=f"waiting for a connection to 127.0.0.1:{port} took longer than the 0.05 s"):
            await second
        with pytest.raises(DeliveryTimeout, match=f"no complete answer from 127.0.0.1:{port} within 0.3 s"):
            await first
        await gone.wait()
    async with raw_server(trickling) as port, client() as http:
        with pytest.raises(DeliveryTimeout, match="no complete answer"):
            await send(http, port, timeout=0.2)


@on_both_loops
async def test_a_switch_of_protocols_is_an_answer_and_ends_the_connection() -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await read_request(reader)
        if connections == 1:
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x00")
        else:
            writer.write(OK)
        await writer.drain()
        await reader.read()

    async with raw_server(serve) as port, client() as http:
        response = await send(http, port)
        assert (response.status, response.body) == (101, b"")
        assert (await send(http, port)).status == 200
    assert connections == 2


@on_both_loops
async def test_redirects_are_answers() -> None:
    seen = []

    def handler(request: Request) -> Response:
        seen.append(request.path)
        return Response(307, ((b"location", b"/elsewhere"),))

    async with serving(handler) as (_, port), client() as http:
        assert (await send(http, port)).status == 307
    assert seen == ["/x"]


@on_both_loops
async def test_answers_of_every_shape() -> None:
    cases: list[tuple[bytes, object]] = [
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the close", b"until the close"),
        (b"HTTP/1.0 200 OK\r\n\r\nold", b"old"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", b"hi"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" + OK, b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (OK[:-1], AnswerMalformed),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", AnswerMalformed),
        (b"HTTP/1.1 200 OK\r\nContent-Le", AnswerMalformed),
        (b"220 mail.example ESMTP\r\n", AnswerMalformed),
        (b"", AnswerMalformed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n", AnswerTooLarge),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 300_000, AnswerTooLarge),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, AnswerTooLarge),
    ]
    current: bytes = b""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(current)
        await writer.drain()

    async with raw_server(serve) as port, client() as http:
        for wire, expected in cases:
            current = wire
            if isinstance(expected, bytes):
                assert (await send(http, port)).body == expected, wire[:60]
            else:
                with pytest.raises(expected, match=f"127.0.0.1:{port}"):  # type: ignore[call-overload]
                    await send(http, port)


@on_both_loops
async def test_cancelling_drops_the_connection() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        got.set()
        assert await reader.read() == b""
        gone.set()

    got, gone = asyncio.Event(), asyncio.Event()
    async with raw_server(serve) as port, client() as http:
        task = asyncio.ensure_future(send(http, port))
        await got.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert http._pools.total == 0
        await gone.wait()


@on_both_loops
async def test_a_hanging_origin_does_not_keep_the_others_out() -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    limits = ClientLimits(max_per_origin=4, max_connections=6)
    async with (
        raw_server(hang) as dead,
        serving(lambda request: Response(200, (), request.body)) as (_, alive),
        client(limits) as http,
    ):
        hanging = [asyncio.ensure_future(send(http, dead)) for _ in range(20)]
        for _ in range(3):
            await asyncio.gather(*(send(http, alive) for _ in range(20)))
        assert http._pools.total <= 6
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)


@on_both_loops
async def test_what_can_not_be_sent_is_refused_before_a_connection_is_made() -> None:
    async with client() as http:
        for headers in (((b"x", b"a\r\nb: c"),), ((b"host", b"a"),), ((b"a b", b"c"),)):
            with pytest.raises(ValueError, match="header"):
                await http.send("http://127.0.0.1:1/", headers, b"", timeout=1)
        with pytest.raises(ValueError, match="method"):
            await http.send("http://127.0.0.1:1/", (), b"", timeout=1, method="GET / HTTP/1.1\r\n")
        with pytest.raises(ConnectFailed, match="user information"):
            await http.send("http://u:p@127.0.0.1:1/", (), b"", timeout=1)


@on_both_loops
async def test_closing_the_client_ends_what_is_under_way_and_what_waits() -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.set()
        await reader.read()

    got = asyncio.Event()
    async with raw_server(hang) as port, client(ClientLimits(max_per_origin=1)) as http:
        tasks = [asyncio.ensure_future(send(http, port)) for _ in range(3)]
        await got.wait()
        await http.close()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(result, ConnectFailed)
            assert "closed" in str(result)
        with pytest.raises(ConnectFailed, match="closed"):
            await send(http, port)
