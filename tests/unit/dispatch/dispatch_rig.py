"""A dispatcher on a real channel with real HTTP subscribers, in the test's process."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from eventing.bindings import http as binding
from eventing.dispatch.dispatcher import Dispatcher
from eventing.dispatch.ingress import BrokerIngress
from eventing.dispatch.lane import DeliveryLane
from eventing.dispatch.settings import DispatchSettings
from eventing.errors import ChannelUnavailable
from eventing.event import Event
from eventing.filters import Filter, compile_filter
from eventing.http.client import HttpClient
from eventing.http.resolver import Resolver
from eventing.http.server import HttpServer
from eventing.policy.delivery import DeliveryPolicy
from eventing.ports.channel import Channel, ChannelContext, Reader
from eventing.ports.http import Headers, Request, Response
from eventing.ports.records import Lane, NewRecord, Settled, Settlement
from eventing.resources.plan import BrokerPlan, Plan, Target, TriggerPlan
from eventing.telemetry.logs import Log
from eventing.telemetry.metrics import Metrics
from eventing_channels.sqlite import open_channel

EVERYTHING: Filter = compile_filter(None, None)
PATIENCE = 60.0


def event(number: int, type_: str = "a", **extensions: str) -> Event:
    attributes = {"specversion": "1.0", "id": str(number), "source": "/test", "type": type_, **extensions}
    return Event(attributes, b"payload %d" % number)


def only(type_: str) -> Filter:
    return compile_filter([{"exact": {"type": type_}}], None)


class Subscriber:
    """Notes each delivery; ``answer`` decides what is sent back (204 by default). ``most``: the most at once so far."""

    def __init__(self) -> None:
        self.deliveries: list[tuple[Event, Request]] = []
        self.running = 0
        self.most = 0
        self.answer: Callable[[Event, int], Response | Awaitable[Response]] = lambda _event, _times: Response(204)
        self.url = ""
        self._changed = asyncio.Event()

    async def handle(self, request: Request) -> Response:
        [received] = binding.decode(request.headers, request.body)
        self.running += 1
        self.most = max(self.most, self.running)
        self.deliveries.append((received, request))
        self._changed.set()
        try:
            answer = self.answer(received, self.ids()[received.id])
            return answer if isinstance(answer, Response) else await answer
        finally:
            self.running -= 1
            self._changed.set()

    def ids(self) -> Counter[str]:
        return Counter(received.id for received, _ in self.deliveries)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition that only deliveries change."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def got(self, number: int) -> None:
        """Wait until that many different events were delivered."""
        await self.until(lambda: len(self.ids()) >= number)


def once_set(gate: asyncio.Event) -> Callable[[Event, int], Awaitable[Response]]:
    """An answer of 204, not before the gate is set."""

    async def answer(_event: Event, _times: int) -> Response:
        await gate.wait()
        return Response(204)

    return answer


async def never(_event: Event, _times: int) -> Response:
    """No answer."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError


