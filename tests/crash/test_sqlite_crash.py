"""kill -9 at every step on the way to durability, and at random: what was acknowledged is there, once and whole."""

from __future__ import annotations

import os
import random
import selectors
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sqlite_child import fate

from eventing.ports.channel import ChannelContext
from eventing.ports.records import Lane
from eventing_channels.sqlite.channel import SqliteChannel
from eventing_channels.sqlite.settings import Settings

CHILD = Path(__file__).with_name("sqlite_child.py")
STEPS = (
    "append.begin", "append.written", "append.committed", "settle.begin", "settle.handovers", "settle.results", "settle.replies",
    "settle.dead", "settle.cursor", "settle.before_commit", "settle.committed",
)  # fmt: skip

pytestmark = pytest.mark.crash


def run_child(folder: Path, step: str, passes: int, kill_after: int | None = None) -> list[list[str]]:
    """Its lines until it died. ``kill_after``: kill it once it said that many."""
    child = subprocess.Popen(
        [sys.executable, str(CHILD), str(folder), step, str(passes)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdout is not None
    assert child.stderr is not None
    said = bytearray()
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            while True:
                assert selector.select(60), "the child neither writes nor dies"
                chunk = os.read(child.stdout.fileno(), 65536)
                if not chunk:
                    break
                said += chunk
                if kill_after is not None and said.count(b"\n") >= kill_after:
                    child.send_signal(signal.SIGKILL)
                    kill_after = None
    finally:
        child.kill()
        errors = child.stderr.read().decode()
        child.stdout.close()
        child.stderr.close()
        child.wait(30)
    assert child.returncode == -signal.SIGKILL, errors
    return [line.split() for line in said.decode().split("\n")[:-1]]


async def check(folder: Path, lines: list[list[str]], deaths: int) -> None:
    """``lines``: what all children on this folder said, in order."""
    said: dict[str, list[list[str]]] = {}
    for line in lines:
        said.setdefault(line[0], []).append(line[1:])
    cursor = _cursor(folder)
    channel = SqliteChannel(Settings(folder / "e.db", ballast=0, min_free=0), ChannelContext(folder))
    await channel.open()
    try:
        reader = await channel.reader("a")
        unread: dict[str, int] = {}
        last = cursor
        while reader.wanted():
            for record in await reader.read(512, 1 << 30):
                assert record.position > last, "in order, none twice, none below the cursor"
                last = record.position
                assert record.event.data == record.event.id.encode() * 20
                unread[record.event.id] = record.position
        accepted = {id_: int(position) for id_, position in said.get("A", [])}
        assert len(set(accepted.values())) == len(accepted), "a position is used once"
        for id_, position in accepted.items():
            assert unread.get(id_) == (position if position > cursor else None), f"accepted event {id_} at {position} is lost"
        settled = {id_ for (id_,) in said.get("S", [])}
        assert not settled & set(unread), "settled events don't come again"
        # The settlement under way at the end may have gone through unheard: one read of events at most.
        replies = {id_ for (id_,) in said.get("R", [])}
        assert len(replies - settled - set(unread)) <= 32, "acknowledged replies are lost"

        parked: set[int] = set()
        after = -1
        while views := await channel.backlog.list("a", "t", 1000, after):
            parked |= {view.key.position for view in views}
            after = views[-1].key.position
        ended = {int(position) for _, position in said.get("E", [])}
        assert not ended & parked, "an ended entry is back"
        owed = {position for position in range(1, cursor + 1) if fate(position) == "park"}
        # The attempts that a process was settling when it died may have ended unheard: one claim for each death.
        assert len(owed - ended - parked) <= 8 * deaths, "parked deliveries are lost"
        letters: list[int] = []
        number = -1
        while page := await channel.dead_letters.list("a", None, 1000, number):
            letters += [stored.letter.position for stored in page]
            number = page[-1].number
        assert sorted(letters) == [position for position in range(1, cursor + 1) if fate(position) == "bury"]
        claimed = 0
        while entries := (await channel.backlog.claim("a", "t", Lane.SUBSCRIBER, 500, 1 << 30, channel.now() + 60)).entries:
            claimed += len(entries)
            assert all(entry.record.event.data == entry.record.event.id.encode() * 20 for entry in entries)
        assert claimed == len(parked), "every entry has its event, and no lease of the dead process"
    finally:
        await channel.close()
    with sqlite3.connect(folder / "e.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        (orphans,) = connection.execute(
            "SELECT count(*) FROM backlog WHERE NOT EXISTS(SELECT 1 FROM log_1 WHERE log_1.position = backlog.position)"
        ).fetchone()
        assert orphans == 0
        size, counted = connection.execute(
            "SELECT (SELECT coalesce(sum(length(head) + coalesce(length(data), 0) + 32), 0) FROM log_1), bytes FROM brokers"
        ).fetchone()
        assert size == counted, "the broker's byte counter fits its log"
    connection.close()


def _cursor(folder: Path) -> int:
    """As the dead process left it. Opening recovers the write-ahead log, as any later opening would."""
    connection = sqlite3.connect(folder / "e.db")
    try:
        return int(connection.execute("SELECT position FROM cursors WHERE name = 'main'").fetchone()[0])
    finally:
        connection.close()


@pytest.mark.parametrize("step", STEPS)
async def test_killed_at_a_step(tmp_path: Path, step: str) -> None:
    lines: list[list[str]] = []
    for deaths, passes in enumerate((0, 25), 1):
        lines += run_child(tmp_path, step, passes)
        await check(tmp_path, lines, deaths)


async def test_killed_at_random(tmp_path: Path) -> None:
    lines: list[list[str]] = []
    chance = random.Random(7)
    for deaths in range(1, 5):
        lines += run_child(tmp_path, "-", 0, kill_after=chance.randint(50, 3000))
        await check(tmp_path, lines, deaths)
