"""The subscribers' servers: each on a port that stays, with faults of its own, and an eye on what comes."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from dataclasses import replace
from functools import partial

from tests.fuzz.findings import Findings
from tests.fuzz.receiver import NO_CONTENT, Receiver, Reply
from tests.soak import faults, landscape
from tests.soak.faults import Mood
from tests.soak.ledger import Ledger
from tests.soak.order import Order
from tests.soak.payload import check
from tests.support.ports import ReservedPort

FAULTY = 0.08
"""Of the requests to the flaky server and to the sink."""
REFUSED = 0.4
"""Of the events that are to become dead letters."""


class Subscribers:
    """``restart`` and ``set_mood`` are what a run does to them; what they got is in the ledger."""

    def __init__(self, chance: random.Random, ledger: Ledger, order: Order, findings: Findings) -> None:
        self._chance, self._ledger, self._order, self._findings = chance, ledger, order, findings
        self._holders = {name: ReservedPort() for name in landscape.SERVERS}
        self._receivers = {name: Receiver(partial(self._take, name)) for name in landscape.SERVERS}
        self._moods = dict.fromkeys(landscape.SERVERS, Mood.WELL)
        self.requests: Counter[str] = Counter()
        self.calm = False
        """Whether faults are over: everything is answered as it ought to be."""

    @property
    def ports(self) -> dict[str, int]:
        return {name: holder.number for name, holder in self._holders.items()}

    async def start(self) -> None:
        for name, receiver in self._receivers.items():
            await receiver.start(self._holders[name].number)

    async def stop(self) -> None:
        for receiver in self._receivers.values():
            await receiver.stop()

    async def close(self) -> None:
        await self.stop()
        for holder in self._holders.values():
            holder.close()

    async def restart(self, name: str, pause: float) -> None:
        """Cut off all that is under way, refuse for a while, come back on the same port."""
        await self._receivers[name].stop()
        await asyncio.sleep(pause)
        await self._receivers[name].start(self._holders[name].number)

    async def set_mood(self, name: str, mood: Mood) -> None:
        before, self._moods[name] = self._moods[name], mood
        if before in {Mood.GONE, Mood.HANGS} or mood is Mood.GONE:
            await self._receivers[name].stop()
        if mood is not Mood.GONE and (before in {Mood.GONE, Mood.HANGS}):
            await self._receivers[name].start(self._holders[name].number)

    async def recover(self) -> None:
        """All are well again, wherever they were left."""
        for name, receiver in self._receivers.items():
            await self.set_mood(name, Mood.WELL)
            if not receiver.listening:
                await receiver.start(self._holders[name].number)

    def _take(self, server: str, data: bytes) -> Reply:
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        trigger = first.split(" ")[1].rpartition("/")[2]
        dead = first.split(" ")[1].startswith("/dead/")
        self.requests[f"dead {trigger}" if dead else trigger] += 1
        if trigger not in landscape.NAMES:
            self._findings.add("a delivery at the wrong place", first)
            return NO_CONTENT
        structured = headers.get("content-type", "").startswith("application/cloudevents+json")
        try:
            id_ = str(json.loads(body)["id"]) if structured else headers["ce-id"]
            problem = check(id_, headers, body, structured)
        except (ValueError, KeyError) as error:
            self._findings.add("a delivery is no event", f"{trigger}: {type(error).__name__} {error}")
            return NO_CONTENT
        if problem:
            self._findings.add("a delivery is not what was sent", f"{id_} at {trigger}: {problem}")
        reply = self._answer(server, trigger, id_, dead)
        if trigger == landscape.ORDERED and not dead:
            self._order.begin(headers.get("ce-partitionkey", ""), id_)
        return replace(reply, ended=partial(self._ended, trigger, id_, dead, reply, headers.get("ce-partitionkey", "")))

    def _answer(self, server: str, trigger: str, id_: str, dead: bool) -> Reply:
        if not self.calm:
            reply = faults.of(self._moods[server], self._chance)
            if reply is not None:
                return reply
            if server in {landscape.FLAKY, landscape.SINK} and self._chance.random() < FAULTY:
                return faults.one(self._chance)
            if server == landscape.SINK and self._chance.random() < 0.1:
                return faults.status(400)  # for good: it goes to the built-in store
        if trigger in {"lettered", "unsinked"} and not dead and int(id_[2:]) % 100 < REFUSED * 100:
            return faults.status(422, b"kne-reason: refused by the soak", body=b"no")
        if trigger == landscape.ORDERED and self._chance.random() < 0.2:
            return Reply(NO_CONTENT.data, after=0.02)  # so that two of one key could meet
        if trigger == "asked" and not dead:
            return _event(f"r-{id_[2:]}")
        return NO_CONTENT

    def _ended(self, trigger: str, id_: str, dead: bool, reply: Reply, key: str, written: bool) -> None:
        done = written and faults.succeeds(reply)
        if trigger == landscape.ORDERED and not dead:
            self._order.end(key, id_, done=done)
        if not done:
            return
        if self._ledger.end(trigger, id_, "dead letter" if dead else "delivered") and reply.data.startswith(b"HTTP/1.1 200"):
            self._ledger.reply(f"r-{id_[2:]}", landscape.wanted_by(landscape.MAIN, landscape.REPLY))


def _event(id_: str) -> Reply:
    """A success that carries an event."""
    headers = {"ce-specversion": "1.0", "ce-id": id_, "ce-type": landscape.REPLY, "ce-source": "/soak/reply"}
    return faults.status(200, *(f"{name}: {value}".encode() for name, value in headers.items()))
