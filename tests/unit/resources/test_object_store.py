"""The object store: versions, generations, watching."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from eventing.resources import store as module
from eventing.resources.kind_table import EVENTING, Key, KindTable
from eventing.resources.model import Resource
from eventing.resources.readiness import readiness
from eventing.resources.reconcile import Observed, reconcile
from eventing.resources.store import ObjectStore, StoreChange
from eventing.resources.validate import Loaded

Apply = Callable[..., Loaded]


def broker(apply: Apply, name: str = "b", namespace: str = "default", spec: str = "{}", annotations: str = "{}") -> Resource:
    text = (
        f"apiVersion: eventing.knative.dev/v1\nkind: Broker\n"
        f"metadata: {{name: {name}, namespace: {namespace}, annotations: {annotations}}}\nspec: {spec}\n"
    )
    [resource] = apply(text).objects
    return resource


@pytest.fixture
def store() -> ObjectStore:
    return ObjectStore(KindTable({}), lambda: 1_000.0)


def test_versions_and_generations(store: ObjectStore, apply: Apply) -> None:
    first = store.put(broker(apply), "u")
    assert (first.version, first.generation, first.created) == (1, 1, 1_000.0)
    assert store.put(broker(apply), "u") is first, "the same again changes nothing"
    annotated = store.put(broker(apply, annotations="{x: y}"), "u")
    assert (annotated.version, annotated.generation) == (2, 1)
    changed = store.put(broker(apply, spec="{delivery: {retry: 1}}"), "u")
    assert (changed.version, changed.generation) == (3, 2)
    status = store.update_status(first.key, {"observedGeneration": 2})
    assert (status.version, status.generation) == (4, 2)
    assert store.update_status(first.key, {"observedGeneration": 2}) is status
    kept = store.put(broker(apply, spec="{delivery: {retry: 2}}"), "u")
    assert kept.status == {"observedGeneration": 2}
    replaced = store.put(broker(apply), "another")
    assert (replaced.generation, replaced.status, replaced.version) == (1, {}, 7)
    store.delete(first.key)
    store.delete(first.key)
    assert (store.get(first.key), store.version) == (None, 8)
    with pytest.raises(KeyError):
        store.update_status(first.key, {})


def test_lists(store: ObjectStore, apply: Apply) -> None:
    for name, namespace in (("b", "x"), ("a", "x"), ("c", "a")):
        store.put(broker(apply, name, namespace), f"{namespace}{name}")
    assert [stored.uid for stored in store.list(EVENTING, "Broker")] == ["ac", "xa", "xb"]
    assert [stored.uid for stored in store.list(EVENTING, "Broker", "x")] == ["xa", "xb"]
    assert store.list(EVENTING, "Trigger") == []


async def _take(changes: object, count: int) -> list[tuple[str, int]]:
    found = []
    for _ in range(count):
        change: StoreChange = await asyncio.wait_for(anext(changes), 5)  # type: ignore[call-overload]
        found.append((change.type, change.version))
    return found


async def test_a_watch_sees_every_change_in_order(store: ObjectStore, apply: Apply) -> None:
    store.put(broker(apply, "a"), "a")
    changes = store.watch(0)
    assert await _take(changes, 1) == [("ADDED", 1)]
    waiting = asyncio.create_task(_take(changes, 3))
    await asyncio.sleep(0)
    store.put(broker(apply, "b"), "b")
    store.update_status(Key(EVENTING, "Broker", "default", "b"), {"x": 1})
    store.delete(Key(EVENTING, "Broker", "default", "b"))
    assert await waiting == [("ADDED", 2), ("MODIFIED", 3), ("DELETED", 4)]
    later = store.watch(2)
    assert await _take(later, 2) == [("MODIFIED", 3), ("DELETED", 4)]
    await changes.aclose()  # type: ignore[attr-defined]
    await later.aclose()  # type: ignore[attr-defined]
    assert store._watchers == []


async def test_a_slow_watcher_is_told_to_list_again(store: ObjectStore, apply: Apply, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUEUE", 3)
    quick, slow = store.watch(0), store.watch(0)
    resource = broker(apply)
    store.put(resource, "u")
    assert await _take(quick, 1) == await _take(slow, 1)
    for number in range(5):
        store.update_status(resource.key, {"n": number})
        assert await _take(quick, 1) == [("MODIFIED", number + 2)]
    change = await anext(slow)
    assert (change.type, change.object) == ("RELIST", None)
    with pytest.raises(StopAsyncIteration):
        await anext(slow)
    await quick.aclose()  # type: ignore[attr-defined]
    assert store._watchers == []


async def test_a_watch_from_too_long_ago_is_told_to_list_again(
    store: ObjectStore, apply: Apply, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_history", type(store._history)(maxlen=2))
    resource = broker(apply)
    store.put(resource, "u")
    for number in range(3):
        store.update_status(resource.key, {"n": number})
    assert (await anext(store.watch(1))).type == "RELIST"
    assert await _take(store.watch(2), 2) == [("MODIFIED", 3), ("MODIFIED", 4)]


def test_readiness(store: ObjectStore, apply: Apply) -> None:
    loaded = apply(
        "apiVersion: eventing.knative.dev/v1\nkind: Broker\nmetadata: {name: b}\n---\n"
        "apiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {name: lost}\n"
        "spec: {broker: none, subscriber: {uri: 'http://h/'}}\n---\n"
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n"
    )
    uids = {resource.key: resource.meta.name for resource in loaded.objects}
    for resource in loaded.objects:
        store.put(resource, uids[resource.key])
    ready, waiting = readiness(store)
    assert not ready
    assert waiting == ["Broker default/b: not reconciled yet", "Trigger default/lost: not reconciled yet"]
    observed = Observed(bases=("http://h",), now=1.0, uids=uids)
    for key, status in reconcile(loaded.objects, observed).statuses.items():
        store.update_status(key, status)
    # The lost trigger is not Ready and says why, so nobody waits for it; the channel isn't open yet.
    assert readiness(store) == (False, ["Broker default/b: The channel is not open yet."])
    assert readiness(store, [loaded.objects[1].key]) == (True, [])
    assert readiness(store, [Key("gone", "x", "y", "z")]) == (True, [])
