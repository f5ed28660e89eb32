"""SQLite's lines by ordering key: on disk only, through indexes only, and in files of both formats."""

from __future__ import annotations

import gc
import sqlite3
import tracemalloc
from pathlib import Path

import pytest

from eventing.errors import ChannelUnavailable, ChannelUnsupported
from eventing.ports.channel import ChannelContext
from eventing.ports.records import Entry, EntryKey, EntryResult, Lane, NewEntry, NewRecord, Settlement
from eventing.testing.channels.harness import event
from eventing_channels.sqlite import schema
from eventing_channels.sqlite.channel import SqliteChannel
from eventing_channels.sqlite.settings import Settings
from tests.support.wait import eventually

STEP = 5000


async def opened(path: Path, **context: object) -> SqliteChannel:
    channel = SqliteChannel(
        Settings(path / "e.db", ballast=0, min_free=0),
        ChannelContext(path, **context),  # type: ignore[arg-type]
    )
    await channel.open()
    await channel.ensure_broker("a")
    return channel


def version(path: Path) -> int:
    connection = sqlite3.connect(f"file:{path / 'e.db'}?mode=ro", uri=True)
    try:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
    finally:
        connection.close()


async def park(channel: SqliteChannel, first: int, count: int, keys: int) -> None:
    """Entries of events ``first`` and on, over that many keys; without a key where it is 0."""
    for start in range(first, first + count, STEP):
        numbers = range(start, min(first + count, start + STEP))
        positions = await channel.append("a", [NewRecord(event(f"e{n}", b"")) for n in numbers])
        entries = [
            NewEntry(EntryKey("t", at), 0.0, ordering_key=f"key {n % keys}" if keys else None)
            for n, at in zip(numbers, positions, strict=True)
        ]
        await channel.settle("a", Settlement(handovers=entries))


async def claim(channel: SqliteChannel, limit: int) -> list[Entry]:
    return list((await channel.backlog.claim("a", "t", Lane.SUBSCRIBER, limit, 1 << 30, channel.now() + 60)).entries)


async def end(channel: SqliteChannel, entries: list[Entry], *, again: bool = False) -> None:
    results = [
        EntryResult(entry.key, entry.lease.token, NewEntry(entry.key, 0.0, 1, ordering_key=entry.ordering_key) if again else None)
        for entry in entries
    ]
    await channel.settle("a", Settlement(results=results))


async def test_a_file_is_raised_by_its_first_entry_with_a_key_and_by_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = await opened(tmp_path)
    await park(channel, 0, 3, keys=0)
    assert (await channel.backlog.keys("a", "t", Lane.SUBSCRIBER, ["key 0"])).held == set()
    assert not (await channel.backlog.list("a", "t", 10))[0].behind
    await channel.close()
    assert version(tmp_path) == schema.FIRST, "an older program can open it"

    channel = await opened(tmp_path)
    await park(channel, 3, 4, keys=2)
    assert [entry.ordering_key for entry in await claim(channel, 10)] == [None, None, None, "key 1", "key 0"]
    await channel.close()
    assert version(tmp_path) == schema.LINES

    monkeypatch.setattr(schema, "VERSION", schema.FIRST)
    with pytest.raises(ChannelUnsupported, match="format 2, this program knows up to 1: use a newer program"):
        await opened(tmp_path)


async def test_a_first_entry_with_a_key_that_is_rolled_back_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    fail = True

    def fault(step: str) -> None:
        if fail and step == "settle.before_commit":
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR
            raise error

    channel = await opened(tmp_path, fault=fault)

    async def opened_again() -> bool:
        try:
            await park(channel, 10, 1, keys=0)
        except ChannelUnavailable:
            return False
        return True

    try:
        with pytest.raises(ChannelUnavailable):
            await park(channel, 0, 2, keys=1)
        fail = False
        await eventually(opened_again, 20, "the file opened again")
        assert version(tmp_path) == schema.FIRST
        await park(channel, 2, 2, keys=1)
        entries = await claim(channel, 10)
        assert [entry.ordering_key for entry in entries] == [None, "key 0"]
        await end(channel, entries)
        assert len(await claim(channel, 10)) == 1
    finally:
        await channel.close()


