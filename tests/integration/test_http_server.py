"""The HTTP server on real sockets."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest
from http_support import Lines, on_both_loops, read_answer, serving, until

from eventing.http import HttpServer, ServerLimits
from eventing.ports.http import Request, Response

POST = b"POST /ns/b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"


def echo(request: Request) -> Response:
    return Response(200, ((b"x-method", request.method.encode()),), request.body)


async def talk(port: int, wire: bytes, *, eof: bool = False) -> bytes:
    """Send, and read until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(wire)
    if eof:
        writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


LAST = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"
CLOSE = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@on_both_loops
async def test_pipelined_requests_are_answered_in_order() -> None:
    async def handler(request: Request) -> Response:
        for _ in range(3 if request.path == "/1" else 0):
            await asyncio.sleep(0)
        return Response(200, (), request.path.encode())

    async with serving(handler) as (_, port):
        wire = b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(1, 30))
        answer = await talk(port, wire + CLOSE)
    bodies = [part.partition(b"\r\n\r\n")[2] for part in answer.split(b"HTTP/1.1 200 OK\r\n")[1:]]
    assert bodies == [b"/%d" % number for number in range(1, 30)] + [b"/last"]


@pytest.mark.requirement("I2", "I3")
@on_both_loops
async def test_a_method_that_is_known_nowhere_is_answered_405_and_one_that_is_reaches_the_handler() -> None:
    async with serving(echo) as (_, port):
        answer = await talk(port, POST.replace(b"POST", b"BREW", 1))
        assert answer.startswith(b"HTTP/1.1 405 Method Not Allowed\r\n")
        assert b"\r\nallow: POST, OPTIONS\r\n" in answer
        assert b"\r\nconnection: close\r\n" in answer
        for method in (b"OPTIONS", b"PUT", b"MKCOL"):
            assert b"x-method: " + method in await talk(port, LAST.replace(b"POST", method, 1))


@on_both_loops
async def test_the_three_ways_to_answer_and_the_failures_of_each() -> None:
    log = Lines()
    loop = asyncio.get_running_loop()

    def handler(request: Request) -> Response | asyncio.Future[Response]:
        async def later() -> Response:
            await asyncio.sleep(0)
            if request.path.endswith("fail"):
                raise ValueError("secret payload")
            return Response(200, (), b"task")

        match request.path:
            case "/now":
                return Response(200, (), b"now")
            case "/now/fail":
                raise KeyError("secret payload")
            case "/future":
                future: asyncio.Future[Response] = loop.create_future()
                loop.call_soon(future.set_result, Response(200, (), b"future"))
                return future
            case "/future/fail":
                future = loop.create_future()
                loop.call_soon(future.set_exception, ValueError("secret payload"))
                return future
            case "/future/cancelled":
                future = loop.create_future()
                loop.call_soon(future.cancel)
                return future
            case "/done":
                future = loop.create_future()
                future.set_result(Response(200, (), b"done"))
                return future
            case "/bad/header":
                return Response(200, ((b"x", b"secret\r\npayload"),))
            case "/bad/answer":
                return None  # type: ignore[return-value]
        return later()  # type: ignore[return-value]

    async with serving(handler, log=log) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for path, status, body in [
            ("/now", 200, b"now"),
            ("/future", 200, b"future"),
            ("/done", 200, b"done"),
            ("/task", 200, b"task"),
            ("/now/fail", 500, b"internal error\n"),
            ("/future/fail", 500, b"internal error\n"),
            ("/future/cancelled", 500, b"internal error\n"),
            ("/task/fail", 500, b"internal error\n"),
            ("/bad/header", 500, b"internal error\n"),
            ("/bad/answer", 500, b"internal error\n"),
            ("/now", 200, b"now"),
        ]:
            writer.write(b"GET " + path.encode() + b"?access_token=secret HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await read_answer(reader))[::2] == (status, body), path
        writer.close()
    assert len(log.lines) == 6
    assert all(fields["path"] in {"/now/fail"} | {f["path"] for _, f in log.lines} for _, fields in log.lines)
    assert "secret" not in repr(log.lines)
    assert "payload" not in repr(log.lines)


@pytest.mark.requirement("I19")
@on_both_loops
async def test_a_client_that_expects_100_continue_gets_it_and_one_that_does_not_wait_gets_none() -> None:
    async with serving(echo) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        writer.write(head)
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"hello")
        assert (await read_answer(reader))[::2] == (200, b"hello")
        writer.write(head + b"again")  # who doesn't wait gets no interim answer
        assert (await read_answer(reader))[::2] == (200, b"again")
        writer.write(head.replace(b"Length: 5", b"Length: 5000000"))
        assert (await read_answer(reader))[0] == 413
        assert await reader.read() == b""
        writer.close()


