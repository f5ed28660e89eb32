"""A soak: the program under mixed load for as long as one likes. First a calm part, in which it is never restarted and its memory
and metrics are watched; then a storm of kills, stops and changed manifests; at last everything must have ended."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path

from eventing.dispatch.settings import DispatchSettings
from tests.fuzz.findings import Findings
from tests.fuzz.program import Watch
from tests.soak import accounts, landscape
from tests.soak.faults import BAD, Mood
from tests.soak.ledger import Ledger
from tests.soak.order import Order
from tests.soak.subscribers import Subscribers
from tests.soak.summary import Summary
from tests.soak.traffic import Traffic
from tests.support.process import EventingProcess

LOOK = 1.0
SPARE_DESCRIPTORS = 4
"""How many more may be open at the end than before: the store opens some files late."""


@dataclass(frozen=True, slots=True)
class Options:
    """``seconds``: of sending. ``calm``: which part of them is without restarts. ``rate``: events per second. ``idle``: triggers
    that match nothing. ``ordered``: whether one trigger asks for order per key. ``patience``: seconds within which everything
    must end once the faults are over; a retry may wait 10 minutes."""

    seconds: float = 300.0
    calm: float = 0.5
    rate: float = 150.0
    idle: int = 20
    ordered: bool = False
    patience: float = 700.0
    every: float = 60.0


class Soak:
    def __init__(self, folder: Path, seed: int, options: Options, *, tell: Callable[[str], None] = print) -> None:
        self._options, self._tell = options, tell
        self._chance = random.Random(seed)
        self.findings = Findings(seed, tell)
        self.ledger = Ledger(self.findings)
        self._order = Order(self.findings, options.ordered)
        self._subscribers = Subscribers(random.Random(f"{seed} subscribers"), self.ledger, self._order, self.findings)
        self._process = EventingProcess(folder, [])
        self._process.allow_traceback = True  # the watch tells of it, with all the rest
        self._watch = Watch(self._process, self.findings)
        self._letters = accounts.DeadLetters(self._process, self.ledger, self._order)
        self._traffic = Traffic(options.rate, random.Random(f"{seed} traffic"), self.ledger, self._order, self._process.url)
        self.summary = Summary(seed)
        self._began = time.monotonic()
        self._restarting = asyncio.Lock()
        self._counting: tuple[list[int], int] | None = None
        most = max(len(landscape.wanted_by(landscape.MAIN, type_)) for type_ in (*landscape.WEIGHTS, landscape.REPLY))
        # Of each broker a window, for as many triggers as an event has there, and results of its backlogs that were not settled.
        self.summary.bound = DispatchSettings().window * (most + 1 + len((landscape.MAIN, landscape.OTHER)))

    async def run(self) -> Summary:
        options = self._options
        await self._subscribers.start()
        try:
            self._write()
            await self._process.start()
            idle = self._descriptors()
            watching = asyncio.create_task(self._look())
            try:
                if options.calm > 0:
                    await self._calm(options.seconds * options.calm)
                if options.calm < 1:
                    await self._storm(options.seconds * (1 - options.calm))
                await self._finish(idle)
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
            await self._watch.end()
        finally:
            await self._traffic.close()
            self._process.end()
            await self._subscribers.close()
        self._fill()
        return self.summary

    def lines(self) -> list[str]:
        return self.summary.lines(self.ledger)

    # The parts.

    async def _calm(self, seconds: float) -> None:
        began = time.monotonic()
        sampling = asyncio.create_task(self._sample(began))
        await self._send(seconds, self._trouble())
        sampling.cancel()
        await asyncio.gather(sampling, return_exceptions=True)
        self._subscribers.calm = True
        await self._ended("parked", "crawling", "limited")
        page = await self._process.metrics()
        accounts.balance(page, self.ledger, self.findings)
        self._subscribers.calm = False
        self._watch.judge()
        self._watch.rss.clear()  # a restart begins with little
        if self.ledger.repeats:
            self.findings.add("repeated without a crash", str(dict(self.ledger.repeats)))
        self._report("the calm part ended")

    async def _storm(self, seconds: float) -> None:
        await self._send(seconds, self._trouble(), self._restarts(seconds))
        self._report("the storm ended")

    async def _finish(self, idle: int) -> None:
        """Everything that is owed ends, and nothing is left open."""
        self._subscribers.calm = True
        await self._restart(kill=False, open_=True)
        await self._ended()
        self._count()
        self.summary.cpu += self._process.cpu()
        for trigger, id_ in self.ledger.open()[:20]:
            self.findings.add("lost", f"{id_} at {trigger}")
        await self._subscribers.stop()
        await self._traffic.close()
        most = max((idle, *self._watch.descriptors))
        await self._within(30, lambda: self._descriptors() <= idle + SPARE_DESCRIPTORS)
        self.summary.descriptors = (idle, most, self._descriptors())
        if self._descriptors() > idle + SPARE_DESCRIPTORS:
            self.findings.add("descriptors left", f"{self._descriptors()} are open, {idle} were before")
        self._fill()

    async def _send(self, seconds: float, *troubles: Coroutine[None, None, None]) -> None:
        self._traffic.open.set()
        tasks = [asyncio.create_task(trouble) for trouble in troubles]
        sending = asyncio.create_task(self._traffic.run())
        try:
            await asyncio.wait([sending, *tasks], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            async with self._restarting:  # nothing is torn down in the middle of a restart
                for task in tasks:
                    task.cancel()
                ended = await asyncio.gather(*tasks, return_exceptions=True)
            self._traffic.open.clear()
            await sending
        for problem in ended:
            if isinstance(problem, Exception):
                raise problem
        await self._subscribers.recover()

    async def _ended(self, *but: str) -> None:
        """Wait until everything is at its end, except at these triggers."""
        wait = time.monotonic() + self._options.patience

        async def all_ended() -> bool:
            await self._letters.look()
            return not self.ledger.open(*but) and accounts.settled(await self._process.metrics())

        while not await all_ended():
            if time.monotonic() > wait or self.findings.hopeless:
                left = self.ledger.open(*but)
                self.findings.add("not settled", f"{len(left)} deliveries, as {left[:5]}, {self._owing()}")
                return
            await asyncio.sleep(LOOK / 2)

    def _owing(self) -> dict[str, int]:
        return {name: count for name, count in self.ledger.owing.items() if count}

    # Trouble.

    async def _trouble(self) -> None:
        """Bad times of the moody server, restarts of others, without end."""
        chance = self._chance
        while True:
            await asyncio.sleep(chance.uniform(0.3, 3.0))
            if chance.random() < 0.3:
                server = chance.choice((landscape.FLAKY, landscape.SINK, landscape.WELL))
                await self._subscribers.restart(server, chance.uniform(0.05, 1.0))
            await self._subscribers.set_mood(landscape.MOODY, chance.choice(BAD))
            await asyncio.sleep(chance.uniform(0.3, 5.0))
            await self._subscribers.set_mood(landscape.MOODY, Mood.WELL)

    async def _restarts(self, seconds: float) -> None:
        """Stops first, kills among them later: what a stop repeats is seen before a kill's repeats hide it."""
        chance, began = self._chance, time.monotonic()
        longest = min(30.0, seconds / 4)
        while True:
            await asyncio.sleep(chance.uniform(0.5, longest))
            late = time.monotonic() - began > seconds / 3
            await self._restart(kill=late and chance.random() < 0.7, chance=chance)

    async def _restart(self, *, kill: bool, chance: random.Random | None = None, open_: bool = False) -> None:
        async with self._restarting:
            self._count()
            self._counting = (self.summary.crashes if kill else self.summary.stops, self._repeats())
            self.summary.cpu += self._process.cpu()
            if kill:
                await self._process.kill()
            elif (code := await self._process.terminate()) != 0:
                self.findings.add("the exit code", f"{code} {self._process.tail()}")
            self._write(chance, open_=open_)
            self._traffic.up.clear()  # what comes while nobody listens would only be noise
            await self._process.start()
            self._traffic.up.set()

    def _count(self) -> None:
        """How many repeats came since the last restart. A stop repeats nothing; late ones of a kill count for what came after."""
        if self._counting is None:
            return
        counts, before = self._counting
        counts.append(self._repeats() - before)
        self._counting = None
        if counts is self.summary.crashes and counts[-1] > self.summary.bound:
            self.findings.add("repeats of a crash", f"{counts[-1]}, at most {self.summary.bound} may be")
        if counts is self.summary.stops and counts[-1] and not self.summary.crashes:
            self.findings.add("repeated without a crash", f"{counts[-1]} after a SIGTERM: {dict(self.ledger.repeats)}")

    def _write(self, chance: random.Random | None = None, *, open_: bool = False) -> None:
        self._process.write(
            landscape.manifest(
                self._subscribers.ports, idle=self._options.idle, ordered=self._options.ordered, chance=chance, open_=open_
            )
        )

    # Watching.

    def _repeats(self) -> int:
        return sum(self.ledger.repeats.values())

    def _descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self._process.pid}/fd"))

    async def _within(self, seconds: float, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:  # noqa: ASYNC110 - a file of another process tells nobody
            await asyncio.sleep(0.1)

    async def _sample(self, began: float) -> None:
        while True:
            self.summary.memory.append((time.monotonic() - began, self._process.rss()))
            await asyncio.sleep(LOOK)

    async def _look(self) -> None:
        told = time.monotonic()
        while True:
            await asyncio.sleep(LOOK)
            async with self._restarting:
                self._watch.look()
                await self._letters.look()
            if time.monotonic() - told >= self._options.every:
                told = time.monotonic()
                self._report("")

    def _report(self, what: str) -> None:
        ledger = self.ledger
        owing = ", ".join(f"{name} {count}" for name, count in self._owing().items())
        self._tell(
            f"{time.monotonic() - self._began:.0f} s {what}: accepted {ledger.accepted}, ended {sum(ledger.ends.values())}, "
            f"owed: {owing or 'nothing'}, repeats {self._repeats()}, memory {self._watch.rss[-1:] or '?'}, "
            f"findings {self.findings.kinds.total()}"
        )

    def _fill(self) -> None:
        summary = self.summary
        summary.seconds = time.monotonic() - self._began
        summary.statuses = self._traffic.statuses
        summary.requests = sum(self._subscribers.requests.values())
        summary.findings = self.findings.lines
