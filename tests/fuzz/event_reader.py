"""A second reader of CloudEvents over HTTP, slow and simple: what an event is, by the letter of the specification.

Three answers: the event, `Refused`, or the event with ``doubt``, where the specifications leave room (an odd URI) or where
this reader is too simple to judge; then the program may take it or not, but if it does, it is this event.
"""

from __future__ import annotations

import binascii
import json
import re
from dataclasses import dataclass
from typing import Any

from tests.fuzz.json_reader import Doubtful, Raw, read_array, read_object
from tests.fuzz.wire import Headers

Value = str | int | bool

_FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef" + "".join(chr(p << 16 | e) for p in range(17) for e in (0xFFFE, 0xFFFF)) + "]"
)
_NAME = re.compile(r"[a-z0-9]+")
_PLAIN_URI = re.compile(
    r"(?:[a-z]+:)?(?://[a-z0-9.\-]+(?::[0-9]+)?)?(?:/[A-Za-z0-9._~/\-]*)?(?:\?[A-Za-z0-9=&]*)?(?:#[A-Za-z0-9]*)?"
)
_PLAIN_URN = re.compile(r"urn:[a-z]+:[A-Za-z0-9]+")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9._~\-]+")
_NO_URI = re.compile(r'[^\x21-\x7e]|["<>\\^`{|}]|%(?![0-9A-Fa-f]{2})|#.*#')
_PLAIN_TIME = re.compile(r"20[0-9]{2}-0[1-9]-[01][1-9]T[01][0-9]:[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?(?:Z|[+-]0[0-9]:[0-5][0-9])")
_MAYBE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)
_PLAIN_TYPE = re.compile(r"[A-Za-z0-9.+\-]+/[A-Za-z0-9.+\-]+(?:; ?[a-z]+=[A-Za-z0-9\-]+)*")
_RULED = frozenset(
    (
        *("partitionkey", "sampledrate", "traceparent", "tracestate", "expirytime", "recordedtime", "dataref", "sequence"),
        *("sequencetype", "severitytext", "severitynumber", "authtype", "authid", "dataclassification", "dataregulation"),
    )
)
"""Extensions that have rules of their own, which a receiver may hold against an event or not."""
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


class Refused(Exception):
    """This is no event; the text says why."""


@dataclass(slots=True)
class Read:
    """``data``: None where there is none."""

    attributes: dict[str, Value]
    data: bytes | None
    doubt: str = ""


def read_message(headers: Headers, body: bytes) -> list[Read]:
    """The events of a message. Raises `Refused`."""
    types = [value for name, value in headers if name == b"content-type"]
    if len(types) > 1:
        raise Refused("two content types")
    essence = types[0].lower() if types else b""
    if not essence.startswith(b"application/cloudevents"):
        return [_binary(headers, body)]
    media_type = essence.partition(b";")[0].rstrip(b" \t")
    if media_type == b"application/cloudevents-batch+json":
        return _batch(body)
    if media_type == b"application/cloudevents+json":
        return [read_json(_text_of(body))]
    if essence.startswith(b"application/cloudevents-batch"):
        raise Refused("an unknown batch format")
    event = _binary(headers, body)  # an unknown format whose headers make it an event may be passed on, or refused
    event.doubt = event.doubt or "an unknown format"
    return [event]


def canonical(value: Value) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


# Binary mode.


def _binary(headers: Headers, body: bytes) -> Read:
    attributes: dict[str, Value] = {}
    doubts: list[str] = []
    for header, value in headers:
        if header == b"content-type":
            name, text = "datacontenttype", _utf8(value)
            if not text:
                doubts.append("an empty content type")
        elif header.startswith(b"ce-"):
            name = header[3:].decode("latin-1")
            if name in {"data", "datacontenttype"} or _NAME.fullmatch(name) is None:
                raise Refused(f"the name {name!r}")
            text = read_header_value(value)
            if not value.isascii():
                doubts.append("octets above 7F in a header")
        else:
            continue
        if name in attributes:
            raise Refused(f"{name} twice")
        if _FORBIDDEN.search(text):
            raise Refused(f"a forbidden character in {name}")
        attributes[name] = text
    event = Read(attributes, body or None, "; ".join(doubts))
    _check(event)
    return event


def read_header_value(value: bytes) -> str:
    """Unquoted, percent-decoded once, decoded (HTTP binding 3.1.3.2). Raises `Refused`."""
    if value.startswith(b'"'):
        out = bytearray()
        place = 1
        while place < len(value) and value[place] != ord('"'):
            place += value[place] == ord("\\")
            if place >= len(value):
                raise Refused("a quoted string without an end")
            out.append(value[place])
            place += 1
        if place != len(value) - 1:
            raise Refused("a quoted string that ends before or after its value")
        value = bytes(out)
    out = bytearray()
    place = 0
    while place < len(value):
        if value[place] == ord("%"):
            digits = value[place + 1 : place + 3]
            if len(digits) != 2 or any(digit not in b"0123456789abcdefABCDEF" for digit in digits):
                raise Refused("a % without two digits")
            out.append(int(digits, 16))
            place += 3
        else:
            out.append(value[place])
            place += 1
    return _utf8(bytes(out))


