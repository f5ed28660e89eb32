"""The events that every SDK is asked to send: attributes of every type, awkward texts, every kind of data."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

ALL_BYTES = bytes(range(256))
_SPECIFIED = {"source": "URI-reference", "dataschema": "URI", "time": "Timestamp"}


@dataclass(frozen=True, slots=True)
class Attribute:
    """``type``: a name of CloudEvents' type system. ``text``: the canonical string of the value."""

    type: str
    text: str


@dataclass(frozen=True, slots=True)
class Sample:
    """``data``: None, {"json": value}, {"text": text} or {"base64": text}. Every event has a time unless ``attributes`` says
    None, since one SDK invents it."""

    name: str
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    data: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        return self.name

    def with_id(self, id_: str, type_: str = "interop.sample") -> Sample:
        return replace(
            self, attributes={"id": Attribute("String", id_), "type": Attribute("String", type_)} | dict(self.attributes)
        )

    @property
    def id(self) -> str:
        return self.attributes["id"].text

    def command(self) -> dict[str, Any]:
        """As `tests.interop.client` has it."""
        attributes = {name: {"type": one.type, "text": one.text} for name, one in self.attributes.items()}
        return {"attributes": attributes, "data": self.data}


_REQUIRED = {
    "specversion": Attribute("String", "1.0"),
    "source": Attribute("URI-reference", "/interop"),
    "time": Attribute("Timestamp", "2026-11-23T10:20:30.125Z"),
}


def sample(name: str, data: Mapping[str, Any] | None = None, /, content_type: str | None = None, **attributes: Any) -> Sample:
    """``attributes``: text for a String and for what the specification types, `Attribute` for other types, None to leave out."""
    given = dict(_REQUIRED)
    if content_type is not None:
        given["datacontenttype"] = Attribute("String", content_type)
    for key, value in attributes.items():
        given.pop(key, None)
        if value is not None:
            given[key] = value if isinstance(value, Attribute) else Attribute(_SPECIFIED.get(key, "String"), value)
    return Sample(name, given, data)


def _json(name: str, value: object, content_type: str = "application/json") -> Sample:
    return sample(name, {"json": value}, content_type)


def _base64(name: str, data: bytes, content_type: str | None) -> Sample:
    return sample(name, {"base64": base64.b64encode(data).decode()}, content_type)


ATTRIBUTES = [
    sample("only the required attributes", time=None),
    sample(
        "every optional attribute",
        {"json": {"a": 1}},
        "application/json",
        subject="orders/7",
        dataschema="https://example.com/schema#v1",
        time="2026-11-23T10:20:30.5Z",
    ),
    sample(
        "the smallest and the largest integer", low=Attribute("Integer", "-2147483648"), high=Attribute("Integer", "2147483647")
    ),
    sample("the integer zero", none=Attribute("Integer", "0")),
    sample("both booleans", yes=Attribute("Boolean", "true"), no=Attribute("Boolean", "false")),
    sample("a binary attribute", raw=Attribute("Binary", base64.b64encode(ALL_BYTES).decode())),
    sample("a URI", link=Attribute("URI", "https://example.com/a?b=c%20d#e")),
    sample("a relative URI reference", link=Attribute("URI-reference", "../a/b?c=d")),
    sample("a timestamp as extension", until=Attribute("Timestamp", "2027-01-02T03:04:05.25Z")),
    sample("a time with nanoseconds", time="2026-11-23T10:20:30.123456789Z"),
    sample("a time with an offset", time="2026-11-23T10:20:30.125+05:30"),
    sample("text outside ASCII", subject="Zürich 東京 😀", city="Ærø"),
    sample("a percent sign", subject="100%", share="%41%zz%"),
    sample("what looks percent-encoded", subject="a%20b%C3%BC"),
    sample("quotes and spaces", subject='a "quoted" word', other='"all of it"'),
    sample("backslashes", subject="C:\\new\\table", other='a\\"b'),
    sample("spaces at both ends", subject=" padded "),
    sample("every printable character", subject="".join(map(chr, range(0x21, 0x7F)))),
    sample("long names and digits", abcdefghijklmnopqrst="twenty", x0="digit"),
]

DATA = [
    sample("no data and no content type"),
    sample("no data but a content type", None, "application/json"),
    _json("a JSON object", {"text": "Zürich 😀", "list": [1, 2.5, None, True], "nested": {"": ""}}),
    _json("a JSON array", [{"a": 1}, []]),
    _json("a JSON string", "hello"),
    _json("a JSON string that looks like JSON", '{"a": 1}'),
    _json("an empty JSON string", ""),
    _json("JSON false", False),
    _json("JSON zero", 0),
    _json("JSON null", None),
    _json("JSON under a media type of its own", {"a": "b"}, "application/vnd.example+json; charset=utf-8"),
    sample("JSON without a content type", {"json": {"a": 1}}),
    _base64("JSON as bytes", json.dumps({"a": [1, "ü"]}, ensure_ascii=False).encode(), "application/json"),
    sample("plain text", {"text": "plain\ttext\r\nZürich 😀"}, "text/plain; charset=utf-8"),
    sample("empty text", {"text": ""}, "text/plain"),
    sample("text that looks like JSON", {"text": '{"a": 1}'}, "text/plain"),
    sample("XML", {"text": "<a b='c'>ü</a>"}, "application/xml"),
    _base64("all byte values", ALL_BYTES, "application/octet-stream"),
    _base64("bytes without a content type", ALL_BYTES, None),
    _base64("bytes that are no JSON though their content type says so", b"hello", "application/json"),
    _base64("no bytes", b"", "application/octet-stream"),
]

# An intermediary forwards events of up to 64 KiB, headers included.
LARGE = [
    sample("48 KiB of text", {"text": "0123456789abcdef" * 3072}, "text/plain"),
    sample("36,000 bytes of JSON", {"json": ["x" * 98] * 353}, "application/json"),
    sample(
        "attributes of 45 KiB and data of 15 KiB",
        {"text": "y" * 15 * 1024},
        "text/plain",
        **{f"long{number}": f"{number}" * 768 for number in range(10, 40)},
    ),
]

SAMPLES = [*ATTRIBUTES, *DATA, *LARGE]

_ids = count(1)


def fresh(one: Sample, type_: str = "interop.sample") -> Sample:
    """The sample as an event with an id that none had before in this process."""
    return one.with_id(f"event-{next(_ids)}", type_)
