"""A dispatcher on a channel with subscribers that misbehave at random, and the rules that order per key must keep.

The subscribers stand in the HTTP client's place, so that it is known when each attempt begins and ends, those cut off by a crash
included.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from eventing.dispatch.dispatcher import Dispatcher
from eventing.dispatch.settings import DispatchSettings
from eventing.errors import ChannelUnavailable, DeliveryFailed
from eventing.event import Event
from eventing.filters import compile_filter
from eventing.http.client_connection import ClientConnection, Done
from eventing.policy.delivery import DeliveryPolicy
from eventing.ports.channel import Channel, ChannelContext
from eventing.ports.http import Headers, Response
from eventing.ports.records import NewRecord, Settled, Settlement
from eventing.resources.plan import BrokerPlan, Plan, Target, TriggerPlan
from eventing.telemetry.logs import Log
from eventing.telemetry.metrics import Metrics

KEYS = ("a", "b", "c", "d", "e")
BAD = "bad"
"""A key whose events fail until `World.mend`."""
POLICY = DeliveryPolicy(retry=10**6, delay=0.002, cap=0.06, timeout=5.0, retry_after_max=0.02)
ENOUGH = 90.0


@dataclass
class Seen:
    """Of one trigger and key: what ended for good, what runs, and how far this life of the process has come."""

    ended: set[int] = field(default_factory=set)
    running: int | None = None
    reached: int = -1


class Subscribers:
    """An answer for each trigger and event; it fails some attempts at random, never more than three of one event, but for the
    bad key."""

    def __init__(self, chance: random.Random, strict: set[str]) -> None:
        self._chance, self._strict = chance, strict
        self.seen: dict[tuple[str, str], Seen] = defaultdict(Seen)
        self.expected: dict[str, list[int]] = defaultdict(list)
        self.failures: dict[tuple[str, int], int] = defaultdict(int)
        self.broken = chance.random() < 0.5
        self.faults: list[str] = []
        self.attempts = 0
        self.changed = asyncio.Event()

    # The client's part.

    async def send(self, url: str, headers: Headers, body: bytes, *, timeout: float, ca_certs: str | None = None) -> Response:
        return await self.exchange(url, self.head(url, self.block(headers), len(body)), body, deadline=0.0, timeout=timeout)

    def block(self, headers: Headers) -> bytes:
        return b"".join(b"%b: %b\r\n" % header for header in headers)

    def head(self, url: str, block: bytes, length: int) -> bytes:
        return block

    def begin(
        self, url: str, head: bytes, body: bytes, done: Done, *, timeout: float, ca_certs: str | None = None
    ) -> ClientConnection | None:
        return None  # no connection is free, ever: each attempt is an `exchange`

    async def exchange(
        self,
        url: str,
        head: bytes,
        body: bytes,
        *,
        deadline: float,
        timeout: float,
        ca_certs: str | None = None,
        fresh: bool = False,
    ) -> Response:
        trigger = url.rpartition("/")[2]
        attributes = dict(line.split(b": ", 1) for line in head.splitlines() if line)
        key, number = attributes[b"ce-partitionkey"].decode(), int(attributes[b"ce-id"])
        self.attempts += 1
        seen = self.seen[trigger, key]
        self._begin(trigger, key, number, seen)
        try:
            response = await self._answer(trigger, key, number)
        finally:
            if trigger.startswith("ordered"):
                seen.running = None
            self.changed.set()
        if response.status < 300 or response.status == 400:
            seen.ended.add(number)
        return response

    def _begin(self, trigger: str, key: str, number: int, seen: Seen) -> None:
        if not trigger.startswith("ordered"):
            return
        who = f"{trigger}, key {key}: {number}"
        if seen.running is not None:
            self.faults.append(f"{who} began while {seen.running} ran")
        if number < seen.reached:
            self.faults.append(f"{who} began after {seen.reached}")
        if trigger in self._strict:
            missing = [earlier for earlier in self.expected[key] if earlier < number and earlier not in seen.ended]
            if missing:
                self.faults.append(f"{who} began and {missing[0]} had not ended")
        seen.running, seen.reached = number, number

    async def _answer(self, trigger: str, key: str, number: int) -> Response:
        await asyncio.sleep(self._delay(trigger))
        tried = self.failures[trigger, number]
        if (key == BAD and self.broken) or (tried < 3 and self._chance.random() < 0.2):
            self.failures[trigger, number] += 1
            kind = self._chance.randrange(6)
            if kind == 0:
                raise DeliveryFailed("no answer", "timeout")
            if kind == 1 and key != BAD:
                return Response(429, [(b"retry-after", b"1")])
            return Response(500)
        return Response(400 if self._chance.random() < 0.02 and key != BAD else 204)

    def _delay(self, trigger: str) -> float:
        if trigger == "slow":
            return self._chance.choice((0.002, 0.02, 0.04))
        return self._chance.choice((0.0, 0.0, 0.0, 0.001, 0.003, 0.02))

    def crashed(self) -> None:
        """What ran is cut off, and what comes may begin again at an earlier event."""
        for seen in self.seen.values():
            seen.running, seen.reached = None, -1

    def missing(self, trigger: str, keys: tuple[str, ...]) -> int:
        return sum(len(set(self.expected[key]) - self.seen[trigger, key].ended) for key in keys)


class Failing:
    """A channel that stores nothing any more once it is ``dead``: what is settled from then on is lost with the process."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.dead = False
        self.slow = 0.0

    def __getattr__(self, name: str) -> object:
        return getattr(self.channel, name)

    async def settle(self, broker: str, settlement: Settlement) -> Settled:
        if self.slow:
            await asyncio.sleep(self.slow)
        if self.dead:
            raise ChannelUnavailable("the process is about to die")
        return await self.channel.settle(broker, settlement)


