"""The HTTP binding, rule by rule: what is taken, what is refused, what goes out."""

from __future__ import annotations

import pytest
from binding_strategies import as_texts
from hypothesis import given
from hypothesis import strategies as st

from eventing.bindings import http
from eventing.errors import InvalidEvent
from eventing.event import AttributeValue, Event
from eventing.ports.http import Headers

REQUIRED = [(b"ce-specversion", b"1.0"), (b"ce-id", b"1"), (b"ce-source", b"/s"), (b"ce-type", b"t")]
CORE: dict[str, AttributeValue] = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}
JSON = b'{"specversion":"1.0","id":"1","source":"/s","type":"t"}'


def with_headers(*more: tuple[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    return [*REQUIRED, *more]


# Mode --------------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("I9")
@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        (b"application/cloudevents+json", 1),
        (b"application/cloudevents+json; charset=UTF-8", 1),
        (b"Application/CloudEvents+JSON;charset=utf-8", 1),
        (b"application/cloudevents-batch+json", 2),
        (b"APPLICATION/cloudevents-BATCH+json ; charset=utf-8", 2),
    ],
)
def test_the_content_type_chooses_the_mode(content_type: bytes, expected: int) -> None:
    body = b"[" + JSON + b"," + JSON + b"]" if expected == 2 else JSON
    assert http.decode([(b"content-type", content_type)], body) == [Event(CORE)] * expected


@pytest.mark.requirement("I9")
def test_a_json_event_sent_as_application_json_is_no_event_and_told_how_it_becomes_one() -> None:
    told = r"attribute specversion: is required, .* JSON has the Content-Type application/cloudevents\+json \("
    with pytest.raises(InvalidEvent, match=told):
        http.decode([(b"content-type", b"application/json")], JSON)


@pytest.mark.requirement("I9")
def test_structured_mode_ignores_ce_headers() -> None:
    headers = [
        (b"ce-id", b"other"),
        (b"ce-Odd_name", b"\x00"),
        (b"ce-id", b"twice"),
        (b"content-type", b"application/cloudevents+json"),
    ]
    assert http.decode(headers, JSON) == [Event(CORE)]


@pytest.mark.requirement("I10")
@pytest.mark.parametrize(
    "content_type", [b"application/cloudevents+avro", b"application/cloudevents", b"application/cloudevents+JSONX"]
)
def test_an_unknown_format_is_binary_where_the_headers_make_it_an_event(content_type: bytes) -> None:
    headers = with_headers((b"content-type", content_type))
    (event,) = http.decode(headers, b"\x00\x01")
    assert event == Event(CORE | {"datacontenttype": content_type.decode()}, b"\x00\x01")
    assert http.encode_binary(event) == (headers, b"\x00\x01")
    for missing in range(4):
        with pytest.raises(InvalidEvent, match="event format 'application/cloudevents"):
            http.decode(headers[:missing] + headers[missing + 1 :], b"\x00\x01")


@pytest.mark.requirement("I10")
def test_a_batch_in_an_unknown_format_is_refused() -> None:
    with pytest.raises(InvalidEvent, match="event format 'application/cloudevents-batch\\+avro' is not supported"):
        http.decode(with_headers((b"content-type", b"application/cloudevents-batch+avro")), b"")


@pytest.mark.requirement("I18")
def test_an_empty_batch_has_no_events() -> None:
    assert http.decode([(b"content-type", b"application/cloudevents-batch+json")], b" [ ] ") == []


# Binary mode in ----------------------------------------------------------------------------------------------------


@pytest.mark.requirement("I1", "F4", "F5", "B7")
def test_headers_become_attributes_and_the_body_data() -> None:
    headers = [
        (b"host", b"example.com"),
        *with_headers(
            (b"content-type", b'Text/Plain; charset="utf-8"'),
            (b"ce-time", b"2018-04-05T17:31:00.123456789-00:00"),
            (b"ce-5", b""),
        ),
        (b"x-ce-id", b"not ours"),
        (b"authorization", b"Bearer secret"),
    ]
    (event,) = http.decode(headers, b"\xff\x00")
    more = {"datacontenttype": 'Text/Plain; charset="utf-8"', "time": "2018-04-05T17:31:00.123456789-00:00", "5": ""}
    assert list(event.items()) == list((CORE | more).items())
    assert event.data == b"\xff\x00"


@pytest.mark.requirement("I12")
def test_no_content_type_and_no_body_stay_absent() -> None:
    (event,) = http.decode(REQUIRED, b"")
    assert event == Event(CORE, None)
    assert http.encode_binary(event) == (REQUIRED, b"")


