"""The control API over a real server and socket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from api_rig import Get

from eventing.event import Event
from eventing.ports.channel import Channel, ChannelContext
from eventing.ports.dead_letters import DeadLetters, StoredDeadLetter
from eventing.ports.records import DeadLetter, EntryKey, Failure, NewEntry, NewRecord, Settlement
from eventing.resources.identity import Retired
from eventing.resources.kind_table import EVENTING, Key
from eventing.resources.reconcile import Observed, reconcile
from eventing.resources.store import ObjectStore
from eventing.resources.validate import validate
from eventing_channels.memory import open_channel


@pytest.mark.requirement("O1")
async def test_an_object(get: Get) -> None:
    answer = await get("/apis/eventing.knative.dev/v1/namespaces/default/brokers/b")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json == {
        "apiVersion": "eventing.knative.dev/v1",
        "kind": "Broker",
        "metadata": {
            "name": "b",
            "namespace": "default",
            "uid": "uid-default-b",
            "resourceVersion": "1",
            "generation": 1,
            "creationTimestamp": "2023-11-14T22:13:20Z",
        },
        "spec": {},
    }


@pytest.mark.requirement("O4", "O7")
async def test_a_status(get: Get, store: ObjectStore) -> None:
    objects = [stored.resource for stored in store.all()]
    uids = {stored.key: stored.uid for stored in store.all()}
    for key, status in reconcile(objects, Observed(bases=("http://e",), now=0.0, uids=uids)).statuses.items():
        store.update_status(key, status)
    for path in ("", "/status"):
        found = (await get(f"/apis/eventing.knative.dev/v1/namespaces/other/brokers/b{path}")).json
        assert found["status"]["address"]["url"] == "http://e/other/b"
        assert {condition["type"] for condition in found["status"]["conditions"]} >= {"Ready", "Addressable"}


@pytest.mark.requirement("O1")
async def test_lists(get: Get) -> None:
    found = (await get("/apis/eventing.knative.dev/v1/brokers?limit=500")).json
    assert (found["kind"], found["apiVersion"], found["metadata"]) == (
        "BrokerList",
        "eventing.knative.dev/v1",
        {"resourceVersion": "4"},
    )
    assert [item["metadata"]["namespace"] for item in found["items"]] == ["default", "other"]
    one = (await get("/apis/eventing.knative.dev/v1/namespaces/other/brokers")).json
    assert [item["metadata"]["uid"] for item in one["items"]] == ["uid-other-b"]
    assert (await get("/apis/sources.knative.dev/v1alpha1/githubsources")).json["items"] == []


async def test_long_lists(get: Get, store: ObjectStore, tmp_path: Path) -> None:
    text = "".join(f"---\napiVersion: eventing.knative.dev/v1\nkind: Broker\nmetadata: {{name: x{n:03}}}\n" for n in range(250))
    (tmp_path / "many.yaml").write_text(text)
    for resource in validate([str(tmp_path / "many.yaml")], {}).objects:
        store.put(resource, resource.meta.name)
    found = (await get("/apis/eventing.knative.dev/v1/namespaces/default/brokers")).json
    assert [item["metadata"]["name"] for item in found["items"]] == ["b", *(f"x{n:03}" for n in range(250))]


async def test_secret_values_are_never_served(get: Get) -> None:
    for path in ("/api/v1/secrets", "/api/v1/namespaces/default/secrets", "/api/v1/namespaces/default/secrets/s"):
        answer = await get(path)
        assert answer.status == 200
        assert b"hunter2" not in answer.body
        assert b"aHVudGVyMg" not in answer.body
    assert answer.json["data"] == {"token": ""}


@pytest.mark.requirement("O1")
async def test_discovery(get: Get) -> None:
    assert (await get("/api")).json["versions"] == ["v1"]
    core = (await get("/api/v1")).json
    assert [resource["name"] for resource in core["resources"]] == ["secrets", "services"]
    groups = (await get("/apis")).json["groups"]
    assert [group["name"] for group in groups] == ["eventing.knative.dev", "sources.knative.dev"]
    assert groups[1]["preferredVersion"] == {"groupVersion": "sources.knative.dev/v1alpha1", "version": "v1alpha1"}
    assert (await get("/apis/eventing.knative.dev")).json["kind"] == "APIGroup"
    resources = (await get("/apis/eventing.knative.dev/v1")).json
    assert [resource["name"] for resource in resources["resources"]] == [
        "brokers",
        "brokers/status",
        "triggers",
        "triggers/status",
    ]
    assert resources["resources"][0]["kind"] == "Broker"


NOT_FOUND = [
    "/",
    "/apis/eventing.knative.dev/v2",
    "/apis/none",
    "/apis/eventing.knative.dev/v1/channels",
    "/apis/eventing.knative.dev/v2/brokers",
    "/apis/eventing.knative.dev/v1/namespaces/default/brokers/none",
    "/apis/eventing.knative.dev/v1/namespaces/none/brokers/b",
    "/api/v1/namespaces/default/secrets/s/status",
    "/api/v1/pods",
    "/docs",
    "/openapi.json",
    "/healthz/",
]


async def test_not_found(get: Get) -> None:
    answers = {path: await get(path) for path in NOT_FOUND}
    assert {path: answer.status for path, answer in answers.items()} == dict.fromkeys(NOT_FOUND, 404)
    for answer in answers.values():
        assert (answer.json["kind"], answer.json["reason"], answer.json["code"]) == ("Status", "NotFound", 404)


async def test_a_missing_object_is_named(get: Get) -> None:
    found = (await get("/apis/eventing.knative.dev/v1/namespaces/default/brokers/none")).json
    assert found["message"] == 'brokers.eventing.knative.dev "none" not found'
    assert found["details"] == {"name": "none", "group": "eventing.knative.dev", "kind": "brokers"}


async def test_read_only(get: Get, store: ObjectStore) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = await get("/apis/eventing.knative.dev/v1/namespaces/default/brokers/b", method)
        assert (method, answer.status, answer.json["reason"]) == (method, 405, "MethodNotAllowed")
        assert answer.headers["allow"] == "GET"
    assert len(store.all()) == 4


async def test_what_is_not_supported_is_refused_not_ignored(get: Get) -> None:
    for query in ("watch=true", "watch=1", "labelSelector=a%3D%3D%3Db", "fieldSelector=spec.broker%3Db", "continue=y"):
        answer = await get(f"/apis/eventing.knative.dev/v1/brokers?{query}")
        assert (query, answer.status, answer.json["reason"]) == (query, 400, "BadRequest")


async def test_an_unexpected_error_tells_nothing(get: Get) -> None:
    answer = await get("/broken")
    assert (answer.status, answer.json["reason"]) == (500, "InternalError")
    assert b"hunter2" not in answer.body


async def test_health_and_metrics(get: Get, store: ObjectStore) -> None:
    assert (await get("/healthz")).body == b"ok\n"
    answer = await get("/readyz")
    assert answer.status == 503
    assert answer.json["waitingFor"] == [
        "Broker default/b: not reconciled yet",
        "Broker other/b: not reconciled yet",
        "Trigger default/t: not reconciled yet",
    ]
    for stored in store.all():
        if stored.resource.kind.has_status:
            ready = {"type": "Ready", "status": "True"}
            store.update_status(stored.key, {"observedGeneration": 1, "conditions": [ready]})
    answer = await get("/readyz")
    assert (answer.status, answer.json) == (200, {"ready": True, "waitingFor": []})
    answer = await get("/metrics")
    assert (answer.body, answer.headers["content-type"]) == (b"a_total 1\n", "text/plain; version=0.0.4")


TRIGGER = "/apis/eventing-engine.dev/v1alpha1/namespaces/default/triggers"


async def _owed(channel: Channel) -> None:
    """Three entries and two dead letters of the trigger t."""
    broker, trigger = "uid-default-b", "uid-default-t"
    events = [Event({"specversion": "1.0", "id": f"e{n}", "source": "/s", "type": "a"}, b"hunter2") for n in range(5)]
    positions = await channel.append(broker, [NewRecord(event) for event in events])
    failure = Failure("http://h/", 503, "answered 503", b"hunter2")
    reader = await channel.reader(broker)
    await reader.read(10, 1 << 20)
    await channel.settle(
        broker,
        Settlement(
            done=positions,
            handovers=[NewEntry(EntryKey(trigger, at), 1e9 + at, attempts=2, failure=failure) for at in positions[:3]],
            dead=[
                DeadLetter(trigger, at, event, "exhausted", (failure,), 3, 1e9)
                for at, event in list(zip(positions, events, strict=True))[3:]
            ],
        ),
    )


async def test_what_a_trigger_owes_and_why(get: Get, channel: Channel) -> None:
    await _owed(channel)
    page = (await get(f"{TRIGGER}/t/backlog?limit=2")).json
    assert [item["id"] for item in page["items"]] == ["e0", "e1"]
    assert page["items"][0] | {"due": ""} == {
        "id": "e0",
        "type": "a",
        "source": "/s",
        "lane": "subscriber",
        "attempts": 2,
        "due": "",
        "underWay": False,
        "behind": False,
        "lastError": "answered 503",
    }
    rest = (await get(f"{TRIGGER}/t/backlog?limit=2&after={page['next']}")).json
    assert [item["id"] for item in rest["items"]] == ["e2"]
    assert "next" not in rest


async def test_dead_letters_of_a_trigger(get: Get, channel: Channel) -> None:
    await _owed(channel)
    answer = await get(f"{TRIGGER}/t/deadletters")
    assert b"hunter2" not in answer.body
    [first, second] = answer.json["items"]
    assert (first["id"], first["why"], first["attempts"]) == ("e3", "exhausted", 3)
    assert first["errors"] == [{"destination": "http://h/", "code": 503, "reason": "answered 503"}]
    page = (await get(f"{TRIGGER}/t/deadletters?limit=1&after={first['number']}")).json
    assert [item["id"] for item in page["items"]] == [second["id"]] == ["e4"]


async def test_dead_letters_are_found_by_the_names_of_what_is_gone(get: Get, channel: Channel, retired: list[Retired]) -> None:
    await channel.ensure_broker("old-b")
    for number, (broker, trigger) in enumerate(
        [("old-b", "uid-default-t"), ("uid-default-b", "old-t"), ("uid-default-b", "gone"), ("old-b", "old-t")]
    ):
        event = Event({"specversion": "1.0", "id": f"e{number}", "source": "/s", "type": "a"})
        await channel.settle(broker, Settlement(dead=[DeadLetter(trigger, number, event, "refused", (), 1, 1e9)]))
    await channel.drop_broker("old-b")

    async def ids(name: str, query: str = "", namespace: str = "default") -> tuple[list[str], int | None]:
        page = (await get(f"{TRIGGER.replace('default', namespace)}/{name}/deadletters{query}")).json
        return [item["id"] for item in page["items"]], page.get("next")

    assert await ids("t") == ([], None), "nobody knows the old broker yet"
    assert (await get(f"{TRIGGER}/gone/deadletters")).status == 404
    for kind, name, uid in (("Broker", "b", "old-b"), ("Trigger", "t", "old-t"), ("Trigger", "gone", "gone")):
        retired.append(Retired(Key(EVENTING, kind, "default", name), uid, 5.0))
    assert await ids("t") == (["e0", "e1", "e3"], None)
    assert await ids("gone") == (["e2"], None)
    first, following = await ids("t", "?limit=2")
    assert (first, await ids("t", f"?limit=2&after={following}")) == (["e0", "e1"], (["e3"], None))
    assert (await get(f"{TRIGGER.replace('default', 'other')}/t/deadletters")).status == 404


class TwoStores:
    """Dead letters whose numbers are each broker's own, as a channel may count them."""

    def __init__(self, stores: Mapping[str, DeadLetters]) -> None:
        self._stores = stores

    async def count(self, broker: str) -> dict[str, int]:
        return await self._stores[broker].count(broker) if broker in self._stores else {}

    async def list(self, broker: str, trigger: str | None, limit: int, after: int = -1) -> Sequence[StoredDeadLetter]:
        return await self._stores[broker].list(broker, trigger, limit, after)


