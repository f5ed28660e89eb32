"""The HTTP client against servers on real sockets, well-behaved and not."""

from __future__ import annotations

import asyncio
import socket

import pytest
from http_support import client, on_both_loops, raw_server, read_request, serving, until

from eventing.errors import AnswerMalformed, AnswerTooLarge, ConnectFailed, DeliveryTimeout, NameNotResolved
from eventing.http import ClientLimits, HttpClient, Resolver, ResolverLimits
from eventing.http.resolver import system_lookup
from eventing.ports.http import Request, Response

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HEADERS = ((b"ce-id", b"1"), (b"content-type", b"application/json"))


async def send(http: HttpClient, port: int, body: bytes = b"hello", *, timeout: float = 10, host: str = "127.0.0.1") -> Response:
    return await http.send(f"http://{host}:{port}/x?y=z", HEADERS, body, timeout=timeout)


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
async def test_ipv6_and_localhost() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hosts.append(next(line for line in (await read_request(reader))[0].split(b"\r\n") if line.startswith(b"host:")))
        writer.write(OK)

    hosts: list[bytes] = []
    async with raw_server(serve, "::1") as port, client() as http:
        assert (await send(http, port, host="[::1]")).status == 200
        assert (await send(http, port, host="localhost")).status == 200  # 127.0.0.1 refuses, so ::1 is tried
    assert hosts == [b"host: [::1]:%d" % port, b"host: localhost:%d" % port]


@on_both_loops
async def test_a_kept_connection_that_was_closed_is_replaced_unnoticed() -> None:
    """The server answers and closes without saying so: each further request finds its connection dead."""
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await read_request(reader)
        writer.write(OK)

    async with raw_server(serve) as port, client() as http:
        for _ in range(20):
            assert (await send(http, port)).status == 200
    assert connections == 20


@on_both_loops
async def test_a_request_that_meets_the_close_is_sent_again_once_and_only_on_a_kept_connection() -> None:
    """Every connection answers its first request and then reads the next one and closes: the race as it happens."""
    requests: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(requests)
        requests.append(0)
        while True:
            await read_request(reader)
            requests[number] += 1
            if requests[number] == 2 or (fresh_fails and number > 0):
                return
            writer.write(OK)

    fresh_fails = False
    async with raw_server(serve) as port, client() as http:
        for _ in range(3):
            assert (await send(http, port)).status == 200
        assert requests == [2, 2, 1]
        fresh_fails = True
        with pytest.raises(AnswerMalformed, match=f"127.0.0.1:{port}: the connection ended before any answer"):
            await send(http, port)
        assert requests == [2, 2, 2, 1]  # one connection had been kept, its replacement failed, and that was that


class DiesOfTheSecond:
    """Answers a connection's first request; the second gets ``last`` and the end of the connection."""

    def __init__(self, last: bytes = b"") -> None:
        self.died = 0
        self._last = last

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK)
        await read_request(reader)
        self.died += 1
        writer.write(self._last)


@on_both_loops
async def test_a_kept_connection_that_is_closed_late_was_not_closed_before_the_request() -> None:
    """A subscriber that worked on the request and then died of it must not get it again for the same attempt."""
    serve = DiesOfTheSecond()
    async with raw_server(serve) as port, client(ClientLimits(resend_within=-1.0)) as http:
        await send(http, port)
        with pytest.raises(AnswerMalformed, match="ended before any answer"):
            await send(http, port)
    assert serve.died == 1


@on_both_loops
async def test_a_new_connection_closed_without_an_answer_is_not_tried_again() -> None:
    requests = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await read_request(reader)
        requests += 1

    async with raw_server(serve) as port, client() as http:
        with pytest.raises(AnswerMalformed, match="ended before any answer"):
            await send(http, port)
    assert requests == 1


@on_both_loops
async def test_a_kept_connection_closed_after_the_first_byte_is_not_retried() -> None:
    serve = DiesOfTheSecond(b"H")
    async with raw_server(serve) as port, client() as http:
        await send(http, port)
        with pytest.raises(AnswerMalformed, match="middle of the answer"):
            await send(http, port)
    assert serve.died == 1


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
async def test_connect_time_outs_and_refusals_name_host_and_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    async with client() as http:
        with pytest.raises(ConnectFailed, match=f"can't connect to 127.0.0.1:{port}: connection refused"):
            await send(http, port)
    # a listener whose queue of connections is full answers no SYN
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        async with client() as http:
            with pytest.raises(ConnectFailed, match=f"connecting to 127.0.0.1:{port} took longer than 0.1 s"):
                await http.send(f"http://127.0.0.1:{port}/", (), b"", timeout=10, connect_timeout=0.1)
            with pytest.raises(DeliveryTimeout, match=f"connecting to 127.0.0.1:{port} took longer than the 0.1 s"):
                await http.send(f"http://127.0.0.1:{port}/", (), b"", timeout=0.1)
            assert http._pools.total == 0
        for filler in fillers:
            filler.close()


