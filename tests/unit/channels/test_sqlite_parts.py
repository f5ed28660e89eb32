"""SQLite's parts where their bounds and seams are: the reader, claims, retention, the books."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventing.errors import ChannelCorrupt
from eventing.ports.channel import ChannelContext
from eventing.ports.records import EntryKey, EntryResult, Lane, NewEntry, NewRecord, Settlement
from eventing.testing.channels.harness import event, take
from eventing.testing.clock import FakeClock
from eventing_channels.sqlite.channel import SqliteChannel
from eventing_channels.sqlite.claims import ClaimJob
from eventing_channels.sqlite.detail import decode_detail, decode_failures
from eventing_channels.sqlite.settings import Settings


async def opened(path: Path, clock: FakeClock | None = None, **options: float) -> SqliteChannel:
    context = ChannelContext(path, wall=clock) if clock is not None else ChannelContext(path)
    channel = SqliteChannel(Settings(path / "e.db", ballast=0, min_free=0, **options), context)  # type: ignore[arg-type]
    await channel.open()
    await channel.ensure_broker("a")
    return channel


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    cache=st.integers(0, 9),
    chunk=st.integers(1, 8),
    chunk_bytes=st.sampled_from([1, 150, 1 << 20]),
    steps=st.lists(
        st.tuples(st.sampled_from(["append", "append", "read", "wait", "tick", "cancel"]), st.integers(1, 7)), max_size=40
    ),
)
def test_every_position_is_read_once_and_in_order_across_the_seam(
    cache: int, chunk: int, chunk_bytes: int, steps: list[tuple[str, int]]
) -> None:
    async def run(folder: Path) -> None:
        channel = await opened(folder, cache_records=cache)
        pending: list[asyncio.Future[object]] = []
        query = channel._queries.run

        async def slow(work: Any) -> Any:
            """What is being stored is committed while the read from disk is under way: the seam."""
            found = await query(work)
            if pending:
                await asyncio.wait(pending, timeout=10)
            return found

        channel._queries.run = slow  # type: ignore[method-assign]
        reader = await channel.reader("a")
        stored, read = 0, []
        try:
            for what, count in steps:
                if what == "append":
                    pending.append(channel.append("a", [NewRecord(event("e"))] * count))  # type: ignore[arg-type]
                    stored += count
                elif what == "read" and len(read) < stored:
                    read += [r.position for r in await reader.read(count, 200 * count)]
                elif what == "wait":
                    await asyncio.gather(*pending)
                elif what == "tick":
                    for _ in range(count):
                        await asyncio.sleep(0)
                elif what == "cancel":
                    waiting = asyncio.create_task(reader.read(1, 1))
                    for _ in range(count):
                        await asyncio.sleep(0)
                    waiting.cancel()
                    done = (await asyncio.gather(waiting, return_exceptions=True))[0]
                    if not isinstance(done, BaseException):
                        read += [r.position for r in done]
            await asyncio.gather(*pending)
            async with asyncio.timeout(20):
                while len(read) < stored:
                    read += [r.position for r in await reader.read(3, 1 << 20)]
            assert read == list(range(1, stored + 1))
            assert reader.wanted() == 0
        finally:
            await channel.close()

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("eventing_channels.sqlite.reader.CHUNK_RECORDS", chunk)
        patch.setattr("eventing_channels.sqlite.reader.CHUNK_BYTES", chunk_bytes)
        asyncio.run(run(Path(folder)))


async def park(channel: SqliteChannel, count: int) -> None:
    for start in range(0, count, 10_000):
        positions = await channel.append("a", [NewRecord(event(f"e{n}", b"")) for n in range(start, min(count, start + 10_000))])
        await channel.settle("a", Settlement(handovers=[NewEntry(EntryKey("t", p), 0.0) for p in positions]))


class Steps:
    """Counts SQLite's work in the writer thread."""

    def __init__(self, channel: SqliteChannel) -> None:
        assert channel._writer is not None
        assert channel._writer._connection is not None
        self._connection, self.count = channel._writer._connection, 0
        self._connection.set_progress_handler(self._tick, 100)

    def _tick(self) -> int:
        self.count += 100
        return 0