async def test_pages_of_dead_letters_with_the_same_numbers_leave_none_out(
    get: Get, channel: Channel, retired: list[Retired], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    retired.append(Retired(Key(EVENTING, "Broker", "default", "old"), "old-b", 5.0))
    other = open_channel("memory://", ChannelContext(tmp_path))
    await other.open()
    for store, broker in ((channel, "uid-default-b"), (other, "old-b")):
        await store.ensure_broker(broker)
        for number in range(3):
            event = Event({"specversion": "1.0", "id": f"{broker}-{number}", "source": "/s", "type": "a"})
            dead = [DeadLetter("uid-default-t", number, event, "refused", (), 1, 1e9)]
            await store.settle(broker, Settlement(dead=dead))
    both = TwoStores({"uid-default-b": channel.dead_letters, "old-b": other.dead_letters})
    monkeypatch.setattr(channel, "dead_letters", both)
    found, after, pages = [], -1, 0
    while True:
        page = (await get(f"{TRIGGER}/t/deadletters?limit=1&after={after}")).json
        found += [item["id"] for item in page["items"]]
        pages += 1
        if "next" not in page:
            break
        after = page["next"]
    assert sorted(found) == [f"{broker}-{number}" for broker in ("old-b", "uid-default-b") for number in range(3)]
    assert pages == 4
    await other.close()


@pytest.mark.parametrize("what", ["backlog", "deadletters"])
async def test_a_page_after_any_number(get: Get, what: str) -> None:
    last = await get(f"{TRIGGER}/t/{what}?after={2**63 - 1}")
    assert (last.status, last.json) == (200, {"items": []})
    for beyond in (2**63, 10**20, int("9" * 4000)):
        answer = await get(f"{TRIGGER}/t/{what}?after={beyond}")
        assert answer.status == 422
        assert answer.json["reason"] == "Invalid"


@pytest.mark.parametrize("path", ["nope/backlog", "nope/deadletters", "t/backlog?limit=0", "t/backlog?limit=x"])
async def test_a_trigger_that_is_not_there_or_a_bad_page(get: Get, path: str) -> None:
    answer = await get(f"{TRIGGER}/{path}")
    assert answer.status == (404 if "nope" in path else 422)
    assert answer.json["kind"] == "Status"