@pytest.mark.requirement("I19")
@on_both_loops
async def test_a_100_continue_never_overtakes_an_earlier_answer() -> None:
    release = asyncio.Event()

    async def handler(request: Request) -> Response:
        await release.wait()
        return Response(200, (), request.body)

    async with serving(handler) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(POST + b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        await asyncio.sleep(0)
        release.set()
        assert (await read_answer(reader))[::2] == (200, b"hello")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"world")
        assert (await read_answer(reader))[::2] == (200, b"world")
        writer.close()


@on_both_loops
async def test_http_1_0() -> None:
    async with serving(echo) as (_, port):
        answer = await talk(port, b"GET / HTTP/1.0\r\n\r\n")
        assert b"connection: close\r\n" in answer
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            status, head, _body = await read_answer(reader)
            assert status == 200
            assert b"connection: keep-alive\r\n" in head
        writer.close()


@pytest.mark.requirement("I19")
@on_both_loops
async def test_a_head_request_gets_no_body_and_a_wish_to_upgrade_is_ignored() -> None:
    async with serving(echo) as (_, port):
        answer = await talk(port, b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert answer.endswith(b"content-length: 0\r\n\r\n")
        upgrade = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n\r\nhello"
        answer = await talk(port, upgrade + CLOSE)
        assert answer.count(b"HTTP/1.1 200 OK") == 2
        assert b"hello" in answer


@on_both_loops
async def test_a_client_that_closes_its_side_still_gets_its_answer() -> None:
    async def handler(request: Request) -> Response:
        await asyncio.sleep(0)
        return Response(200, (), request.body)

    async with serving(handler) as (_, port):
        assert (await talk(port, POST, eof=True)).endswith(b"hello")
        assert (await talk(port, POST[:-1], eof=True)).startswith(b"HTTP/1.1 400 ")
        assert await talk(port, b"", eof=True) == b""


@on_both_loops
async def test_a_large_body_that_is_refused_does_not_hide_the_answer() -> None:
    """The client sends 20 MiB without looking; it must still see the 413 rather than a reset."""
    refused: list[str] = []
    async with serving(echo, on_refused=refused.append) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20971520\r\n\r\n" + b"x" * 20971520)
        status, head, body = await read_answer(reader)
        assert status == 413
        assert b"connection: close\r\n" in head
        assert body == b"the body is larger than 1048576 bytes\n"
        writer.close()
    assert refused == ["body_too_large"]


@on_both_loops
async def test_what_a_client_sends_after_its_last_request_does_not_hide_the_answer() -> None:
    """It said `Connection: close`, sends 20 MiB more without looking, and must still see the answer rather than a reset."""
    limits = ServerLimits(max_body=64)
    async with serving(echo, limits) as (server, port):
        for start in (LAST, b"POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(start + b"x" * 20971520)
            answer = await read_answer(reader)
            assert answer[0] == 200
            assert await reader.read() == b""
            writer.close()
        await until(lambda: server.connections == 0)


@pytest.mark.requirement("I17")
@on_both_loops
async def test_a_body_of_the_full_size_and_headers_of_64_kib_pass() -> None:
    async with serving(lambda request: Response(200, (), str(len(request.body)).encode())) as (_, port):
        head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: " + b"x" * 65536 + b"\r\nContent-Length: 1048576\r\n\r\n"
        assert (await talk(port, head + b"x" * 1048576)).endswith(b"\r\n\r\n1048576")


@on_both_loops
async def test_connections_beyond_the_cap_get_503_with_retry_after() -> None:
    refused: list[str] = []
    limits = ServerLimits(max_connections=2, retry_after=3)
    async with serving(echo, limits, refused.append) as (server, port):
        held = []
        for _ in range(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(POST)
            assert (await read_answer(reader))[0] == 200
            held.append(writer)
        answer = await talk(port, POST)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 3\r\n" in answer
        assert b"connection: close\r\n" in answer
        assert refused == ["connections"]
        assert server.connections == 2
        for writer in held:
            writer.close()
        await until(lambda: server.connections == 0)
        assert (await talk(port, POST + CLOSE)).startswith(b"HTTP/1.1 200 ")


@on_both_loops
async def test_a_client_that_leaves_does_not_cancel_its_handler() -> None:
    started, release = asyncio.Event(), asyncio.Event()
    stored: list[bytes] = []

    async def handler(request: Request) -> Response:
        started.set()
        await release.wait()
        stored.append(request.body)
        return Response(202)

    async with serving(handler) as (server, port):
        sock = socket.create_connection(("127.0.0.1", port))
        sock.sendall(POST)
        await started.wait()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()  # with a reset
        await until(lambda: server.connections == 0)
        release.set()
        await server.drain(30)
        assert stored == [b"hello"]


@on_both_loops
async def test_a_socket_made_elsewhere_and_an_address_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        async with serving(echo, sock=sock) as (_, port):
            assert port == sock.getsockname()[1]
            assert (await talk(port, POST + CLOSE)).count(b"HTTP/1.1 200 OK") == 2
            other = HttpServer(echo, log=Lines())
            with pytest.raises(OSError, match="in use"):
                await other.start("127.0.0.1", port)
            await other.drain(1)
            await other.close()
