"""Lists as tables, as `kubectl get` asks for them."""

from __future__ import annotations

from typing import Any

import pytest
from api_rig import Get

from eventing.api.table import human, wants_table
from eventing.resources.reconcile import Observed, reconcile
from eventing.resources.store import ObjectStore

KUBECTL = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
GROUP = "/apis/eventing.knative.dev/v1"


@pytest.fixture(autouse=True)
def reconciled(store: ObjectStore) -> None:
    stored = store.all()
    observed = Observed(bases=("http://e",), now=0.0, uids={one.key: one.uid for one in stored})
    for key, status in reconcile([one.resource for one in stored], observed).statuses.items():
        store.update_status(key, status)


def rows(table: Any) -> list[dict[str, str]]:
    names = [column["name"] for column in table["columnDefinitions"]]
    return [dict(zip(names, row["cells"], strict=True)) for row in table["rows"]]


@pytest.mark.requirement("O1")
async def test_kubectl_gets_the_columns_that_knative_defines(get: Get, store: ObjectStore) -> None:
    answer = await get(f"{GROUP}/brokers?limit=500", headers={"Accept": KUBECTL})
    assert (answer.json["kind"], answer.json["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert answer.json["metadata"] == {"resourceVersion": str(store.version)}
    waiting = {"Age": "0s", "Ready": "Unknown", "Reason": "ChannelNotOpen"}
    assert rows(answer.json) == [
        {"Name": "b", "URL": "http://e/default/b", **waiting},
        {"Name": "b", "URL": "http://e/other/b", **waiting},
    ]
    triggers = await get(f"{GROUP}/namespaces/default/triggers", headers={"Accept": KUBECTL})
    assert rows(triggers.json) == [
        {"Name": "t", "Broker": "b", "Subscriber_URI": "http://h/", "Age": "0s", "Ready": "False", "Reason": "ChannelNotOpen"}
    ]
    secrets = await get("/api/v1/secrets", headers={"Accept": KUBECTL})
    assert rows(secrets.json) == [{"Name": "s", "Age": "0s"}]
    assert b"hunter2" not in secrets.body


async def test_a_single_object_is_a_table_of_one_row(get: Get) -> None:
    for path in ("triggers/t", "triggers/t/status"):
        table = (await get(f"{GROUP}/namespaces/default/{path}", headers={"Accept": KUBECTL})).json
        assert [row["Name"] for row in rows(table)] == ["t"]
    missing = await get(f"{GROUP}/namespaces/default/triggers/none", headers={"Accept": KUBECTL})
    assert (missing.status, missing.json["kind"]) == (404, "Status")


async def test_how_much_of_an_object_goes_along_is_chosen(get: Get) -> None:
    path = f"{GROUP}/namespaces/default/brokers"
    plain = (await get(path)).json["items"][0]
    for query, wanted in (
        ("", {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": plain["metadata"]}),
        ("?includeObject=Object", plain),
        ("?includeObject=None", None),
    ):
        [row] = (await get(path + query, headers={"Accept": KUBECTL})).json["rows"]
        assert row["object"] == wanted
    refused = await get(path + "?includeObject=all", headers={"Accept": KUBECTL})
    assert (refused.status, refused.json["reason"]) == (400, "BadRequest")


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (KUBECTL, True),
        ("application/json; as=table; g=META.k8s.io; v=V1", True),
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("application/json,application/json;as=Table;v=v1;g=meta.k8s.io", False),
        ("application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json", False),
        ("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json", False),
        ("application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io,application/json", False),
        ("text/html,application/json;q=0.9", False),
    ],
)
def test_a_table_is_sent_only_where_it_is_the_first_choice(accept: str, wanted: bool) -> None:
    assert wants_table(accept) is wanted


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),
        (119.9, "119s"),
        (120, "2m"),
        (310, "5m10s"),
        (601, "10m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 61, "3h1m"),
        (9 * 3600 + 61, "9h"),
        (48 * 3600, "2d"),
        (53 * 3600, "2d5h"),
        (9 * 86400 + 3600, "9d"),
        (800 * 86400, "2y70d"),
        (3000 * 86400, "8y"),
    ],
)
def test_an_age_is_written_as_kubectl_writes_it(seconds: float, text: str) -> None:
    assert human(seconds) == text
