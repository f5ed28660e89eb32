"""What ends by age alone: deleted triggers and brokers after their grace time, dead letters after theirs (DATAPATH 7, 11)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence

from eventing.dispatch.settings import DispatchSettings
from eventing.errors import ChannelUnavailable
from eventing.ports.channel import Channel
from eventing.resources.kind_table import BROKER, Key
from eventing.resources.plan import Plan
from eventing.telemetry.logs import Log
from eventing.telemetry.metrics import Metrics

EVERY = 60.0
BATCH = 1000
DAY = 24 * 3600.0


class Janitor:
    """One task. ``forgotten``: told of a retired object's uid once nothing of it is left in the channel, dead letters included:
    until then its identity is what finds them, and what names them. It is told again in every round until the plan has the object
    no more, so a forgetting that failed is tried again."""

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
        self._ended: set[str] = set()

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
        keys = {**{uid: retired.key for uid, retired in plan.retired.items()}, **plan.keys}
        # All there are: one that isn't Ready runs nothing, yet what it stored ages; and letters outlive their broker.
        brokers = [uid for uid, key in keys.items() if _is_broker(key)]
        self._ended &= plan.retired.keys()
        now, grace = self._channel.now(), self._settings.trigger_grace
        old = {uid for uid, retired in plan.retired.items() if now - retired.at >= max(grace, retired.keep)}
        ending = [uid for uid in plan.retired if uid in old - self._ended]
        if ending:
            # A retired broker may come back within its own grace time, and must not bring these entries along.
            await self._drop_entries(brokers, set(ending), keys)
        for uid in ending:
            if _is_broker(keys[uid]):
                await self._drop_broker(uid, keys)
        await self._expire(brokers, keys)
        if ending or self._ended:
            await self._forget(brokers, ending, keys)

    async def _drop_entries(self, brokers: Sequence[str], triggers: Collection[str], keys: Mapping[str, Key]) -> None:
        for broker in brokers:
            for trigger in await self._owed(broker):
                if trigger in triggers:
                    await self._drop(broker, trigger, keys)

    async def _owed(self, broker: str) -> Mapping[str, int]:
        """Entries by trigger uid; none where the broker has no log (any more)."""
        owed: dict[str, int] = {}
        try:
            states = await self._channel.backlog.states(broker)
        except KeyError:
            return owed
        for state in states:
            owed[state.trigger] = owed.get(state.trigger, 0) + state.entries
        return owed

    async def _drop(self, broker: str, trigger: str, keys: Mapping[str, Key]) -> None:
        total = 0
        while dropped := await self._channel.backlog.drop(broker, trigger, BATCH):
            total += dropped
        if total:
            self._dropped("trigger", broker, trigger, total, keys)

    def _dropped(self, deleted: str, broker: str, trigger: str, count: int, keys: Mapping[str, Key]) -> None:
        self._count(trigger, f"{deleted}_deleted", count)
        self._log.warning(
            f"the backlog of a deleted {deleted} was dropped",
            broker=_name(broker, keys),
            trigger=_name(trigger, keys),
            uid=trigger,
            count=count,
        )

    async def _drop_broker(self, broker: str, keys: Mapping[str, Key]) -> None:
        owed = await self._owed(broker)
        try:
            await self._channel.drop_broker(broker)
        except KeyError:
            return  # by an earlier process, and its dead letters are still there; or it never ran
        for trigger, count in owed.items():
            self._dropped("broker", broker, trigger, count, keys)
        self._log.info(
            "the data of a deleted broker is gone", broker=_name(broker, keys), uid=broker, deliveries=sum(owed.values())
        )

    async def _expire(self, brokers: Sequence[str], keys: Mapping[str, Key]) -> None:
        for broker in brokers:
            letters = await self._channel.dead_letters.expire(broker, self._channel.now() - self._settings.dead_letter_age)
            for trigger, count in letters.items():
                self._count(trigger, "dead_letter_age", count)
                self._log.warning(
                    "dead letters were dropped by age", trigger=_name(trigger, keys), broker=_name(broker, keys), count=count
                )

    async def _forget(self, brokers: Sequence[str], ending: Collection[str], keys: Mapping[str, Key]) -> None:
        letters: dict[str, int] = {}
        for broker in brokers:
            for trigger, count in (await self._channel.dead_letters.count(broker)).items():
                letters[broker] = letters.get(broker, 0) + count
                letters[trigger] = letters.get(trigger, 0) + count
        self._ended.update(ending)
        for uid in sorted(self._ended):
            if uid not in letters:
                self._forgotten(uid)
            elif uid in ending:
                self._log.info(
                    "dead letters of a deleted object stay until they reach their age",
                    object=keys[uid].label,
                    uid=uid,
                    count=letters[uid],
                    days=round(self._settings.dead_letter_age / DAY, 2),
                )

    def _count(self, trigger: str, reason: str, count: int) -> None:
        handle = self._metrics.triggers.get(trigger)
        if handle is not None:
            handle.drop(reason, count)


def _is_broker(key: Key) -> bool:
    return (key.group, key.kind) == (BROKER.group, BROKER.kind)


def _name(uid: str, keys: Mapping[str, Key]) -> str:
    """`namespace/name`; the uid of one that is known no more."""
    key = keys.get(uid)
    return uid if key is None else key.path