async def test_a_claim_costs_the_same_however_many_wait_and_are_leased(tmp_path: Path) -> None:
    channel = await opened(tmp_path)
    try:
        await park(channel, 20_000)
        for _ in range(8):
            await channel.backlog.claim("a", "t", Lane.SUBSCRIBER, 1000, 1 << 30, channel.now() + 60)
        steps = Steps(channel)
        claim = await channel.backlog.claim("a", "t", Lane.SUBSCRIBER, 10, 1 << 30, channel.now() + 60)
        assert [e.key.position for e in claim.entries] == list(range(8001, 8011))
        assert steps.count < 2000, "8,000 leased and 12,000 waiting entries aren't walked through"
        await channel.backlog.states("a")
        assert steps.count < 4000
    finally:
        await channel.close()


async def test_sweeping_looks_at_each_parked_event_once(tmp_path: Path) -> None:
    channel = await opened(tmp_path)
    try:
        await park(channel, 20_000)
        reader = await channel.reader("a")
        records = await take(reader, 20_000)
        await channel.settle("a", Settlement([r.position for r in records]))
        assert await channel.trim("a") == 0
        steps = Steps(channel)
        for _ in range(5):
            assert await channel.trim("a") <= 1, "the one event that nothing refers to"
            (position,) = await channel.append("a", [NewRecord(event("x"))])
            await take(reader, 1)
            await channel.settle("a", Settlement([position]))
        assert steps.count < 20_000
        claim = await channel.backlog.claim("a", "t", Lane.SUBSCRIBER, 10, 1 << 30, channel.now() + 60)
        await channel.settle("a", Settlement(results=[EntryResult(e.key, e.lease.token) for e in claim.entries]))
    finally:
        await channel.close()
    connection = sqlite3.connect(tmp_path / "e.db")
    assert connection.execute("SELECT min(position), count(*) FROM log_1 WHERE position <= 20000").fetchone() == (11, 19_990)
    connection.close()


async def test_retention_keeps_what_is_younger(tmp_path: Path) -> None:
    clock = FakeClock()
    channel = await opened(tmp_path, clock, retention=100.0)
    try:
        reader = await channel.reader("a")
        for _ in range(3):
            (position,) = await channel.append("a", [NewRecord(event("e"))])
            await take(reader, 1)
            await channel.settle("a", Settlement([position]))
            clock.advance(60.0)
        await channel.trim("a")
        late = await channel.reader("a", "replay")
        assert late.wanted() == 1, "two are older than 100 s"
        assert [r.position for r in await take(late, 1)] == [3]
    finally:
        await channel.close()


async def test_a_settlement_that_nobody_waits_for_any_more_still_counts(tmp_path: Path) -> None:
    channel = await opened(tmp_path)
    try:
        positions = list(await channel.append("a", [NewRecord(event("e"))] * 3))
        reader = await channel.reader("a")
        await take(reader, 3)
        settling = asyncio.create_task(channel.settle("a", Settlement(positions)))
        await asyncio.sleep(0)
        settling.cancel()
        await asyncio.gather(settling, return_exceptions=True)
        await channel.settle("a", Settlement())
        await reader.close()
        assert (await channel.reader("a")).wanted() == 0
    finally:
        await channel.close()


async def test_a_claim_cancelled_at_the_last_moment_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the outcome and the waiting task's next step, and before there is any outcome."""
    loop = asyncio.get_running_loop()
    channel = await opened(tmp_path)
    try:
        await park(channel, 5)
        for at_the_last_moment in (True, False):
            claiming = asyncio.create_task(channel.backlog.claim("a", "t", Lane.SUBSCRIBER, 5, 1 << 30, channel.now() + 1e6))
            with monkeypatch.context() as patch:
                if at_the_last_moment:
                    # Runs before the task that waits for the outcome, and after the outcome is set.
                    patch.setattr(ClaimJob, "committed", lambda _job, task=claiming: loop.call_soon(task.cancel))
                else:
                    await asyncio.sleep(0)
                    claiming.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await claiming
            # A round through the writer, so that what was given back has arrived.
            await channel.settle("a", Settlement())
            await channel.backlog.states("a")
            claim = await channel.backlog.claim("a", "t", Lane.SUBSCRIBER, 5, 1 << 30, channel.now() + 60)
            assert len(claim.entries) == 5
            await channel.backlog.release("a", [(e.key, e.lease.token) for e in claim.entries])
    finally:
        await channel.close()


