"""The control plane's server: imported last, so that the data plane answers before FastAPI is loaded."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Generator

import uvicorn

from eventing.api.app import create_app
from eventing.ports.channel import Channel
from eventing.resources.store import ObjectStore


class _Server(uvicorn.Server):
    """Signals are the engine's alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class ControlPlane:
    """Health, metrics and the resource API on one socket. ``ready``: whether, and what is waited for."""

    def __init__(
        self,
        store: ObjectStore,
        listener: socket.socket,
        *,
        ready: Callable[[], tuple[bool, list[str]]],
        metrics: Callable[[], tuple[bytes, str]],
        channel: Channel,
    ) -> None:
        app = create_app(store, ready=ready, metrics=metrics, channel=channel)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=2,
            limit_concurrency=256,
            timeout_keep_alive=15,
        )
        self._server = _Server(config)
        self._listener = listener

    async def run(self) -> None:
        """Until `stop`, or cancelled."""
        await self._server.serve(sockets=[self._listener])

    def stop(self) -> None:
        self._server.should_exit = True
