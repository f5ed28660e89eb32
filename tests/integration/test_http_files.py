"""Connections and the limit of open files: what the server keeps, and what deliveries do where none are left."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from http_support import Lines, client, on_both_loops, read_answer, serving, until

from eventing.errors import ConnectFailed, NameNotResolved
from eventing.http import Resolver, ResolverLimits, ServerLimits, server_context
from eventing.http import limits as limits_module
from eventing.http.limits import ClientLimits
from eventing.ports.http import Request, Response
from tests.support.certificates import NAME, issue, trusting

STANDARD_FILES = 3  # in, out and error: always open

LAST = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"


def echo(request: Request) -> Response:
    return Response(200, (), request.body)


@on_both_loops
async def test_connections_that_linger_are_an_eighth_of_those_served() -> None:
    """They come on top of those served: as many again would leave no files to deliveries."""
    limits = ServerLimits(max_connections=160, linger=60)
    assert limits.max_lingering == 20
    async with serving(echo, limits) as (_, port):
        kept = []
        for _number in range(limits.max_lingering):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(LAST)
            assert (await read_answer(reader))[0] == 200
            assert await reader.read() == b""
            writer.write(b"x")
            await writer.drain()
            kept.append(writer)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(LAST)
        assert (await read_answer(reader))[0] == 200  # it is closed altogether, not only for writing
        with pytest.raises(ConnectionError):
            await write_until_refused(writer)
        for one in (*kept, writer):
            one.close()


def test_all_connections_together_leave_files_to_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    for files in (256, 1024, 4096):
        monkeypatch.setattr(limits_module, "descriptor_limit", lambda files=files: files)
        server, client = ServerLimits(), ClientLimits()
        assert server.max_connections + server.max_lingering + client.max_connections <= files * 9 // 10


async def write_until_refused(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0)


@contextmanager
def no_files() -> Iterator[None]:
    """Whatever is opened within fails with EMFILE, also after something that was left behind is closed in the meantime."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (STANDARD_FILES, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            os.open(os.devnull, os.O_RDONLY)
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@on_both_loops
async def test_a_delivery_without_a_file_waits_for_one() -> None:
    """The subscriber has no part in it, so it costs no attempt as long as the time-out allows."""
    async with serving(echo) as (_, port), client() as sender:
        url = f"http://127.0.0.1:{port}/"
        with no_files():
            sending = asyncio.create_task(sender.send(url, (), b"hello", timeout=10))
            await asyncio.sleep(0.2)
            assert not sending.done()
        assert (await sending).body == b"hello"


def read_names(host: str) -> list[str]:
    """As the C library does it: without a file to read them from, it knows no name."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        raise socket.gaierror(socket.EAI_NONAME, "unknown") from None
    return ["127.0.0.1"]


@on_both_loops
async def test_a_name_that_can_not_be_looked_up_without_a_file_is_not_taken_for_none() -> None:
    resolver = Resolver(lookup=read_names, log=Lines())
    async with serving(echo) as (_, port), client(resolver=resolver) as sender:
        with no_files():
            sending = asyncio.create_task(sender.send(f"http://svc.example:{port}/", (), b"hello", timeout=10))
            await asyncio.wait([sending], timeout=0.2)
            assert not sending.done()
        assert (await sending).body == b"hello"


@on_both_loops
async def test_a_name_that_gets_no_file_in_time_keeps_its_last_addresses() -> None:
    limits = ResolverLimits(ttl=0.0, timeout=0.1, stale_after=5.0)
    log = Lines()
    resolver = Resolver(limits=limits, lookup=read_names, log=log)
    assert await resolver.resolve("svc.example") == ("127.0.0.1",)
    with no_files():
        assert await resolver.resolve("svc.example") == ("127.0.0.1",)
        with pytest.raises(NameNotResolved):
            await resolver.resolve("new.example")
    assert log.lines[0][1] == {"host": "svc.example", "cause": "Too many open files"}
    resolver.close()


@on_both_loops
async def test_a_delivery_that_gets_no_file_in_time_says_so() -> None:
    async with serving(echo) as (_, port), client(ClientLimits(connect_timeout=0.2)) as sender:
        with no_files(), pytest.raises(ConnectFailed, match="too many open files"):
            await sender.send(f"http://127.0.0.1:{port}/", (), b"hello", timeout=10)


async def test_a_tls_server_without_a_file_for_a_connection_says_so_and_goes_on(tmp_path: Path) -> None:
    chain, key = issue()
    (tmp_path / "tls.crt").write_bytes(chain)
    (tmp_path / "tls.key").write_bytes(key)
    log = Lines()
    context = server_context(tmp_path / "tls.crt", tmp_path / "tls.key")
    async with serving(echo, log=log, ssl=context) as (_, port):
        waiting = socket.socket()
        waiting.setblocking(False)
        with no_files():
            await asyncio.get_running_loop().sock_connect(waiting, ("127.0.0.1", port))  # the kernel takes it all the same
            await until(lambda: bool(log.lines))
        assert log.lines == [("no connection can be accepted now", {"cause": "Too many open files"})]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting(), server_hostname=NAME)
        writer.write(LAST)
        assert (await read_answer(reader))[0] == 200
        writer.close()
        waiting.close()