async def test_a_dropped_brokers_rows_go_in_the_end(tmp_path: Path) -> None:
    channel = await opened(tmp_path)
    try:
        await park(channel, 5000)
        await channel.drop_broker("a")
        await channel.ensure_broker("a")
        connection = sqlite3.connect(f"file:{tmp_path / 'e.db'}?mode=ro", uri=True)
        while connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'log_1'").fetchone() != (0,):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        assert connection.execute("SELECT count(*) FROM backlog").fetchone() == (0,)
        connection.close()
        (position,) = await channel.append("a", [NewRecord(event("e"))])
        assert position == 5001
    finally:
        await channel.close()


@pytest.mark.parametrize("stored", [b"", b"\xff\x00", msgspec.msgpack.encode([1]), b"\x93\xa1\xff\xc0\xc0"])
def test_damage_beside_an_entry_or_a_letter_is_told_as_damage(stored: bytes) -> None:
    with pytest.raises(ChannelCorrupt, match="backlog entry is damaged"):
        decode_detail(stored)
    with pytest.raises(ChannelCorrupt, match="dead letter's failures is damaged"):
        decode_failures(stored)


async def test_bytes_appended_since_they_were_counted_are_found_at_opening(tmp_path: Path) -> None:
    channel = await opened(tmp_path)
    await channel.append("a", [NewRecord(event("first"))])
    await channel.close()

    def counters(sql: str = "") -> tuple[int, str, int]:
        with closing(sqlite3.connect(tmp_path / "e.db", isolation_level=None)) as connection:
            if sql:
                connection.execute(sql)
            return connection.execute(  # type: ignore[no-any-return]
                "SELECT bytes, (SELECT value FROM meta WHERE name = 'counted:1'),"
                " (SELECT sum(length(head) + length(data) + 32) FROM log_1) FROM brokers"
            ).fetchone()

    size, note, actual = counters()
    assert size == actual
    assert note == f"1 {size}"
    counters("INSERT INTO log_1 SELECT 2, appended, hops, head, data FROM log_1")  # as left by a kill before the next count
    await (await opened(tmp_path)).close()
    assert counters()[0] == 2 * size
    counters("INSERT INTO log_1 SELECT 3, appended, hops, head, data FROM log_1 WHERE position = 1")
    counters(f"UPDATE brokers SET bytes = {3 * size}")  # by a program that counts in each transaction and doesn't know the note
    await (await opened(tmp_path)).close()
    assert counters()[0] == 3 * size


@pytest.mark.parametrize("note", ["new", "missing", "of another program"])
async def test_a_kill_right_after_the_first_appends_leaves_no_event_uncounted(tmp_path: Path, note: str) -> None:
    """The first ones make a note of what is counted, without which those after them would be behind unseen."""
    before = tmp_path / "before"
    before.mkdir()
    if note != "new":
        channel = await opened(before)
        await channel.append("a", [NewRecord(event("old"))])
        await channel.close()
        with closing(sqlite3.connect(before / "e.db", isolation_level=None)) as connection:
            connection.execute("DELETE FROM meta WHERE name = 'counted:1'")
            if note == "of another program":
                connection.execute("INSERT INTO meta VALUES('counted:1', '1 7')")
    channel = await opened(before)
    for number in range(3):
        await channel.append("a", [NewRecord(event(f"e-{number}"))])
    killed = tmp_path / "killed"
    killed.mkdir()
    for name in ("e.db", "e.db-wal"):
        shutil.copy(before / name, killed / name)
    await channel.close()
    await (await opened(killed)).close()
    with closing(sqlite3.connect(killed / "e.db")) as connection:
        size, actual = connection.execute(
            "SELECT bytes, (SELECT sum(length(head) + coalesce(length(data), 0) + 32) FROM log_1) FROM brokers"
        ).fetchone()
    assert size == actual
