"""The JSON event format and the JSON batch format (CloudEvents JSON format 1.0; 0.3 with `datacontentencoding`).

Payloads that are JSON are never parsed into values and written again: the bytes of the `data` member are the payload.
Stricter than the format asks, so that no two readers can see two different events: a member name that occurs twice is
refused, and so is an unpaired surrogate anywhere in the document.
"""

from __future__ import annotations

import binascii
import re

import msgspec

from eventing.bindings.rules import TYPES, breach, check_context, check_integer, check_name, check_value, quoted
from eventing.bindings.syntax import is_json, is_text
from eventing.errors import InvalidEvent
from eventing.event import AttributeValue, Event

CONTENT_TYPE = b"application/cloudevents+json"
BATCH_CONTENT_TYPE = b"application/cloudevents-batch+json"

ENVELOPE = "CloudEvents JSON format 1.0 section 3"
DATA = "CloudEvents JSON format 1.0 section 3.1"
MAPPING = "CloudEvents JSON format 1.0 section 2.2"
BATCH = "CloudEvents JSON format 1.0 section 4"
DATA_0_3 = "CloudEvents 0.3 datacontentencoding"

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_items = msgspec.json.Decoder(list[msgspec.Raw])
_anything = msgspec.json.Decoder(msgspec.Raw)
_string = msgspec.json.Decoder(str)
_scalar: msgspec.json.Decoder[AttributeValue | None] = msgspec.json.Decoder(str | int | bool | None)
_encoder = msgspec.json.Encoder()

_MEMBER_NAME = re.compile(rb'[ \t\r\n]*+[{,][ \t\r\n]*+("(?:[^"\\]|\\.)*+")[ \t\r\n]*+:[ \t\r\n]*+', re.DOTALL)
_OBJECT_END = re.compile(rb"(?:[ \t\r\n]*+\{)?[ \t\r\n]*+\}[ \t\r\n]*+")
_DIGITS = re.compile(rb"-?[0-9]+")
_UNPAIRED = re.compile(rb"(?<!\\)(?:\\\\)*+\\u[dD][89ABab][0-9A-Fa-f]{2}(?!\\u[dD][C-Fc-f])")
_QUOTE, _BACKSLASH = ord('"'), b"\\"
_COMMON = frozenset(("specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema"))


def decode(body: bytes) -> Event:
    """One event from a JSON document. `data` without `datacontenttype` is JSON, and then the event says so.

    Raises `InvalidEvent`.
    """
    _check_utf8(body)
    return _decode_object(body)


def decode_batch(body: bytes) -> list[Event]:
    """All events of a JSON batch, or an error for the first that breaks a rule. All have one specversion (HTTP binding 3.3.2).

    Raises `InvalidEvent`, which says which event it was, counted from 0.
    """
    _check_utf8(body)
    try:
        items = _items.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise breach(None, f"the batch is not a JSON array: {_reason(error, body)}", BATCH) from None
    events: list[Event] = []
    for index, item in enumerate(items):
        try:
            event = _decode_object(bytes(item))
            if events and event.specversion != events[0].specversion:
                raise breach("specversion", "all events of a batch have the same", "CloudEvents HTTP binding 1.0 section 3.3.2")
        except InvalidEvent as error:
            raise InvalidEvent(f"event {index} of the batch: {error}", attribute=error.attribute, rule=error.rule) from None
        events.append(event)
    return events


def encode(event: Event) -> bytes:
    """One event as a JSON document.

    A JSON payload becomes `data` byte for byte where it is valid JSON; text in UTF-8, of a `text/*` type or XML, becomes a
    string; everything else, a payload without content type included, is Base64 (`data_base64`, in 0.3
    `datacontentencoding`).
    Raises `InvalidEvent` for an unpaired surrogate in an event that was never checked.
    """
    members: dict[str, object] = dict(event.items())
    old = members.get("specversion") == "0.3"
    if old:
        members.pop("datacontentencoding", None)
    if event.data is not None:
        _add_data(members, event.data, event.datacontenttype, old)
    try:
        return _encoder.encode(members)
    except UnicodeEncodeError:
        raise breach(None, "an attribute has an unpaired surrogate", TYPES) from None


def _add_data(members: dict[str, object], data: bytes, content_type: str | None, old: bool) -> None:
    if content_type is not None:
        if is_json(content_type):
            if _is_json_text(data):
                members["data"] = msgspec.Raw(data)
                return
        elif is_text(content_type) and (text := _utf8(data)) is not None:
            members["data"] = text
            return
    encoded = binascii.b2a_base64(data, newline=False).decode()
    if old:
        members["datacontentencoding"] = "base64"
        members["data"] = encoded
    else:
        members["data_base64"] = encoded


