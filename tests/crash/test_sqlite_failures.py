"""Full disks, damaged and foreign files, second owners, failing writes: what was accepted stays, and the message says what
to do."""

# ruff: noqa: ASYNC221, ASYNC240 (small local files, and a child that ends at once)

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from eventing.errors import (
    ChannelBusy,
    ChannelClosed,
    ChannelCorrupt,
    ChannelFull,
    ChannelUnavailable,
    ChannelUnsupported,
    InvalidSetting,
)
from eventing.ports.channel import ChannelContext
from eventing.ports.records import EntryKey, EntryResult, Lane, NewEntry, NewRecord, Settlement
from eventing.testing.channels.harness import event, take
from eventing_channels.sqlite import open_channel
from eventing_channels.sqlite.channel import SqliteChannel
from eventing_channels.sqlite.settings import Settings
from eventing_channels.sqlite.transaction import Transaction
from tests.support.disks import MIB, fill, mounted, room
from tests.support.storing import stored_at_last


@asynccontextmanager
async def opened(settings: Settings, **context: object) -> AsyncIterator[SqliteChannel]:
    channel = SqliteChannel(settings, ChannelContext(settings.path.parent, **context))  # type: ignore[arg-type]
    await channel.open()
    try:
        await channel.ensure_broker("a")
        yield channel
    finally:
        await channel.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MiB."""
    with mounted(tmp_path / "disk", "size=24m") as folder:
        yield folder


async def test_a_full_disk_loses_nothing_settles_on_and_recovers(small_disk: Path) -> None:
    settings = Settings(small_disk / "e.db", min_free=0, ballast=4 * MIB)
    async with opened(settings) as channel:
        assert (small_disk / "e.db.ballast").stat().st_blocks * 512 >= 4 * MIB
        reader = await channel.reader("a")
        accepted = list(await channel.append("a", [NewRecord(event(f"e{n}", b"x" * 1000)) for n in range(200)]))
        filler = fill(small_disk)
        refused = 0
        for _ in range(200):
            try:
                accepted += await channel.append("a", [NewRecord(event("more", b"x" * 60_000))])
            except ChannelFull:
                refused += 1
                break
        assert refused, "the disk is full"
        health = channel.health()
        assert (health.ready, health.reason) == (False, "StorageFull")
        records = await take(reader, len(accepted))
        assert [r.position for r in records] == accepted
        handovers = [NewEntry(EntryKey("t", r.position), 0.0) for r in records]
        await channel.settle("a", Settlement([r.position for r in records], handovers))
        entries = (await channel.backlog.claim("a", "t", Lane.SUBSCRIBER, 1000, 1 << 30, channel.now() + 9)).entries
        assert [e.key.position for e in entries] == accepted
        await channel.settle("a", Settlement(results=[EntryResult(e.key, e.lease.token) for e in entries[:-5]]))
        filler.unlink()
        last = await stored_at_last(channel, "again", ChannelFull)
        assert last > accepted[-1]
    async with opened(settings) as channel:
        state = (await channel.backlog.states("a"))[0]
        assert state.entries == 5
        assert [r.event.id for r in await take(await channel.reader("a"), 1)] == ["again"]


async def test_the_ballast_is_what_lets_a_settlement_through(small_disk: Path) -> None:
    settings = Settings(small_disk / "e.db", min_free=0, ballast=4 * MIB)
    logged: list[str] = []
    async with opened(settings, log=lambda message, _fields: logged.append(message)) as channel:
        positions = list(await channel.append("a", [NewRecord(event(f"e{n}")) for n in range(2000)]))
        filler = fill(small_disk)
        for start in range(0, 2000, 500):
            entries = [NewEntry(EntryKey(f"{trigger}", p), 0.0) for p in positions[start : start + 500] for trigger in range(4)]
            await channel.settle("a", Settlement(handovers=entries))
        assert sum(s.entries for s in await channel.backlog.states("a")) == 8000
        assert not (small_disk / "e.db.ballast").exists()
        assert any("ballast" in message for message in logged)
        filler.unlink()


async def test_a_restart_does_not_take_new_events_into_the_room_that_the_ballast_freed(small_disk: Path) -> None:
    settings = Settings(small_disk / "e.db", min_free=2 * MIB, ballast=4 * MIB)
    async with opened(settings) as channel:
        positions = list(await channel.append("a", [NewRecord(event(f"e{n}")) for n in range(2000)]))
        filler = fill(small_disk)
        entries = [NewEntry(EntryKey(f"{trigger}", p), 0.0) for p in positions for trigger in range(4)]
        await channel.settle("a", Settlement(handovers=entries))
        assert not (small_disk / "e.db.ballast").exists()
    # Room enough for the soft limit, and not for a new ballast.
    os.truncate(filler, filler.stat().st_size - max(0, 3 * MIB - room(small_disk)))
    assert 2 * MIB < room(small_disk) < 6 * MIB
    async with opened(settings) as channel:
        with pytest.raises(ChannelFull, match=f"appends need {2 * MIB} to be, and {4 * MIB} more for a new ballast file"):
            await channel.append("a", [NewRecord(event("more"))])
        assert channel.health().reason == "StorageFull"
        await channel.settle("a", Settlement(positions))
        filler.unlink()
        await stored_at_last(channel, "again", ChannelFull)
        assert (small_disk / "e.db.ballast").exists()


async def test_after_a_refused_write_the_pause_is_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventing_channels.sqlite.space.HARD_PAUSE", 60.0)
    full = [True]

    def fault(step: str) -> None:
        if step == "append.begin" and full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")

    async with opened(Settings(tmp_path / "e.db", min_free=0, ballast=0), fault=fault) as channel:
        with pytest.raises(ChannelFull, match="no room left"):
            await channel.append("a", [NewRecord(event("1"))])
        full[0] = False
        with pytest.raises(ChannelFull, match="refused a write; appends are tried again 60 s after that"):
            await channel.append("a", [NewRecord(event("2"))])


async def test_below_the_soft_limit_appends_are_refused_and_settling_goes_on(tmp_path: Path) -> None:
    async with opened(Settings(tmp_path / "e.db", min_free=0, ballast=0)) as channel:
        positions = list(await channel.append("a", [NewRecord(event("1"))]))
    async with opened(Settings(tmp_path / "e.db", min_free=1 << 60, ballast=0)) as channel:
        with pytest.raises(ChannelFull, match="bytes are free"):
            await channel.append("a", [NewRecord(event("2"))])
        assert channel.health().reason == "StorageFull"
        reader = await channel.reader("a")
        await take(reader, 1)
        await channel.settle("a", Settlement(positions, replies=[NewRecord(event("reply"))]))
        assert [r.event.id for r in await take(reader, 1)] == ["reply"]


async def test_the_byte_budget_of_a_broker(tmp_path: Path) -> None:
    async with opened(Settings(tmp_path / "e.db", min_free=0, ballast=0, max_bytes=10_000)) as channel:
        await channel.ensure_broker("b")
        results = await asyncio.gather(
            *(channel.append("a", [NewRecord(event(f"{n}", b"x" * 900))]) for n in range(30)), return_exceptions=True
        )
        stored = [r for r in results if not isinstance(r, BaseException)]
        assert 5 <= len(stored) <= 11
        assert all(isinstance(r, ChannelFull) for r in results if isinstance(r, BaseException))
        await channel.append("b", [NewRecord(event("other"))])
        reader = await channel.reader("a")
        records = await take(reader, len(stored))
        await channel.settle("a", Settlement([r.position for r in records]))
        await channel.trim("a")
        await channel.append("a", [NewRecord(event("room again", b"x" * 900))])


async def test_too_many_waiting_bytes_are_refused_at_once(tmp_path: Path) -> None:
    async with opened(Settings(tmp_path / "e.db", min_free=0, ballast=0, queue_bytes=5000)) as channel:
        futures = [channel.append("a", [NewRecord(event(f"{n}", b"x" * 1000))]) for n in range(20)]
        assert any(f.done() and isinstance(f.exception(), ChannelFull) for f in futures), "before anything was awaited"
        results = await asyncio.gather(*futures, return_exceptions=True)
        stored = [r for r in results if not isinstance(r, BaseException)]
        assert stored
        assert len(await take(await channel.reader("a"), len(stored))) == len(stored)


async def test_an_append_that_waits_too_long_is_certainly_not_written(tmp_path: Path) -> None:
    import threading

    stuck, go_on = threading.Event(), threading.Event()

    def fault(step: str) -> None:
        if step == "settle.begin":
            stuck.set()
            go_on.wait(30)

    settings = Settings(tmp_path / "e.db", min_free=0, ballast=0, patience=0.2)
    async with opened(settings, fault=fault) as channel:
        settling = asyncio.create_task(channel.settle("a", Settlement()))
        await asyncio.to_thread(stuck.wait, 30)
        try:
            with pytest.raises(ChannelUnavailable, match="nothing was stored"):
                await channel.append("a", [NewRecord(event("late"))])
        finally:
            go_on.set()
        await settling
        await channel.append("a", [NewRecord(event("next"))])
        assert [r.event.id for r in await take(await channel.reader("a"), 1)] == ["next"]


@pytest.mark.parametrize("step", ["append.written", "append.committed"])
async def test_after_an_io_error_nothing_is_repeated_and_it_goes_on(tmp_path: Path, step: str) -> None:
    broken = [True]

    def fault(name: str) -> None:
        if name == step and broken[0]:
            broken[0] = False
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
            raise error

    async with opened(Settings(tmp_path / "e.db", min_free=0, ballast=0), fault=fault) as channel:
        reader = await channel.reader("a")
        waiting = asyncio.create_task(take(reader, 1 if step == "append.written" else 2))
        with pytest.raises(ChannelUnavailable, match="unknown"):
            await channel.append("a", [NewRecord(event("unsure"))])
        await stored_at_last(channel, "sure", ChannelUnavailable)
        ids = [r.event.id for r in await waiting]
        assert ids == (["sure"] if step == "append.written" else ["unsure", "sure"]), "in order, without a gap, none twice"
        assert channel.health().ready


async def test_what_fails_after_an_append_without_a_commit_of_its_own_takes_nothing_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The single statement is stored when it ends: positions given back then would be used twice, and nothing fits any more."""
    async with opened(Settings(tmp_path / "e.db", min_free=0, ballast=0)) as channel:
        await channel.append("a", [NewRecord(event("noted"))])
        reader = await channel.reader("a")

        def fails(_transaction: Transaction) -> None:
            monkeypatch.undo()
            raise RuntimeError

        monkeypatch.setattr(Transaction, "leave_uncounted", fails)
        with pytest.raises(ChannelUnavailable, match="unknown"):
            await channel.append("a", [NewRecord(event("unsure"))])
        await stored_at_last(channel, "sure", ChannelUnavailable)
        assert [r.event.id for r in await take(reader, 3)] == ["noted", "unsure", "sure"]


