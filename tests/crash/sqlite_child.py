"""The process that crash tests kill: appends, reads and settles on SQLite, and says on stdout what was acknowledged.

Arguments: folder, the step to die at (or `-`), how often to pass it before.
Lines: `A id position` an append's answer, `S id` a settled event, `B trigger position` a hand-over, `E trigger position` an
entry that ended, `D position` a dead letter, `R id` a reply.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from pathlib import Path

from eventing.event import Event
from eventing.ports.channel import ChannelContext
from eventing.ports.records import DeadLetter, EntryKey, EntryResult, Lane, NewEntry, NewRecord, Settlement
from eventing_channels.sqlite.channel import SqliteChannel
from eventing_channels.sqlite.settings import Settings


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def fate(position: int) -> str:
    """What the dispatcher does with an event, so that whoever checks knows as well."""
    what = random.Random(position).random()
    return "park" if what < 0.3 else "bury" if what < 0.4 else "reply" if what < 0.45 else "done"


def event(id_: str) -> Event:
    return Event({"specversion": "1.0", "id": id_, "source": "/crash", "type": "t"}, id_.encode() * 20)


async def main(folder: str, step: str, passes: int) -> None:
    left = [passes]

    def fault(name: str) -> None:
        if name == step:
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    settings = Settings(Path(folder) / "e.db", ballast=0, min_free=0, cache_records=64)
    channel = SqliteChannel(settings, ChannelContext(Path(folder), fault=fault))
    await channel.open()
    await channel.ensure_broker("a")
    run = os.getpid()

    async def write(writer: int) -> None:
        for number in range(10**6):
            id_ = f"{run}-{writer}-{number}"
            (position,) = await channel.append("a", [NewRecord(event(id_))])
            say(f"A {id_} {position}")

    async def dispatch() -> None:
        reader = await channel.reader("a")
        replies = 0
        while True:
            records = await reader.read(32, 1 << 20)
            entries, letters, new = [], [], []
            for record in records:
                what = fate(record.position)
                if what == "park":
                    entries.append(NewEntry(EntryKey("t", record.position), 0.0))
                elif what == "bury":
                    letters.append(DeadLetter("t", record.position, record.event, "refused", (), 1, 1.0))
                elif what == "reply" and not record.event.id.startswith("r"):
                    replies += 1
                    new.append(NewRecord(event(f"r{run}-{replies}")))
            await channel.settle("a", Settlement([r.position for r in records], entries, new, letters))
            for record in records:
                say(f"S {record.event.id}")
            for entry in entries:
                say(f"B t {entry.key.position}")
            for letter in letters:
                say(f"D {letter.position}")
            for reply in new:
                say(f"R {reply.event.id}")
            claim = await channel.backlog.claim("a", "t", Lane.SUBSCRIBER, 8, 1 << 20, channel.now() + 60)
            results = [
                EntryResult(e.key, e.lease.token, NewEntry(e.key, 0.0, e.attempts + 1) if e.attempts < 2 else None)
                for e in claim.entries
            ]
            if results:
                await channel.settle("a", Settlement(results=results))
                for result in results:
                    if result.then is None:
                        say(f"E t {result.key.position}")

    async with asyncio.TaskGroup() as group:
        for writer in range(8):
            group.create_task(write(writer))
        group.create_task(dispatch())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
