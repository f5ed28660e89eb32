"""The JSON event format and the batch format, rule by rule."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventing.bindings import json_format
from eventing.errors import InvalidEvent
from eventing.event import AttributeValue, Event

CORE: dict[str, AttributeValue] = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}
JSON = CORE | {"datacontenttype": "application/json"}


def document(more: str, version: str = "1.0") -> bytes:
    return f'{{"specversion":"{version}","id":"1","source":"/s","type":"t",{more}}}'.encode()


def refused(body: bytes) -> InvalidEvent:
    with pytest.raises(InvalidEvent) as caught:
        json_format.decode(body)
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300
    return caught.value


# Attributes --------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("F1")
@pytest.mark.parametrize(
    ("member", "value"),
    [
        ('"x":"text"', "text"),
        ('"x":""', ""),
        ('"x":"\\u20ac \\ud83d\\ude00 \\"\\\\\\/"', '€ 😀 "\\/'),
        ('"x":"€"', "€"),
        ('"x":0', 0),
        ('"x":-0', 0),
        ('"x":2147483647', 2147483647),
        ('"x":-2147483648', -2147483648),
        ('"x":true', True),
        ('"x":false', False),
        ('"x":null', None),
        ('"\\u0078":"escaped name"', "escaped name"),
        ('  "x"\t:\n"spaced"  ', "spaced"),
    ],
)
def test_members_are_attributes_with_their_types(member: str, value: AttributeValue | None) -> None:
    event = json_format.decode(document(member))
    assert event == Event(CORE if value is None else CORE | {"x": value})


@pytest.mark.requirement("F1", "F6", "I15")
@pytest.mark.parametrize(
    ("member", "name", "reason"),
    [
        ('"x":1.0', "x", "no fraction and no exponent"),
        ('"x":1e2', "x", "no fraction and no exponent"),
        ('"x":10E-1', "x", "no fraction and no exponent"),
        ('"x":0.5', "x", "no fraction and no exponent"),
        ('"x":2147483648', "x", "between"),
        ('"x":-2147483649', "x", "between"),
        ('"x":99999999999999999999999999', "x", "between"),
        ('"x":' + "9" * 5000, "x", "between"),
        ('"x":{}', "x", "must be a string, an integer or a boolean"),
        ('"x":["a"]', "x", "must be a string, an integer or a boolean"),
        ('"x":"a\\u0000"', "x", "U+0000"),
        ('"x":"a\\n"', "x", "U+000A"),
        ('"x":"\x7f"', "x", "U+007F"),
        ('"x":"\\uffff"', "x", "U+FFFF"),
        ('"X":"1"', "X", "a-z and 0-9"),
        ('"":"1"', "", "a-z and 0-9"),
        ('"a_b":null', "a_b", "a-z and 0-9"),
        ('"dataBase64":"QQ=="', "dataBase64", "a-z and 0-9"),
        ('"subject":""', "subject", "non-empty"),
        ('"subject":5', "subject", "non-empty String"),
        ('"time":true', "time", "timestamp"),
        ('"datacontenttype":""', "datacontenttype", "media type"),
        ('"datacontenttype":{"a":"b"}', "datacontenttype", "must be a string"),
    ],
)
def test_attributes_that_are_refused(member: str, name: str, reason: str) -> None:
    error = refused(document(member))
    assert error.attribute == name
    assert reason in str(error)


@pytest.mark.requirement("F1", "F6")
@pytest.mark.parametrize("name", ["specversion", "id", "source", "type"])
@pytest.mark.parametrize("value", [None, "", 1, True])
def test_a_required_attribute_that_is_missing_empty_or_no_string_is_refused(name: str, value: AttributeValue | None) -> None:
    assert refused(json.dumps(CORE | {name: value}).encode()).attribute == name
    assert refused(json.dumps({key: text for key, text in CORE.items() if key != name}).encode()).attribute == name


@pytest.mark.requirement("I4", "I15", "F1")
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not a JSON object"),
        (b"{}", "attribute specversion: is required"),
        (b" { } ", "attribute specversion: is required"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'"x"', "not a JSON object"),
        (b"{", "not a JSON object"),
        (b"\xef\xbb\xbf{}", "not a JSON object"),
        (b"{'a':1}", "not a JSON object"),
        (document('"x":NaN'), "not a JSON object"),
        (document('"data":NaN'), "not a JSON object"),
        (document('"data":[Infinity]'), "not a JSON object"),
        (document('"data":01'), "not a JSON object"),
        (document('"data":"\t"'), "not a JSON object"),
        (document('"data":[1,]'), "not a JSON object"),
        (document('"data":1') + b"x", "not a JSON object"),
        (document('"x":"\\ud800"'), "not a JSON object"),
        (document('"x":"\\udc00"'), "not a JSON object"),
        (document('"data":"\\ud800\\ud800"'), "not a JSON object"),
        (document('"data":' + "[" * 100_000), "nested too deeply"),
        (document('"data":1').replace(b'"t"', b'"\xff"'), "not UTF-8"),
        (document('"data":"?"').replace(b"?", b"\xed\xa0\x80"), "not UTF-8"),
        (document('"data":"?"').replace(b"?", b"\xff"), "not UTF-8"),
        (json.dumps(CORE).encode("utf-16"), "not UTF-8"),
    ],
)
def test_documents_that_are_refused(body: bytes, reason: str) -> None:
    assert reason in str(refused(body))


@pytest.mark.requirement("I16")
@pytest.mark.parametrize(
    "body",
    [
        document('"id":"2"'),
        document('"id":"1"'),
        document('"x":1,"x":1'),
        document('"x":12,"x":1'),
        document('"x":1,"x":12'),
        document('"x":null,"x":null'),
        document('"data":{"a":1},"data":{"a":1}'),
        document('"data":{},"data":[]'),
        document(' "x" : 1 , "x" : 1 '),
        document('"x":1,"\\u0078":1'),
        document('"\\u0078":"€","x":"€"'),
        document('"x":1,"y":2,\n"x"\n:\n1'),
        b'{"id":"1",\n' + document('"x":"y"')[1:],
        # Just as long as the same document without the first member and without white space would not be.
        document('"x":1,              "x":1'),
    ],
)
def test_a_member_that_occurs_twice_is_refused(body: bytes) -> None:
    assert "occurs twice" in str(refused(body))


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["1", "12", '"a"', '"a,\\""', "null"])), max_size=6),
    st.sampled_from(["", " ", "\n  "]),
)
def test_it_occurs_twice_exactly_where_a_full_parser_says_so(members: list[tuple[str, str]], space: str) -> None:
    text = f",{space}".join(f'"{name}"{space}:{space}{value}' for name, value in members)
    body = document(f"{space}{text}") if members else document('"x":1')
    names = [name for name, _ in members]
    if len(set(names)) == len(names):
        json_format.decode(body)
    else:
        assert "occurs twice" in str(refused(body))


@pytest.mark.requirement("F7")
def test_members_inside_data_may_repeat() -> None:
    assert json_format.decode(document('"data":{"id":"x","id":"y"}')).data == b'{"id":"x","id":"y"}'


# Data in -----------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("F2", "F4", "F7")
@pytest.mark.parametrize(
    "value",
    [
        "null",
        "false",
        "0",
        '""',
        '"text"',
        '"{\\"a\\":1}"',
        "{}",
        "[]",
        '{ "a" : 1.50, "b":1e400 ,"é":"\\u00e9" }',
        "1e3",
        "[-0.0]",
    ],
)
@pytest.mark.parametrize(
    "content_type",
    ["", "application/json", "Application/JSON; charset=utf-8", "text/json", "application/vnd.x+json", "image/svg+JSON;a=b"],
)
def test_json_data_is_kept_byte_for_byte(value: str, content_type: str) -> None:
    member = f'"datacontenttype":"{content_type}",' if content_type else ""
    event = json_format.decode(document(f'{member}"data": {value} '))
    # Without a content type the data is JSON, which the event says from then on.
    assert event == Event(CORE | {"datacontenttype": content_type or "application/json"}, value.encode())
    assert json_format.decode(json_format.encode(event)) == event


@pytest.mark.requirement("F2")
@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/xml", "application/jsonx", "json/plain", "application/json+xml"]
)
def test_other_data_is_a_string(content_type: str) -> None:
    member = f'"datacontenttype":"{content_type}"'
    assert json_format.decode(document(f'{member},"data":"a\\n€\\u0000"')).data == "a\n€\0".encode()
    assert json_format.decode(document(f'{member},"data":""')).data == b""
    for value in ("null", "0", "{}", "true", "[]"):
        assert refused(document(f'{member},"data":{value}')).attribute == "data"


@pytest.mark.requirement("F2", "F3")
@pytest.mark.parametrize("content_type", [None, "application/json", "image/png"])
@pytest.mark.parametrize(("text", "data"), [("", b""), ("AP8=", b"\x00\xff"), ("e30=", b"{}"), ("\\u0041AAA", b"\0\0\0")])
def test_base64_data_says_nothing_about_the_content_type(content_type: str | None, text: str, data: bytes) -> None:
    member = f'"datacontenttype":"{content_type}",' if content_type else ""
    event = json_format.decode(document(f'{member}"data_base64":"{text}"'))
    assert event == Event(CORE | {"datacontenttype": content_type} if content_type else CORE, data)


@pytest.mark.requirement("F2")
@pytest.mark.parametrize("value", ['"A"', '"AP8"', '"A P8="', '"-_8="', '"AP8=AP8="', '"é"', "1", "{}", "[]", "true", '"="'])
def test_bad_base64_is_refused(value: str) -> None:
    assert refused(document(f'"data_base64":{value}')).attribute == "data_base64"


@pytest.mark.requirement("F2")
@pytest.mark.parametrize("data", ["null", "1", '"QQ=="'])
def test_data_and_data_base64_exclude_each_other(data: str) -> None:
    assert "exclude each other" in str(refused(document(f'"data":{data},"data_base64":"QQ=="')))


@pytest.mark.requirement("F1")
def test_data_base64_null_is_unset() -> None:
    assert json_format.decode(document('"data_base64":null')) == Event(CORE)
    assert json_format.decode(document('"data":1,"data_base64":null')) == Event(JSON, b"1")


@pytest.mark.requirement("F2", "F3")
def test_no_data_is_not_null_and_adds_nothing() -> None:
    assert json_format.decode(document('"x":null')) == Event(CORE, None)
    assert json_format.decode(document('"data":null')) == Event(JSON, b"null")


# CloudEvents 0.3 ---------------------------------------------------------------------------------------------------

OLD = CORE | {"specversion": "0.3"}


@pytest.mark.requirement("I11")
@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ('"x":1', Event(OLD | {"x": 1})),
        ('"schemaurl":"/s"', Event(OLD | {"schemaurl": "/s"})),
        ('"data":{}', Event(OLD | {"datacontenttype": "application/json"}, b"{}")),
        ('"datacontentencoding":"base64","data":"AP8="', Event(OLD, b"\x00\xff")),
        (
            '"datacontentencoding":"Base64","datacontenttype":"a/b","data":"AP8="',
            Event(OLD | {"datacontenttype": "a/b"}, b"\x00\xff"),
        ),
        ('"datacontentencoding":"base64","data":{}', Event(OLD | {"datacontenttype": "application/json"}, b"{}")),
        ('"datacontentencoding":"base64"', Event(OLD)),
        ('"data_base64":null', Event(OLD)),
    ],
)
def test_version_0_3_is_read_by_its_own_rules(more: str, expected: Event) -> None:
    event = json_format.decode(document(more, "0.3"))
    assert event == expected
    assert json_format.decode(json_format.encode(event)) == expected


@pytest.mark.requirement("I11")
@pytest.mark.parametrize(
    ("more", "name"),
    [
        ('"data_base64":"QQ=="', "data_base64"),
        ('"datacontentencoding":"base64","data":"Q"', "data"),
        ('"datacontentencoding":"quoted-printable","data":"a"', "datacontentencoding"),
        ('"datacontentencoding":1,"data":"a"', "datacontentencoding"),
        ('"schemaurl":"a b"', "schemaurl"),
    ],
)
def test_what_version_0_3_does_not_allow_is_refused(more: str, name: str) -> None:
    assert refused(document(more, "0.3")).attribute == name


def test_version_0_3_bytes_go_out_as_base64_data() -> None:
    event = Event(OLD | {"datacontentencoding": "base64", "datacontenttype": "image/png"}, b"\x00\xff")
    assert json.loads(json_format.encode(event)) == {
        **OLD,
        "datacontenttype": "image/png",
        "datacontentencoding": "base64",
        "data": "AP8=",
    }


def test_version_0_3_says_base64_only_where_it_is() -> None:
    event = Event(OLD | {"datacontentencoding": "base64", "datacontenttype": "application/json"}, b'"QQ=="')
    assert json.loads(json_format.encode(event)) == {**OLD, "datacontenttype": "application/json", "data": "QQ=="}


# Out ---------------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("F2")
@pytest.mark.parametrize(
    ("content_type", "data", "member"),
    [
        ("application/json", b'{"a": 1.50}', b'"data":{"a": 1.50}'),
        ("application/json", b"null", b'"data":null'),
        ("application/x+json; v=1", '"é"'.encode(), '"data":"é"'.encode()),
        ("application/json", b"", b'"data_base64":""'),
        ("application/json", b"{", b'"data_base64":"ew=="'),
        ("application/json", b"1}", b'"data_base64":"MX0="'),
        ("application/json", b'1,"x":2', b'"data_base64":"MSwieCI6Mg=="'),
        ("application/json", b'"\xff"', b'"data_base64":"Iv8i"'),
        ("application/json", b"NaN", b'"data_base64":"TmFO"'),
        ("text/plain", b'a\n"', b'"data":"a\\n\\""'),
        ("Text/Plain; charset=utf-8", "é".encode(), '"data":"é"'.encode()),
        ("text/plain", b"", b'"data":""'),
        ("text/plain", b"\xff", b'"data_base64":"/w=="'),
        ("text/plain; charset=iso-8859-1", b"a", b'"data_base64":"YQ=="'),
        ("application/xml", b"<a/>", b'"data":"<a/>"'),
        ("image/svg+XML", "<ü/>".encode(), '"data":"<ü/>"'.encode()),
        ("application/xml", "<ü/>".encode("latin-1"), b'"data_base64":"PPwvPg=="'),
        ("application/xml; charset=iso-8859-1", b"<a/>", b'"data_base64":"PGEvPg=="'),
        ("application/xmlx", b"<a/>", b'"data_base64":"PGEvPg=="'),
        (None, b"{}", b'"data_base64":"e30="'),
    ],
)
def test_data_is_written_as_its_content_type_asks(content_type: str | None, data: bytes, member: bytes) -> None:
    attributes = CORE | {"datacontenttype": content_type} if content_type else CORE
    body = json_format.encode(Event(attributes, data))
    assert body.endswith(b"," + member + b"}")
    assert json_format.decode(body) == Event(attributes, data)


@pytest.mark.requirement("B7")
def test_attributes_are_written_with_their_types() -> None:
    assert json_format.encode(Event(CORE | {"n": 5, "t": True, "s": "5"})) == document('"n":5,"t":true,"s":"5"')


def test_a_surrogate_of_an_unchecked_event_is_an_error() -> None:
    with pytest.raises(InvalidEvent, match="surrogate"):
        json_format.encode(Event(CORE | {"x": "\ud800"}))


# Batch -------------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("I18")
def test_a_batch_has_all_its_events_in_order() -> None:
    body = b" [ " + document('"data":{"a": 1}') + b" , " + document('"data_base64":"AA=="') + b" ] "
    assert json_format.decode_batch(body) == [Event(JSON, b'{"a": 1}'), Event(CORE, b"\0")]
    assert json_format.decode_batch(b"[]") == []


@pytest.mark.requirement("I18")
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not a JSON array"),
        (b"{}", "not a JSON array"),
        (document('"x":1'), "not a JSON array"),
        (b"[1]", "event 0 of the batch: not a JSON object"),
        (b"[null]", "event 0 of the batch"),
        (b"[" + document('"x":1') + b",[]]", "event 1 of the batch"),
        (
            b"[" + document('"x":1') + b"," + document('"x":1.5') + b"]",
            "event 1 of the batch: attribute x: a number has no fraction",
        ),
        (b"[" + document('"x":1') + b"," + document('"id":"1"') + b"]", "event 1 of the batch: attribute id: occurs twice"),
        (b"[" + document('"x":1') + b"," + document('"x":1', "0.3") + b"]", "all events of a batch have the same"),
        (b"[" + document('"x":"?"').replace(b"?", b"\xff") + b"]", "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_batch_is_refused_as_a_whole(body: bytes, reason: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        json_format.decode_batch(body)
    assert reason in str(caught.value)


@pytest.mark.requirement("I4")
@given(st.binary(max_size=80) | st.text(alphabet='{}[]":,\\ud80 atdispecvron10', max_size=80).map(str.encode))
def test_noise_is_an_event_or_refused(body: bytes) -> None:
    for decode in (json_format.decode, json_format.decode_batch):
        with contextlib.suppress(InvalidEvent):
            decode(body)
