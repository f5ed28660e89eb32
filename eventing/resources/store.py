"""The objects of this process in memory, with versions as Kubernetes has them, and a watch."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from eventing.resources.kind_table import Key, KindTable
from eventing.resources.model import Resource

HISTORY = 1024
"""Changes kept for watchers that begin at an earlier version."""
QUEUE = 256
"""Changes that may wait for one watcher."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """``version``: of the store when it last changed. ``generation``: rises when anything but the status changes.
    ``created``: seconds since the epoch."""

    resource: Resource
    uid: str
    version: int
    generation: int
    created: float
    status: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        return self.resource.key


@dataclass(frozen=True, slots=True)
class StoreChange:
    """``object``: as it is after the change, or was before it was deleted; None with `RELIST`, the last one of a watch that
    fell behind: list again and watch from there."""

    type: Literal["ADDED", "MODIFIED", "DELETED", "RELIST"]
    version: int
    object: StoredObject | None


class ObjectStore:
    """``clock``: seconds since the epoch. Used from one event loop; nothing here waits but a watch."""

    def __init__(self, kinds: KindTable, clock: Callable[[], float]) -> None:
        self.kinds = kinds
        self._clock = clock
        self._objects: dict[Key, StoredObject] = {}
        self._version = 0
        self._history: deque[StoreChange] = deque(maxlen=HISTORY)
        self._watchers: list[_Watcher] = []

    @property
    def version(self) -> int:
        """Rises with every change."""
        return self._version

    def now(self) -> float:
        """Seconds since the epoch, on the clock that objects' times of creation are from."""
        return self._clock()

    def get(self, key: Key) -> StoredObject | None:
        return self._objects.get(key)

    def list(self, group: str, kind: str, namespace: str | None = None) -> Sequence[StoredObject]:
        """By namespace and name; of all namespaces where None."""
        found = [
            stored
            for key, stored in self._objects.items()
            if key.group == group and key.kind == kind and namespace in {None, key.namespace}
        ]
        return sorted(found, key=lambda stored: stored.key)

    def all(self) -> Sequence[StoredObject]:
        return list(self._objects.values())

    def put(self, resource: Resource, uid: str) -> StoredObject:
        """Add or replace; the status stays. The same again changes nothing; another uid makes it another object."""
        before = self._objects.get(resource.key)
        if before is None or before.uid != uid:
            if before is not None:
                self.delete(before.key)
            stored = StoredObject(resource, uid, self._version + 1, 1, self._clock())
            return self._store(stored, "ADDED")
        same = before.resource.raw == resource.raw and before.resource.spec == resource.spec
        if same:
            return before
        # Only what was written outside `metadata` makes a new generation, as in Kubernetes.
        grown = before.resource.raw.get("spec") != resource.raw.get("spec") or before.resource.spec != resource.spec
        generation = before.generation + 1 if grown else before.generation
        return self._store(replace(before, resource=resource, version=self._version + 1, generation=generation), "MODIFIED")

    def update_status(self, key: Key, status: Mapping[str, Any]) -> StoredObject:
        """Replace the status; the same again changes nothing. Raises `KeyError`."""
        before = self._objects[key]
        if before.status == status:
            return before
        return self._store(replace(before, status=dict(status), version=self._version + 1), "MODIFIED")

    def delete(self, key: Key) -> None:
        """A missing one is a no-op."""
        before = self._objects.pop(key, None)
        if before is not None:
            self._version += 1
            self._publish(StoreChange("DELETED", self._version, replace(before, version=self._version)))

    async def watch(self, after: int) -> AsyncIterator[StoreChange]:
        """Changes after that version, in order, without end, unless this watcher falls more than `QUEUE` behind or asks for a
        version older than `HISTORY` reaches: then `RELIST` is the last one."""
        watcher = _Watcher()
        # No await between reading the history and being registered: nothing is missed or seen twice.
        missed = [change for change in self._history if change.version > after]
        complete = after >= self._version or (bool(missed) and missed[0].version == after + 1)
        self._watchers.append(watcher)
        try:
            if not complete or len(missed) > QUEUE:
                yield StoreChange("RELIST", self._version, None)
                return
            for change in missed:
                yield change
            while True:
                change = await watcher.next()
                yield change
                if change.type == "RELIST":
                    return
        finally:
            self._watchers.remove(watcher)

    def _store(self, stored: StoredObject, type_: Literal["ADDED", "MODIFIED"]) -> StoredObject:
        self._version = stored.version
        self._objects[stored.key] = stored
        self._publish(StoreChange(type_, stored.version, stored))
        return stored

    def _publish(self, change: StoreChange) -> None:
        self._history.append(change)
        for watcher in self._watchers:
            watcher.push(change)


class _Watcher:
    """One watcher's queue: full, it keeps nothing but the word that it has to list again."""

    def __init__(self) -> None:
        self._queue: deque[StoreChange] = deque()
        self._arrived = asyncio.Event()
        self._behind = False

    def push(self, change: StoreChange) -> None:
        if self._behind:
            return
        if len(self._queue) >= QUEUE:
            self._behind = True
            self._queue.clear()
            change = StoreChange("RELIST", change.version, None)
        self._queue.append(change)
        self._arrived.set()

    async def next(self) -> StoreChange:
        """The next change. Waits for as long as there is none: whoever watches bounds it by cancelling."""
        while not self._queue:
            self._arrived.clear()
            await self._arrived.wait()
        return self._queue.popleft()
