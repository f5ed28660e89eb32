"""The rules of CloudEvents on attributes, one line each."""

from __future__ import annotations

import pytest

from eventing.bindings import rules
from eventing.errors import InvalidEvent
from eventing.event import AttributeValue, Event

BASE: dict[str, AttributeValue] = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}
OLD = BASE | {"specversion": "0.3"}

ACCEPTED = [
    BASE,
    OLD,
    BASE | {"a": ""},
    BASE | {"0": "a name of digits"},
    BASE | {"averyveryverylongattributename": "more than 20 characters is only a SHOULD NOT"},
    BASE | {"n": 2147483647, "m": -2147483648, "z": 0, "t": True, "f": False},
    BASE | {"subject": " ~ Euro € 😀 \u00a0 \ue000 \U0010fffd \ufffd"},
    BASE | {"schemaurl": "an ordinary extension in 1.0", "datacontentencoding": "so is this"},
    OLD | {"schemaurl": "/relative", "datacontentencoding": "base64", "dataschema": "an ordinary extension in 0.3"},
    *(
        BASE | {"source": source}
        for source in (
            "https://github.com/cloudevents",
            "mailto:cncf-wg-serverless@lists.cncf.io",
            "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66",
            "/cloudevents/spec/pull/123",
            "1-555-123-4567",
            "//example.com/x",
            "https://user:pw@[2001:db8::1]:8443/a/b;c=1?x=/?#frag/?",
            "?q",
            "#f",
            "a/b:c",
            "./a:b",
            "a%20b",
            "https://10.96.0.1:443",
            "localhost:8080",
            "file:///etc",
            "tag:a",
        )
    ),
    *(BASE | {"dataschema": uri} for uri in ("https://example.com/s.json", "urn:x", "https://example.com/s#/definitions/a")),
    *(
        BASE | {"time": time}
        for time in (
            "2018-04-05T17:31:00Z",
            "2018-04-05t17:31:00z",
            "2018-04-05T17:31:00.123456789012345+05:30",
            "2018-04-05T17:31:00-00:00",
            "2016-12-31T23:59:60Z",
            "2024-02-29T00:00:00Z",
            "2000-02-29T00:00:00Z",
            "0000-01-31T23:59:59.0-23:59",
        )
    ),
    *(
        BASE | {"datacontenttype": media_type}
        for media_type in (
            "application/json",
            "TEXT/Plain; CharSet=utf-8",
            'multipart/form-data; boundary="a b"',
            "application/vnd.a-b.c_d+json ;x",
        )
    ),
]

REFUSED: list[tuple[dict[str, AttributeValue], str]] = [
    *(({key: value for key, value in BASE.items() if key != name}, name) for name in BASE),
    *((BASE | {name: ""}, name) for name in BASE),
    *((BASE | {name: 1}, name) for name in BASE),
    *((BASE | {"specversion": version}, "specversion") for version in ("0.1", "0.2", "1.1", "2.0", "1", "1.0.2", " 1.0", "v1.0")),
    *(
        (BASE | {"source": source}, "source")
        for source in (
            "a b",
            "<x>",
            "a\\b",
            "%",
            "%zz",
            "a%2",
            "1abc:x",
            ":x",
            "127.0.0.1:80",
            "https://exämple.com",
            "a#b#c",
            "https://a:b:c/",
            "https://[::1",
            "http://h:80x",
            "{x}",
            '"x"',
            "a^b",
            "a|b",
            "`",
        )
    ),
    *((BASE | {"dataschema": uri}, "dataschema") for uri in ("", "/relative", "schema.json", "https://a b", "1x:y", True)),
    *((OLD | {"schemaurl": uri}, "schemaurl") for uri in ("a b", 1)),
    (OLD | {"datacontentencoding": True}, "datacontentencoding"),
    *(
        (BASE | {"time": time}, "time")
        for time in (
            "",
            "2018-04-05",
            "2018-04-05T17:31:00",
            "2018-04-05 17:31:00Z",
            "2018-04-05T17:31Z",
            "2018-13-05T17:31:00Z",
            "2018-00-05T17:31:00Z",
            "2018-04-31T17:31:00Z",
            "2018-04-00T17:31:00Z",
            "2018-02-29T17:31:00Z",
            "1900-02-29T17:31:00Z",
            "2024-02-30T17:31:00Z",
            "2018-04-05T24:00:00Z",
            "2018-04-05T17:60:00Z",
            "2018-04-05T17:31:61Z",
            "2018-04-05T17:31:00.Z",
            "2018-04-05T17:31:00+24:00",
            "2018-04-05T17:31:00+0530",
            "2018-04-05T17:31:00,5Z",
            "18-04-05T17:31:00Z",
            "٢٠١٨-04-05T17:31:00Z",
            " 2018-04-05T17:31:00Z",
            1522949460,
        )
    ),
    *((BASE | {"subject": subject}, "subject") for subject in ("", 1, True)),
    *(
        (BASE | {"datacontenttype": media_type}, "datacontenttype")
        for media_type in ("", "json", "/json", "a/", "a/b/c", "a b/c", "text/plain;ü", "text/plain,text/html", 5)
    ),
    *((BASE | {name: "x"}, name) for name in ("Upper", "with-dash", "with_underscore", "dötted", "a.b", "a b", "data", "²")),
    *((BASE | {"x": value}, "x") for value in (2147483648, -2147483649)),
    *(
        (BASE | {name: f"a{character}b"}, name)
        for name in ("id", "type", "subject", "x")
        for character in (
            "\x00",
            "\t",
            "\n",
            "\r",
            "\x1f",
            "\x7f",
            "\x80",
            "\x85",
            "\x9f",
            "\ud800",
            "\udfff",
            "\ufdd0",
            "\ufdef",
            "\ufffe",
            "\uffff",
            "\U0001fffe",
            "\U0010ffff",
        )
    ),
]


