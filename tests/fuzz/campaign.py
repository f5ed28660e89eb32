"""A run over sockets: many connections at a time, until the time or the number of cases is up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from tests.fuzz import program
from tests.fuzz.bounds import Bounds
from tests.fuzz.findings import Findings
from tests.fuzz.ledger import Ledger
from tests.fuzz.oracle import Oracle, Outcome
from tests.fuzz.receiver import Receiver
from tests.fuzz.sender import play
from tests.fuzz.session import Ending, Session, make
from tests.fuzz.sink import Sink
from tests.fuzz.summary import Summary
from tests.support.wait import eventually

WORKERS = 24
LOOK = 1.0
SETTLE = 60.0
"""Seconds within which everything accepted must have been delivered after the last case."""


class Campaign:
    """``silent``: whether some clients wait for the server's time-outs, which takes up to 75 s."""

    def __init__(
        self,
        folder: Path,
        seed: int,
        bounds: Bounds,
        *,
        silent: bool = True,
        every: float = 60.0,
        tell: Callable[[str], None] = print,
    ) -> None:
        self._folder, self._seed, self._bounds = folder, seed, bounds
        self._silent, self._every, self._tell = silent, every, tell
        self.findings = Findings(seed, tell)
        self._ledger = Ledger(self.findings)
        self._oracle = Oracle(self.findings, self._ledger)
        self._receiver = Receiver(Sink(self._ledger, self.findings).take)
        self._next = bounds.first
        self._done = 0

    async def run(self) -> Summary:
        process = program.start(self._folder, await self._receiver.start())
        process.allow_traceback = True  # the watch tells of it, with all the rest
        watch = program.Watch(process, self.findings)
        summary = Summary(self._seed)
        began = time.monotonic()
        try:
            await process.start()
            watch.look()
            port = process.port
            began = time.monotonic()
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(self._watch(watch, summary, began))
                async with asyncio.TaskGroup() as sessions:
                    for _ in range(WORKERS):
                        sessions.create_task(self._work(port, began, sessions))
                await self._settle()
                watching.cancel()
            summary.exit_code = await watch.end()
            self._ledger.check(0.0)
        finally:
            process.end()
            await self._receiver.stop()
        self._fill(summary, watch, began)
        return summary

    def _fill(self, summary: Summary, watch: program.Watch, began: float) -> None:
        summary.seconds = time.monotonic() - began
        summary.cases, summary.requests, summary.statuses = self._done, self._oracle.requests, self._oracle.statuses
        summary.accepted, summary.delivered = self._ledger.accepted, self._ledger.delivered
        summary.rss, summary.descriptors, summary.findings = watch.rss, watch.descriptors, self.findings.lines

    async def _work(self, port: int, began: float, sessions: asyncio.TaskGroup) -> None:
        while self._bounds.more(self._next - self._bounds.first, began, self.findings):
            number, self._next = self._next, self._next + 1
            session = make(self._seed, number, silent=self._silent)
            if session.ending is Ending.SILENT:
                sessions.create_task(self._play(port, session))
            else:
                await self._play(port, session)

    async def _play(self, port: int, session: Session) -> None:
        try:
            outcome = await play(port, session)
        except OSError as error:
            self.findings.add("no connection", str(error), session.number)
            outcome = Outcome(b"", "late")
        self._oracle.judge(session, outcome)
        self._done += 1

    async def _watch(self, watch: program.Watch, summary: Summary, began: float) -> None:
        told = began
        while True:
            await asyncio.sleep(LOOK)
            watch.look()
            self._ledger.check()
            if time.monotonic() - told >= self._every:
                told = time.monotonic()
                self._fill(summary, watch, began)
                self._tell(f"{summary.line()}, next case {self._next}")

    async def _settle(self) -> None:
        try:
            await eventually(lambda: not self._ledger.due and not self._ledger.early, SETTLE)
        except AssertionError:
            self.findings.add("not settled", f"{len(self._ledger.due)} due, {len(self._ledger.early)} never promised")
