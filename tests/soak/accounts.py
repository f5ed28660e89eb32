"""The program's own word on where events ended: its metrics, and its built-in store of dead letters."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from tests.fuzz.findings import Findings
from tests.soak import landscape
from tests.soak.ledger import Ledger
from tests.soak.order import Order
from tests.support.metrics import Page
from tests.support.process import EventingProcess

PAGE = 1000


@dataclass(slots=True)
class DeadLetters:
    """Reads on where it read before: letters come in the order of their numbers."""

    process: EventingProcess
    ledger: Ledger
    order: Order
    _after: dict[str, object] = field(default_factory=dict)
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def look(self) -> None:
        """Take note of the letters that came since; of each once, however many look at a time."""
        async with self._one:
            for name in (*landscape.NAMES, landscape.BRIDGE):
                while await self._page(name):
                    pass

    async def _page(self, name: str) -> bool:
        after = self._after.get(name)
        query = f"?limit={PAGE}" + (f"&after={after}" if after is not None else "")
        path = f"/apis/eventing-engine.dev/v1alpha1/namespaces/default/triggers/{name}/deadletters"
        answer = await self.process.control(path + query)
        if answer.status != 200:
            return False
        page = answer.json()
        for letter in page["items"]:
            # What the bridge did not bring over is missing at its far end.
            if self.ledger.end("far" if name == landscape.BRIDGE else name, str(letter["id"]), "built-in store"):
                self.order.forget(str(letter["id"]))
        if page["items"]:
            self._after[name] = page["items"][-1]["number"]
        return bool(page.get("next"))


def settled(page: Page) -> bool:
    """Whether nothing is on its way: all is read, and what was read is settled."""
    moving = ("reader_lag_events", "window_events", "in_flight")
    return not any(page.total(f"eventing_{name}") for name in moving)


def balance(page: Page, ledger: Ledger, findings: Findings) -> None:
    """For a process that began with an empty store and was never restarted: what each trigger matched is what ended and what
    waits, and what it expired is what the ledger misses of events with an end."""
    accepted = page.total("eventing_events_accepted_total")
    if accepted != ledger.accepted:
        findings.add("accepted", f"the program counted {accepted} events, it answered {ledger.accepted} with 202")
    for name in (*landscape.NAMES, landscape.BRIDGE):
        matched = page.trigger("events_matched_total", name)
        ends = {
            "delivered": page.trigger("deliveries_total", name, result="delivered"),
            "stored dead letters": page.trigger("dead_letters_stored", name),
            "expired": page.trigger("expired_total", name),
            "dropped": page.trigger("dropped_total", name),
            "waiting": page.trigger("backlog_entries", name),
        }
        if matched != sum(ends.values()):
            findings.add("metrics don't add up", f"{name}: matched {matched}, but {ends}")
        expired = ends["expired"] + (page.trigger("expired_total", landscape.BRIDGE) if name == "far" else 0)
        missing = ledger.expired(name) if name != landscape.BRIDGE else expired
        if not expired <= missing <= expired + ends["waiting"]:
            findings.add("expired", f"{name}: the program counted {expired}, missing are {missing}, {ends['waiting']} wait")
        if page.trigger("delivery_failures_total", name, reason="internal"):
            findings.add("an internal failure", name)
