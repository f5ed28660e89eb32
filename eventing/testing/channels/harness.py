"""The channel under test, its clock, and its restarts."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import pytest

from eventing.event import Event
from eventing.ports.channel import Capabilities, Channel, ChannelContext
from eventing.ports.records import Lane, NewRecord, Position, Record
from eventing.testing.clock import FakeClock

P = ParamSpec("P")
S = TypeVar("S", bound="HasHarness")

FOREVER = 1e12
"""A lease that lasts as long as the test."""


class Harness:
    """``make`` gives an unopened channel; with the same ``data_dir`` it must find what the one before stored, if it is durable.
    Channels that share a server make names unique per harness. Everything opened here is closed at the end of the test."""

    def __init__(self, data_dir: Path, make: Callable[[ChannelContext], Channel]) -> None:
        self.data_dir, self._make = data_dir, make
        self.clock = FakeClock()
        self.logged: list[str] = []
        self._open: list[Channel] = []

    def context(self) -> ChannelContext:
        return ChannelContext(self.data_dir, wall=self.clock, log=lambda message, _fields: self.logged.append(message))

    def capabilities(self) -> Capabilities:
        return self._make(self.context()).capabilities

    async def open(self) -> Channel:
        channel = self._make(self.context())
        await channel.open()
        self._open.append(channel)
        return channel

    async def restart(self, channel: Channel) -> Channel:
        """Close it and open another on the same store."""
        await channel.close()
        return await self.open()

    async def close(self) -> None:
        for channel in self._open:
            await channel.close()


class HasHarness:
    """What a suite's tests use: ``self.harness``, ``self.channel`` (open, with the brokers `a` and `b`), and short helpers."""

    harness: Harness
    channel: Channel

    async def restart(self) -> None:
        self.channel = await self.harness.restart(self.channel)

    async def add(self, count: int = 1, broker: str = "a", size: int = 8) -> list[Position]:
        """Append events with ids e0, e1 ... one by one in one call."""
        records = [NewRecord(event(f"e{number}", b"x" * size)) for number in range(count)]
        return list(await self.channel.append(broker, records))

    async def read(self, count: int, broker: str = "a", group: str = "main") -> list[Record]:
        """Exactly that many events through a reader that is closed again."""
        reader = await self.channel.reader(broker, group)
        try:
            return await take(reader, count)
        finally:
            await reader.close()

    async def claim(self, trigger: str = "t", lane: Lane = Lane.SUBSCRIBER, limit: int = 100, broker: str = "a") -> Any:
        return await self.channel.backlog.claim(broker, trigger, lane, limit, 1 << 30, FOREVER)


async def take(reader: Any, count: int) -> list[Record]:
    records: list[Record] = []
    while len(records) < count:
        records.extend(await reader.read(count - len(records), 1 << 30))
    return records


def event(id_: str, data: bytes | None = b"{}", **attributes: str | int | bool) -> Event:
    return Event({"specversion": "1.0", "id": id_, "source": "/conformance", "type": "test", **attributes}, data)


def needs(
    capability: str,
) -> Callable[[Callable[Concatenate[S, P], Awaitable[None]]], Callable[Concatenate[S, P], Awaitable[None]]]:
    """The test holds only for channels that declare this capability; others skip it by name."""

    def mark(test: Callable[Concatenate[S, P], Awaitable[None]]) -> Callable[Concatenate[S, P], Awaitable[None]]:
        @functools.wraps(test)
        async def run(self: S, *args: P.args, **kwargs: P.kwargs) -> None:
            if not getattr(self.channel.capabilities, capability):
                pytest.skip(f"the channel declares {capability}=False")
            await test(self, *args, **kwargs)

        run.needs = capability  # type: ignore[attr-defined]
        wrapped: Callable[Concatenate[S, P], Awaitable[None]] = run  # type: ignore[assignment]
        return wrapped

    return mark


def excluded(suite: type, capabilities: Capabilities) -> Sequence[str]:
    """Names of the suite's tests that a channel with these capabilities skips."""
    tests = inspect.getmembers(suite, inspect.isfunction)
    return sorted(name for name, test in tests if not getattr(capabilities, getattr(test, "needs", ""), True))
