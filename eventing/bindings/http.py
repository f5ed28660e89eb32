"""The HTTP protocol binding: binary, structured and batched mode (CloudEvents HTTP binding 1.0; 0.3 maps the same way)."""

from __future__ import annotations

import re

from eventing.bindings import json_format
from eventing.bindings.rules import TYPES, breach, check_context, check_name, check_text, quoted
from eventing.bindings.syntax import MEDIA_TYPE
from eventing.errors import InvalidEvent
from eventing.event import AttributeValue, Event, canonical
from eventing.ports.http import Headers

MODES = "CloudEvents HTTP binding 1.0 section 3"
CONTENT_TYPE_RULE = "CloudEvents HTTP binding 1.0 section 3.1.1"
HEADER_NAMES = "CloudEvents HTTP binding 1.0 section 3.1.3.1"
HEADER_VALUES = "CloudEvents HTTP binding 1.0 section 3.1.3.2"

_FORMATTED, _BATCH = b"application/cloudevents", b"application/cloudevents-batch"
_REQUIRED = frozenset((b"ce-specversion", b"ce-id", b"ce-source", b"ce-type"))
_HEADER_OF = {
    name: b"ce-" + name.encode() for name in ("specversion", "id", "source", "type", "subject", "time", "dataschema", "schemaurl")
}
_LINE_OF = {name: f"{header.decode()}: " for name, header in _HEADER_OF.items()}
_ATTRIBUTE_OF = {header: name for name, header in _HEADER_OF.items()} | {b"content-type": "datacontenttype"}

_NOT_EXTENSIONS = frozenset(("data", "datacontenttype"))

