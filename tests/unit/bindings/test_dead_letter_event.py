"""The extensions about a failure on the way to a dead-letter sink."""

from __future__ import annotations

import base64

import pytest
from binding_strategies import events
from hypothesis import given
from hypothesis import strategies as st

from eventing.bindings import rules
from eventing.bindings.dead_letter import with_error
from eventing.event import Event
from eventing.ports.records import Failure

EVENT = Event({"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "x": 1}, b"data")
URL = "http://example.com:8080/path?q=1"


def test_an_answer() -> None:
    event = with_error(EVENT, Failure(URL, 500, "500 Internal Server Error", b"\xff body"))
    more = {"knativeerrordest": URL, "knativeerrorcode": "500", "knativeerrordata": base64.b64encode(b"\xff body").decode()}
    assert event == Event(dict(EVENT.items()) | more, b"data")
    assert EVENT.get("knativeerrordest") is None


def test_no_answer_leaves_only_the_address() -> None:
    assert with_error(EVENT, Failure(URL, 0, "refused")) == EVENT.replace(knativeerrordest=URL)


@pytest.mark.parametrize("length", [1, 1023, 1024, 1025, 5000])
def test_the_body_is_cut_at_1024_bytes(length: int) -> None:
    body = bytes(index % 251 for index in range(length))
    value = with_error(EVENT, Failure(URL, 400, "", body)).text("knativeerrordata")
    assert value is not None
    assert base64.b64decode(value, validate=True) == body[:1024]


def test_an_earlier_failure_is_replaced_whole() -> None:
    first = with_error(EVENT, Failure("http://first/", 500, "", b"first"))
    assert with_error(first, Failure("http://second/", 0, "timeout")) == EVENT.replace(knativeerrordest="http://second/")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://user:secret@example.com/a@b?c@d", "http://example.com/a@b?c@d"),
        ("http://us@er:secret@example.com", "http://example.com"),
        ("http://example.com?x=a@b", "http://example.com?x=a@b"),
        ("http://exämple.com/a b\n", "http://ex%C3%A4mple.com/a%20b%0A"),
        ("http://example.com/\ud800", "http://example.com/?"),
        ("http://example.com/%20", "http://example.com/%20"),
    ],
)
def test_the_address_holds_no_credentials_and_only_ascii(url: str, shown: str) -> None:
    assert with_error(EVENT, Failure(url, 0, "")).get("knativeerrordest") == shown


@given(events(), st.text(st.characters(), max_size=30), st.integers(0, 999), st.binary(max_size=40))
def test_the_result_is_a_valid_event(event: Event, url: str, code: int, body: bytes) -> None:
    marked = with_error(event, Failure(url, code, "", body))
    rules.check(marked)
    assert marked.data == event.data