@pytest.mark.requirement("I13")
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"plain", "plain"),
        (b"with a space", "with a space"),
        (b"Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
        (b"Euro%20%e2%82%ac", "Euro €"),
        (b"%41%62c", "Abc"),
        (b"%2520", "%20"),
        (b"100%25", "100%"),
        (b"a%22b", 'a"b'),
        ("roh €".encode(), "roh €"),
        ("%E2%82%AC€".encode(), "€€"),
        (b'"quoted string"', "quoted string"),
        (b'"a \\"b\\" \\\\ \\c"', 'a "b" \\ c'),
        (b'"%22%41"', '"A'),
        (b'"\\%41"', "A"),
        (b'"%5C%22"', '\\"'),
        (b"%22not quoted%22", '"not quoted"'),
        (b'a "b" c', 'a "b" c'),
        (b'""', ""),
        (b"", ""),
    ],
)
def test_header_values_are_unquoted_and_decoded_once(value: bytes, text: str) -> None:
    (event,) = http.decode(with_headers((b"ce-x", value)), b"")
    assert event.get("x") == text


@pytest.mark.requirement("I13", "I15")
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"%C0%A0", "not UTF-8"),
        (b"%ED%A0%80", "not UTF-8"),
        (b"%ff", "not UTF-8"),
        (b"%E2%82", "not UTF-8"),
        (b"\xff", "not UTF-8"),
        (b"%", "two hexadecimal digits"),
        (b"%4", "two hexadecimal digits"),
        (b"%zz", "two hexadecimal digits"),
        (b"100% sure", "two hexadecimal digits"),
        (b'"', "quoted string"),
        (b'"open', "quoted string"),
        (b'"a" b', "quoted string"),
        (b'"a\\"', "quoted string"),
        (b"a%00b", "U\\+0000"),
        (b"a%0D%0Ax-injected:%201", "U\\+000D"),
        (b"a%0a", "U\\+000A"),
        (b"a%7f", "U\\+007F"),
        (b"%C2%85", "U\\+0085"),
        (b"%EF%BF%BF", "U\\+FFFF"),
        (b"%EF%B7%90", "U\\+FDD0"),
        (b"tab\there", "U\\+0009"),
        (b"\x7f", "U\\+007F"),
        (b'"\\\n"', "U\\+000A"),
    ],
)
def test_header_values_that_are_refused(value: bytes, reason: str) -> None:
    for name in (b"ce-x", b"ce-subject"):
        with pytest.raises(InvalidEvent, match=f"attribute {name[3:].decode()}: .*{reason}"):
            http.decode(with_headers((name, value)), b"")


@pytest.mark.requirement("I12")
def test_a_content_type_is_not_percent_decoded() -> None:
    headers = with_headers((b"content-type", b'text/plain; x="%41"'))
    (event,) = http.decode(headers, b"")
    assert event.datacontenttype == 'text/plain; x="%41"'
    assert http.encode_binary(event)[0] == headers


@pytest.mark.requirement("I12", "I16")
@pytest.mark.parametrize(
    ("header", "attribute", "reason"),
    [
        (b"ce-datacontenttype", "datacontenttype", "ce-datacontenttype is not allowed"),
        (b"ce-data", "data", "no attribute is called data"),
        (b"ce-", "", "a-z and 0-9"),
        (b"ce-a-b", "a-b", "a-z and 0-9"),
        (b"ce-a_b", "a_b", "a-z and 0-9"),
        (b"ce-A", "A", "a-z and 0-9"),
        (b"ce-\xe4", "ä", "a-z and 0-9"),
        (b"ce-id", "id", "the header 'ce-id' occurs twice"),
        (b"ce-type", "type", "the header 'ce-type' occurs twice"),
        (b"content-type", "datacontenttype", "Content-Type occurs twice"),
    ],
)
def test_header_names_that_are_refused(header: bytes, attribute: str, reason: str) -> None:
    with pytest.raises(InvalidEvent, match=reason) as caught:
        http.decode(with_headers((b"content-type", b"text/plain"), (header, b"1")), b"")
    assert caught.value.attribute == attribute


@pytest.mark.requirement("I16")
def test_a_repeated_extension_is_refused() -> None:
    with pytest.raises(InvalidEvent, match="'ce-x' occurs twice"):
        http.decode(with_headers((b"ce-x", b"1"), (b"ce-y", b"1"), (b"ce-x", b"1")), b"")


@pytest.mark.requirement("I11")
@pytest.mark.parametrize("version", [b"0.2", b"1.1", b"", b"1"])
def test_other_versions_are_refused(version: bytes) -> None:
    with pytest.raises(InvalidEvent) as caught:
        http.decode([(b"ce-specversion", version), *REQUIRED[1:]], b"")
    assert caught.value.attribute == "specversion"


@pytest.mark.requirement("I11")
def test_version_0_3_stays_what_it_is() -> None:
    headers = [(b"ce-specversion", b"0.3"), *REQUIRED[1:], (b"ce-schemaurl", b"/x"), (b"ce-datacontentencoding", b"base64")]
    (event,) = http.decode(headers, b"AAAA")
    assert event.specversion == "0.3"
    assert event.data == b"AAAA"
    assert http.encode_binary(event) == (headers, b"AAAA")


# Replies -----------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R4")
@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ([], b""),
        ([], b"ok"),
        ([(b"content-type", b"text/html")], b"<html>"),
        ([(b"content-type", b"application/json")], JSON),
        ([(b"x-request-id", b"1"), (b"cache-control", b"no-store")], b""),
        ([(b"content-type", b"text/plain"), (b"content-type", b"text/html")], b"hi"),
    ],
)
def test_an_answer_without_event(headers: Headers, body: bytes) -> None:
    assert http.decode_reply(headers, body) is None


