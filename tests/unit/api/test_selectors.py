"""Lists chosen by label and field."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from api_rig import Get

GROUP = "/apis/eventing.knative.dev/v1"
LABEL = "eventing.knative.dev/broker"


async def names(get: Get, path: str, **query: str) -> list[str]:
    text = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    answer = await get(f"{GROUP}/{path}?{text}")
    assert answer.status == 200, answer.body
    return [f"{item['metadata']['namespace']}/{item['metadata']['name']}" for item in answer.json["items"]]


@pytest.mark.requirement("O8")
async def test_triggers_are_found_by_the_label_that_names_their_broker(get: Get) -> None:
    assert await names(get, "triggers", labelSelector=f"{LABEL}=b") == ["default/t"]
    assert await names(get, "triggers", labelSelector=f"{LABEL}=c") == []


@pytest.mark.parametrize(
    ("selector", "chosen"),
    [
        ("", True),
        (f"{LABEL}==b", True),
        (f"{LABEL} = b", True),
        (f"{LABEL}!=b", False),
        (f"{LABEL}!=c", True),
        ("none!=c", True),
        ("none=", False),
        (LABEL, True),
        ("none", False),
        (f"!{LABEL}", False),
        ("!none", True),
        (f"{LABEL} in (a, b)", True),
        (f"{LABEL} in (a)", False),
        (f"{LABEL} notin (a,c)", True),
        (f"{LABEL} notin (b)", False),
        ("none notin (b)", True),
        (f"{LABEL}=b,!none, {LABEL} in (b)", True),
        (f"{LABEL}=b,none", False),
    ],
)
async def test_labels_are_compared_as_kubernetes_does(get: Get, selector: str, chosen: bool) -> None:
    assert await names(get, "triggers", labelSelector=selector) == ["default/t"] * chosen


async def test_fields_choose_by_name_and_namespace(get: Get) -> None:
    assert await names(get, "brokers", fieldSelector="metadata.namespace=other") == ["other/b"]
    assert await names(get, "brokers", fieldSelector="metadata.name==b,metadata.namespace!=other") == ["default/b"]
    assert await names(get, "namespaces/default/brokers", fieldSelector="metadata.name=none") == []


@pytest.mark.parametrize("selector", ["a=b=c", "a=b,", ",a=b", "a in b", "a in (b", "=b", "a b", "!", "a,,b", "a=b c", "é=b"])
async def test_a_label_selector_that_cant_be_read_is_refused(get: Get, selector: str) -> None:
    answer = await get(f"{GROUP}/triggers?labelSelector={quote(selector, safe='')}")
    assert (answer.status, answer.json["reason"]) == (400, "BadRequest")


@pytest.mark.parametrize("selector", ["metadata.name", "spec.broker=b", "metadata.name=b,", "=b", "metadata.name=a=b"])
async def test_a_field_selector_that_cant_be_used_is_refused(get: Get, selector: str) -> None:
    answer = await get(f"{GROUP}/triggers?fieldSelector={quote(selector, safe='')}")
    assert (answer.status, answer.json["reason"]) == (400, "BadRequest")
