"""How fast a channel stores, reads and settles; figures of one machine compare only with each other.

python bench/channel_bench.py --channel sqlite --events 50000 --appenders 64 --size 1024
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import tempfile
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from eventing.event import Event
from eventing.ports.channel import Channel, ChannelContext
from eventing.ports.records import EntryKey, EntryResult, Lane, NewEntry, NewRecord, Settlement

Measure = Callable[[Channel, argparse.Namespace], Awaitable[int]]


def event(size: int) -> Event:
    return Event({"specversion": "1.0", "id": "0123456789abcdef", "source": "/bench", "type": "com.example.bench"}, b"x" * size)


async def append(channel: Channel, options: argparse.Namespace) -> int:
    """Single events from concurrent appenders, each waiting for its answer."""
    record = [NewRecord(event(options.size))]

    async def run() -> None:
        for _ in range(options.events // options.appenders):
            await channel.append("bench", record)

    async with asyncio.TaskGroup() as group:
        for _ in range(options.appenders):
            group.create_task(run())
    return total_of(options)


def total_of(options: argparse.Namespace) -> int:
    """Events that all appenders together store."""
    return int(options.events // options.appenders * options.appenders)


async def through(channel: Channel, options: argparse.Namespace) -> int:
    """The same, read and settled meanwhile by one reader."""
    total = total_of(options)

    reader = await channel.reader("bench")
    stored = reader.wanted()

    async def drain() -> None:
        waiting = stored + total
        while waiting:
            records = await reader.read(options.batch, 4 << 20)
            await channel.settle("bench", Settlement([record.position for record in records]))
            waiting -= len(records)
        await reader.close()

    async with asyncio.TaskGroup() as group:
        group.create_task(drain())
        group.create_task(append(channel, options))
    return total


async def catch_up(channel: Channel, options: argparse.Namespace) -> int:
    """Read and settle what is stored, without anybody appending."""
    reader = await channel.reader("bench")
    count = 0
    while reader.wanted():
        records = await reader.read(options.batch, 4 << 20)
        await channel.settle("bench", Settlement([record.position for record in records]))
        count += len(records)
    await reader.close()
    return count


async def hand_over(channel: Channel, options: argparse.Namespace) -> int:
    """Events already stored become backlog entries, a batch per settlement."""
    reader = await channel.reader("bench", "hand-over")
    count = 0
    while reader.wanted():
        records = await reader.read(options.batch, 4 << 20)
        entries = [NewEntry(EntryKey("trigger", record.position), 0.0) for record in records]
        await channel.settle("bench", Settlement([record.position for record in records], entries, group="hand-over"))
        count += len(records)
    await reader.close()
    return count


async def claim(channel: Channel, options: argparse.Namespace) -> int:
    """Entries claimed and ended, 64 at a time."""
    count = 0
    while True:
        claimed = await channel.backlog.claim("bench", "trigger", Lane.SUBSCRIBER, 64, 4 << 20, channel.now() + 60)
        if not claimed.entries:
            return count
        await channel.settle("bench", Settlement(results=[EntryResult(e.key, e.lease.token) for e in claimed.entries]))
        count += len(claimed.entries)


async def measure(name: str, work: Measure, channel: Channel, options: argparse.Namespace) -> dict[str, Any]:
    before, cpu = time.perf_counter(), time.process_time()
    count = await work(channel, options)
    seconds, used = time.perf_counter() - before, time.process_time() - cpu
    return {"step": name, "events": count, "per_second": round(count / seconds), "cpu_us": round(used / max(1, count) * 1e6, 1)}


async def main(options: argparse.Namespace) -> None:
    scheme = options.channel.split(":", 1)[0]
    (entry,) = entry_points(group="eventing.channels", name=scheme)
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        context = ChannelContext(Path(folder))
        channel: Channel = entry.load()(options.channel, context)
        await channel.open()
        await channel.ensure_broker("bench")
        steps: list[tuple[str, Measure]] = [("append", append), ("catch-up", catch_up), ("append+read+settle", through)]
        results = [await measure(name, work, channel, options) for name, work in steps]
        await append(channel, options)
        results += [
            await measure(name, work, channel, options) for name, work in [("hand-over", hand_over), ("claim+end", claim)]
        ]
        await append(channel, options)
        await hand_over(channel, options)
        before = time.perf_counter()
        await channel.close()
        closed = time.perf_counter()
        if channel.capabilities.durable:
            channel = entry.load()(options.channel, context)
            await channel.open()
            waiting = sum(state.entries for state in await channel.backlog.states("bench"))
            opened = time.perf_counter()
            await channel.close()
            results.append(
                {"step": "open", "entries": waiting, "seconds": round(opened - closed, 3), "close": round(closed - before, 3)}
            )
    for result in results:
        print(json.dumps(result))  # noqa: T201
    print(json.dumps({"max_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))  # noqa: T201


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--channel", default="sqlite", help="URL, as for `eventing serve --channel`")
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--appenders", type=int, default=64)
    parser.add_argument("--size", type=int, default=1024, help="bytes of payload")
    parser.add_argument("--batch", type=int, default=256, help="events per read and settlement")
    parser.add_argument("--dir", type=Path, default=None, help="folder for the store (default: the system's temporary folder)")
    asyncio.run(main(parser.parse_args()))