async def test_all_that_lines_need_goes_through_an_index(tmp_path: Path) -> None:
    channel = await opened(tmp_path)
    statements: list[str] = []
    try:
        await park(channel, 0, 2000, keys=500)
        assert channel._writer is not None
        assert channel._writer._connection is not None
        channel._writer._connection.set_trace_callback(statements.append)
        query = channel._queries.run

        async def traced(work: object) -> object:
            def run(connection: sqlite3.Connection) -> object:
                connection.set_trace_callback(statements.append)
                return work(connection)  # type: ignore[operator]

            return await query(run)

        channel._queries.run = traced  # type: ignore[method-assign, assignment]
        await channel.backlog.keys("a", "t", Lane.SUBSCRIBER, ["key 7", "nobody's"])
        entries = await claim(channel, 64)
        await end(channel, entries[:32])
        await end(channel, entries[32:], again=True)
        await park(channel, 2000, 10, keys=5)
        # A lower one that comes late: the front steps behind.
        late = await channel.append("a", [NewRecord(event("x")), NewRecord(event("y"))])
        for position in reversed(late):
            entry = NewEntry(EntryKey("t", position), 0.0, ordering_key="late")
            await channel.settle("a", Settlement(handovers=[entry]))
        await channel.backlog.states("a")
        await channel.backlog.list("a", "t", 10)
    finally:
        await channel.close()
    found = plans(tmp_path, statements)
    assert [text for text, plan in found if " line = " in text and "backlog_line (lane=? AND line=?" not in plan] == []
    assert [
        text for text, plan in found if "(due, position)" in text and "backlog_due (lane=? AND (due,position)>" not in plan
    ] == []
    assert [text for text, plan in found if "SCAN" in plan] == []
    assert len({text.partition(" line = ")[0] for text, _ in found if " line = " in text}) >= 3, "all of it was asked"


def plans(path: Path, statements: list[str]) -> list[tuple[str, str]]:
    """How SQLite goes about each of these statements."""
    connection = sqlite3.connect(f"file:{path / 'e.db'}?mode=ro", uri=True)
    try:
        # SQLite writes infinity into a traced statement as a word that it can't read.
        shown = [text.replace("Inf", "9e999") for text in statements]
        about = {text for text in shown if "backlog" in text and text.startswith(("SELECT", "UPDATE", "DELETE", "INSERT"))}
        return [(text, row[3]) for text in sorted(about) for row in connection.execute(f"EXPLAIN QUERY PLAN {text}")]
    finally:
        connection.close()


async def test_what_is_kept_in_memory_does_not_grow_with_the_keys(tmp_path: Path) -> None:
    channel = await opened(tmp_path)
    try:
        tracemalloc.start()
        await park(channel, 0, STEP, keys=10**9)
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        await park(channel, STEP, 100_000, keys=10**9)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert after - before < 4_000_000, (
            "a batch may or may not be let go yet; a dictionary of the keys would take 10 MB and more"
        )
        (state,) = await channel.backlog.states("a")
        assert state.entries == STEP + 100_000
    finally:
        await channel.close()


@pytest.mark.parametrize("keys", [1, 20_000])
async def test_a_step_costs_the_same_however_many_keys_there_are_and_however_long_their_lines(tmp_path: Path, keys: int) -> None:
    channel = await opened(tmp_path)
    try:
        await park(channel, 0, 20_000, keys=keys)
        assert channel._writer is not None
        assert channel._writer._connection is not None
        counted = [0]

        def tick() -> int:
            counted[0] += 100
            return 0

        channel._writer._connection.set_progress_handler(tick, 100)
        for _ in range(10):
            (entry,) = await claim(channel, 1)
            await end(channel, [entry])
        assert counted[0] < 20_000, "no line and no lane is walked through"
    finally:
        await channel.close()
