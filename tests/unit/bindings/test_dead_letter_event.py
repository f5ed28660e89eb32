"""The extensions about a failure on the way to a dead-letter sink."""

from __future__ import annotations

import base64

import pytest
from binding_strategies import events
from hypothesis import given
from hypothesis import strategies as st

from eventing.bindings import rules
from eventing.bindings.dead_letter import MAX_EXTENSION_BYTES, MAX_EXTENSIONS, extensions_of, with_error
from eventing.event import Event
from eventing.ports.records import Failure

EVENT = Event({"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "x": 1}, b"data")
URL = "http://example.com:8080/path?q=1"


@pytest.mark.requirement("D12")
def test_an_answer_gives_the_dead_letter_address_code_and_data() -> None:
    event = with_error(EVENT, Failure(URL, 500, "500 Internal Server Error", b"\xff body"))
    more = {"knativeerrordest": URL, "knativeerrorcode": "500", "knativeerrordata": base64.b64encode(b"\xff body").decode()}
    assert event == Event(dict(EVENT.items()) | more, b"data")
    assert EVENT.get("knativeerrordest") is None


@pytest.mark.requirement("D12")
def test_no_answer_leaves_only_the_address() -> None:
    assert with_error(EVENT, Failure(URL, 0, "refused")) == EVENT.replace(knativeerrordest=URL)


@pytest.mark.requirement("D12")
@pytest.mark.parametrize("length", [1, 1023, 1024, 1025, 5000])
def test_the_body_is_cut_at_1024_bytes(length: int) -> None:
    body = bytes(index % 251 for index in range(length))
    value = with_error(EVENT, Failure(URL, 400, "", body)).text("knativeerrordata")
    assert value is not None
    assert base64.b64decode(value, validate=True) == body[:1024]


@pytest.mark.requirement("D12")
def test_an_earlier_failure_is_replaced_whole() -> None:
    first = with_error(EVENT, Failure("http://first/", 500, "", b"first"))
    assert with_error(first, Failure("http://second/", 0, "timeout")) == EVENT.replace(knativeerrordest="http://second/")


@pytest.mark.requirement("D12")
@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://user:secret@example.com/a@b?c@d", "http://example.com/a@b?c@d"),
        ("http://us@er:secret@example.com", "http://example.com"),
        ("http://example.com?x=a@b", "http://example.com?x=a@b"),
        ("http://exämple.com/a b\n", "http://ex%C3%A4mple.com/a%20b%0A"),
        ("http://example.com/\ud800", "http://example.com/?"),
        ("http://example.com/%20", "http://example.com/%20"),
        ("http://example.com/?a=1&access_token=secret&b=2#c", "http://example.com/?a=1&access_token=...&b=2#c"),
        ("http://example.com/?ACCESS_TOKEN=secret", "http://example.com/?ACCESS_TOKEN=..."),
        (
            "http://example.com/access_token=kept?no_access_token=kept",
            "http://example.com/access_token=kept?no_access_token=kept",
        ),
    ],
)
def test_the_address_holds_no_credentials_and_only_ascii(url: str, shown: str) -> None:
    assert with_error(EVENT, Failure(url, 0, "")).get("knativeerrordest") == shown


@pytest.mark.requirement("D12")
@given(events(), st.text(st.characters(), max_size=30), st.integers(0, 999), st.binary(max_size=40))
def test_any_dead_letter_is_a_valid_event(event: Event, url: str, code: int, body: bytes) -> None:
    marked = with_error(event, Failure(url, code, "", body))
    rules.check(marked)
    assert marked.data == event.data


@pytest.mark.requirement("D12")
def test_an_answer_asks_for_extensions_by_headers_that_begin_with_kne() -> None:
    headers = [
        (b"content-type", b"text/plain"),
        (b"kne-reason", b"out of stock"),
        (b"kne-x1", "\u00fc".encode()),
        (b"kne-empty", b""),
    ]
    assert extensions_of(headers) == (("reason", "out of stock"), ("x1", "\u00fc"), ("empty", ""))
    assert extensions_of([]) == extensions_of([(b"kne", b"x"), (b"xkne-a", b"x")]) == ()


@pytest.mark.requirement("D12")
@pytest.mark.parametrize(
    "name",
    [
        *("specversion", "id", "source", "type", "subject", "time", "data", "datacontenttype", "dataschema", "schemaurl"),
        *("datacontentencoding", "knativeerrordest", "knativeerrorcode", "knativeerrordata"),
        *("expirytime", "knativebrokerttl"),
        *("", "a_b", "a-b", "a.b", "x" * 21),
    ],
)
def test_an_answer_can_t_ask_for_a_name_that_is_taken_or_is_none(name: str) -> None:
    assert extensions_of([(b"kne-" + name.encode(), b"x"), (b"kne-fine", b"y")]) == (("fine", "y"),)


@pytest.mark.requirement("D12")
@pytest.mark.parametrize("value", [b"\xff", b"\xc3", b"\xc2\x85", b"\xef\xb7\x90", b"a\tb"])
def test_a_value_that_is_no_string_of_cloudevents_is_left_out(value: bytes) -> None:
    assert extensions_of([(b"kne-bad", value), (b"kne-fine", b"y")]) == (("fine", "y"),)


@pytest.mark.requirement("D12")
def test_what_an_answer_asks_for_is_bounded() -> None:
    assert len(extensions_of([(b"kne-%d" % number, b"") for number in range(100)])) == MAX_EXTENSIONS == 16
    asked = extensions_of([(b"kne-big", b"x" * MAX_EXTENSION_BYTES), (b"kne-small", b"x")])
    assert asked == (("small", "x"),)
    assert MAX_EXTENSION_BYTES == 4096


@pytest.mark.requirement("D12")
def test_an_attribute_of_the_event_is_never_overwritten_by_what_an_answer_asks_for() -> None:
    failure = Failure(URL, 422, "", extensions=(("x", "other"), ("reason", "told")))
    assert with_error(EVENT, failure) == EVENT.replace(knativeerrordest=URL, knativeerrorcode="422", reason="told")


asked = st.text("abc19-_", max_size=8).map(lambda name: b"kne-" + name.encode())


@given(events(), st.lists(st.tuples(asked, st.binary(max_size=30)), max_size=20))
@pytest.mark.requirement("D12")
def test_whatever_an_answer_asks_for_the_dead_letter_is_a_valid_event_with_all_attributes_it_had(
    event: Event, headers: list[tuple[bytes, bytes]]
) -> None:
    marked = with_error(event, Failure(URL, 500, "", b"", extensions_of(headers)))
    rules.check(marked)
    ours = {"knativeerrordest", "knativeerrorcode", "knativeerrordata"}
    assert all(marked.get(name) == value for name, value in event.items() if name not in ours)
