"""The JSON payload in a delivery's body, in both content types that GitHub offers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


class UnsupportedContentType(Exception):
    """Neither of the two; the message names what is wanted."""


class MalformedPayload(Exception):
    """The body holds no payload; the message says why, without quoting it."""


@dataclass(frozen=True, slots=True)
class Payload:
    """``raw``: the JSON text exactly as GitHub wrote it (form-encoded: the decoded field). ``content``: it, parsed."""

    raw: bytes
    content: Mapping[str, Any]


def read(body: bytes, content_type: bytes | None) -> Payload:
    """The payload of a body. Raises `UnsupportedContentType`, `MalformedPayload`."""
    media_type = (content_type or b"").split(b";", 1)[0].strip().lower().decode("latin-1")
    if media_type == JSON:
        raw = body
    elif media_type == FORM:
        raw = _form_field(body, b"payload")
    else:
        raise UnsupportedContentType(f"Content-Type must be {JSON} or {FORM}")
    try:
        content = msgspec.json.decode(raw)
    except msgspec.ValidationError:
        # Valid JSON all the same, but beyond what readers agree on (RFC 8259, 6); subscribers would fail on it, each its own way.
        raise MalformedPayload("the payload holds a number that is out of range") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # The decoder's text may quote the payload, so it goes no further.
        raise MalformedPayload("the payload is not valid JSON") from None
    if not isinstance(content, dict):
        raise MalformedPayload("the payload is not a JSON object")
    return Payload(raw, content)


def _form_field(body: bytes, name: bytes) -> bytes:
    # Worked on as bytes: urllib's parse_qs takes bytes too, but can't give back what is not ASCII.
    values = [value for key, _, value in (pair.partition(b"=") for pair in body.split(b"&")) if _decode(key) == name]
    if len(values) != 1:
        raise MalformedPayload(
            f"a form-encoded delivery has the field {name.decode()} exactly once, this one {len(values)} times"
        )
    return _decode(values[0])


def _decode(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))
