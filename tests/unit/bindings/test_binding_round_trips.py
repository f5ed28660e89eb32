"""Through any chain of bindings an event stays the same event."""

from __future__ import annotations

import pytest
from binding_strategies import as_texts, events, json_data, texts
from hypothesis import given

from eventing.bindings import http, json_format, rules, storage
from eventing.event import Event


@given(events())
def test_generated_events_obey_the_rules(event: Event) -> None:
    rules.check(event)


@pytest.mark.requirement("B7")
@given(events())
def test_binary_keeps_everything_but_the_types(event: Event) -> None:
    assert http.decode(*http.encode_binary(event)) == [as_texts(event)]


@pytest.mark.requirement("I14")
@given(events())
def test_binary_headers_are_printable_ascii(event: Event) -> None:
    headers, _ = http.encode_binary(event)
    for name, value in headers:
        allowed = range(0x20 if name == b"content-type" else 0x21, 0x7F)
        assert all(octet in allowed for octet in name + value)


@pytest.mark.requirement("B7", "F5")
@given(events())
def test_structured_keeps_everything_and_the_types(event: Event) -> None:
    assert http.decode(*http.encode_structured(event)) == [event]


@pytest.mark.requirement("B7")
@given(events(values=texts))
def test_a_chain_of_all_bindings(event: Event) -> None:
    event = as_texts(event)
    (first,) = http.decode(*http.encode_binary(event))
    (second,) = http.decode(*http.encode_structured(first))
    third = storage.decode(storage.encode_head(second), second.data)
    assert http.decode_reply(*http.encode_structured(third)) == event
    assert list(third.attributes) == list(event.attributes)


@pytest.mark.requirement("I18")
@given(events(version="1.0"), events(version="1.0"))
def test_a_batch_is_its_events(one: Event, other: Event) -> None:
    body = b"[" + json_format.encode(one) + b"," + json_format.encode(other) + b"]"
    assert http.decode([(b"content-type", json_format.BATCH_CONTENT_TYPE)], body) == [one, other]


@pytest.mark.requirement("F7")
@given(events(), json_data)
def test_json_data_is_never_written_anew(event: Event, data: bytes) -> None:
    sent = Event(dict(event.replace(datacontenttype="application/json").items()), data)
    assert json_format.encode(sent).endswith(b'"data":' + data + b"}")
