"""Requests that only look, where the disk fails under them."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest

from eventing.errors import ChannelUnavailable
from eventing.ports.backlog import Claim
from eventing.ports.channel import ChannelContext
from eventing.ports.records import Lane
from eventing_channels.sqlite import writer as writer_module
from eventing_channels.sqlite.backlog import _States
from eventing_channels.sqlite.channel import SqliteChannel
from eventing_channels.sqlite.claims import ClaimJob
from eventing_channels.sqlite.settings import Settings
from eventing_channels.sqlite.transaction import Transaction
from tests.support.storing import stored_at_last


async def test_who_asked_while_the_disk_fails_is_told_before_the_file_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = SqliteChannel(Settings(tmp_path / "e.db", min_free=0, ballast=0), ChannelContext(tmp_path))
    await channel.open()
    try:
        await channel.ensure_broker("a")
        calls = iter(range(3))

        def looks(job: ClaimJob, tx: Transaction) -> object:
            if next(calls) == 1:
                error = sqlite3.OperationalError("disk I/O error")
                error.sqlite_errorcode = sqlite3.SQLITE_IOERR
                raise error
            return run(job, tx)

        away = threading.Event()

        def gone(*_arguments: object, **_options: object) -> sqlite3.Connection:
            away.wait(30)
            return open_writer(*_arguments, **_options)  # type: ignore[arg-type]

        run, open_writer = ClaimJob.run, writer_module.open_writer
        monkeypatch.setattr(ClaimJob, "run", looks)
        monkeypatch.setattr(writer_module, "open_writer", gone)
        stuck, go_on = threading.Event(), threading.Event()
        monkeypatch.setattr(_States, "run", lambda _job, _tx: (stuck.set(), go_on.wait(30), ([], None))[2])
        states = asyncio.create_task(channel.backlog.states("a"))
        await asyncio.to_thread(stuck.wait, 30)
        claims = [
            asyncio.create_task(channel.backlog.claim("a", name, Lane.SUBSCRIBER, 1, 1, channel.now() + 60)) for name in "xyz"
        ]
        await asyncio.sleep(0)
        go_on.set()
        try:
            async with asyncio.timeout(20):
                told = await asyncio.gather(*claims, return_exceptions=True)
        finally:
            away.set()
        assert isinstance(told[0], Claim)
        assert isinstance(told[1], ChannelUnavailable)
        assert isinstance(told[2], ChannelUnavailable)
        await states
        await stored_at_last(channel, "after", ChannelUnavailable)
    finally:
        await channel.close()
