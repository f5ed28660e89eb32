"""Requests to the writer thread, and the queue they wait in: bounded in bytes, in number and in time."""

from __future__ import annotations

import asyncio
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from math import inf
from typing import Any, ClassVar

from eventing.errors import ChannelFull, ChannelUnavailable
from eventing_channels.sqlite.transaction import Transaction

LAZY = 0.02
"""Seconds that a job which nobody waits for may be put off, to share the commit of the next that is urgent."""

GATHER, COMPANY, ENOUGH = 0.0025, 16, 64
"""Seconds from one commit's begin to the next one's where `COMPANY` events came together: more then share the next. With
`ENOUGH` events a commit needs no more."""

QUICK, SLOW_SHARE, LONGEST = 0.005, 0.2, 0.01
"""Where a commit took longer than `QUICK` seconds, that share of what it took more is waited after its end, `LONGEST` at most.
Those who got an answer by it send their next only then: without a pause they would come just too late each time, half of them
in one commit and half in the next, and each would wait for two."""

BATCH_JOBS = 1024
BATCH_BYTES = 8 << 20
MAX_JOBS = 65_536


class Job(ABC):
    """``future`` belongs to the event loop; the writer thread sets ``outcome`` or ``error`` and hands the job back. ``size``:
    bytes, ``events``: how many, of what is appended.

    ``writes``: it needs the write transaction. Others run between transactions and see only what is committed. ``lazy``: it
    may wait `LAZY` seconds for others.
    """

    __slots__ = ("error", "events", "future", "handed_back", "outcome", "queued", "size")
    writes: ClassVar[bool] = True
    is_append: ClassVar[bool] = False
    lazy: bool = False

    def __init__(self, future: asyncio.Future[Any], size: int = 0, events: int = 0) -> None:
        self.future = future
        self.size = size
        self.events = events
        self.queued = time.monotonic()
        self.outcome: Any = None
        self.error: BaseException | None = None
        self.handed_back = False

    @abstractmethod
    def run(self, tx: Transaction) -> Any:
        """In the writer thread. Raises `Refusal` before it wrote anything; any other error rolls the transaction back."""

    def committed(self) -> None:  # noqa: B027 (most jobs need nothing here)
        """On the event loop, after the commit, also where nobody waits for the future any more."""

    def abandoned(self) -> None:  # noqa: B027
        """On the event loop, after `committed`, where nobody waits for the outcome any more."""

    def finish(self) -> None:
        """On the event loop: tell the one who waits."""
        if self.error is None:
            self.committed()
        if self.future.done():
            if self.error is None:
                self.abandoned()
        elif self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.outcome)


class JobQueue:
    """Between the event loop and the writer thread."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._events = 0
        self._appends: deque[Job] = deque()
        self._others: deque[Job] = deque()
        self._condition = threading.Condition(threading.Lock())
        self._urgent = 0
        self._lazy_until = inf
        self._began: float | None = None
        self._ended = 0.0
        self._idle = False
        self._poked = False
        self._closed = False

    def put(self, job: Job) -> None:
        """Raises `ChannelFull` (too many bytes of appends wait), `ChannelUnavailable` (too many requests wait)."""
        with self._condition:
            if job.is_append:
                if self._bytes + job.size > self._max_bytes and self._bytes:
                    raise ChannelFull(f"{self._bytes} bytes of appends wait already, the bound is {self._max_bytes}")
                if len(self._appends) >= MAX_JOBS:
                    raise ChannelFull(f"{MAX_JOBS} appends wait already")
                self._bytes += job.size
                self._events += job.events
                self._appends.append(job)
            else:
                if len(self._others) >= MAX_JOBS:
                    raise ChannelUnavailable(f"{MAX_JOBS} requests wait already")
                self._others.append(job)
                if not job.lazy:
                    self._urgent += 1
                elif self._lazy_until == inf:
                    self._lazy_until = job.queued + LAZY
                else:
                    return
            if self._idle:
                self._condition.notify()

    def take(self, timeout: float) -> Sequence[Job]:
        """What waits, at most a batch; empty after ``timeout`` seconds, or at once after `poke` and `close`. By the writer's
        thread alone."""
        self._ended = time.monotonic()
        with self._condition:
            self._wait(timeout)
            pause = self._pause()
            if pause > 0 and not self._closed:
                self._condition.release()
                try:
                    time.sleep(pause)
                finally:
                    self._condition.acquire()
            self._poked = False
            batch: list[Job] = []
            if self._urgent or self._closed or self._lazy_until <= time.monotonic():
                while self._others and len(batch) < BATCH_JOBS:
                    job = self._others.popleft()
                    self._urgent -= not job.lazy
                    batch.append(job)
                self._lazy_until = self._others[0].queued + LAZY if self._others else inf
            size = events = 0
            while self._appends and len(batch) < BATCH_JOBS and (not size or size + self._appends[0].size <= BATCH_BYTES):
                job = self._appends.popleft()
                size += job.size
                events += job.events
                batch.append(job)
            self._bytes -= size
            self._events -= events
            self._began = time.monotonic() if events >= COMPANY else None
            return batch

    def _pause(self) -> float:
        """Seconds to wait for more events, where the last commit had company."""
        if self._began is None:
            return 0.0
        now = time.monotonic()
        quick = 0.0 if self._events >= ENOUGH else self._began + GATHER - now
        return max(quick, self._ended + min(LONGEST, (self._ended - self._began - QUICK) * SLOW_SHARE) - now)

    def _wait(self, timeout: float) -> None:
        until = time.monotonic() + timeout
        while not self._appends and not self._urgent and not self._poked and not self._closed:
            left = min(until, self._lazy_until) - time.monotonic()
            if left <= 0:
                return
            self._idle = True
            self._condition.wait(left)
            self._idle = False

    def poke(self) -> None:
        """Wake the writer for its upkeep."""
        with self._condition:
            self._poked = True
            self._condition.notify()

    def expire(self, before: float) -> list[Job]:
        """Take back appends queued before that (monotonic) time: the writer never saw them."""
        expired: list[Job] = []
        with self._condition:
            while self._appends and self._appends[0].queued <= before:
                job = self._appends.popleft()
                self._bytes -= job.size
                self._events -= job.events
                expired.append(job)
        return expired

    def take_all(self) -> list[Job]:
        """Everything that waits, to be failed."""
        with self._condition:
            jobs = [*self._others, *self._appends]
            self._others.clear()
            self._appends.clear()
            self._bytes = self._events = self._urgent = 0
            self._lazy_until = inf
            return jobs

    def oldest_append(self) -> float | None:
        """When the append that waits longest was queued (monotonic), None where none waits."""
        with self._condition:
            return self._appends[0].queued if self._appends else None

    def close(self) -> None:
        """Nothing is put any more; the writer empties the queue and ends."""
        with self._condition:
            self._closed = True
            self._condition.notify()

    def pause(self, timeout: float) -> bool:
        """Wait while the file can't be opened; True where the queue was closed."""
        with self._condition:
            if not self._closed:
                self._condition.wait_for(lambda: self._closed, timeout)
            return self._closed

    @property
    def closed(self) -> bool:
        with self._condition:
            return self._closed

    @property
    def empty(self) -> bool:
        with self._condition:
            return not self._appends and not self._others


def end_future(
    future: asyncio.Future[None], error: BaseException | None = None, before: asyncio.Future[None] | None = None
) -> None:
    """End a future, unless it has ended already. ``before``: one that has ended for whoever waits for the first. An error that
    nobody waits for any more, because he was cancelled or the event loop has stopped, is no complaint."""
    if before is not None:
        end_future(before)
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
        future.exception()
