"""Who may use the file, and who may read it."""

# ruff: noqa: ASYNC240 (small local files)

from __future__ import annotations

import asyncio
import gc
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from eventing.errors import ChannelBusy, InvalidSetting
from eventing.ports.channel import Channel, ChannelContext
from eventing.ports.records import NewRecord
from eventing.testing.channels.harness import event
from eventing_channels.sqlite import open_channel
from eventing_channels.sqlite import ownership as ownership_module
from eventing_channels.sqlite import writer as writer_module
from eventing_channels.sqlite.jobs import end_future
from eventing_channels.sqlite.opening import open_writer


async def test_an_owner_whose_lock_was_removed_writes_no_more(tmp_path: Path) -> None:
    first = open_channel(f"sqlite://{tmp_path}/events.db?min-free=0", ChannelContext(tmp_path))
    await first.open()
    await first.ensure_broker("a")
    await first.append("a", [NewRecord(event("1"))])
    (tmp_path / "events.db.lock").unlink()
    second = open_channel(f"sqlite://{tmp_path}/events.db?min-free=0", ChannelContext(tmp_path))
    await second.open()
    with pytest.raises(ChannelBusy, match=r"lock file of .* was removed"):
        await first.append("a", [NewRecord(event("2"))])
    assert not first.health().ready
    [position] = await second.append("a", [NewRecord(event("3"))])
    assert position
    await first.close()
    await second.close()


async def test_files_are_their_owners_alone(tmp_path: Path) -> None:
    channel = open_channel(f"sqlite://{tmp_path}/events.db?min-free=0", ChannelContext(tmp_path))
    await channel.open()
    await channel.ensure_broker("a")
    await channel.append("a", [NewRecord(event("1"))])
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    await channel.close()
    assert {"events.db", "events.db-wal", "events.db.ballast", "events.db.lock"} <= modes.keys()
    assert set(modes.values()) == {0o600}


async def test_a_file_that_is_no_channel_gets_no_lock_beside_it(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    channel = open_channel(f"sqlite://{tmp_path}/nope/../notes", ChannelContext(tmp_path))
    with pytest.raises(InvalidSetting, match="is not a file"):
        await channel.open()
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]


@pytest.mark.parametrize("impatient", [False, True])
async def test_an_open_that_is_cancelled_gives_the_file_back_only_when_its_thread_is_done(
    impatient: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else two writers could have the file, and the first would keep it open for ever."""
    go, inside = threading.Event(), threading.Event()

    def slow(*arguments: Any, **options: Any) -> sqlite3.Connection:
        inside.set()
        assert go.wait(20)
        return open_writer(*arguments, **options)

    def threads() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "eventing-sqlite-writer"]

    def channel() -> Channel:
        return open_channel(f"sqlite://{tmp_path}/events.db?min-free=0", ChannelContext(tmp_path))

    monkeypatch.setattr(writer_module, "open_writer", slow)
    first = asyncio.create_task(channel().open())
    assert await asyncio.to_thread(inside.wait, 20)
    first.cancel()
    await asyncio.sleep(0)
    with pytest.raises(ChannelBusy):
        await channel().open()
    assert not first.done()
    if impatient:
        first.cancel()
        await asyncio.wait([first], timeout=20)
        assert first.done()
        with pytest.raises(ChannelBusy):
            await channel().open()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await first
    if impatient:
        await asyncio.to_thread(lambda: [thread.join(20) for thread in threads()])
        assert threads() == []
        return
    monkeypatch.undo()
    second = channel()
    await second.open()
    assert len(threads()) == 1
    await second.close()
    assert threads() == []


def test_an_open_that_fails_after_it_was_cancelled_is_no_error_of_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unheard: list[str] = []
    go, inside = threading.Event(), threading.Event()

    def failing(*_arguments: Any, **_options: Any) -> sqlite3.Connection:
        inside.set()
        assert go.wait(20)
        raise sqlite3.OperationalError("disk I/O error")

    async def cancelled() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: unheard.append(context["message"]))
        opening = asyncio.create_task(open_channel(f"sqlite://{tmp_path}/events.db?min-free=0", ChannelContext(tmp_path)).open())
        assert await asyncio.to_thread(inside.wait, 20)
        opening.cancel()
        await asyncio.sleep(0)
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await opening

    async def again() -> None:
        channel = open_channel(f"sqlite://{tmp_path}/events.db?min-free=0", ChannelContext(tmp_path))
        await channel.open()
        await channel.close()

    monkeypatch.setattr(writer_module, "open_writer", failing)
    asyncio.run(cancelled())
    gc.collect()
    assert unheard == []
    monkeypatch.undo()
    asyncio.run(again())


def test_an_error_told_in_the_last_moment_of_the_event_loop_is_no_error_of_nobody() -> None:
    """No callback of the future runs any more."""
    unheard: list[str] = []
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda _loop, context: unheard.append(context["message"]))
    started, ended = loop.create_future(), loop.create_future()
    end_future(started, OSError("no"), ended)
    assert ended.result() is None
    loop.close()
    del started
    gc.collect()
    assert unheard == []


async def test_a_folder_that_was_away_for_one_look_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Moved away and back between the looks at the file and at its lock."""
    channel = open_channel(f"sqlite://{tmp_path}/events.db?min-free=0", ChannelContext(tmp_path))
    await channel.open()
    await channel.ensure_broker("a")
    look, missed = ownership_module._look, []

    def blinking(path: str) -> ownership_module.Mark | None:
        if path.endswith(".lock") and len(missed) < 2:
            missed.append(path)
            return None
        return look(path)

    monkeypatch.setattr(ownership_module, "_look", blinking)
    [position] = await channel.append("a", [NewRecord(event("1"))])
    assert position
    assert len(missed) == 2
    assert channel.health().ready
    await channel.close()