class World:
    """``open_channel`` makes the channel; a durable one is opened anew after each crash. ``strict``: triggers that are there,
    and ordered, from the first event on."""

    def __init__(self, folder: Path, seed: int, open_channel: Callable[[ChannelContext], Channel]) -> None:
        self._folder, self._open = folder, open_channel
        self.chance = random.Random(seed)
        self.log = Log(level="error")
        self.leap = 0.0
        self.serial = 0
        self.plans: dict[str, TriggerPlan] = {}
        self.subscribers = Subscribers(self.chance, {"ordered", "ordered-few"})
        self._channel: Channel | None = None
        self.failing: Failing
        self.dispatcher: Dispatcher
        self._task: asyncio.Task[None] | None = None
        for name in ("ordered", "ordered-few", "ordered-come-and-go", "plain", "slow", "sometimes"):
            self.trigger(name, ordered=name.startswith("ordered"))
        self.trigger("ordered-few", max_in_flight=2)
        self.trigger("slow", max_in_flight=3)

    def trigger(self, name: str, **changes: object) -> None:
        plan = self.plans.get(name) or TriggerPlan(
            name, "ns", name, "b", compile_filter(None, None), Target(f"http://s/{name}"), policy=POLICY
        )
        self.plans[name] = replace(plan, **changes)  # type: ignore[arg-type]

    async def start(self) -> None:
        if self._channel is None or self._channel.capabilities.durable:
            context = ChannelContext(self._folder, wall=lambda: time.time() + self.leap)
            self._channel = self._open(context)
            await self._channel.open()
        self.failing = Failing(self._channel)
        settings = DispatchSettings(
            window=self.chance.choice((8, 64, 1024)),
            hand_over_after=self.chance.choice((0.004, 0.02, 0.25)),
            memory_bytes=self.chance.choice((1 << 16, 1 << 28)),
            largest=1 << 12,
        )
        self.dispatcher = Dispatcher(
            self.failing,  # type: ignore[arg-type]
            self.subscribers,
            Metrics("test"),
            self.log,
            settings,
            fault=lambda _step: None,
            forgotten=lambda _uid: None,
        )
        self._task = asyncio.create_task(self.dispatcher.run())
        running = asyncio.create_task(self.dispatcher.running.wait())
        await asyncio.wait([running, self._task], return_when=asyncio.FIRST_COMPLETED)
        running.cancel()
        await self.apply()

    async def apply(self) -> None:
        await self.dispatcher.apply(Plan(brokers={"b": BrokerPlan("b", "ns", "b")}, triggers=dict(self.plans)))

    async def append(self, count: int) -> None:
        assert self._channel is not None
        events = []
        for _ in range(count):
            key = self.chance.choice((*KEYS, BAD))
            attributes = {"specversion": "1.0", "id": str(self.serial), "source": "/s", "type": "t", "partitionkey": key}
            events.append(NewRecord(Event(attributes, b"x" * self.chance.choice((0, 100, 1000)))))
            self.subscribers.expected[key].append(self.serial)
            self.serial += 1
        await self._channel.append("b", events)

    async def crash(self) -> None:
        """Nothing is stored from now on, deliveries go on for a moment, then the process is gone."""
        self.failing.dead = True
        await asyncio.sleep(self.chance.choice((0.0, 0.005, 0.03)))
        await self._end()
        self.subscribers.crashed()
        # Leases of a dead process: SQLite has none any more, in memory they lapse.
        self.leap += 1000.0

    async def restart(self) -> None:
        """In order; what was delivered is settled."""
        assert await self.dispatcher.drain(20.0)
        await self._end()
        self.leap += 1000.0

    async def _end(self) -> None:
        assert self._task is not None
        assert self._channel is not None
        self._task.cancel()
        await asyncio.wait([self._task])
        if not self._task.cancelled() and self._task.exception() is not None:
            raise self._task.exception()  # type: ignore[misc]
        if self._channel.capabilities.durable:
            await self._channel.close()

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(ENOUGH):
                while not condition():
                    self.subscribers.changed.clear()
                    await self.subscribers.changed.wait()
        except TimeoutError:
            raise AssertionError(f"not within {ENOUGH:g} s: {what}; {self.subscribers.faults[:5]}") from None

    async def close(self) -> None:
        await self._end()
        if self._channel is not None:
            await self._channel.close()
        self.log.close()