@on_both_loops
async def test_names_that_do_not_resolve_and_the_address_guard() -> None:
    def lookup(host: str) -> list[str]:
        if host == "rebound.example":
            return ["127.0.0.1"]
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    def guard(host: str, address: str) -> None:
        raise ConnectFailed(f"{host} is at {address}, where deliveries are not allowed")

    async def handler(request: Request) -> Response:
        return Response(200)

    async with serving(handler) as (_, port):
        resolver = Resolver(lookup=lookup, log=None)  # type: ignore[arg-type]
        async with client(resolver=resolver) as http:
            with pytest.raises(NameNotResolved, match=r"none\.example has no address: no such name"):
                await send(http, port, host="none.example")
            assert (await send(http, port, host="rebound.example")).status == 200
        async with client(resolver=Resolver(lookup=lookup, log=None), guard=guard) as http:  # type: ignore[arg-type]
            for host in ("rebound.example", "127.0.0.1", "localhost"):
                with pytest.raises(ConnectFailed, match="not allowed"):
                    await send(http, port, host=host)
            assert http._pools.total == 0


@on_both_loops
async def test_the_guard_is_asked_for_each_address_of_a_name_and_told_what_it_is() -> None:
    asked: list[tuple[str, str]] = []

    def guard(host: str, address: str) -> None:
        asked.append((host, address))
        if address != "127.0.0.1":
            raise ConnectFailed(f"{host} is at {address}, where deliveries are not allowed")

    known = {"both.example": ["192.0.2.1", "127.0.0.1"], "mapped.example": ["::ffff:192.0.2.2"]}
    resolver = Resolver(lookup=lambda host: known.get(host) or system_lookup(host), log=None)  # type: ignore[arg-type]
    async with serving(lambda _: Response(200)) as (_, port), client(resolver=resolver, guard=guard) as http:
        assert (await send(http, port, host="both.example")).status == 200
        with pytest.raises(ConnectFailed, match=r"mapped\.example is at 192\.0\.2\.2, where"):
            await send(http, port, host="mapped.example")
        for spelling in ("127.1", "2130706433", "0x7f000001"):  # all of them 127.0.0.1
            assert (await send(http, port, host=spelling)).status == 200
        with pytest.raises(ConnectFailed, match="::1, where"):
            await send(http, port, host="[::1]")
        assert asked[:2] == [("both.example", "192.0.2.1"), ("both.example", "127.0.0.1")]
        assert ("127.1", "127.0.0.1") in asked
        assert len(asked) == 7


@on_both_loops
async def test_what_the_guard_let_pass_is_what_is_connected_to_whatever_the_name_says_then() -> None:
    """A name that changes between the check and the connection would lead past the guard."""
    answers = iter(["127.0.0.1", "192.0.2.1", "192.0.2.1"])

    def guard(host: str, address: str) -> None:
        if address != "127.0.0.1":
            raise ConnectFailed(f"{host} is at {address}, where deliveries are not allowed")

    resolver = Resolver(limits=ResolverLimits(ttl=0.0), lookup=lambda _: [next(answers)], log=None)  # type: ignore[arg-type]
    async with (
        serving(lambda _: Response(200, ((b"connection", b"close"),))) as (_, port),
        client(resolver=resolver, guard=guard) as http,
    ):
        assert (await send(http, port, host="turns.example")).status == 200
        pool = next(iter(http._connections))
        pool.abort()
        with pytest.raises(ConnectFailed, match="not allowed"):
            await send(http, port, host="turns.example")


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
async def test_bytes_after_an_answer_never_become_the_next_answer() -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await read_request(reader)
        writer.write(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
        await reader.read()

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK)
        await release.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
        await reader.read()

    release = asyncio.Event()
    async with raw_server(serve) as port, client() as http:
        for _ in range(3):
            assert (await send(http, port)).body == b"ok"
        assert connections == 3
    async with raw_server(late) as port, client() as http:
        assert (await send(http, port)).body == b"ok"
        assert http._pools.total == 1
        release.set()
        await until(lambda: http._pools.total == 0)


@on_both_loops
async def test_an_early_answer_ends_the_connection() -> None:
    """The server refuses before it read the body: what is unsent must not be taken for the next request."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
        await done.wait()

    done = asyncio.Event()
    async with raw_server(serve, limit=1024) as port, client() as http:
        assert (await send(http, port, b"x" * 50_000_000)).status == 413
        assert http._pools.total == 0
        done.set()


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
async def test_an_answer_and_a_cancellation_in_one_round_leave_the_next_owner_alone() -> None:
    """The answered connection has gone to a waiter when its first owner is cancelled."""
    async with (
        serving(lambda request: Response(200, (), request.body)) as (_, port),
        client(ClientLimits(max_per_origin=1)) as http,
    ):
        used: set[object] = set()
        for _ in range(20):
            first = asyncio.ensure_future(send(http, port, b"1"))
            second = asyncio.ensure_future(send(http, port, b"2"))
            pool = http._pools.get(("http", "127.0.0.1", port))
            await until(lambda pool=pool: bool(pool.waiters))  # type: ignore[misc]
            await until(lambda pool=pool: not pool.waiters)  # type: ignore[misc]
            first.cancel()
            assert (await second).body == b"2"
            await asyncio.gather(first, return_exceptions=True)
            used |= http._connections
        assert len(used) == 1


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


@on_both_loops
async def test_idle_connections_end_after_their_time() -> None:
    async with serving(lambda request: Response(200)) as (server, port), client(ClientLimits(idle_timeout=0.05)) as http:
        await send(http, port)
        await until(lambda: server.connections == 0)
        assert http._pools.total == 0
