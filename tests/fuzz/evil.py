"""A run against the sending side: a subscriber that answers deliveries with anything, and what must become of each event.

Every event has one retry and a dead-letter sink. Its first delivery gets an answer from `tests.fuzz.answers`, a second one a
plain 204. So what the program made of the first answer shows: no second delivery and no dead letter after a success, a second
one after what is to be retried, a dead letter after a refusal; and the reply's delivery where there was one.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.answers import ANY, DONE, REFUSED, RETRY, Expected, expect, make
from tests.fuzz.bounds import Bounds
from tests.fuzz.event_reader import Read, canonical, key, read_message
from tests.fuzz.findings import Findings
from tests.fuzz.model import MAX_BODY
from tests.fuzz.program import Watch
from tests.fuzz.receiver import NO_CONTENT, Receiver, Reply
from tests.fuzz.summary import Summary
from tests.fuzz.wire import read_requests
from tests.support.http import call
from tests.support.manifest import broker, trigger
from tests.support.process import EventingProcess
from tests.support.wait import eventually

CAUSE = "evil.cause"
AHEAD = 200
"""Events under way at most."""
LOOK = 1.0
SETTLE = 60.0
PATIENCE = 60.0
"""Seconds after its first delivery when the fate of an event is certain."""


@dataclass(slots=True)
class Fate:
    """What happened to one event so far."""

    expected: Expected
    since: float
    attempts: int = 1
    letters: int = 0

    @property
    def outcome(self) -> str:
        return {(1, 0): DONE, (2, 0): RETRY, (1, 1): REFUSED}.get(
            (self.attempts, self.letters), f"{self.attempts}/{self.letters}"
        )

    @property
    def open(self) -> bool:
        """Whether more must come."""
        if self.expected.outcomes == ANY or DONE in self.expected.outcomes:
            return False
        return self.outcome == DONE


def manifest(port: int) -> list[dict[str, object]]:
    url = f"http://127.0.0.1:{port}"
    once = {"retry": 1, "backoffPolicy": "linear", "backoffDelay": "PT0.02S", "timeout": "PT10S", "retryAfterMax": "PT0S"}
    return [
        broker("evil"),
        trigger(
            "evil",
            f"{url}/evil",
            broker="evil",
            filters=[{"exact": {"type": CAUSE}}],
            delivery={**once, "deadLetterSink": {"uri": f"{url}/dead"}},
        ),
        trigger("watch", f"{url}/watch", broker="evil", filters=[{"not": {"exact": {"type": CAUSE}}}]),
    ]


@dataclass(slots=True)
class Evil:
    """The subscriber, the dead-letter sink and the trigger that sees the replies. ``answer``: by seed and number."""

    seed: int
    findings: Findings
    fates: dict[int, Fate] = field(default_factory=dict)
    replies: Counter[bytes] = field(default_factory=Counter)
    seen: Counter[bytes] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    delivered: int = 0
    uncertain: int = 0
    begun: int = 0
    settled: dict[int, str] = field(default_factory=dict)
    answer: Callable[[int, int], Reply] = make

    def take(self, data: bytes) -> Reply:
        stream = read_requests(data, 4 * MAX_BODY)
        if stream.stop or len(stream.messages) != 1:
            self.findings.add("a delivery is no request", f"{stream.why} {data[:300]!r}")
            return NO_CONTENT
        message = stream.messages[0]
        (event,) = read_message(message.headers, message.body)
        self.delivered += 1
        if message.target == b"/watch":
            _meet(self.seen, self.replies, key(event, typed=False))
            return NO_CONTENT
        number = int(canonical(event.attributes["id"]))
        if message.target == b"/dead":
            self._letter(number, event)
            return NO_CONTENT
        if number in self.fates:
            self.fates[number].attempts += 1
            return NO_CONTENT
        if number in self.settled:
            self.findings.add("delivered again long after", self.settled[number], number)
            return NO_CONTENT
        reply = self.answer(self.seed, number)
        expected = expect(reply)
        self.fates[number] = Fate(expected, time.monotonic())
        self.begun += 1
        if expected.reply is not None and expected.outcomes == frozenset((DONE,)):
            _meet(self.replies, self.seen, key(expected.reply, typed=False))
        elif expected.reply is not None or expected.outcomes == ANY:
            self.uncertain += 1
        return reply

    def _letter(self, number: int, event: Read) -> None:
        fate = self.fates.get(number)
        if fate is None:
            self.findings.add("a dead letter of an event that was never delivered", repr(event), number)
            return
        fate.letters += 1
        if not str(event.attributes.get("knativeerrordest", "")).endswith("/evil"):
            self.findings.add("a dead letter says no destination", repr(event), number)

    def judge(self, patience: float) -> None:
        """The fates of those first delivered ``patience`` seconds ago and longer; the oldest come first."""
        before = time.monotonic() - patience
        while self.fates:
            number, fate = next(iter(self.fates.items()))
            if fate.since > before:
                return
            del self.fates[number]
            self.settled[number] = fate.outcome
            self.outcomes[fate.outcome] += 1
            if fate.outcome not in fate.expected.outcomes:
                wanted = "/".join(sorted(fate.expected.outcomes))
                self.findings.add("the outcome", f"{fate.outcome}, not {wanted} ({fate.expected.why})", number)

    def judge_replies(self) -> None:
        """At the end, when all is quiet."""
        for entry in self.replies:
            self.findings.add("a reply was not delivered", repr(entry[:600]))
        if self.seen.total() > self.uncertain:
            self.findings.add("more replies than there were", f"{self.seen.total()}, {next(iter(self.seen))[:600]!r}")


def _meet(mine: Counter[bytes], other: Counter[bytes], entry: bytes) -> None:
    """Strike it out in the other book, or note it in mine."""
    if other[entry] > 0:
        mine, other = other, mine
        mine[entry] -= 1
    else:
        mine[entry] += 1
    for book in (mine, other):
        if not book[entry]:
            del book[entry]


class EvilCampaign:
    def __init__(
        self, folder: Path, seed: int, bounds: Bounds, *, every: float = 60.0, tell: Callable[[str], None] = print
    ) -> None:
        self._folder, self._seed, self._bounds = folder, seed, bounds
        self._every, self._tell = every, tell
        self.findings = Findings(seed, tell)
        self.evil = Evil(seed, self.findings)
        self._next = bounds.first

    @property
    def _posted(self) -> int:
        return self._next - self._bounds.first

    async def run(self) -> Summary:
        receiver = Receiver(self.evil.take)
        process = EventingProcess(self._folder, manifest(await receiver.start()))
        process.allow_traceback = True  # the watch tells of it
        watch = Watch(process, self.findings)
        summary = Summary(self._seed)
        began = told = time.monotonic()
        try:
            await process.start()
            watch.look()
            began = told = looked = time.monotonic()
            while self._bounds.more(self._posted, began, self.findings):
                await self._post(process.port)
                if time.monotonic() - looked >= LOOK:
                    looked = time.monotonic()
                    watch.look()
                    self.evil.judge(PATIENCE)
                if time.monotonic() - told >= self._every:
                    told = time.monotonic()
                    self._fill(summary, watch, began)
                    self._tell(summary.line())
            await self._settle()
            summary.exit_code = await watch.end()
            self.evil.judge(0.0)
            self.evil.judge_replies()
        finally:
            process.end()
            await receiver.stop()
        self._fill(summary, watch, began)
        return summary

    async def _post(self, port: int) -> None:
        """A batch, once there is room for it."""
        cases = self._bounds.cases
        count = min(AHEAD // 2, cases - self._posted) if cases is not None else AHEAD // 2
        items = [
            f'{{"specversion":"1.0","id":"{number}","source":"/evil","type":"{CAUSE}"}}'
            for number in range(self._next, self._next + count)
        ]
        headers = {"content-type": "application/cloudevents-batch+json"}
        answer = await call(port, "POST", "/default/evil", headers, f"[{','.join(items)}]".encode())
        if answer.status != 202:
            self.findings.add("a good batch was not taken", f"{answer.status} {answer.text}")
        self._next += count
        await self._until(lambda: self._posted - self.evil.begun <= AHEAD // 2, "deliveries")

    async def _settle(self) -> None:
        await self._until(lambda: self._posted <= self.evil.begun, "deliveries")
        await self._until(lambda: not any(fate.open for fate in self.evil.fates.values()), "second deliveries and dead letters")
        await self._until(lambda: not self.evil.replies, "replies")

    async def _until(self, condition: Callable[[], bool], what: str) -> None:
        try:
            await eventually(condition, SETTLE)
        except AssertionError:
            self.findings.add("not within a minute", what)

    def _fill(self, summary: Summary, watch: Watch, began: float) -> None:
        summary.seconds = time.monotonic() - began
        summary.cases = summary.requests = self.evil.begun
        summary.accepted, summary.delivered = self._posted, self.evil.delivered
        summary.rss, summary.descriptors, summary.findings = watch.rss, watch.descriptors, self.findings.lines
