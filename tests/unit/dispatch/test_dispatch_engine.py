"""The whole of one process: told to end while it starts, on time, and with no more connections than the system grants."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import Any

import pytest
from dispatch_rig import Troubled, eventually

from eventing.cli import serve as serve_module
from eventing.errors import ChannelUnavailable
from eventing.http import limits as limits_module
from eventing.resources.validate import Loaded, validate
from eventing.runtime import engine as engine_module
from eventing.runtime.plugins import make_channel, source_plugins
from eventing.settings import Settings
from eventing.telemetry.logs import Log

MANIFEST = """
apiVersion: eventing.knative.dev/v1
kind: Broker
metadata: {name: b}
"""


def loaded(folder: Path) -> Loaded:
    path = folder / "manifest.yaml"
    path.write_text(MANIFEST)
    return validate((str(path),), source_plugins())


def settings(folder: Path, **more: Any) -> Settings:
    return Settings(manifests=(), data_dir=folder, channel="memory://", port=0, control_port=0, **more)


@pytest.mark.parametrize("timeout", [0.0, 5.0])
async def test_told_to_end_while_the_store_keeps_it_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, timeout: float
) -> None:
    channels: list[Troubled] = []

    def make(*arguments: Any) -> Any:
        channels.append(Troubled(make_channel(*arguments)))
        channels[0].failing = {"reader"}
        return channels[0]

    monkeypatch.setattr(engine_module, "make_channel", make)
    log, stop, told = Log(io.StringIO()), asyncio.Event(), []
    serving = asyncio.create_task(
        engine_module.serve(settings(tmp_path, drain_timeout=timeout), loaded(tmp_path), log, stop=stop, on_ready=told.append)
    )
    await eventually(lambda: bool(channels) and channels[0].calls["reader"] >= 2)
    stop.set()
    async with asyncio.timeout(10):
        await serving
    log.close()
    assert told == []


async def test_a_start_that_fails_ends_with_its_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def make(*arguments: Any) -> Any:
        channel = Troubled(make_channel(*arguments))
        channel.failing = {"ensure_broker"}
        return channel

    monkeypatch.setattr(engine_module, "make_channel", make)
    log = Log(io.StringIO())
    with pytest.raises(BaseExceptionGroup) as caught:
        await engine_module.serve(settings(tmp_path), loaded(tmp_path), log, stop=asyncio.Event(), on_ready=lambda _ready: None)
    log.close()
    assert isinstance(serve_module.first_cause(caught.value), ChannelUnavailable)


async def test_it_starts_and_ends_and_the_shares_know_the_limit_of_connections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits_module, "descriptor_limit", lambda: 1024)
    slots: list[int] = []
    made = engine_module._Engine

    def remember(*arguments: Any, **more: Any) -> Any:
        engine = made(*arguments, **more)
        slots.append(engine.dispatcher.shares.slots)
        return engine

    monkeypatch.setattr(engine_module, "_Engine", remember)
    log, stop, told = Log(io.StringIO()), asyncio.Event(), []
    serving = asyncio.create_task(
        engine_module.serve(settings(tmp_path, drain_timeout=0.0), loaded(tmp_path), log, stop=stop, on_ready=told.append)
    )
    await eventually(lambda: bool(told))
    stop.set()
    async with asyncio.timeout(10):
        await serving
    log.close()
    # Three eighths of 1,024 descriptors; a lane alone has one eighth of that.
    assert slots == [384 // 8]


@pytest.mark.parametrize(
    ("context", "shown", "hidden"),
    [
        ({"message": "in a callback", "exception": ValueError("the payload")}, "ValueError", "payload"),
        ({"message": "in a callback", "exception": ChannelUnavailable("the disk")}, "the disk", "payload"),
        ({"message": "in a callback"}, "in a callback", "payload"),
    ],
)
def test_what_nobody_caught_is_logged_without_payloads(context: dict[str, Any], shown: str, hidden: str) -> None:
    text = io.StringIO()
    log = Log(text)
    serve_module._unhandled(log, context)
    log.close()
    assert "in a callback" in text.getvalue()
    assert shown in text.getvalue()
    assert hidden not in text.getvalue()
