"""A file that several paths lead to has one owner, and a file that its path no longer leads to takes nothing more."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from eventing.errors import ChannelBusy, ChannelCorrupt, ChannelUnavailable, ChannelUnsupported
from eventing.ports.channel import ChannelContext
from eventing.ports.records import NewRecord, Settlement
from eventing.testing.channels.harness import event, take
from eventing_channels.sqlite.channel import SqliteChannel
from eventing_channels.sqlite.settings import Settings
from tests.support.storing import stored_at_last


async def opened(path: Path, fault: Callable[[str], None] = lambda _step: None, **options: int) -> SqliteChannel:
    settings = Settings(path, min_free=0, **{"ballast": 0, **options})
    channel = SqliteChannel(settings, ChannelContext(path.parent, fault=fault))
    await channel.open()
    await channel.ensure_broker("a")
    return channel


def stored(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("SELECT count(*) FROM log_1").fetchone()[0])
    finally:
        connection.close()


# Several paths.


@pytest.mark.parametrize("link", ["file", "relative", "folder", "chain"])
async def test_a_symbolic_link_has_the_owner_of_what_it_leads_to(link: str, tmp_path: Path) -> None:
    first, second = tmp_path / "d1" / "events.db", tmp_path / "d2" / "events.db"
    first.parent.mkdir()
    if link == "folder":
        second.parent.symlink_to(first.parent)
    else:
        second.parent.mkdir()
        if link == "chain":
            (tmp_path / "between").symlink_to(first)
        # Nothing is there yet: the link dangles.
        second.symlink_to({"file": str(first), "relative": "../d1/events.db", "chain": str(tmp_path / "between")}[link])
    for one, other in ((first, second), (second, first)):
        channel = await opened(one, ballast=4096)
        with pytest.raises(ChannelBusy, match=rf"d1/events\.db belongs to another process \(pid {os.getpid()}"):
            await opened(other)
        await channel.append("a", [NewRecord(event("e"))])
        files = {path.name for path in first.parent.iterdir()}
        assert {"events.db-wal", "events.db-shm", "events.db.lock", "events.db.ballast", "events.db.spare"} <= files
        if link != "folder":
            assert [path.name for path in second.parent.iterdir()] == ["events.db"]
        await channel.close()
    assert stored(first) == 2


async def test_a_file_with_two_names_is_refused(tmp_path: Path) -> None:
    first, second = tmp_path / "d1" / "events.db", tmp_path / "d2" / "events.db"
    second.parent.mkdir()
    channel = await opened(first)
    second.hardlink_to(first)
    with pytest.raises(ChannelUnsupported, match=r"d2/events\.db has 2 names \(hard links\); a SQLite file must have one"):
        await opened(second)
    assert [path.name for path in second.parent.iterdir()] == ["events.db"], "neither lock nor log beside it"
    await channel.append("a", [NewRecord(event("e"))])
    await channel.close()
    with pytest.raises(ChannelUnsupported, match=r"d1/events\.db has 2 names"):
        await opened(first)
    second.unlink()
    await (await opened(first)).close()


# Removed, replaced, moved.


def remove_folder(path: Path) -> None:
    shutil.rmtree(path.parent)


def remove_file(path: Path) -> None:
    path.unlink()


def replace_file(path: Path) -> None:
    path.rename(path.with_name("old"))
    shutil.copy(path.with_name("old"), path)


def replace_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("old"))
    shutil.copytree(path.parent.with_name("old"), path.parent)


LOSSES: dict[Callable[[Path], None], str] = {
    remove_folder: "was removed while it was in use, what it held is lost",
    remove_file: "was removed while it was in use, what it held is lost",
    replace_file: "was replaced by another file while it was in use",
    replace_folder: "was replaced by another file while it was in use",
}


@pytest.mark.parametrize("harm", LOSSES, ids=lambda harm: harm.__name__)
@pytest.mark.parametrize("when", ["before", "while writing", "after the commit"])
async def test_nothing_is_accepted_into_a_file_that_nobody_will_find(
    harm: Callable[[Path], None], when: str, tmp_path: Path
) -> None:
    path = tmp_path / "data" / "e.db"
    steps: list[str] = []

    def fault(step: str) -> None:
        steps.append(step)
        if step == {"while writing": "append.written", "after the commit": "append.committed"}.get(when) and len(steps) > 3:
            harm(path)

    channel = await opened(path, fault)
    reader = await channel.reader("a")
    await channel.append("a", [NewRecord(event("kept"))])
    assert steps == ["append.begin", "append.written", "append.committed"]
    await take(reader, 1)
    if when == "before":
        harm(path)
    waiting = asyncio.create_task(reader.read(1, 1 << 20))
    with pytest.raises(ChannelCorrupt, match=LOSSES[harm]):
        await channel.append("a", [NewRecord(event("refused"))])
    if when == "before" and harm in (remove_folder, replace_folder):
        assert len(steps) == 3, "nothing was written either"
    # Whoever reads ends with it, and with that the process.
    with pytest.raises(ChannelCorrupt, match=LOSSES[harm]):
        async with asyncio.timeout(10):
            await waiting
    assert not channel.health().ready
    with pytest.raises(ChannelCorrupt):
        await channel.append("a", [NewRecord(event("refused"))])
    with pytest.raises(ChannelCorrupt):
        await channel.settle("a", Settlement())
    await channel.close()
    if harm in (remove_folder, remove_file):
        assert not path.exists(), "no empty file takes its place"


async def test_what_a_removed_log_holds_is_moved_into_the_file(tmp_path: Path) -> None:
    channel = await opened(tmp_path / "e.db")
    reader = await channel.reader("a")
    await channel.append("a", [NewRecord(event("kept"))])
    await take(reader, 1)
    (tmp_path / "e.db-wal").unlink()
    accepted = 1
    with pytest.raises(ChannelCorrupt, match=r"e\.db-wal was removed or replaced while it was in use"):  # noqa: PT012
        async with asyncio.timeout(20):
            while True:
                await channel.append("a", [NewRecord(event("e"))])
                accepted += 1
    await channel.close()
    assert stored(tmp_path / "e.db") == accepted


async def test_it_is_noticed_without_any_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventing_channels.sqlite.upkeep.WATCH", 0.01)
    channel = await opened(tmp_path / "data" / "e.db")
    reader = await channel.reader("a")
    shutil.rmtree(tmp_path / "data")
    with pytest.raises(ChannelCorrupt, match="was removed"):
        async with asyncio.timeout(10):
            await reader.read(1, 1)
    await channel.close()


@pytest.mark.parametrize("what", ["folder", "file", "link"])
@pytest.mark.parametrize("when", ["before", "after the commit"])
async def test_what_was_moved_away_is_used_again_once_it_is_back(what: str, when: str, tmp_path: Path) -> None:
    path, real = tmp_path / "data" / "e.db", tmp_path / "data" / "e.db"
    if what == "link":
        real = tmp_path / "real.db"
        path.parent.mkdir()
        path.symlink_to(real)
    moved = path.parent if what == "folder" else path
    harmed = asyncio.Event()

    def fault(step: str) -> None:
        if when == "after the commit" and step == "append.committed" and moved.exists() and not harmed.is_set():
            moved.rename(tmp_path / "aside")

    channel = await opened(path, fault)
    reader = await channel.reader("a")
    if when == "before":
        moved.rename(tmp_path / "aside")
    with pytest.raises(ChannelUnavailable, match="is not there"):
        await channel.append("a", [NewRecord(event("refused"))])
    for _ in range(20):
        with pytest.raises(ChannelUnavailable, match="is not there"):
            await channel.append("a", [NewRecord(event("refused"))])
        await asyncio.sleep(0.01)
    assert channel.health().reason == "StorageUnavailable"
    harmed.set()
    (tmp_path / "aside").rename(moved)
    await stored_at_last(channel, "taken", ChannelUnavailable)
    # Refused before it was written, it is not there; refused after the commit, it is, and is delivered.
    expected = ["taken"] if when == "before" and what == "folder" else ["refused", "taken"]
    assert [record.event.id for record in await take(reader, len(expected))] == expected
    await channel.close()
    assert stored(real) == len(expected)
