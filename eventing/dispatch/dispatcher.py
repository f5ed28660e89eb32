"""All brokers of this process: follows the plan, owns their tasks, ends them in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from eventing.dispatch.broker import BrokerDispatcher
from eventing.dispatch.janitor import Janitor
from eventing.dispatch.sender import Client, Sender
from eventing.dispatch.settings import DispatchSettings
from eventing.dispatch.shares import Shares
from eventing.policy.shares import Budget
from eventing.ports.channel import Channel
from eventing.resources.plan import Plan
from eventing.telemetry.logs import Log
from eventing.telemetry.metrics import Metrics


class Dispatcher:
    """``run`` lives as long as the process; ``apply`` gives it a plan, before or while it runs.

    ``fault``: see `ChannelContext.fault`. ``forgotten``: told of a retired object's uid once all of it is gone.
    """

    def __init__(
        self,
        channel: Channel,
        client: Client,
        metrics: Metrics,
        log: Log,
        settings: DispatchSettings,
        *,
        fault: Callable[[str], None],
        forgotten: Callable[[str], None],
    ) -> None:
        self._channel = channel
        self._metrics = metrics
        self._log = log
        self._settings = settings
        self._fault = fault
        self._sender = Sender(client, channel, max_reply=settings.max_reply, wall=settings.wall)
        self._shares = Shares(Budget(settings.memory_bytes, largest=settings.largest), settings.connections)
        self._janitor = Janitor(channel, metrics, log, settings, lambda: self._plan, forgotten=forgotten)
        self._plan = Plan()
        self._brokers: dict[str, tuple[BrokerDispatcher, asyncio.Task[None]]] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self.running = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled, or until a broker's dispatcher fails for good: its error ends the process, loudly."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                tasks.create_task(self._janitor.run(), name="janitor")
                await self.apply(self._plan)
                self.running.set()
        finally:
            self._tasks = None
            self.running.clear()

    async def apply(self, plan: Plan) -> None:
        """Follow this plan from the next event on. A new trigger takes part before this returns (DATAPATH 11)."""
        self._plan = plan
        if self._tasks is None:
            return
        for uid in set(self._brokers) - set(plan.brokers):
            _, task = self._brokers.pop(uid)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        starting = []
        for uid, broker in plan.brokers.items():
            triggers = [trigger for trigger in plan.triggers.values() if trigger.broker == uid]
            if uid in self._brokers:
                self._brokers[uid][0].update(triggers)
                continue
            await self._channel.ensure_broker(uid)
            dispatcher = BrokerDispatcher(
                broker, self._channel, self._sender, self._shares, self._metrics, self._log, self._settings, fault=self._fault
            )
            dispatcher.update(triggers)
            task = self._tasks.create_task(dispatcher.run(), name=f"broker {broker.namespace}/{broker.name}")
            self._brokers[uid] = (dispatcher, task)
            starting.append(dispatcher.started.wait())
        for start in starting:
            await start

    async def drain(self, timeout: float) -> bool:
        """Stop reading and let what runs end, see `BrokerDispatcher.drain`. Whether everything was settled."""
        results = await asyncio.gather(*(dispatcher.drain(timeout) for dispatcher, _ in self._brokers.values()))
        return all(results)
