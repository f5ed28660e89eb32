"""Runs the sources: gives each its context, answers for the webhook receivers, restarts the pulling ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from eventing.bindings import http as binding
from eventing.bindings import rules
from eventing.dispatch.sender import Client
from eventing.errors import ChannelUnavailable, DeliveryFailed
from eventing.event import Event
from eventing.policy.outcome import Outcome, classify
from eventing.ports.channel import Channel
from eventing.ports.checkpoints import Checkpoints
from eventing.ports.http import Handler
from eventing.ports.records import NewRecord
from eventing.ports.source import PullingSource, SourceName, WebhookReceiver
from eventing.resources.plan import SourcePlan
from eventing.telemetry.handles import SourceMetrics
from eventing.telemetry.logs import Log
from eventing.telemetry.metrics import Metrics

SINK_TIMEOUT = 30.0
STOPPING = 5.0
"""Seconds that a source may take to stop."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0


class Reporter(Protocol):
    """Takes a condition of a source: its uid, the type, status, reason and message."""

    def __call__(self, uid: str, type_: str, status: bool | None, reason: str, message: str) -> None: ...


class Context:
    """What one running source may use (`ports.source.SourceContext`)."""

    def __init__(
        self,
        plan: SourcePlan,
        channel: Channel,
        client: Client,
        metrics: SourceMetrics,
        log: Log,
        *,
        secrets: Callable[[str, str, str], bytes | None],
        report: Reporter,
    ) -> None:
        self.checkpoints: Checkpoints = channel.checkpoints
        self._plan = plan
        self._channel = channel
        self._client = client
        self._metrics = metrics
        self._log = log
        self._secrets = secrets
        self._report = report
        self._name = f"{plan.namespace}/{plan.name}"

    async def emit(self, events: Sequence[Event]) -> None:
        extensions = self._plan.extensions
        if extensions:
            events = [Event({**event.attributes, **extensions}, event.data) for event in events]
        for event in events:
            rules.check(event)
        sink = self._plan.sink
        if sink.broker is not None:
            try:
                await self._channel.append(sink.broker, [NewRecord(event) for event in events])
            except KeyError:
                raise ChannelUnavailable("the broker that is the sink was removed") from None
        else:
            for event in events:
                headers, body = binding.encode_binary(event)
                headers.append((b"kn-namespace", self._plan.namespace.encode()))
                response = await self._client.send(sink.url, headers, body, timeout=SINK_TIMEOUT, ca_certs=sink.ca_certs)
                if classify(response.status) is not Outcome.DONE:
                    raise DeliveryFailed(f"the sink {sink.url} answered {response.status}")
        self._metrics.count("sent", len(events))

    def secret(self, name: str, key: str) -> bytes | None:
        return self._secrets(self._plan.namespace, name, key)

    def condition(self, type_: str, status: bool | None, reason: str = "", message: str = "") -> None:
        self._report(self._plan.uid, type_, status, reason, message)

    def count(self, outcome: str, amount: int = 1) -> None:
        self._metrics.count(outcome, amount)

    def log(self, message: str, **fields: object) -> None:
        self._log.info(message, source=self._name, **fields)


class SourceHost:
    """``apply`` gives it the sources; ``run`` lives as long as the process. ``secrets``: namespace, name, key to the value."""

    def __init__(
        self,
        channel: Channel,
        client: Client,
        metrics: Metrics,
        log: Log,
        *,
        secrets: Callable[[str, str, str], bytes | None],
        report: Reporter,
    ) -> None:
        self._channel = channel
        self._client = client
        self._metrics = metrics
        self._log = log
        self._secrets = secrets
        self._report = report
        self._plans: dict[str, SourcePlan] = {}
        self._receivers: dict[str, WebhookReceiver] = {}
        self._pulling: dict[str, PullingSource] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._tasks: asyncio.TaskGroup | None = None

    async def apply(self, plans: Mapping[str, SourcePlan]) -> dict[str, Handler]:
        """Start, replace and stop sources; returns the webhook receivers by path."""
        for uid in [uid for uid, plan in self._plans.items() if plans.get(uid) != plan]:
            self._plans.pop(uid)
            self._receivers.pop(uid, None)
            self._pulling.pop(uid, None)
            await self._stop(uid)
        for uid, plan in plans.items():
            if uid in self._plans:
                continue
            self._plans[uid] = plan
            try:
                source = plan.plugin.create(SourceName(plan.namespace, plan.name, uid), plan.spec, self._context(plan))
            except Exception as error:  # noqa: BLE001 - anyone's plug-in: the other sources and the brokers go on
                self._failed(uid, "SourceFailed", f"{type(error).__name__}: {error}")
                continue
            if isinstance(source, WebhookReceiver):
                self._receivers[uid] = source
            else:
                self._pulling[uid] = source
                self._start(uid)
        return {self._plans[uid].path: receiver.handle for uid, receiver in self._receivers.items()}

    async def _stop(self, uid: str) -> None:
        task = self._running.pop(uid, None)
        if task is None:
            return
        task.cancel()
        _, unfinished = await asyncio.wait([task], timeout=STOPPING)
        if unfinished:
            self._log.error("a source does not stop, it is left behind", source=task.get_name(), timeout=STOPPING)

    def _failed(self, uid: str, reason: str, message: str) -> None:
        plan = self._plans[uid]
        self._report(uid, "Ready", False, reason, message)
        self._log.error("a source failed", source=f"{plan.namespace}/{plan.name}", reason=message)

    def _context(self, plan: SourcePlan) -> Context:
        metrics = self._metrics.source(plan.uid, f"{plan.namespace}/{plan.name}")
        return Context(plan, self._channel, self._client, metrics, self._log, secrets=self._secrets, report=self._report)

    def _start(self, uid: str) -> None:
        if self._tasks is not None:
            self._running[uid] = self._tasks.create_task(self._pull(uid), name=f"source {self._plans[uid].name}")

    async def run(self) -> None:
        """Until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                for uid in self._pulling:
                    self._start(uid)
                await asyncio.get_running_loop().create_future()  # until cancelled: sources come and go
        finally:
            self._tasks = None

    async def _pull(self, uid: str) -> None:
        source, name = self._pulling[uid], f"{self._plans[uid].namespace}/{self._plans[uid].name}"
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE
        while True:
            began = loop.time()
            try:
                await source.run()
                reason = "it ended by itself"
            except (Exception, asyncio.CancelledError) as error:
                # Anyone's plug-in: it is reported and started again, also where it let a cancellation of its own escape.
                task = asyncio.current_task()
                reason = f"{type(error).__name__}: {error}"
                if task is not None and task.cancelling():
                    if isinstance(error, asyncio.CancelledError):
                        raise
                    self._log.error("a source failed while it was stopped", source=name, reason=reason)
                    return
            if loop.time() - began > LONGEST_PAUSE:
                pause = FIRST_PAUSE
            self._report(uid, "Ready", False, "SourceStopped", reason)
            self._log.error("a source stopped, starting it again", source=name, reason=reason, pause=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