async def test_one_bad_request_does_not_fail_its_neighbours(tmp_path: Path) -> None:
    async with opened(Settings(tmp_path / "e.db", min_free=0, ballast=0)) as channel:
        bad = Settlement(handovers=[], replies=[NewRecord(event("bad"), hops=1 << 70)])
        results = await asyncio.gather(
            channel.append("a", [NewRecord(event("1"))]),
            channel.settle("a", bad),
            channel.append("a", [NewRecord(event("2"))]),
            return_exceptions=True,
        )
        assert isinstance(results[1], OverflowError)
        assert not isinstance(results[0], BaseException)
        assert not isinstance(results[2], BaseException)
        assert {r.event.id for r in await take(await channel.reader("a"), 2)} == {"1", "2"}


async def test_a_second_owner_is_told_who_has_it(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "e.db", min_free=0, ballast=0)
    async with opened(settings):
        with pytest.raises(ChannelBusy, match=f"pid {os.getpid()}"):
            await SqliteChannel(settings, ChannelContext(tmp_path)).open()
        code = (
            "import asyncio, sys\nfrom pathlib import Path\nfrom eventing.ports.channel import ChannelContext\n"
            "from eventing_channels.sqlite import open_channel\n"
            f"asyncio.run(open_channel('sqlite://{settings.path}', ChannelContext(Path('.'))).open())"
        )
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
        assert f"pid {os.getpid()}" in other.stderr
    async with opened(settings):
        pass