@pytest.mark.requirement("F5", "F6", "I11", "I16")
@pytest.mark.parametrize("attributes", ACCEPTED, ids=lambda attributes: ascii(list(attributes.items())[-1]))
def test_what_the_specification_allows_is_accepted(attributes: dict[str, AttributeValue]) -> None:
    rules.check(Event(attributes))


@pytest.mark.requirement("F5", "F6", "I11", "I15", "I16")
@pytest.mark.parametrize(
    ("attributes", "name"), REFUSED, ids=lambda value: ascii(value)[-40:] if isinstance(value, dict) else None
)
def test_what_breaks_a_rule_is_refused_by_name_and_rule(attributes: dict[str, AttributeValue], name: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        rules.check(Event(attributes, b"the payload"))
    message = str(caught.value)
    assert caught.value.attribute == name
    assert caught.value.rule.startswith("CloudEvents ")
    assert caught.value.rule in message
    assert message.isascii()
    assert message.isprintable()
    assert "payload" not in message


@pytest.mark.requirement("I16")
def test_an_empty_name_is_refused() -> None:
    with pytest.raises(InvalidEvent, match="a-z and 0-9"):
        rules.check_name("")


@pytest.mark.requirement("F1")
@pytest.mark.parametrize("value", [None, 1.5, b"x", ["x"], {}])
def test_other_types_are_refused(value: object) -> None:
    with pytest.raises(InvalidEvent, match="must be a String, an Integer or a Boolean"):
        rules.check(Event({**BASE, "x": value}))  # type: ignore[dict-item]


def test_data_must_be_bytes() -> None:
    with pytest.raises(InvalidEvent, match="data must be bytes, not str"):
        rules.check(Event(BASE, "text"))  # type: ignore[arg-type]


@pytest.mark.requirement("I4")
def test_long_values_are_cut_in_messages() -> None:
    with pytest.raises(InvalidEvent) as caught:
        rules.check(Event(BASE | {"source": "x y" * 10_000}))
    assert len(str(caught.value)) < 250
    with pytest.raises(InvalidEvent) as caught:
        rules.check_name("X" * 10_000)
    assert len(str(caught.value)) < 250
    assert len(caught.value.attribute or "") < 100


@pytest.mark.parametrize(
    "text", ["a" * 100_000 + " ", "%41" * 50_000 + "%", "a:" * 50_000 + " ", "//" + "a:" * 50_000, "/" * 100_000 + " "]
)
def test_a_long_source_costs_no_more_than_its_length(text: str) -> None:
    with pytest.raises(InvalidEvent):
        rules.check(Event(BASE | {"source": text}))
