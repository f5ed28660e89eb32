"""The whole program over TLS: events, the certificate's renewal, and what is told of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.certificates import NAME, issue, presented, replace, shown_as, trusting, turn
from tests.support.fixtures import Listen, Make
from tests.support.manifest import broker, trigger
from tests.support.wait import eventually

pytestmark = pytest.mark.acceptance

POST = (
    b"POST /default/default HTTP/1.1\r\nHost: %b\r\nce-specversion: 1.0\r\nce-id: %d\r\nce-source: /s\r\nce-type: t\r\n"
    b"Content-Length: 0\r\n\r\n"
)
EXPIRY = "eventing_tls_certificate_expiry_timestamp_seconds"


async def test_a_renewed_certificate_is_used_without_a_restart_and_a_broken_one_is_told_of(
    make: Make, listen: Listen, tmp_path: Path
) -> None:
    ends = [datetime(2040, 1, 1, tzinfo=UTC), datetime(2041, 1, 1, tzinfo=UTC)]
    pairs = [issue(end) for end in ends]
    for number, (chain, key) in enumerate(pairs):
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}" / "tls.crt").write_bytes(chain)
        (tmp_path / f"{number}" / "tls.key").write_bytes(key)
    current = tmp_path / "current"
    current.symlink_to("0")
    subscriber = await listen()
    files = ("--tls-cert", str(current / "tls.crt"), "--tls-key", str(current / "tls.key"))
    engine = make([broker(), trigger("t", subscriber.url)], *files)
    await engine.start()

    reader, writer = await asyncio.open_connection("127.0.0.1", engine.port, ssl=trusting(), server_hostname=NAME)
    writer.write(POST % (NAME.encode(), 1))
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 202 ")
    assert await asyncio.to_thread(presented, engine.port) == shown_as(pairs[0][0])
    assert (await engine.metrics()).total(EXPIRY) == ends[0].timestamp()

    turn(current, Path("1"))
    renewed = shown_as(pairs[1][0])

    async def shown() -> bool:
        return await asyncio.to_thread(presented, engine.port) == renewed

    await eventually(shown, 30, "the renewed certificate")
    assert (await engine.metrics()).total(EXPIRY) == ends[1].timestamp()
    writer.write(POST % (NAME.encode(), 2))  # on the connection that began with the old one
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 202 ")
    writer.close()
    await writer.wait_closed()
    await subscriber.until_done({"1", "2"}, 20)

    replace(tmp_path / "1" / "tls.key", pairs[0][1])
    await eventually(lambda: "is not taken" in engine.stderr(), 30, "the refusal of the mismatched pair")
    assert await asyncio.to_thread(presented, engine.port) == renewed
    assert await engine.terminate() == 0
    assert engine.stderr().count("is not taken") == 1
    assert f"{current / 'tls.key'} does not belong to the certificate" in engine.stderr()
    for line in ("the TLS certificate is in use", "expires=2040-01-01T00:00:00Z"):
        assert line in engine.stderr()
    assert "PRIVATE KEY" not in engine.stderr()
