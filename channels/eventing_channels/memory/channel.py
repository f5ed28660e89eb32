"""The memory channel: every step is done at once, on the event loop, so the ports' rules are easy to see here."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from eventing.errors import ChannelBusy, ChannelClosed, ChannelError, ChannelFull, Fenced
from eventing.ports.backlog import Backlog
from eventing.ports.channel import Capabilities, ChannelContext, Health, Reader
from eventing.ports.checkpoints import Checkpoints
from eventing.ports.dead_letters import DeadLetters
from eventing.ports.documents import Documents
from eventing.ports.leases import Leases
from eventing.ports.records import EntryKey, EntryResult, Fence, Lane, NewEntry, NewRecord, Position, Settled, Settlement
from eventing.ports.watermark import Watermark
from eventing_channels.clock import Clock
from eventing_channels.memory.backlog import MemoryBacklog
from eventing_channels.memory.dead_letters import MemoryDeadLetters
from eventing_channels.memory.documents import MemoryDocuments
from eventing_channels.memory.lane import LaneStore
from eventing_channels.memory.leases import MemoryCheckpoints, MemoryLeases
from eventing_channels.memory.log import OVERHEAD, LogStore, MemoryReader

DURABILITY = "none: what is stored is gone with the process"


class MemoryChannel:
    """See `eventing.ports.channel.Channel`. ``max_bytes``: of all events and dead letters; beyond it appends are refused, while
    settling goes on."""

    capabilities = Capabilities(durable=False, shared=False, ordered=True, runs=True)

    def __init__(self, context: ChannelContext, max_bytes: int, retention: float) -> None:
        self._context, self._max_bytes, self._retention = context, max_bytes, retention
        self._clock: Clock | None = None
        self._closed = False
        self._logs: dict[str, LogStore] = {}
        self._used: dict[str, Position] = {}
        self._dead = MemoryDeadLetters(self._check_open)
        self._leases = MemoryLeases(self.now)
        self._documents = MemoryDocuments(self._check_open)
        self.backlog: Backlog = MemoryBacklog(self._log, self.now)
        self.dead_letters: DeadLetters = self._dead
        self.checkpoints: Checkpoints = MemoryCheckpoints(self._check_fence, self._check_open)
        self.leases: Leases = self._leases
        self.documents: Documents = self._documents

    async def open(self) -> None:
        if self._clock is not None:
            raise ChannelBusy("the channel was opened already; make a new one")
        self._clock = Clock(self._context.wall)

    async def close(self) -> None:
        self._closed = True
        closed = ChannelClosed("the channel is closed")
        for log in self._logs.values():
            for reader in list(log.readers.values()):
                reader.end(closed)
        self._documents.wake()

    def now(self) -> float:
        self._check_open()
        assert self._clock is not None
        return self._clock.now()

    def health(self) -> Health:
        if self._clock is None or self._closed:
            return Health(False, DURABILITY, "Closed", "the channel isn't open")
        if self._bytes >= self._max_bytes:
            return Health(False, DURABILITY, "StorageFull", self._full(self._bytes))
        return Health(True, DURABILITY)

    async def ensure_broker(self, broker: str) -> None:
        self._check_open()
        if broker not in self._logs:
            used = self._used.get(broker, 0)
            self._logs[broker] = LogStore(broker, last=used, swept=used, watermarks={"main": Watermark(used)})

    async def drop_broker(self, broker: str) -> None:
        log = self._log(broker)
        del self._logs[broker]
        self._used[broker] = log.last
        for reader in list(log.readers.values()):
            reader.end(KeyError(broker))

    def append(self, broker: str, records: Sequence[NewRecord]) -> asyncio.Future[Sequence[Position]]:
        future: asyncio.Future[Sequence[Position]] = asyncio.get_running_loop().create_future()
        try:
            log = self._log(broker)
            bytes_ = self._bytes
            if bytes_ + sum(record.size + OVERHEAD for record in records) > self._max_bytes:
                raise ChannelFull(self._full(bytes_))
            future.set_result(log.append(records, self.now()))
        except (ChannelError, KeyError) as error:
            future.set_exception(error)
        return future

    async def reader(self, broker: str, group: str = "main") -> Reader:
        log = self._log(broker)
        if group in log.readers:
            raise ChannelBusy(f"group {group!r} of this broker has a reader in this process already")
        watermark = log.watermarks.setdefault(group, Watermark(log.swept))
        reader = log.readers[group] = MemoryReader(log, group, watermark)
        return reader

    async def settle(self, broker: str, settlement: Settlement) -> Settled:
        log = self._log(broker)
        self._check_fence(settlement.fence)
        behind: set[EntryKey] = set()
        for entry in settlement.handovers:
            self._insert(log, entry)
            if entry.ordering_key is not None and log.is_behind(entry.key):
                behind.add(entry.key)
        lost: set[EntryKey] = set()
        fronts: dict[tuple[str, Lane], float] = {}
        replies, dead = list(settlement.replies), list(settlement.dead)
        for result in settlement.results:
            if self._end_attempt(log, result, fronts):
                replies.extend(result.replies)
                dead.extend(result.dead)
            else:
                lost.add(result.key)
        if replies:
            log.append(replies, self.now())
        known = frozenset((letter.trigger, letter.position) for letter in dead if not self._dead.bury(broker, letter))
        if settlement.done and settlement.group in log.watermarks:
            log.watermarks[settlement.group].apply(settlement.done)
        log.sweep(self.now() - self._retention)
        return Settled(frozenset(lost), known, frozenset(behind), fronts)

    async def trim(self, broker: str) -> int:
        return self._log(broker).sweep(self.now() - self._retention)

    def _end_attempt(self, log: LogStore, result: EntryResult, fronts: dict[tuple[str, Lane], float]) -> bool:
        lane = log.lanes.get((result.key.trigger, int(result.key.lane)))
        if lane is None or lane.held(result.key, result.token) is None:
            return False
        again, now = result.then is not None and result.then.key == result.key, self.now()
        front = lane.change(result.then, now) if again and result.then is not None else lane.delete(result.key.position, now)
        if front is not None:
            which = (result.key.trigger, result.key.lane)
            fronts[which] = min(front, fronts.get(which, front))
        if again:
            return True
        if result.then is not None:
            self._insert(log, result.then)
        log.release(result.key.position)
        return True

    def _insert(self, log: LogStore, entry: NewEntry) -> None:
        record = log.records.get(entry.key.position)
        if record is None:
            self._context.log("hand-over of an event that is no longer kept", {"trigger": entry.key.trigger})
            return
        lane = log.lanes.setdefault((entry.key.trigger, int(entry.key.lane)), LaneStore())
        if lane.insert(entry, record.size + OVERHEAD, self.now()):
            log.refer(entry.key.position)

    @property
    def _bytes(self) -> int:
        return sum(log.bytes for log in self._logs.values()) + self._dead.bytes

    def _full(self, used: int) -> str:
        return f"events in memory take {used} bytes, the bound is {self._max_bytes}"

    def _check_fence(self, fence: Fence | None) -> None:
        if fence is not None and not self._leases.holds(fence):
            raise Fenced(f"the lease {fence.lease!r} (token {fence.token}) is no longer held")

    def _check_open(self) -> None:
        if self._clock is None or self._closed:
            raise ChannelClosed("the channel isn't open")

    def _log(self, broker: str) -> LogStore:
        self._check_open()
        return self._logs[broker]