async def make_file(path: Path, events: int = 300) -> None:
    async with opened(Settings(path, min_free=0, ballast=0)) as channel:
        await channel.append("a", [NewRecord(event(f"e{n}", b"x" * 1000)) for n in range(events)])


async def refuse_to_open(path: Path, error: type[Exception], match: str) -> None:
    before = path.read_bytes()
    with pytest.raises(error, match=match):
        await SqliteChannel(Settings(path, min_free=0, ballast=0), ChannelContext(path.parent)).open()
    assert path.read_bytes() == before, "the file is kept as it is"


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "e.db").write_bytes(b"something else" * 1000)
    await refuse_to_open(tmp_path / "e.db", ChannelCorrupt, r"sqlite3 .*e\.db \.recover")


async def test_a_truncated_file(tmp_path: Path) -> None:
    await make_file(tmp_path / "e.db")
    with (tmp_path / "e.db").open("r+b") as file:
        file.truncate(20 * 4096)
    await refuse_to_open(tmp_path / "e.db", ChannelCorrupt, r"\.recover")


async def test_damage_in_the_middle_is_found_when_read(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    await make_file(path)
    with path.open("r+b") as file:
        pages = path.stat().st_size // 4096
        for page in range(pages // 2, pages):
            file.seek(page * 4096)
            file.write(b"\xff" * 4096)
    try:
        async with opened(Settings(path, min_free=0, ballast=0)) as channel:
            with pytest.raises(ChannelCorrupt, match=r"\.recover"):
                await take(await channel.reader("a"), 300)
            assert channel.health().reason == "StorageCorrupt"
            with pytest.raises(ChannelCorrupt):
                await channel.append("a", [NewRecord(event("1"))])
    except ChannelCorrupt as error:
        assert ".recover" in str(error)  # noqa: PT017 (found at once is as good)


async def test_a_newer_format(tmp_path: Path) -> None:
    await make_file(tmp_path / "e.db")
    with sqlite3.connect(tmp_path / "e.db") as connection:
        connection.execute("PRAGMA user_version = 3")
    connection.close()
    with pytest.raises(ChannelUnsupported, match="format 3"):
        await SqliteChannel(Settings(tmp_path / "e.db"), ChannelContext(tmp_path)).open()


async def test_another_programs_file(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "e.db") as connection:
        connection.execute("CREATE TABLE theirs(x)")
    connection.close()
    await refuse_to_open(tmp_path / "e.db", ChannelUnsupported, "another program")


async def test_places_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ChannelUnavailable, match="file"):
        await SqliteChannel(Settings(tmp_path / "file" / "e.db"), ChannelContext(tmp_path)).open()
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(InvalidSetting, match=r"folder\.db is not a file"):
        await SqliteChannel(Settings(tmp_path / "folder.db"), ChannelContext(tmp_path)).open()


@pytest.fixture
def read_only_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "ro", "ro") as folder:
        yield folder


async def test_a_read_only_file_system(read_only_disk: Path) -> None:
    with pytest.raises(ChannelUnavailable, match="Read-only"):
        await SqliteChannel(Settings(read_only_disk / "e.db"), ChannelContext(read_only_disk)).open()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:///x.db?min_free=1", "unknown option 'min_free'"),
        ("sqlite:///x.db?min-free=lots", "'min-free'"),
        ("sqlite:///x.db?retention=5", "'retention'"),
        ("sqlite:///x.db?max-bytes=1&max-bytes=2", "twice"),
        ("sqlite://x.db", "three slashes"),
        ("sqlite:////x.db", "three slashes"),
        ("sqlite:///%2Fx.db", "three slashes"),
        ("sqlite:///x.db#y", "%23"),
    ],
)
def test_urls_that_are_refused(url: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match=message):
        open_channel(url, ChannelContext(tmp_path))


async def test_using_it_unopened(tmp_path: Path) -> None:
    channel = open_channel("sqlite", ChannelContext(tmp_path))
    with pytest.raises(ChannelClosed):
        await channel.append("a", [NewRecord(event("1"))])
    with pytest.raises(ChannelClosed):
        await channel.ensure_broker("a")
    await channel.close()