_ODD_BYTE = re.compile(rb"[^\x20\x21\x23\x24\x26-\x7e]")
_MUST_ENCODE = re.compile(rb"[^\x21\x23\x24\x26-\x7e]")
_QUOTED_STRING = re.compile(rb'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})?")


def decode(headers: Headers, body: bytes) -> list[Event]:
    """The events of a request: one, or as many as a batch has (`[]` has none).

    The mode follows from the Content-Type. A batch is taken whole or refused whole. Header names are lower case.
    Raises `InvalidEvent`.
    """
    content_type = _content_type(headers)
    if not content_type.startswith(_FORMATTED):
        return [_decode_binary(headers, body)]
    if content_type.startswith(_BATCH):
        if _essence(content_type) == json_format.BATCH_CONTENT_TYPE:
            return json_format.decode_batch(body)
        raise _unknown_format(content_type)
    return [_decode_formatted(content_type, headers, body)]


def decode_reply(headers: Headers, body: bytes) -> Event | None:
    """The event that an answer carries, or None where it carries none (`is_event`).

    Raises `InvalidEvent` for a malformed one, and for a batch, which nobody asked for (section 3).
    """
    if not is_event(headers):
        return None
    content_type = _content_type(headers)
    if content_type.startswith(_BATCH):
        raise breach(None, "a reply is one event, not a batch", MODES)
    if content_type.startswith(_FORMATTED):
        return _decode_formatted(content_type, headers, body)
    return _decode_binary(headers, body)


def is_event(headers: Headers) -> bool:
    """Whether a message means to be an event, well-formed or not: a `ce-` header or a CloudEvents media type (section 3)."""
    for name, value in headers:
        if name[:3] == b"ce-" or (name == b"content-type" and value[: len(_FORMATTED)].lower() == _FORMATTED):
            return True
    return False


def encode_binary(event: Event) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Headers (without `content-length`) and body in binary mode. Raises `InvalidEvent` where an event that was never checked
    has a name, a content type or a character that can't be sent."""
    headers: list[tuple[bytes, bytes]] = []
    texts: list[str] = []
    try:
        for name, given in event.items():
            value = given if type(given) is str else canonical(given)
            if name == "datacontenttype":
                headers.append((b"content-type", _encode_media_type(value)))
            else:
                headers.append((_HEADER_OF.get(name) or _header_name(name), value.encode()))
                texts.append(value)
    except UnicodeEncodeError:
        raise breach(name, "an unpaired surrogate is not allowed", TYPES) from None
    # One look at all values instead of one at each: almost every event passes here.
    joined = "".join(texts)
    if not (joined.isascii() and joined.isprintable()) or " " in joined or '"' in joined or "%" in joined:
        headers = [(name, value if name == b"content-type" else _percent_encode(value)) for name, value in headers]
    return headers, event.data or b""


def encode_lines(event: Event) -> bytes | None:
    """The headers of `encode_binary` as lines, each ended with CR LF; None where a value has to be percent-encoded. For whoever
    sends an event on: most need nothing but to be put behind their names."""
    lines: list[str] = []
    texts: list[str] = []
    for name, given in event.items():
        value = given if type(given) is str else canonical(given)
        line = _LINE_OF.get(name)
        if line is None:
            if name == "datacontenttype":
                if value != "application/json" and MEDIA_TYPE.fullmatch(value) is None:
                    return None
                lines.append(f"content-type: {value}\r\n")
                continue
            line = f"{_header_name(name).decode()}: "
        lines.append(f"{line}{value}\r\n")
        texts.append(value)
    joined = "".join(texts)
    if not (joined.isascii() and joined.isprintable()) or " " in joined or '"' in joined or "%" in joined:
        return None
    block = "".join(lines)
    # A line end within a value would begin another header.
    return block.encode() if block.isascii() and block.count("\n") == block.count("\r") == len(lines) else None


def encode_structured(event: Event) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Headers (without `content-length`) and body in structured mode, JSON."""
    return [(b"content-type", json_format.CONTENT_TYPE)], json_format.encode(event)


def _decode_formatted(content_type: bytes, headers: Headers, body: bytes) -> Event:
    if _essence(content_type) == json_format.CONTENT_TYPE:
        return json_format.decode(body)
    # Section 3: an event in a format we can't read may be passed on as binary, if the headers make it an event.
    if {name for name, _ in headers} >= _REQUIRED:
        return _decode_binary(headers, body)
    raise _unknown_format(content_type)


def _decode_binary(headers: Headers, body: bytes) -> Event:
    raw: dict[str, bytes] = {}
    attribute_of = _ATTRIBUTE_OF.get
    for header, value in headers:
        name = attribute_of(header)
        if name is None:
            if header[:3] != b"ce-":
                continue
            name = _attribute_name(header)
        if name in raw:
            raise breach(name, f"the header {quoted(header)} occurs twice", HEADER_NAMES)
        raw[name] = value
    if "specversion" not in raw:  # most often a JSON event under the content type of its data
        hint = f"as the header ce-specversion; an event in JSON has the Content-Type {json_format.CONTENT_TYPE.decode()}"
        raise breach("specversion", f"is required, {hint}", MODES)
    attributes: dict[str, AttributeValue]
    # One look at all values instead of one at each: almost every event passes here.
    joined = b"".join(raw.values())
    if joined.isascii() and b"%" not in joined and b'"' not in joined and joined.decode().isprintable():
        attributes = {name: value.decode() for name, value in raw.items()}
    else:
        attributes = {name: _decode_value(name, value) for name, value in raw.items()}
    check_context(attributes)
    return Event(attributes, body or None)


def _attribute_name(header: bytes) -> str:
    name = header[3:].decode("latin-1")
    if name.isascii() and name.isalnum() and name.islower() and name not in _NOT_EXTENSIONS:
        return name
    if name == "datacontenttype":
        raise breach(name, "the header is Content-Type, ce-datacontenttype is not allowed", CONTENT_TYPE_RULE)
    check_name(name)
    return name


def _header_name(name: str) -> bytes:
    if not (name.isascii() and name.isalnum()):
        check_name(name)
    return b"ce-" + name.encode()


def _decode_value(name: str, value: bytes) -> str:
    if _ODD_BYTE.search(value) is None:
        return value.decode()
    if name != "datacontenttype":
        if value.startswith(b'"'):
            value = _unquote(name, value)
        if b"%" in value:
            value = _percent_decode(name, value)
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise breach(name, "the header value is not UTF-8", HEADER_VALUES) from None
    check_text(name, text)
    return text


def _unquote(name: str, value: bytes) -> bytes:
    match = _QUOTED_STRING.fullmatch(value)
    if match is None:
        raise breach(name, "the quoted string in the header does not end where the value ends", HEADER_VALUES)
    return _QUOTED_PAIR.sub(rb"\1", match.group(1))


def _percent_decode(name: str, value: bytes) -> bytes:
    def octet(match: re.Match[bytes]) -> bytes:
        digits = match.group(1)
        if digits is None:
            raise breach(name, "a % in the header value is not followed by two hexadecimal digits", HEADER_VALUES)
        return bytes((int(digits, 16),))

    return _PERCENT.sub(octet, value)


def _percent_encode(value: bytes) -> bytes:
    return _MUST_ENCODE.sub(lambda match: b"%%%02X" % ord(match.group()), value)


def _encode_media_type(value: str) -> bytes:
    if value != "application/json" and MEDIA_TYPE.fullmatch(value) is None:
        raise breach("datacontenttype", f"{quoted(value)} is not a media type (RFC 2046)", CONTENT_TYPE_RULE)
    return value.encode()


def _content_type(headers: Headers) -> bytes:
    """The Content-Type in lower case, empty where there is none."""
    found: bytes | None = None
    for name, value in headers:
        if name == b"content-type":
            if found is not None:
                raise breach("datacontenttype", "the header Content-Type occurs twice", CONTENT_TYPE_RULE)
            found = value
    return b"" if found is None else found.lower()


def _essence(content_type: bytes) -> bytes:
    return content_type.partition(b";")[0].rstrip()


def _unknown_format(content_type: bytes) -> InvalidEvent:
    return breach(None, f"the event format {quoted(_essence(content_type))} is not supported, only JSON", MODES)