async def eventually(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wait for something that announces itself to nobody."""
    async with asyncio.timeout(PATIENCE):
        while True:
            result = condition()
            if result if isinstance(result, bool) else await result:
                return
            await asyncio.sleep(0.005)


class Rig:
    """``start`` and ``stop`` may be repeated: the channel is opened anew on the same file."""

    def __init__(self, folder: Path, settings: DispatchSettings, wrap: Callable[[Channel], Channel]) -> None:
        self._folder = folder
        self._settings = settings
        self._wrap = wrap
        self.log = Log(level="error")
        self.leap = 0.0
        """Seconds that the channel's clock is ahead."""
        self.triggers: dict[str, TriggerPlan] = {}
        self.brokers = {"b": BrokerPlan("b", "ns", "b")}
        self.metrics = Metrics("test")
        self.channel: Channel
        self.dispatcher: Dispatcher
        self._task: asyncio.Task[None] | None = None
        self._client: HttpClient | None = None

    def trigger(self, uid: str, url: str, filter_: Filter = EVERYTHING, broker: str = "b", **more: object) -> None:
        plan = TriggerPlan(uid, "ns", uid, broker, filter_, Target(url))
        self.triggers[uid] = replace(plan, **more)  # type: ignore[arg-type]

    async def start(self) -> None:
        self.metrics = Metrics("test")
        self.channel = self._wrap(open_channel("sqlite", self._context()))
        await self.channel.open()
        self._client = HttpClient(resolver=Resolver(log=self.log), log=self.log)
        self.dispatcher = Dispatcher(
            self.channel,
            self._client,
            self.metrics,
            self.log,
            self._settings,
            fault=lambda _step: None,
            forgotten=lambda _uid: None,
        )
        self._task = asyncio.create_task(self.dispatcher.run())
        running = asyncio.create_task(self.dispatcher.running.wait())
        await asyncio.wait([running, self._task], return_when=asyncio.FIRST_COMPLETED)
        running.cancel()
        await self.apply()

    def _context(self) -> ChannelContext:
        return ChannelContext(self._folder, wall=lambda: time.time() + self.leap)

    async def apply(self) -> None:
        await self.dispatcher.apply(Plan(brokers=dict(self.brokers), triggers=dict(self.triggers)))

    async def append(self, *events: Event, broker: str = "b") -> None:
        await self.channel.append(broker, [NewRecord(item) for item in events])

    async def post(self, headers: Headers, body: bytes = b"{}", broker: str = "b") -> int:
        """A request at the front door; the status of its answer."""
        ingress = BrokerIngress(self.channel, broker, self.metrics.broker(broker, f"ns/{broker}"))
        answer = ingress.handle(Request("POST", f"/ns/{broker}", "", headers, body))
        return (answer if isinstance(answer, Response) else await answer).status

    async def stop(self, *, drain: float | None = None) -> bool:
        """Without ``drain``: cut off, as a crash does, but for what the channel itself had accepted."""
        done = True if drain is None else await self.dispatcher.drain(drain)
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            if not self._task.cancelled() and self._task.exception() is not None:
                raise self._task.exception()  # type: ignore[misc]
            self._task = None
        if self._client is not None:
            await self._client.close()
            self._client = None
        await self.channel.close()
        return done

    async def close(self) -> None:
        if self._task is not None:
            await self.stop()
        self.log.close()

    async def waiting(self) -> Mapping[tuple[str, int], int]:
        """Backlog entries by trigger and lane, as the channel has them."""
        return {(state.trigger, int(state.lane)): state.entries for state in await self.channel.backlog.states("b")}

    def lane(self, trigger: str, lane: Lane = Lane.SUBSCRIBER, broker: str = "b") -> DeliveryLane:
        """The dispatcher's own view of a lane."""
        return self.dispatcher.broker(broker).lanes[trigger, lane]

    async def drained(self) -> None:
        """Wait until nothing is in the window: each event read was delivered or handed over, and settled."""
        await eventually(lambda: self.window() == 0)

    def window(self) -> int:
        gauges = self.metrics.brokers["b"].gauges
        assert gauges is not None
        return gauges().window + gauges().lag

    def stored(self, trigger: str) -> int:
        """Letters of a trigger in the built-in store, as the metrics have them."""
        gauges = self.metrics.triggers[trigger].gauges
        assert gauges is not None
        return gauges().dead_letters

    async def idle(self) -> None:
        """Wait until everything is settled: nothing in the window, no entry left, and no slot, lease or byte held by anyone."""

        async def nothing_left() -> bool:
            return self.window() == 0 and not self.holding() and not await self.waiting()

        await eventually(nothing_left)

    def holding(self) -> bool:
        lanes = self.dispatcher.broker("b").lanes.values()
        return self.dispatcher.shares.used > 0 or any(
            lane.running or lane.gate.running or lane.queue or lane.held for lane in lanes
        )


class Flaky:
    """A channel whose `settle` fails for a while: ``before`` it is done, or ``after`` (outcome unknown to the caller)."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.failures: list[str] = []
        self.calls = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._channel, name)

    async def settle(self, broker: str, settlement: object) -> object:
        self.calls += 1
        how = self.failures.pop(0) if self.failures else ""
        if how == "before":
            raise ChannelUnavailable("not now")
        settled = await self._channel.settle(broker, settlement)  # type: ignore[arg-type]
        if how == "after":
            raise ChannelUnavailable("lost the answer")
        return settled


class Troubled:
    """A channel of which some calls fail, by name (``failing``), or wait before (``held``) or after they are done (``late``).
    ``calls`` counts all of them, ``settlements`` keeps the sizes of each: events, hand-overs, results; ``leases`` the tokens of
    what was handed over while it ran."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.failing: set[str] = set()
        self.held: dict[str, asyncio.Event] = {}
        self.late: dict[str, asyncio.Event] = {}
        self.leases: list[str] = []
        self.calls: Counter[str] = Counter()
        self.settlements: list[tuple[int, int, int]] = []
        self.backlog = _Part(self, channel.backlog)
        self.dead_letters = _Part(self, channel.dead_letters)

    def __getattr__(self, name: str) -> object:
        return getattr(self._channel, name)

    async def check(self, name: str) -> None:
        self.calls[name] += 1
        if name in self.failing:
            raise ChannelUnavailable("not now")
        if name in self.held:
            await self.held[name].wait()

    async def reader(self, *arguments: str) -> Reader:
        await self.check("reader")
        return await self._channel.reader(*arguments)

    async def ensure_broker(self, broker: str) -> None:
        await self.check("ensure_broker")
        await self._channel.ensure_broker(broker)

    async def settle(self, broker: str, settlement: Settlement) -> Settled:
        await self.check("settle")
        self.leases += [entry.lease.token for entry in settlement.handovers if entry.lease is not None]
        self.settlements.append((len(settlement.done), len(settlement.handovers), len(settlement.results)))
        settled = await self._channel.settle(broker, settlement)
        if "settle" in self.late:
            await self.late["settle"].wait()
        return settled


class _Part:
    """One of the channel's other ports."""

    def __init__(self, whole: Troubled, part: object) -> None:
        self._whole, self._part = whole, part

    def __getattr__(self, name: str) -> Callable[..., Awaitable[object]]:
        async def call(*arguments: object) -> object:
            await self._whole.check(name)
            answer: object = await getattr(self._part, name)(*arguments)
            if name in self._whole.late:
                await self._whole.late[name].wait()
            return answer

        return call


def troubled() -> tuple[list[Troubled], Callable[[Channel], Channel]]:
    """For `rig`: the channels made so far, and what wraps them."""
    made: list[Troubled] = []

    def wrap(channel: Channel) -> Channel:
        made.append(Troubled(channel))
        return made[-1]  # type: ignore[return-value]

    return made, wrap


@asynccontextmanager
async def rig(
    folder: Path, *, wrap: Callable[[Channel], Channel] = lambda channel: channel, **settings: float
) -> AsyncIterator[Rig]:
    made = Rig(folder, replace(DispatchSettings(), **settings), wrap)  # type: ignore[arg-type]
    try:
        yield made
    finally:
        await made.close()


@asynccontextmanager
async def subscribers(number: int) -> AsyncIterator[list[Subscriber]]:
    log = Log(level="error")
    async with AsyncExitStack() as stack:
        stack.callback(log.close)
        made = []
        for _ in range(number):
            subscriber = Subscriber()
            server = HttpServer(subscriber.handle, log=log)
            subscriber.url = f"http://127.0.0.1:{await server.start()}/"
            stack.push_async_callback(server.close)
            made.append(subscriber)
        yield made


RETRY_TWICE = DeliveryPolicy(retry=2, delay=0.01, timeout=5.0)
