"""Sources that misbehave: they are reported and started again, and hold up nobody, the end of the process included."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from dispatch_rig import event, eventually, subscribers
from pydantic import BaseModel

from eventing.dispatch import sources as sources_module
from eventing.dispatch.sources import Context, SourceHost
from eventing.http.client import HttpClient
from eventing.http.resolver import Resolver
from eventing.ports.channel import Channel, ChannelContext
from eventing.ports.http import Request, Response
from eventing.ports.source import SourceContext, SourceName
from eventing.resources.plan import SourcePlan, Target
from eventing.telemetry.logs import Log
from eventing.telemetry.metrics import Metrics
from eventing_channels.memory import open_channel

Run = Callable[[SourceContext], Awaitable[None]]


class Spec(BaseModel):
    pass


class Pulling:
    def __init__(self, run: Run, context: SourceContext) -> None:
        self._run, self._context = run, context

    async def run(self) -> None:
        await self._run(self._context)


class Receiver:
    def handle(self, request: Request) -> Response:
        return Response(202)


class Plugin:
    group, version, kind, plural = "test.dev", "v1", "TestSource", "testsources"
    spec: type[BaseModel] = Spec
    conditions: tuple[str, ...] = ()

    def __init__(self, make: Callable[[SourceContext], Any]) -> None:
        self.make = make

    def create(self, name: SourceName, spec: Any, context: SourceContext) -> Any:
        return self.make(context)


def pulling(run: Run) -> Plugin:
    return Plugin(lambda context: Pulling(run, context))


def plan(uid: str, plugin: Plugin) -> SourcePlan:
    return SourcePlan(uid, "ns", uid, f"/ns/testsources/{uid}", plugin, Spec(), Target("http://here/ns/b", broker="b"))


class Host:
    def __init__(self, channel: Channel, log: Log, tmp: io.StringIO) -> None:
        self.reports: list[tuple[str, str, bool | None, str, str]] = []
        self.text = tmp
        self.channel = channel
        self.host = SourceHost(
            channel,
            None,  # type: ignore[arg-type]
            Metrics("test"),
            log,
            secrets=lambda _namespace, _name, _key: None,
            report=lambda *arguments: self.reports.append(arguments),
        )


@asynccontextmanager
async def host(tmp_path: Any) -> AsyncIterator[Host]:
    text = io.StringIO()
    log = Log(text)
    channel = open_channel("memory://", ChannelContext(tmp_path))
    await channel.open()
    await channel.ensure_broker("b")
    made = Host(channel, log, text)
    task = asyncio.create_task(made.host.run())
    await asyncio.sleep(0)
    try:
        yield made
    finally:
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=10)
        await channel.close()
        log.close()
        assert done, "the sources did not end"


@pytest.mark.parametrize("error", [ValueError("no"), asyncio.CancelledError()])
async def test_a_source_that_fails_is_reported_and_started_again(
    tmp_path: Any, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources_module, "FIRST_PAUSE", 0.01)
    runs = 0

    async def run(context: SourceContext) -> None:
        nonlocal runs
        runs += 1
        if runs < 3:
            raise error
        await context.emit([event(1)])
        await asyncio.get_running_loop().create_future()

    async with host(tmp_path) as made:
        await made.host.apply({"s": plan("s", pulling(run))})
        reader = await made.channel.reader("b")
        [record] = await reader.read(10, 1000)
        assert record.event == event(1)
        await reader.close()
    assert runs == 3
    assert [report[:4] for report in made.reports] == [("s", "Ready", False, "SourceStopped")] * 2


async def test_a_source_that_fails_when_it_is_stopped_is_not_started_again(tmp_path: Any) -> None:
    runs = 0

    async def run(_context: SourceContext) -> None:
        nonlocal runs
        runs += 1
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            raise ValueError("while it was stopped")

    async with host(tmp_path) as made:
        await made.host.apply({"s": plan("s", pulling(run)), "t": plan("t", pulling(run))})
        await eventually(lambda: runs == 2)
        async with asyncio.timeout(10):
            await made.host.apply({"t": plan("t", made.host._plans["t"].plugin)})  # type: ignore[arg-type]
    assert runs == 2
    assert made.text.getvalue().count("a source failed while it was stopped") == 2


async def test_a_source_that_does_not_stop_holds_up_nobody(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources_module, "STOPPING", 0.05)
    release = asyncio.Event()
    started: list[str] = []

    async def stubborn(_context: SourceContext) -> None:
        started.append("stubborn")
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    async def other(_context: SourceContext) -> None:
        started.append("other")
        await asyncio.get_running_loop().create_future()

    async with host(tmp_path) as made:
        await made.host.apply({"s": plan("s", pulling(stubborn))})
        await eventually(lambda: started == ["stubborn"])
        async with asyncio.timeout(10):
            await made.host.apply({"o": plan("o", pulling(other))})
        await eventually(lambda: started == ["stubborn", "other"])
        release.set()


async def test_a_source_that_can_not_be_made_leaves_the_others_alone(tmp_path: Any) -> None:
    def fail(_context: SourceContext) -> Any:
        raise RuntimeError("not today")

    async with host(tmp_path) as made:
        handlers = await made.host.apply({"s": plan("s", Plugin(fail)), "w": plan("w", Plugin(lambda _context: Receiver()))})
    assert list(handlers) == ["/ns/testsources/w"]
    assert made.reports == [("s", "Ready", False, "SourceFailed", "RuntimeError: not today")]


@pytest.mark.requirement("B6")
async def test_a_source_tells_a_sink_beyond_the_engine_its_namespace_and_asks_for_no_reply(tmp_path: Path) -> None:
    log = Log(level="error")
    client = HttpClient(resolver=Resolver(log=log), log=log)
    async with subscribers(1) as (sink,):
        source = SourcePlan(
            "s", "elsewhere", "s", "/elsewhere/testsources/s", Plugin(lambda _: Receiver()), Spec(), Target(sink.url)
        )
        context = Context(
            source,
            open_channel("memory://", ChannelContext(tmp_path)),
            client,
            Metrics("test").source("s", "elsewhere/s"),
            log,
            secrets=lambda _namespace, _name, _key: None,
            report=lambda *_arguments: None,
        )
        await context.emit([event(1)])
        [(received, request)] = sink.deliveries
    await client.close()
    log.close()
    assert received == event(1)
    assert request.header(b"kn-namespace") == b"elsewhere"
    assert request.header(b"prefer") is None
