"""All brokers of this process: follows the plan, owns their tasks, ends them in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from eventing.dispatch.broker import BrokerDispatcher
from eventing.dispatch.janitor import Janitor
from eventing.dispatch.sender import Client, Sender
from eventing.dispatch.settings import DispatchSettings
from eventing.dispatch.shares import Shares
from eventing.policy.shares import Budget
from eventing.ports.channel import Channel
from eventing.resources.plan import Plan, TriggerPlan
from eventing.telemetry.logs import Log
from eventing.telemetry.metrics import Metrics

REMOVAL = 5.0
"""Seconds that a removed broker's deliveries may take to end."""


class Dispatcher:
    """``run`` lives as long as the process; ``apply`` gives it a plan, before or while it runs.

    ``fault``: see `ChannelContext.fault`. ``forgotten``: told of a retired object's uid once all of it is gone. ``shares``:
    who holds how much of the memory and the connections.
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
        self.shares = Shares(Budget(settings.memory_bytes, largest=settings.largest), settings.connections)
        self._janitor = Janitor(channel, metrics, log, settings, lambda: self._plan, forgotten=forgotten)
        self._plan = Plan()
        self._brokers: dict[str, tuple[BrokerDispatcher, asyncio.Task[None]]] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._applying = asyncio.Lock()
        self.running = asyncio.Event()

    def broker(self, uid: str) -> BrokerDispatcher:
        """A broker of the plan that is followed now. Raises `KeyError`."""
        return self._brokers[uid][0]

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
        async with self._applying:
            if self._tasks is not None:
                await self._follow(self._plan, self._tasks)

    async def _follow(self, plan: Plan, tasks: asyncio.TaskGroup) -> None:
        triggers: dict[str, list[TriggerPlan]] = {uid: [] for uid in plan.brokers}
        for trigger in plan.triggers.values():
            if trigger.broker in triggers:
                triggers[trigger.broker].append(trigger)
        starting = []
        for uid, broker in plan.brokers.items():
            if uid in self._brokers:
                self._brokers[uid][0].update(triggers[uid])
                continue
            await self._channel.ensure_broker(uid)
            dispatcher = BrokerDispatcher(
                broker, self._channel, self._sender, self.shares, self._metrics, self._log, self._settings, fault=self._fault
            )
            dispatcher.update(triggers[uid])
            task = tasks.create_task(dispatcher.run(), name=f"broker {broker.namespace}/{broker.name}")
            self._brokers[uid] = (dispatcher, task)
            starting.append(dispatcher.started)
        self._share_windows()
        for start in starting:
            await start.wait()
        gone = [uid for uid in self._brokers if uid not in plan.brokers]
        if gone:
            await asyncio.gather(*(self._end(uid) for uid in gone))
            self._share_windows()

    async def _end(self, uid: str) -> None:
        dispatcher, task = self._brokers.pop(uid)
        # In order, so that what was delivered is settled: the broker may come back with what it left.
        await dispatcher.drain(REMOVAL)
        task.cancel()
        await asyncio.wait([task])

    def _share_windows(self) -> None:
        share = self._settings.memory_bytes // 2 // max(1, len(self._brokers))
        for dispatcher, _ in self._brokers.values():
            dispatcher.window_bytes = min(self._settings.window_bytes, share)

    async def drain(self, timeout: float) -> bool:
        """Stop reading and let what runs end, see `BrokerDispatcher.drain`. Whether everything was settled."""
        results = await asyncio.gather(*(dispatcher.drain(timeout) for dispatcher, _ in self._brokers.values()))
        return all(results)
