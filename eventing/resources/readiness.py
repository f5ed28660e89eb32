"""Whether everything given at the start has been decided upon."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from eventing.resources.conditions import READY, WAITING, find
from eventing.resources.kind_table import Key
from eventing.resources.store import ObjectStore


def readiness(store: ObjectStore, keys: Iterable[Key] | None = None) -> tuple[bool, Sequence[str]]:
    """True once every object is Ready or has a condition saying why not; else what is waited for, one line each.

    ``keys``: the objects given at start; all objects where None. One that is gone again is waited for no longer.
    """
    waiting: list[str] = []
    for key in [stored.key for stored in store.all()] if keys is None else keys:
        stored = store.get(key)
        if stored is None or not stored.resource.kind.has_status:
            continue
        ready = find(stored.status, READY)
        if ready is None or stored.status.get("observedGeneration") != stored.generation:
            waiting.append(f"{key.label}: not reconciled yet")
        elif ready["status"] == "Unknown" and ready.get("reason", "") in WAITING:
            waiting.append(f"{key.label}: {ready.get('message') or ready.get('reason') or 'not reconciled yet'}")
    return not waiting, waiting
