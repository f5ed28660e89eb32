"""The control API over a real server and socket."""

from __future__ import annotations

import asyncio
import socket
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
import uvicorn
from api_rig import MANIFEST, Answer, Get

from eventing.api.app import create_app
from eventing.ports.channel import Channel, ChannelContext
from eventing.resources.identity import Retired
from eventing.resources.readiness import readiness
from eventing.resources.store import ObjectStore
from eventing.resources.validate import validate
from eventing_channels.memory import open_channel
from eventing_sources.github import plugin as github


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    (tmp_path / "m.yaml").write_text(MANIFEST)
    loaded = validate([str(tmp_path)], {"GitHubSource": github})
    store = ObjectStore(loaded.kinds, lambda: 1_700_000_000.0)
    for resource in loaded.objects:
        store.put(resource, f"uid-{resource.meta.namespace}-{resource.meta.name}")
    return store


@pytest.fixture
async def channel(tmp_path: Path) -> AsyncIterator[Channel]:
    opened = open_channel("memory://", ChannelContext(tmp_path))
    await opened.open()
    await opened.ensure_broker("uid-default-b")
    yield opened
    await opened.close()


@pytest.fixture
def retired() -> list[Retired]:
    return []


@pytest.fixture
async def get(store: ObjectStore, channel: Channel, retired: list[Retired]) -> AsyncIterator[Get]:
    metrics = (b"a_total 1\n", "text/plain; version=0.0.4")
    app = create_app(store, ready=lambda: readiness(store), metrics=lambda: metrics, channel=channel, retired=lambda: retired)

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("hunter2")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, log_level="critical"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))

        def call(path: str, method: str, headers: Mapping[str, str]) -> Answer:
            request = urllib.request.Request(base + path, method=method, headers=dict(headers))
            try:
                with urllib.request.urlopen(request, timeout=10) as response:
                    return Answer(response.status, dict(response.headers), response.read())
            except urllib.error.HTTPError as error:
                with error:
                    return Answer(error.code, dict(error.headers), error.read())

        async def run(path: str, method: str = "GET", headers: Mapping[str, str] = MappingProxyType({})) -> Answer:
            return await asyncio.to_thread(call, path, method, headers)

        yield run
        server.should_exit = True
        await asyncio.wait_for(serving, 10)
