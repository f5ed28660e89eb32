"""Where the HTTP client connects to: names, addresses, and the guard that is asked before."""

from __future__ import annotations

import asyncio
import socket

import pytest
from http_support import OK, client, on_both_loops, raw_server, read_request, send, serving

from eventing.errors import ConnectFailed, DeliveryTimeout, NameNotResolved
from eventing.http import Resolver, ResolverLimits
from eventing.http.resolver import system_lookup
from eventing.ports.http import Request, Response


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