def _utf8(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Refused("no UTF-8") from None


# JSON.


def _text_of(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise Refused("the document is no UTF-8") from None


def _batch(body: bytes) -> list[Read]:
    try:
        items = read_array(_text_of(body))
    except ValueError as error:
        raise Refused(f"no array: {error}") from None
    events = [read_json(item) for item in items]
    if len({event.attributes["specversion"] for event in events}) > 1:
        raise Refused("several versions in one batch")
    return events


def read_json(document: str) -> Read:
    """One event of the JSON format. Raises `Refused`."""
    doubt = ""
    try:
        members = read_object(document)
    except Doubtful as error:
        members, doubt = error.members, str(error)
    except ValueError as error:
        raise Refused(f"no object: {error}") from None
    data = members.pop("data", None)
    base64 = members.pop("data_base64", None)
    attributes: dict[str, Value] = {}
    for name, member in members.items():
        if _NAME.fullmatch(name) is None:
            raise Refused(f"the name {name!r}")
        value = _attribute(name, member)
        if value is not None:
            attributes[name] = value
    event = Read(attributes, None, doubt)
    _check(event)
    event.data = _data(event, data, base64)
    return event


def _attribute(name: str, member: Raw) -> Value | None:
    value: Any = member.value
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        if _FORBIDDEN.search(value):
            raise Refused(f"a forbidden character in {name}")
        return value
    if re.fullmatch(r"-?[0-9]{1,10}", member.text) and -(2**31) <= int(member.text) < 2**31:
        return int(member.text)
    raise Refused(f"{name} is no String, Integer or Boolean")


def _data(event: Read, data: Raw | None, base64: Raw | None) -> bytes | None:
    if base64 is not None and base64.value is None:
        base64 = None
    if event.attributes["specversion"] == "0.3":
        if base64 is not None:
            raise Refused("data_base64 in 0.3")
        encoding = event.attributes.pop("datacontentencoding", None)
        if data is not None and encoding is not None and isinstance(data.value, str):
            if canonical(encoding).lower() != "base64":
                raise Refused("an unknown datacontentencoding")
            return _decoded(data)
    if base64 is not None:
        if data is not None:
            raise Refused("data and data_base64")
        return _decoded(base64)
    if data is None:
        return None
    kind = event.attributes.setdefault("datacontenttype", "application/json")
    if is_json(canonical(kind)):
        return data.text.encode()
    if isinstance(data.value, str):
        return data.value.encode()
    if data.value is None:
        event.doubt = event.doubt or "data that is null and no JSON"
        return None
    raise Refused("data is no string although it is no JSON")


def is_json(content_type: str) -> bool:
    subtype = content_type.partition(";")[0].strip().lower().partition("/")[2]
    return subtype == "json" or subtype.endswith("+json")


def _decoded(member: Raw) -> bytes:
    if not isinstance(member.value, str) or _BASE64.fullmatch(member.value) is None:
        raise Refused("no Base64")
    return binascii.a2b_base64(member.value)


# Rules for both.


def _check(event: Read) -> None:
    get = event.attributes.get
    if get("specversion") not in {"1.0", "0.3"}:
        raise Refused("specversion")
    for name in ("id", "source", "type"):
        if not isinstance(get(name), str) or not get(name):
            raise Refused(name)
    doubts = [event.doubt, _uri("source", get("source"), absolute=False)]
    if "subject" in event.attributes and (not isinstance(get("subject"), str) or not get("subject")):
        raise Refused("subject")
    if get("specversion") == "1.0":
        doubts.append(_uri("dataschema", get("dataschema"), absolute=True))
    else:
        doubts.append(_uri("schemaurl", get("schemaurl"), absolute=False))
        encoding = get("datacontentencoding")
        if encoding is not None and not isinstance(encoding, str):
            raise Refused("datacontentencoding")
    time = get("time")
    if time is not None:
        if not isinstance(time, str) or _MAYBE_TIME.fullmatch(time) is None:
            raise Refused("time")
        if _PLAIN_TIME.fullmatch(time) is None:
            doubts.append("an odd time")
    if not _RULED.isdisjoint(event.attributes):
        doubts.append("an extension with rules of its own")
    kind = get("datacontenttype")
    if kind is not None:
        if not isinstance(kind, str) or not re.match(r"[!-~]+/[!-~]+", kind):
            raise Refused("datacontenttype")
        if _PLAIN_TYPE.fullmatch(kind) is None:
            doubts.append("an odd content type")
    event.doubt = "; ".join(doubt for doubt in doubts if doubt)


def _uri(name: str, value: Value | None, *, absolute: bool) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or _NO_URI.search(value):
        raise Refused(name)
    if absolute and not re.match(r"[A-Za-z][A-Za-z0-9+.\-]*:", value):
        raise Refused(f"{name} is not absolute")
    plain = (
        _PLAIN_URN.fullmatch(value) is not None
        or _PLAIN_URI.fullmatch(value) is not None
        or (not absolute and _PLAIN_NAME.fullmatch(value) is not None)
    )
    return "" if plain else f"an odd {name}"


def key(event: Read, *, typed: bool) -> bytes:
    """Equal for equal events. ``typed``: the Integer 1 and the String `1` differ, and no data differs from empty data, as in
    structured mode; else as binary mode tells them."""
    attributes = sorted(event.attributes.items())
    shown: Any
    if typed:
        shown = [(name, type(value).__name__, value) for name, value in attributes if name != "datacontentencoding"]
        data = event.data
        if data is not None and is_json(canonical(event.attributes.get("datacontenttype", ""))):
            data = data.strip(b" \t\r\n")  # the space around a value is no part of it
    else:
        shown = [(name, canonical(value)) for name, value in attributes]
        data = event.data or b""
    return json.dumps(shown).encode() + b"\n" + (b"-" if data is None else b"=" + data)
