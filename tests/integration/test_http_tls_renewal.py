"""A certificate that is renewed while connections are open, on real sockets."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from http_support import on_both_loops, read_answer, serving

from eventing.http import server_context
from eventing.ports.http import Request, Response
from eventing.runtime.certificate import CertificateWatch
from tests.support.certificates import NAME, issue, presented, replace, shown_as, trusting
from tests.support.subscriber import Quiet

POST = b"POST /ns/b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"


def echo(request: Request) -> Response:
    return Response(200, (), request.body)


def put(folder: Path, chain: bytes, key: bytes) -> tuple[Path, Path]:
    replace(folder / "tls.crt", chain)
    replace(folder / "tls.key", key)
    return folder / "tls.crt", folder / "tls.key"


def test_new_connections_get_the_new_certificate_and_open_ones_go_on(tmp_path: Path) -> None:
    @on_both_loops
    async def run() -> None:
        old, new = issue(), issue()
        async with serving(echo, ssl=server_context(*put(tmp_path, *old))) as (server, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting(), server_hostname=NAME)
            writer.write(POST[:-1])
            assert await asyncio.to_thread(presented, port) == shown_as(old[0])
            server.use(server_context(*put(tmp_path, *new)))
            assert await asyncio.to_thread(presented, port) == shown_as(new[0])
            writer.write(POST[-1:] + POST)
            for _ in range(2):
                assert (await read_answer(reader))[::2] == (200, b"hello")
            writer.close()

    for loop in ("asyncio", "uvloop"):
        run(loop)


async def test_the_watch_hands_on_what_is_renewed_and_ends_when_it_is_cancelled(tmp_path: Path) -> None:
    old, new = issue(), issue()
    log = Quiet()
    watch = CertificateWatch(*put(tmp_path, *old), log, interval=0.005)  # type: ignore[arg-type]
    taken = asyncio.Event()
    async with serving(echo, ssl=watch.context) as (server, port):
        watching = asyncio.create_task(watch.run(lambda context: (server.use(context), taken.set())[0]))
        assert await asyncio.to_thread(presented, port) == shown_as(old[0])
        put(tmp_path, *new)
        await asyncio.wait_for(taken.wait(), 20)
        assert await asyncio.to_thread(presented, port) == shown_as(new[0])
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching


async def test_a_watch_that_fails_is_seen_to_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = CertificateWatch(*put(tmp_path, *issue()), Quiet(), interval=0.005)  # type: ignore[arg-type]

    def fail() -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(watch, "look", fail)
    async with asyncio.timeout(20):
        with pytest.raises(RuntimeError, match="a fault of ours"):
            await watch.run(lambda _: None)


async def test_a_server_without_tls_has_no_certificate_to_replace(tmp_path: Path) -> None:
    async with serving(echo) as (server, _):
        with pytest.raises(RuntimeError, match="TLS"):
            server.use(server_context(*put(tmp_path, *issue())))
