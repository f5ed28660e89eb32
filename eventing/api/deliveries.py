"""Why an event has not arrived: a trigger's backlog and its built-in dead letters, without payloads."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response

from eventing.api.errors import Refusal
from eventing.errors import ChannelError
from eventing.ports.channel import Channel
from eventing.ports.dead_letters import StoredDeadLetter
from eventing.ports.records import Failure
from eventing.resources.conditions import timestamp
from eventing.resources.identity import Retired
from eventing.resources.kind_table import BROKER, EVENTING, TRIGGER, Key
from eventing.resources.model import TriggerSpec
from eventing.resources.store import ObjectStore

GROUP = "/apis/eventing-engine.dev/v1alpha1"
MOST = 1000
LAST = 2**63 - 1
"""The largest number that a channel gives an entry or a dead letter."""

Limit = Annotated[int, Query(ge=1, le=MOST)]
After = Annotated[int, Query(ge=-1, le=LAST)]


def deliveries_router(store: ObjectStore, channel: Channel, retired: Callable[[], Collection[Retired]]) -> APIRouter:
    """`.../namespaces/{namespace}/triggers/{name}/backlog` and `.../deadletters`. Pages of ``limit`` items; ``next`` of a
    page is the ``after`` of the following one.

    Dead letters go by name: those of a trigger that is gone are shown as long as they are kept, and those that its namesake of
    today or its broker left under another identity. ``retired``: the former identities that are known.
    """
    router = APIRouter(prefix=f"{GROUP}/namespaces/{{namespace}}/triggers/{{name}}")

    def uids(namespace: str, name: str) -> tuple[str, str]:
        trigger = store.get(Key(EVENTING, TRIGGER.kind, namespace, name))
        if trigger is None:
            raise Refusal(404, f'triggers.{EVENTING} "{name}" not found')
        assert isinstance(trigger.resource.spec, TriggerSpec)
        broker = store.get(Key(EVENTING, BROKER.kind, namespace, trigger.resource.spec.broker_name))
        if broker is None:
            raise Refusal(404, f'the broker "{trigger.resource.spec.broker_name}" of this trigger does not exist')
        return broker.uid, trigger.uid

    def known(kind: str, namespace: str, name: str | None = None) -> list[str]:
        """The uids of objects, of former ones too; of all names where None."""
        found = [item.uid for item in store.list(EVENTING, kind, namespace) if name in {None, item.key.name}]
        found += [
            old.uid
            for old in retired()
            if (old.key.group, old.key.kind, old.key.namespace) == (EVENTING, kind, namespace) and name in {None, old.key.name}
        ]
        return found

    async def letters(triggers: Collection[str], brokers: Collection[str], limit: int, after: int) -> list[StoredDeadLetter]:
        found: list[StoredDeadLetter] = []
        for broker in brokers:
            for trigger in (await channel.dead_letters.count(broker)).keys() & set(triggers):
                found += await channel.dead_letters.list(broker, trigger, limit, after)
        found.sort(key=lambda item: item.number)
        # Numbers are a broker's own: a page ends where no other letter has the last one's, for the next page begins behind it.
        while limit < len(found) and found[limit].number == found[limit - 1].number:
            limit += 1
        return found[:limit]

    @router.get("/backlog")
    async def backlog(namespace: str, name: str, limit: Limit = 100, after: After = -1) -> Response:
        broker, trigger = uids(namespace, name)
        try:
            entries = await channel.backlog.list(broker, trigger, limit, after)
        except KeyError:
            entries = ()
        except ChannelError as error:
            raise Refusal(503, f"the backlog can't be read: {error}") from None
        items = [
            {
                "id": entry.event_id,
                "type": entry.event_type,
                "source": entry.event_source,
                "lane": entry.key.lane.name.lower(),
                "attempts": entry.attempts,
                "due": timestamp(entry.due),
                "underWay": entry.leased,
                "behind": entry.behind,
                "lastError": entry.reason,
            }
            for entry in entries
        ]
        return _page(items, entries[-1].key.position if len(entries) == limit else None)

    @router.get("/deadletters")
    async def dead_letters(namespace: str, name: str, limit: Limit = 100, after: After = -1) -> Response:
        triggers = known(TRIGGER.kind, namespace, name)
        if not triggers:
            raise Refusal(404, f'triggers.{EVENTING} "{name}" not found')
        try:
            stored = await letters(triggers, known(BROKER.kind, namespace), limit, after)
        except ChannelError as error:
            raise Refusal(503, f"the dead letters can't be read: {error}") from None
        items = [
            {
                "number": item.number,
                "id": item.letter.event.id,
                "type": item.letter.event.type,
                "source": item.letter.event.source,
                "why": item.letter.why,
                "attempts": item.letter.attempts,
                "at": timestamp(item.letter.at),
                "errors": [_error(failure) for failure in item.letter.failures],
            }
            for item in stored
        ]
        return _page(items, stored[-1].number if len(stored) >= limit else None)

    return router


def _error(failure: Failure) -> dict[str, Any]:
    return {"destination": failure.destination, "code": failure.code, "reason": failure.reason}


def _page(items: list[dict[str, Any]], following: int | None) -> Response:
    body: dict[str, Any] = {"items": items}
    if following is not None:
        body["next"] = following
    return JSONResponse(body)
