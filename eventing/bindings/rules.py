"""The rules every event obeys, whichever binding it came through.

Sources: CloudEvents 1.0 ("Naming Conventions", "Type System", "Context Attributes") and CloudEvents 0.3. An event of 0.3
stays one: it knows `schemaurl` and `datacontentencoding` where 1.0 has `dataschema`.

Each breach raises `errors.InvalidEvent`: one line that names the attribute and the rule. A value appears in it only as
`quoted`, the payload never.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from eventing.bindings.syntax import MEDIA_TYPE, URI, URI_REFERENCE, is_timestamp
from eventing.errors import InvalidEvent
from eventing.event import AttributeValue, Event

INTEGER_MIN, INTEGER_MAX = -(2**31), 2**31 - 1

NAMING = 'CloudEvents 1.0 "Naming Conventions"'
TYPES = 'CloudEvents 1.0 "Type System"'
REQUIRED_RULE = 'CloudEvents 1.0 "REQUIRED Attributes"'
OPTIONAL_RULE = 'CloudEvents 1.0 "OPTIONAL Attributes"'
VERSION_0_3 = 'CloudEvents 0.3 "Context Attributes"'

_SHOWN = 48
_NAME = re.compile(r"[a-z0-9]+")
_PLANE_ENDS = "".join(chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF))
_FORBIDDEN = re.compile(f"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef{_PLANE_ENDS}]")


def quoted(value: str | bytes) -> str:
    """A value fit for an error text: quoted, ASCII with escapes, on one line, at most 48 characters of it."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return ascii(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!a}..."


def breach(attribute: str | None, problem: str, rule: str) -> InvalidEvent:
    """The error for one broken rule, ready to be raised."""
    if attribute is None:
        return InvalidEvent(f"{problem} ({rule})", rule=rule)
    where = attribute if attribute.isascii() and attribute.isidentifier() else quoted(attribute)
    if len(attribute) > _SHOWN:
        where = quoted(attribute)
    return InvalidEvent(f"attribute {where}: {problem} ({rule})", attribute=attribute[:_SHOWN], rule=rule)


def check(event: Event) -> None:
    """Hold every rule against an event that no binding has decoded: one made by a source or by a program.

    Raises `InvalidEvent`.
    """
    for name, value in event.items():
        check_name(name)
        check_value(name, value)
    check_context(event.attributes)
    if event.data is not None and type(event.data) is not bytes:
        raise breach(None, f"data must be bytes, not {type(event.data).__name__}", 'CloudEvents 1.0 "Event Data"')


def check_name(name: str) -> None:
    """Lower-case ASCII letters and digits, at least one, and not `data`. Raises `InvalidEvent`."""
    if not _NAME.fullmatch(name):
        raise breach(name, "a name has only the characters a-z and 0-9", NAMING)
    if name == "data":
        raise breach(name, "no attribute is called data", NAMING)


def check_value(name: str, value: object) -> None:
    """String, Integer or Boolean within their ranges. Raises `InvalidEvent`."""
    if type(value) is str:
        check_text(name, value)
    elif type(value) is int:
        check_integer(name, value)
    elif type(value) is not bool:
        raise breach(name, f"must be a String, an Integer or a Boolean, not {type(value).__name__}", TYPES)


def check_text(name: str, value: str) -> None:
    """No control character, noncharacter or unpaired surrogate. Raises `InvalidEvent`."""
    if value.isascii() and value.isprintable():
        return
    found = _FORBIDDEN.search(value)
    if found is not None:
        raise breach(name, f"the character U+{ord(found.group()):04X} is not allowed", TYPES)


def check_integer(name: str, value: int) -> None:
    """Signed and within 32 bits. Raises `InvalidEvent`."""
    if not INTEGER_MIN <= value <= INTEGER_MAX:
        raise breach(name, "an Integer lies between -2147483648 and 2147483647", TYPES)


def check_context(attributes: Mapping[str, AttributeValue]) -> None:
    """What the specification says of its own attributes: those required, and the form of each.

    Names and characters are taken as checked. Raises `InvalidEvent`.
    """
    get = attributes.get
    version = get("specversion")
    if version != "1.0" and version != "0.3":  # noqa: PLR1714 - two comparisons are faster than a tuple
        raise _bad_version(version)
    id_, source, type_ = get("id"), get("source"), get("type")
    if type(id_) is not str or not id_:
        raise _bad_required("id", id_)
    if type(source) is not str or not source:
        raise _bad_required("source", source)
    if type(type_) is not str or not type_:
        raise _bad_required("type", type_)
    if URI_REFERENCE.fullmatch(source) is None:
        raise breach("source", f"{quoted(str(source))} is not a URI-reference (RFC 3986 section 4.1)", REQUIRED_RULE)
    value = get("datacontenttype")
    if value is not None and value != "application/json" and (type(value) is not str or MEDIA_TYPE.fullmatch(value) is None):
        raise breach("datacontenttype", f"{quoted(str(value))} is not a media type (RFC 2046)", OPTIONAL_RULE)
    value = get("subject")
    if value is not None and (type(value) is not str or not value):
        raise breach("subject", "must be a non-empty String where it is present", OPTIONAL_RULE)
    value = get("time")
    if value is not None and (type(value) is not str or not is_timestamp(value)):
        raise breach("time", f"{quoted(str(value))} is not a timestamp with offset (RFC 3339)", OPTIONAL_RULE)
    if version == "1.0":
        value = get("dataschema")
        if value is not None and (type(value) is not str or URI.fullmatch(value) is None):
            raise breach("dataschema", f"{quoted(str(value))} is not an absolute URI (RFC 3986 section 4.3)", OPTIONAL_RULE)
    else:
        value = get("schemaurl")
        if value is not None and (type(value) is not str or URI_REFERENCE.fullmatch(value) is None):
            raise breach("schemaurl", f"{quoted(str(value))} is not a URI-reference (RFC 3986 section 4.1)", VERSION_0_3)
        value = get("datacontentencoding")
        if value is not None and type(value) is not str:
            raise breach("datacontentencoding", "must be a String", VERSION_0_3)


def _bad_version(version: AttributeValue | None) -> InvalidEvent:
    if version is None or version == "":
        return breach("specversion", "is required", REQUIRED_RULE)
    return breach("specversion", f"{quoted(str(version))} is not supported, only 1.0 and 0.3", REQUIRED_RULE)


def _bad_required(name: str, value: AttributeValue | None) -> InvalidEvent:
    if value is None:
        return breach(name, "is required", REQUIRED_RULE)
    if type(value) is not str:
        return breach(name, f"must be a String, not {type(value).__name__}", REQUIRED_RULE)
    return breach(name, "must not be empty", REQUIRED_RULE)