@pytest.mark.requirement("R5")
def test_an_answer_with_an_event() -> None:
    assert http.decode_reply(REQUIRED, b"x") == Event(CORE, b"x")
    assert http.decode_reply([(b"content-type", b"Application/CloudEvents+json")], JSON) == Event(CORE)


@pytest.mark.requirement("R4")
@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ([(b"ce-id", b"1")], b""),
        ([(b"ce-a-b", b"1")], b""),
        (REQUIRED[1:], b""),
        (with_headers((b"content-type", b"text/plain"), (b"content-type", b"text/html")), b"hi"),
        ([(b"content-type", b"text/plain"), (b"content-type", b"application/cloudevents+json")], JSON),
        ([(b"content-type", b"application/cloudevents+json")], b""),
        ([(b"content-type", b"application/cloudevents+json")], b"{}"),
        ([(b"content-type", b"application/cloudevents+xml")], b"<event/>"),
        ([(b"content-type", b"application/cloudevents-batch+json")], b"[]"),
        (with_headers((b"content-type", b"application/cloudevents-batch+json")), b"[]"),
    ],
)
def test_a_malformed_event_in_an_answer_is_an_error(headers: Headers, body: bytes) -> None:
    with pytest.raises(InvalidEvent):
        http.decode_reply(headers, body)


# Out ---------------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("I14")
@pytest.mark.parametrize(
    ("value", "header"),
    [
        ("plain!#$&'()*+,-./:;<=>?@[\\]^_`{|}~", b"plain!#$&'()*+,-./:;<=>?@[\\]^_`{|}~"),
        ("Euro € 😀", b"Euro%20%E2%82%AC%20%F0%9F%98%80"),
        ("100%", b"100%25"),
        ('say "x"', b"say%20%22x%22"),
        ('"', b"%22"),
        ("\xa0", b"%C2%A0"),
        (" ", b"%20"),
        ("", b""),
        (True, b"true"),
        (False, b"false"),
        (-7, b"-7"),
    ],
)
def test_values_are_percent_encoded(value: AttributeValue, header: bytes) -> None:
    headers, body = http.encode_binary(Event(CORE | {"x": value}, None))
    assert headers == with_headers((b"ce-x", header))
    assert body == b""


@pytest.mark.requirement("I15")
@pytest.mark.parametrize(
    "bad",
    [
        {"datacontenttype": "text/plain\r\nx-injected: 1"},
        {"datacontenttype": "text/plain; ü"},
        {"a\r\nb": "1"},
        {"a-b": "1"},
        {"x": "\ud800"},
    ],
)
def test_an_unchecked_event_can_not_forge_headers(bad: dict[str, AttributeValue]) -> None:
    with pytest.raises(InvalidEvent):
        http.encode_binary(Event(CORE | bad))


def test_control_characters_of_an_unchecked_event_are_encoded() -> None:
    assert http.encode_binary(Event({"x": "a\r\nb\x7f"}))[0] == [(b"ce-x", b"a%0D%0Ab%7F")]


def test_structured_mode_has_one_header_and_the_document() -> None:
    headers, body = http.encode_structured(Event(CORE))
    assert headers == [(b"content-type", b"application/cloudevents+json")]
    assert body == JSON


# Noise -------------------------------------------------------------------------------------------------------------

some_names = st.sampled_from(
    [
        b"ce-specversion",
        b"ce-id",
        b"ce-source",
        b"ce-type",
        b"ce-time",
        b"ce-subject",
        b"ce-x",
        b"ce-dataschema",
        b"content-type",
        b"host",
    ]
)
some_values = st.sampled_from(
    [b"1.0", b"0.3", b"/s", b'"a"', b"application/cloudevents+json", b"application/cloudevents-batch+json", b"text/plain", JSON]
)
some_bodies = st.binary(max_size=60) | st.sampled_from([JSON, b"[" + JSON + b"]", b"[" * 5000, b"{" + b'"a":{' * 5000])


@pytest.mark.requirement("I4", "B7")
@given(
    st.lists(
        st.tuples(some_names | st.binary(max_size=12).map(lambda name: b"ce-" + name), some_values | st.binary(max_size=12)),
        max_size=10,
    ),
    some_bodies,
)
def test_noise_is_an_event_or_refused_and_what_is_taken_can_be_sent(headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    for start in ([], REQUIRED, [(b"content-type", b"application/cloudevents+json")]):
        for event in taken([*start, *headers], body):
            assert http.decode(*http.encode_binary(event)) == [as_texts(event)]
            assert http.decode(*http.encode_structured(event)) != []


def taken(headers: Headers, body: bytes) -> list[Event]:
    found: list[Event] = []
    try:
        found += http.decode(headers, body)
    except InvalidEvent as error:
        message = str(error)
        if not (message.isascii() and message.isprintable()):
            pytest.fail(f"not fit for a log line: {message!r}")
    try:
        reply = http.decode_reply(headers, body)
    except InvalidEvent:
        return found
    return found if reply is None else [*found, reply]
