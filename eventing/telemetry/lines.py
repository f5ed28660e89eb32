"""How a log line is written: text for people or one JSON object, always one line, never a raw control character."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal, TypeAlias

Format: TypeAlias = Literal["text", "json"]

MAX_VALUE = 1_000
"""Characters of a message or value that are kept."""

HIDDEN = "[hidden]"
SENSITIVE = re.compile(
    r"(^|_)(secrets?|passwords?|passwd|tokens?|credentials?|authorization|cookies?|api_?keys?|private_?keys?|signatures?"
    r"|payloads?|data|body|bodies)$",
    re.IGNORECASE,
)
"""Names of fields that would hold secrets or payloads: `data`, `access_token`; not `data_dir`, `secret_name`. Their values are
never written, and a test refuses such names in our own code."""

_PLAIN = re.compile(r"[^\s\"=\\]+")
_RESERVED = frozenset({"time", "level", "message"})


def write_line(form: Format, at: float, level: str, message: str, fields: Mapping[str, object]) -> str:
    """One line without its end. ``at``: seconds since the epoch; written in UTC, RFC 3339, with milliseconds."""
    moment = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    safe = {name: HIDDEN if SENSITIVE.search(name) else _plain_value(value) for name, value in fields.items()}
    if form == "json":
        renamed = {f"{name}_" if name in _RESERVED else name: value for name, value in safe.items()}
        return json.dumps({"time": moment, "level": level, "message": _cut(message), **renamed})
    words = [moment, level.upper(), _escape(_cut(message)), *(f"{_escape(name)}={_quote(value)}" for name, value in safe.items())]
    return " ".join(words)


def _plain_value(value: object) -> str | int | float | bool | None:
    """Numbers stay numbers where JSON has them; everything else becomes bounded text."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    if isinstance(value, BaseException):
        return _cut(f"{type(value).__name__}: {value}")
    return _cut(value if isinstance(value, str) else str(value))


def _cut(text: str) -> str:
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}... ({len(text)} characters)"


def _quote(value: str | float | bool | None) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    if _PLAIN.fullmatch(value) and value.isprintable():
        return value
    return '"' + _escape(value.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def _escape(text: str) -> str:
    """Control characters, line ends of any kind and the characters that reverse the direction of text become `\\uXXXX`, so
    that nobody can forge a line or hide a part of it."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else (f"\\u{ord(c):04x}" if ord(c) < 0x10000 else f"\\U{ord(c):08x}") for c in text)
