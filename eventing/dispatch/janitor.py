"""What ends by age alone: deleted triggers and brokers after their grace time, dead letters after theirs (DATAPATH 7, 11)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence

from eventing.dispatch.settings import DispatchSettings
from eventing.errors import ChannelUnavailable
from eventing.ports.channel import Channel
from eventing.resources.plan import Plan
from eventing.telemetry.logs import Log
from eventing.telemetry.metrics import Metrics

EVERY = 60.0
BATCH = 1000


class Janitor:
    """One task. ``forgotten``: told of a retired object's uid once nothing of it is left in the channel."""

    def __init__(
        self,
        channel: Channel,
        metrics: Metrics,
        log: Log,
        settings: DispatchSettings,
        plan: Callable[[], Plan],
        *,
        forgotten: Callable[[str], None],
    ) -> None:
        self._channel = channel
        self._metrics = metrics
        self._log = log
        self._settings = settings
        self._plan = plan
        self._forgotten = forgotten
        self._done: set[str] = set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.sweep()
            except ChannelUnavailable as error:
                self._log.warning("cleaning up failed, trying again later", reason=str(error))
            await asyncio.sleep(EVERY)

    async def sweep(self) -> None:
        """One round. Raises `ChannelUnavailable`."""
        plan = self._plan()
        self._done &= plan.retired.keys()
        now = self._channel.now()
        ended = [
            uid for uid, since in plan.retired.items() if uid not in self._done and now - since >= self._settings.trigger_grace
        ]
        if ended:
            # A retired broker may come back within its own grace time, and must not bring these entries along.
            await self._drop_entries([*plan.brokers, *plan.retired], set(ended))
        for uid in ended:
            try:
                await self._channel.drop_broker(uid)
            except KeyError:
                pass  # it was a trigger or a source
            else:
                self._log.info("the data of a deleted broker is gone", broker=uid)
            self._done.add(uid)
            self._forgotten(uid)
        for broker in plan.brokers:
            letters = await self._channel.dead_letters.expire(broker, self._channel.now() - self._settings.dead_letter_age)
            for trigger, count in letters.items():
                handle = self._metrics.triggers.get(trigger)
                if handle is not None:
                    handle.drop("dead_letter_age", count)
                self._log.warning("dead letters were dropped by age", trigger=handle.name if handle else trigger, count=count)

    async def _drop_entries(self, brokers: Sequence[str], triggers: Collection[str]) -> None:
        for broker in brokers:
            try:
                states = await self._channel.backlog.states(broker)
            except KeyError:
                continue  # a retired trigger or source, or a broker that is gone
            for trigger in dict.fromkeys(state.trigger for state in states if state.trigger in triggers):
                await self._drop(broker, trigger)

    async def _drop(self, broker: str, trigger: str) -> None:
        total = 0
        while dropped := await self._channel.backlog.drop(broker, trigger, BATCH):
            total += dropped
        if not total:
            return
        handle = self._metrics.triggers.get(trigger)
        if handle is not None:
            handle.drop("trigger_deleted", total)
        self._log.warning("the backlog of a deleted trigger was dropped", trigger=trigger, count=total)
