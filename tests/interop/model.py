"""What an event is, whoever tells of it: canonical attributes and data, so that different SDKs can be compared."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.interop.plain import is_json
from tests.interop.samples import Sample

ANY_TEXT = "(any)"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Json:
    """A JSON value, as text with sorted keys: False is not 0 then."""

    text: str


Data = Json | bytes | None


@dataclass(frozen=True, slots=True)
class Seen:
    """``attributes``: canonical texts, timestamps as nanoseconds since 1970. ``untyped``: data that came as a body without a
    content type, of which nothing may be assumed (JF 3.1): it goes on as data_base64."""

    attributes: Mapping[str, str]
    data: Data
    untyped: bool = field(default=False, compare=False)

    def with_(self, **attributes: str) -> Seen:
        return replace(self, attributes={**self.attributes, **attributes})

    def without(self, name: str) -> Seen:
        return replace(self, attributes={key: value for key, value in self.attributes.items() if key != name})

    @property
    def json(self) -> bool:
        return is_json(self.attributes.get("datacontenttype"))


@dataclass(frozen=True, slots=True)
class Refused:
    """Somebody on the way says no. ``by``: "sender", "broker" or "receiver"."""

    by: str


def value(of: object) -> Json:
    return Json(json.dumps(of, sort_keys=True))


def instant(text: str) -> str:
    """A timestamp for comparison; what is none stays as it is."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)", text)
    if found is None:
        return text
    whole = (datetime.fromisoformat(found[1] + found[3]) - _EPOCH) // timedelta(seconds=1)
    return str(whole * 10**9 + int((found[2] or "").ljust(9, "0")[:9]))


def of_sample(sample: Sample) -> Seen:
    """What a faultless receiver makes of it."""
    attributes = {name: instant(one.text) if one.type == "Timestamp" else one.text for name, one in sample.attributes.items()}
    return Seen(attributes, data_of(sample.data, attributes.get("datacontenttype")))


def of_told(told: Mapping[str, Any], sample: Sample) -> Seen:
    """What a receiver told; ``sample`` says which attributes are timestamps."""
    timestamps = {"time"} | {name for name, one in sample.attributes.items() if one.type == "Timestamp"}
    attributes = {name: instant(text) if name in timestamps else text for name, text in told["attributes"].items()}
    return Seen(attributes, data_of(told["data"], attributes.get("datacontenttype")))


def data_of(told: Mapping[str, Any] | None, content_type: str | None) -> Data:
    if told is None:
        return None
    if "json" in told:
        return value(told["json"])
    raw = told["text"].encode() if "text" in told else base64.b64decode(told["base64"])
    return as_json(raw) if is_json(content_type) else raw


def as_json(raw: bytes) -> Data:
    """Bytes of a JSON media type: the value where they are JSON."""
    try:
        return value(json.loads(raw))
    except ValueError:
        return raw


def same(got: Seen | Refused, expected: Seen | Refused, where: str = "") -> None:
    """Raises AssertionError with what differs."""
    if isinstance(got, Refused) or isinstance(expected, Refused):
        assert got == expected, f"{where}: {got} instead of {expected}"
        return
    for name in sorted(got.attributes.keys() | expected.attributes.keys()):
        found, wanted = got.attributes.get(name), expected.attributes.get(name)
        assert found == wanted or (wanted == ANY_TEXT and found), f"{where}: {name} is {found!r} instead of {wanted!r}"
    assert got.data == expected.data, f"{where}: data is {got.data!r} instead of {expected.data!r}"