def _decode_object(body: bytes) -> Event:
    members = _parse(body)
    attributes: dict[str, AttributeValue] = {}
    texts: list[str] = []
    data = members.pop("data", None)
    for name, token in members.items():
        if name not in _COMMON:
            if name == "data_base64":
                continue
            check_name(name)
        try:
            value = _scalar.decode(token)
        except msgspec.ValidationError:
            raise _no_attribute_value(name, bytes(token)) from None
        if type(value) is str:
            texts.append(value)
        elif value is None:
            continue
        elif type(value) is int:
            check_integer(name, value)
        attributes[name] = value
    # One look at all strings instead of one at each: almost every event passes here.
    joined = "".join(texts)
    if not (joined.isascii() and joined.isprintable()):
        for name, value in attributes.items():
            check_value(name, value)
    check_context(attributes)
    base64 = members.get("data_base64")
    return Event(attributes, _payload(attributes, data and bytes(data), base64 and bytes(base64)))


def _payload(attributes: dict[str, AttributeValue], data: bytes | None, base64: bytes | None) -> bytes | None:
    if base64 == b"null":
        base64 = None
    if attributes["specversion"] == "0.3":
        return _data_0_3(attributes, data, base64)
    if base64 is None:
        return None if data is None else _plain_data(attributes, data)
    if data is not None:
        raise breach(None, "data and data_base64 exclude each other", DATA)
    return _base64("data_base64", base64, DATA)


def _data_0_3(attributes: dict[str, AttributeValue], data: bytes | None, base64: bytes | None) -> bytes | None:
    if base64 is not None:
        raise breach("data_base64", "specversion 0.3 has datacontentencoding instead", DATA_0_3)
    # It describes this document, not the event: once decoded, the payload is what it is.
    encoding = attributes.pop("datacontentencoding", None)
    if data is None:
        return None
    # 0.3 says that it is to be ignored where data is no string.
    if encoding is not None and data[0] == _QUOTE:
        if str(encoding).lower() != "base64":
            raise breach("datacontentencoding", f"{quoted(str(encoding))} is not base64", DATA_0_3)
        return _base64("data", data, DATA_0_3)
    return _plain_data(attributes, data)


def _plain_data(attributes: dict[str, AttributeValue], data: bytes) -> bytes:
    content_type = attributes.get("datacontenttype")
    if content_type is None:
        attributes["datacontenttype"] = "application/json"
        return data
    if is_json(str(content_type)):
        return data
    if data[0] != _QUOTE:
        raise breach("data", "must be a string where datacontenttype is not JSON", DATA)
    return _text(data).encode()


def _parse(body: bytes) -> dict[str, msgspec.Raw]:
    """The members of an object, each value as the bytes it has in the document. Raises `InvalidEvent`."""
    try:
        members = _members.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise breach(None, f"not a JSON object: {_reason(error, body)}", ENVELOPE) from None
    # A document without white space and without repeated names is exactly as long as its parts.
    length = 1
    for name, token in members.items():
        length += len(name) + len(token) + 4
    if length != len(body):
        _check_repeated(body, members)
    return members


def _check_repeated(body: bytes, members: dict[str, msgspec.Raw]) -> None:
    """Walk the top level of a document that is known to be well-formed. Of a name that comes twice ``members`` has the last
    value: either the first one differs from it, and the walk stops there, or the name is met again."""
    seen: set[str] = set()
    place = 0
    name = ""
    while (match := _MEMBER_NAME.match(body, place)) is not None:
        token = match.group(1)
        name = _text(token)
        value = members[name]
        place = match.end()
        if name in seen or not body.startswith(value, place):
            raise _repeated(name)
        seen.add(name)
        place += len(value)
    if _OBJECT_END.fullmatch(body, place) is None:
        raise _repeated(name)


def _repeated(name: str) -> InvalidEvent:
    return breach(name, "occurs twice in the JSON object", 'RFC 8259 section 4, CloudEvents 1.0 "Context Attributes"')


def _no_attribute_value(name: str, token: bytes) -> InvalidEvent:
    if token[0] in b"{[":
        return breach(name, "must be a string, an integer or a boolean", MAPPING)
    problem = (
        "an Integer lies between -2147483648 and 2147483647"
        if _DIGITS.fullmatch(token)
        else "a number has no fraction and no exponent"
    )
    return breach(name, problem, TYPES)


def _text(token: bytes) -> str:
    # The tokeniser has accepted it, so what has no escape is its own content.
    return _string.decode(token) if _BACKSLASH in token else token[1:-1].decode()


def _base64(name: str, token: bytes, rule: str) -> bytes:
    if token[0] == _QUOTE:
        text = _text(token)
        try:
            data = binascii.a2b_base64(text, strict_mode=True)
        except ValueError:
            pass
        else:
            # Python's strict mode takes padding behind a whole group.
            if len(text) == (len(data) + 2) // 3 * 4:
                return data
    raise breach(name, "must be a Base64 string (RFC 4648 section 4)", rule)


def _check_utf8(body: bytes) -> None:
    if not body.isascii() and _utf8(body) is None:
        raise breach(None, "the JSON document is not UTF-8", "RFC 8259 section 8.1")


def _utf8(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _is_json_text(data: bytes) -> bool:
    try:
        _anything.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return False
    return data.isascii() or _utf8(data) is not None


def _reason(error: Exception, body: bytes) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if _UNPAIRED.search(body) is not None:  # the tokeniser says that the document is cut short
        return "it has an unpaired surrogate"
    return str(error)
