"""Against the CloudEvents SDK for Python as an independent implementation, both ways."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.bindings import http as sdk
from cloudevents.core.v03.event import CloudEvent as CloudEvent03
from cloudevents.core.v1.event import CloudEvent

from eventing.bindings import http
from eventing.event import Event

TIME = datetime(2026, 4, 5, 17, 31, 0, 123456, tzinfo=UTC)
ATTRIBUTES: dict[str, Any] = {
    "id": "ü 1%",
    "source": "https://example.com/a?b=c",
    "type": 'com.example "quoted"',
    "subject": "Euro € 😀",
    "time": TIME,
    "partitionkey": "a b",
}
SENT = [
    ("application/json", {"a": [1, None, "é"]}, json.dumps({"a": [1, None, "é"]}).encode()),
    ("application/vnd.x+json", {}, b"{}"),
    ("text/plain", "text é", "text é".encode()),
    ("application/octet-stream", b"\x00\xff", b"\x00\xff"),
]


def message(headers: list[tuple[bytes, bytes]], body: bytes) -> sdk.HTTPMessage:
    return sdk.HTTPMessage({name.decode(): value.decode() for name, value in headers}, body)


def received(sent: sdk.HTTPMessage) -> Event:
    headers = [(name.lower().encode(), value.encode()) for name, value in sent.headers.items()]
    (event,) = http.decode(headers, sent.body)
    return event


def assert_same(event: Event, version: str, content_type: str) -> None:
    expected = ATTRIBUTES | {"specversion": version, "datacontenttype": content_type, "time": "2026-04-05T17:31:00.123456Z"}
    assert dict(event.items()) == expected


@pytest.mark.parametrize(("content_type", "given", "data"), SENT)
@pytest.mark.parametrize(("make", "version"), [(CloudEvent, "1.0"), (CloudEvent03, "0.3")])
def test_we_read_its_binary_mode(make: Any, version: str, content_type: str, given: Any, data: bytes) -> None:
    event = received(sdk.to_binary_event(make(ATTRIBUTES | {"specversion": version, "datacontenttype": content_type}, given)))
    assert_same(event, version, content_type)
    assert event.data == data


@pytest.mark.parametrize(("content_type", "given", "data"), SENT)
@pytest.mark.parametrize(("make", "version"), [(CloudEvent, "1.0"), (CloudEvent03, "0.3")])
def test_we_read_its_structured_mode(make: Any, version: str, content_type: str, given: Any, data: bytes) -> None:
    event = received(sdk.to_structured_event(make(ATTRIBUTES | {"specversion": version, "datacontenttype": content_type}, given)))
    assert_same(event, version, content_type)
    assert event.data == data


@pytest.mark.parametrize(("content_type", "given", "data"), SENT)
@pytest.mark.parametrize("encode", [http.encode_binary, http.encode_structured])
@pytest.mark.parametrize("version", ["1.0", "0.3"])
def test_it_reads_what_we_send(encode: Any, version: str, content_type: str, given: Any, data: bytes) -> None:
    attributes = ATTRIBUTES | {"specversion": version, "datacontenttype": content_type, "time": "2026-04-05T17:31:00.123456Z"}
    sent = message(*encode(Event(attributes, data)))
    read = sdk.from_http_event(sent) if encode is http.encode_binary else sdk.from_structured_event(sent)
    expected = ATTRIBUTES | {"specversion": version, "datacontenttype": content_type}
    if version == "0.3" and encode is http.encode_structured and given == b"\x00\xff":
        expected["datacontentencoding"] = "base64"
    assert read.get_attributes() == expected
    assert read.get_data() == given
