"""Values out of a payload, fit to be CloudEvents attributes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from eventing.bindings.syntax import URI_REFERENCE, is_timestamp
from eventing.event import AttributeValue

MAX_LENGTH = 1024
"""Characters of a value taken from a payload: an edit of hundreds of wiki pages must not make headers that nobody takes."""

_NONCHARACTERS = "".join(chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF))
_FORBIDDEN = re.compile(f"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef{_NONCHARACTERS}]")


def find(payload: Mapping[str, Any], path: str) -> Any:
    """The value under a dotted path, None where there is none."""
    value: Any = payload
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def text(payload: Mapping[str, Any], path: str) -> str | None:
    """A string, number or boolean as an attribute of type String, None where there is none or it is empty."""
    return as_text(find(payload, path))


def as_text(value: Any) -> str | None:
    """A String (CloudEvents 1.0, "Type System"): what is forbidden in it becomes U+FFFD, what is too long is cut."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str) and value:
        return _FORBIDDEN.sub("\ufffd", value[:MAX_LENGTH])
    return None


def uri(payload: Mapping[str, Any], path: str) -> str | None:
    """A URI-reference, None where the value is none."""
    value = find(payload, path)
    return value if isinstance(value, str) and 0 < len(value) <= MAX_LENGTH and URI_REFERENCE.fullmatch(value) else None


def timestamp(payload: Mapping[str, Any], path: str) -> str | None:
    """An RFC 3339 time as GitHub wrote it; seconds since the epoch, which some of its events have, become one."""
    value = find(payload, path)
    if isinstance(value, str) and is_timestamp(value):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**33:
        return rfc3339(datetime.fromtimestamp(value, UTC))
    return None


def rfc3339(moment: datetime) -> str:
    """In UTC, as in ``2026-01-31T23:59:59.123456Z``."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def without_empty(attributes: Mapping[str, AttributeValue | None]) -> dict[str, AttributeValue]:
    """Only those that have a value."""
    return {name: value for name, value in attributes.items() if value is not None and value != ""}
