"""One process of `eventing serve`: what starts in which order, and how it ends."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from eventing import __version__
from eventing.dispatch.dispatcher import Dispatcher
from eventing.dispatch.ingress import Ingress
from eventing.dispatch.settings import DispatchSettings
from eventing.dispatch.sources import SourceHost
from eventing.errors import ChannelUnavailable
from eventing.http.client import HttpClient
from eventing.http.limits import ClientLimits, ServerLimits
from eventing.http.resolver import Resolver
from eventing.http.server import HttpServer
from eventing.ports.channel import Channel, ChannelContext
from eventing.resources.readiness import readiness
from eventing.resources.store import ObjectStore
from eventing.resources.validate import Loaded
from eventing.runtime.certificate import CertificateWatch
from eventing.runtime.faults import fault_points
from eventing.runtime.objects import Objects
from eventing.runtime.plugins import make_channel
from eventing.runtime.secrets import Secrets
from eventing.runtime.sockets import base_url, bind, raise_descriptor_limit
from eventing.settings import Settings
from eventing.telemetry.logs import Log
from eventing.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from eventing.runtime.control import ControlPlane

HTTP_DRAIN = 5.0
CONTROL_DRAIN = 3.0
MEMORY = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Ready:
    """Told once everything runs. The ports are the real ones where 0 was asked for; ``not_ready``: objects, and why."""

    port: int
    control_port: int
    url: str
    not_ready: dict[str, str]


async def serve(settings: Settings, loaded: Loaded, log: Log, *, stop: asyncio.Event, on_ready: Callable[[Ready], None]) -> None:
    """Run until ``stop`` is set, then drain within `Settings.drain_timeout`.

    Raises `InvalidSetting` and the channel's errors before anything is served; an ExceptionGroup where a part of the engine
    failed while it ran, for then it must not go on half alive.
    """
    watch = None
    if settings.tls_cert is not None and settings.tls_key is not None:
        watch = CertificateWatch(settings.tls_cert, settings.tls_key, log)
    fault = fault_points(settings.fault)
    raise_descriptor_limit()
    async with AsyncExitStack() as stack:
        data = stack.enter_context(bind(settings.host, settings.port, "--port"))
        control = stack.enter_context(bind(settings.control_host, settings.control_port, "--control-port"))
        port = data.getsockname()[1]
        local = base_url(settings.host, port, tls=watch is not None)
        public = (settings.public_url or local).rstrip("/")
        channel = make_channel(
            settings.channel,
            ChannelContext(settings.data_dir, log=lambda message, fields: log.warning(message, **fields), fault=fault),
        )
        await channel.open()
        stack.push_async_callback(channel.close)
        engine = _Engine(settings, loaded, log, channel=channel, bases=_unique(public, local), fault=fault)
        stack.push_async_callback(engine.client.close)
        stack.callback(engine.secrets.close)
        if watch is not None:
            engine.metrics.tls_expires = lambda: watch.expires
        server = HttpServer(
            engine.ingress.handle,
            limits=ServerLimits(max_body=settings.max_event_size),
            on_refused=engine.refused,
            log=log,
        )
        stack.push_async_callback(server.close)
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(engine.dispatcher.run(), name="dispatcher"),
                tasks.create_task(engine.host.run(), name="sources"),
                tasks.create_task(engine.forget(), name="forget"),
            ]
            starting = tasks.create_task(
                _start(engine, loaded, server, watch.context if watch is not None else None, data, control), name="start"
            )
            stopping = tasks.create_task(stop.wait(), name="stop")
            await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
            plane: ControlPlane | None = None
            if not starting.done():
                # Told to end while the store, say, keeps it from starting: that must not wait for the store.
                starting.cancel()
                await asyncio.wait([starting])
            else:
                plane = starting.result()
                running.append(tasks.create_task(engine.objects.run(), name="objects"))
                if watch is not None:
                    running.append(tasks.create_task(watch.run(server.use), name="certificate"))
                running.append(tasks.create_task(plane.run(), name="control plane"))
                on_ready(Ready(port, control.getsockname()[1], public, dict(engine.objects.conditions())))
                await stopping
            deadline = asyncio.get_running_loop().time() + settings.drain_timeout
            await engine.drain(server, settings.drain_timeout)
            if plane is not None:
                plane.stop()
                left = deadline - asyncio.get_running_loop().time()
                await asyncio.wait(running[-1:], timeout=max(0.0, min(CONTROL_DRAIN, left)))
            for task in running:
                task.cancel()


async def _start(
    engine: _Engine,
    loaded: Loaded,
    server: HttpServer,
    tls: ssl.SSLContext | None,
    data: socket.socket,
    control: socket.socket,
) -> ControlPlane:
    """Everything up to the moment at which events are taken; the control plane is made and not yet run."""
    await engine.dispatcher.running.wait()
    await engine.objects.start(loaded.objects, engine.dispatcher, engine.ingress, engine.host)
    await server.start(ssl=tls, sock=data)
    engine.closed_because = ""
    plane = await asyncio.to_thread(_control_plane, engine, control)
    # Whoever reads the ready line may connect: what comes before the control plane accepts waits, and is not refused.
    control.listen()
    return plane


def _unique(*urls: str) -> list[str]:
    return list(dict.fromkeys(urls))


def _control_plane(engine: _Engine, listener: socket.socket) -> ControlPlane:
    # In a thread: importing FastAPI takes a good part of a second, and events are flowing already.
    from eventing.runtime.control import ControlPlane  # noqa: PLC0415

    return ControlPlane(
        engine.store,
        listener,
        ready=engine.ready,
        metrics=engine.metrics.render,
        channel=engine.channel,
        log=engine.log,
        retired=engine.objects.retired,
    )


class _Engine:
    """The parts, wired. ``closed_because``: why the data plane is not ready; empty where it is."""

    def __init__(
        self,
        settings: Settings,
        loaded: Loaded,
        log: Log,
        *,
        channel: Channel,
        bases: list[str],
        fault: Callable[[str], None],
    ) -> None:
        self.closed_because = "starting"
        self.log = log
        self._forgotten: asyncio.Queue[str] = asyncio.Queue()
        self.metrics = Metrics(__version__)
        self.metrics.channel_ready = lambda: channel.health().ready
        self.channel = channel
        self.store = ObjectStore(loaded.kinds, clock=channel.now)
        self._given = [resource.key for resource in loaded.objects]
        # Triggers of one host share nothing but what all share: their slots bound them, not the host.
        defaults = ClientLimits()
        limits = replace(
            defaults,
            max_response=max(settings.max_event_size, defaults.max_response),
            max_per_origin=defaults.max_connections,
        )
        self.client = HttpClient(
            limits=limits,
            resolver=Resolver(log=log),
            log=log,
        )
        largest = 2 * settings.max_event_size
        dispatch = DispatchSettings(
            memory_bytes=max(MEMORY, 8 * largest),
            largest=largest,
            connections=limits.max_connections,
            max_reply=settings.max_event_size,
        )
        self.dispatcher = Dispatcher(
            channel, self.client, self.metrics, log, dispatch, fault=fault, forgotten=self._forgotten.put_nowait
        )
        self.ingress = Ingress(channel, self.metrics, ready=self._not_ready)
        self.objects = Objects(self.store, channel, bases, log)
        self.secrets = Secrets(self.store, settings.secrets_dir, log)
        self.host = SourceHost(channel, self.client, self.metrics, log, secrets=self.secrets.get, report=self.objects.report)

    def refused(self, reason: str) -> None:
        """A request that no handler saw."""
        self.metrics.http_refused.add(reason)

    def _not_ready(self) -> str:
        if self.closed_because:
            return self.closed_because
        health = self.channel.health()
        return "" if health.ready else f"events can't be stored: {health.message or health.reason}"

    def ready(self) -> tuple[bool, list[str]]:
        """For the control port's `/readyz`."""
        if self.closed_because:
            return False, [self.closed_because]
        ready, waiting = readiness(self.store, self._given)
        return ready, list(waiting)

    async def forget(self) -> None:
        """Retired objects of which nothing is left lose their uid. Until cancelled."""
        while True:
            uid = await self._forgotten.get()
            try:
                await self.objects.forget(uid)
                self.metrics.forget(uid)
            except ChannelUnavailable as error:
                self.log.warning(
                    "a deleted object could not be forgotten, trying again later",
                    object=self.objects.name_of(uid),
                    reason=str(error),
                )

    async def drain(self, server: HttpServer, timeout: float) -> None:
        """Not ready, accept nothing, answer what is under way, deliver or hand over, settle."""
        self.closed_because = "shutting down"
        deadline = asyncio.get_running_loop().time() + timeout
        await server.drain(min(HTTP_DRAIN, timeout))
        left = max(0.0, deadline - asyncio.get_running_loop().time())
        if not await self.dispatcher.drain(left):
            self.log.warning("not everything was delivered in time; the next start goes on with it", timeout=timeout)
