"""The control plane's server: imported last, so that the data plane answers before FastAPI is loaded."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Callable, Collection, Generator

import uvicorn

from eventing.api.app import create_app
from eventing.ports.channel import Channel
from eventing.resources.identity import Retired
from eventing.resources.store import ObjectStore
from eventing.telemetry.logs import Log


class _Server(uvicorn.Server):
    """Signals are the engine's alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


@contextlib.contextmanager
def _heard(log: Log) -> Generator[None, None, None]:
    """What uvicorn has to say goes to ``log`` alone. Its loggers (`uvicorn.error`, `uvicorn.asgi`) all pass on to one."""
    logger, handler = logging.getLogger("uvicorn"), log.handler()
    propagate = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate


class ControlPlane:
    """Health, metrics and the resource API on one socket. ``ready``: whether, and what is waited for. ``retired``: objects
    that are gone, whose dead letters may be left."""

    def __init__(
        self,
        store: ObjectStore,
        listener: socket.socket,
        *,
        ready: Callable[[], tuple[bool, list[str]]],
        metrics: Callable[[], tuple[bytes, str]],
        channel: Channel,
        log: Log,
        retired: Callable[[], Collection[Retired]] = lambda: (),
    ) -> None:
        app = create_app(store, ready=ready, metrics=metrics, channel=channel, retired=retired)
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",  # what it says at start and end is said by the engine
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=2,
            limit_concurrency=256,
            timeout_keep_alive=15,
        )
        self._server = _Server(config)
        self._listener = listener
        self._log = log

    async def run(self) -> None:
        """Until `stop`, or cancelled."""
        with _heard(self._log):
            await self._server.serve(sockets=[self._listener])

    def stop(self) -> None:
        self._server.should_exit = True
