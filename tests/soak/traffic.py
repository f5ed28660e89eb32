"""Who sends: a steady stream of events of all kinds, each noted before it goes and when its answer comes."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from eventing.errors import DeliveryFailed
from eventing.http.client import HttpClient
from eventing.http.limits import ClientLimits
from eventing.http.resolver import Resolver
from tests.soak import landscape, payload
from tests.soak.ledger import Ledger
from tests.soak.order import Order
from tests.support.subscriber import Quiet

AT_ONCE = 48
TICK = 0.05
KEYS = 12
TO_OTHER = 0.1
BATCHES = 0.05
STRUCTURED = 0.25
EXPIRING = 0.02
SINGLE = [(b"content-type", b"application/cloudevents+json")]
BATCH = [(b"content-type", b"application/cloudevents-batch+json")]


@dataclass(frozen=True, slots=True)
class _Made:
    """One event: its id, type, what it carries beside."""

    id: str
    type: str
    length: int
    more: dict[str, str]


class Traffic:
    """``rate``: events per second. ``url``: of a broker. `run` goes on while ``open`` is set, and waits while ``up`` is not."""

    def __init__(self, rate: float, chance: random.Random, ledger: Ledger, order: Order, url: Callable[[str], str]) -> None:
        self._rate, self._chance, self._ledger, self._order, self._url = rate, chance, ledger, order, url
        log = Quiet()
        self._client = HttpClient(limits=ClientLimits(max_per_origin=AT_ONCE), resolver=Resolver(log=log), log=log)
        self._free_keys = [f"key-{number}" for number in range(KEYS)]
        self._slots = asyncio.Semaphore(AT_ONCE)
        self.open, self.up = asyncio.Event(), asyncio.Event()
        self.up.set()
        self.statuses: Counter[int] = Counter()

    async def run(self) -> None:
        """Every request that was begun is ended when this ends."""
        loop = asyncio.get_running_loop()
        due, last = 0.0, loop.time()
        async with asyncio.TaskGroup() as group:
            while self.open.is_set():
                await asyncio.sleep(TICK)
                await self.up.wait()
                now = loop.time()
                due, last = min(due + (now - last) * self._rate, self._rate), now
                while due >= 1 and self.open.is_set() and self.up.is_set():
                    await self._slots.acquire()
                    due -= self._begin(group)

    async def close(self) -> None:
        await self._client.close()

    def _begin(self, group: asyncio.TaskGroup) -> int:
        """Start one request; how many events it has."""
        broker = landscape.OTHER if self._chance.random() < TO_OTHER else landscape.MAIN
        count = self._chance.randint(2, 20) if self._chance.random() < BATCHES else 1
        events = [self._make(alone=count == 1 and broker == landscape.MAIN) for _ in range(count)]
        for event in events:
            self._ledger.sent(event.id, landscape.wanted_by(broker, event.type), expires="expirytime" in event.more)
        group.create_task(self._send(broker, events)).add_done_callback(lambda _task: self._slots.release())
        return count

    def _make(self, *, alone: bool) -> _Made:
        (type_,) = self._chance.choices(list(landscape.WEIGHTS), list(landscape.WEIGHTS.values()))
        if type_ == landscape.KEY and not (alone and self._free_keys):
            type_ = landscape.PLAIN
        more: dict[str, str] = {}
        if type_ == landscape.KEY:
            more["partitionkey"] = self._free_keys.pop(self._chance.randrange(len(self._free_keys)))
        elif self._chance.random() < EXPIRING:
            end = datetime.now(UTC) + timedelta(seconds=self._chance.choice((1, 30)))
            more["expirytime"] = end.isoformat().replace("+00:00", "Z")
        return _Made(f"e-{self._ledger.number()}", type_, payload.size(self._chance), more)

    async def _send(self, broker: str, events: Sequence[_Made]) -> None:
        headers, body = self._message(events)
        try:
            answer = await self._client.send(self._url(broker), headers, body, timeout=60)
            status = answer.status
        except DeliveryFailed:
            status = 0
        self.statuses[status] += 1
        for event in events:
            if status == 202:
                self._ledger.accept(event.id)
            elif status in {0, 503}:
                self._ledger.doubt(event.id)
            else:
                self._ledger.refuse(event.id)
            key = event.more.get("partitionkey")
            if key is not None:
                if status == 202 and self._ledger.owes(landscape.ORDERED, event.id):
                    self._order.accept(key, event.id)
                self._free_keys.append(key)

    def _message(self, events: Sequence[_Made]) -> tuple[list[tuple[bytes, bytes]], bytes]:
        if len(events) > 1:
            return BATCH, json.dumps([payload.as_json(e.id, e.type, e.length, **e.more) for e in events]).encode()
        event = events[0]
        if self._chance.random() < STRUCTURED:
            return SINGLE, json.dumps(payload.as_json(event.id, event.type, event.length, **event.more)).encode()
        return payload.as_binary(event.id, event.type, event.length, **event.more)
