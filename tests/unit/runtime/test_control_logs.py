"""What uvicorn says about the control port is a line of the structured log, and nothing goes past it."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import socket
from pathlib import Path

import pytest

from eventing.ports.channel import ChannelContext
from eventing.resources.kind_table import KindTable
from eventing.resources.store import ObjectStore
from eventing.runtime.control import ControlPlane
from eventing.telemetry.logs import Log
from eventing_channels.memory import open_channel


def _fails() -> tuple[bool, list[str]]:
    raise RuntimeError("boom")


async def test_uvicorn_logs_into_the_structured_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    log = Log(stream, form="json", level="debug")
    channel = open_channel("memory://", ChannelContext(tmp_path, log=lambda *_: None, fault=lambda _: None))
    logger = logging.getLogger("uvicorn")
    before = (list(logger.handlers), logger.propagate)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        plane = ControlPlane(
            ObjectStore(KindTable({}), lambda: 0.0),
            listener,
            ready=_fails,
            metrics=lambda: (b"", "text/plain"),
            channel=channel,
            log=log,
        )
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            tasks.create_task(plane.run())
            for sent in (b"\x16\x03\x01\x02\x00 raw\r\n\r\n", b"GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"):
                reader, writer = await asyncio.open_connection(*listener.getsockname()[:2])
                writer.write(sent)
                await reader.read()
                writer.close()
                await writer.wait_closed()
            plane.stop()
    log.close()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert {line["logger"] for line in lines} == {"uvicorn.error"}
    assert sorted(line["level"] for line in lines) == ["error", "warning"]
    assert "boom" in stream.getvalue()
    out = capfd.readouterr()
    assert (out.out, out.err) == ("", "")
    assert (list(logger.handlers), logger.propagate) == before, "the loggers are left as they were"
