"""Keeps objects, plan and statuses together: what changes is reconciled, and the data plane follows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

from eventing.dispatch.dispatcher import Dispatcher
from eventing.dispatch.ingress import Ingress
from eventing.dispatch.sources import SourceHost
from eventing.ports.channel import Channel, Health
from eventing.resources.conditions import timestamp
from eventing.resources.identity import KEPT, Identities, Moved, Retired, claims_of
from eventing.resources.kind_table import BROKER, Key
from eventing.resources.model import Resource
from eventing.resources.plan import Plan
from eventing.resources.reconcile import Observed, Report, reconcile
from eventing.resources.store import ObjectStore
from eventing.telemetry.logs import Log

HEALTH_EVERY = 1.0


class Objects:
    """``bases``: URLs under which the data plane is reached, the published one first. `bind` gives it the data plane that
    follows the plan, `start` the objects; then `run` keeps statuses true."""

    def __init__(self, store: ObjectStore, channel: Channel, bases: Sequence[str], log: Log) -> None:
        self._store = store
        self._log = log
        self._channel = channel
        self._bases = bases
        self._identities = Identities(channel.documents)
        self._reports: dict[str, dict[str, Report]] = {}
        self._retired: dict[str, Retired] = {}
        self._changed = asyncio.Event()
        self._health: Health | None = None
        self._plan = Plan()
        self._receivers: frozenset[str] = frozenset()
        self._subscribed: frozenset[str] = frozenset()

    @property
    def store(self) -> ObjectStore:
        return self._store

    @property
    def plan(self) -> Plan:
        return self._plan

    def report(self, uid: str, type_: str, status: bool | None, reason: str, message: str) -> None:
        """A running source's condition (`dispatch.sources.Reporter`)."""
        report = Report(status, reason, message)
        known = self._reports.setdefault(uid, {})
        if known.get(type_) != report:
            known[type_] = report
            self._changed.set()

    async def start(self, objects: Sequence[Resource], dispatcher: Dispatcher, ingress: Ingress, host: SourceHost) -> None:
        """Take over the objects given at start: identities first, then the plan, then everyone who follows it.

        The order keeps the promise of Ready (DATAPATH 11): a trigger is subscribed before its status says so, and events are
        taken only once every trigger is. Raises `ChannelUnavailable`, `ChannelUnsupported`.
        """
        now = self._channel.now()
        identified = await self._identities.claim(claims_of(objects), now)
        for resource in objects:
            self._store.put(resource, identified.uids[resource.key])
        self._retired = dict(identified.retired)
        await self._tell(identified.moved, now)
        self._health = self._channel.health()
        await self._reconcile()
        await dispatcher.apply(self._plan)
        self._subscribed = frozenset(self._plan.triggers)
        receivers = await host.apply(self._plan.sources)
        self._receivers = frozenset(receivers)
        ingress.serve_brokers(list(self._plan.brokers.values()))
        ingress.serve_receivers(receivers)
        await self._reconcile()

    async def _tell(self, moved: Sequence[Moved], now: float) -> None:
        """Which triggers went to another broker, and what becomes of what they owe: at the start that found it (``now``), and at
        every one for as long as something is owed. Raises `ChannelUnavailable`."""
        owed: dict[str, int] = {}
        for first in sorted({Key(BROKER.group, BROKER.kind, one.key.namespace, one.was) for one in moved}):
            for uid in self._uids_of(first):
                try:
                    states = await self._channel.backlog.states(uid)
                except KeyError:
                    continue  # it has no log (any more)
                for state in states:
                    owed[state.trigger] = owed.get(state.trigger, 0) + state.entries
        for one in moved:
            count = owed.get(one.uid, 0)
            fields = {"trigger": one.key.path, "field": "spec.broker", "was": one.was, "now": one.now or "gone", "owed": count}
            if count:
                self._log.warning(
                    "a trigger went to another broker; what it owes at the first waits there, and is delivered only if the field "
                    "is put back in time",
                    **fields,
                    until=timestamp(one.at + KEPT),
                )
            elif one.at == now:
                self._log.warning("a trigger went to another broker; it owed nothing at the first", **fields)

    def _uids_of(self, key: Key) -> list[str]:
        """The uid of an object, and those of former ones of its name."""
        found = [retired.uid for retired in self._retired.values() if retired.key == key]
        stored = self._store.get(key)
        return found if stored is None else [stored.uid, *found]

    async def _reconcile(self) -> None:
        stored = self._store.all()
        # In a thread: it is pure, and with ten thousand triggers it takes the better part of a second.
        result = await asyncio.to_thread(
            reconcile,
            [item.resource for item in stored],
            Observed(
                bases=self._bases,
                now=time.time(),
                uids={item.key: item.uid for item in stored},
                retired=self._retired,
                generations={item.key: item.generation for item in stored},
                channel=self._health,
                subscribed=self._subscribed,
                reports=self._reports,
                receivers=self._receivers,
                statuses={item.key: item.status for item in stored},
            ),
        )
        self._plan = result.plan
        for key, status in result.statuses.items():
            self._store.update_status(key, status)

    async def run(self) -> None:
        """Until cancelled: statuses follow what sources report and how the channel is."""
        while True:
            try:
                async with asyncio.timeout(HEALTH_EVERY):
                    await self._changed.wait()
            except TimeoutError:
                health = self._channel.health()
                if health == self._health:
                    continue
            self._changed.clear()
            self._health = self._channel.health()
            await self._reconcile()

    def retired(self) -> Sequence[Retired]:
        """Objects gone from the manifests of which something may still be stored."""
        return list(self._retired.values())

    def name_of(self, uid: str) -> str:
        """A retired object as a person knows it, `Kind namespace/name`; the uid where it is known no more."""
        retired = self._retired.get(uid)
        return uid if retired is None else retired.key.label

    async def forget(self, uid: str) -> None:
        """Nothing of a retired object is left in the channel. Raises `ChannelUnavailable`."""
        await self._identities.forget(uid)
        self._retired.pop(uid, None)
        self._changed.set()

    def conditions(self) -> Mapping[str, str]:
        """Not-Ready objects and why, `Kind namespace/name` to one line: for the log at start."""
        found = {}
        for item in self._store.all():
            for condition in item.status.get("conditions", ()):
                if condition["type"] == "Ready" and condition["status"] != "True":
                    found[item.key.label] = condition.get("message") or condition.get("reason") or "no reason given"
        return found
