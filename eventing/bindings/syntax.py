"""The grammars that attribute values follow: RFC 3986, RFC 3339, RFC 2046. Every pattern runs in linear time."""

from __future__ import annotations

import re

_UNRESERVED = r"A-Za-z0-9\-._~"
_SUB_DELIMS = r"!$&'()*+,;="


def _text(characters: str) -> str:
    """Those characters and percent-encoded octets, any number, without backtracking."""
    return rf"[{characters}]*+(?:%[0-9A-Fa-f]{{2}}[{characters}]*+)*+"


_SCHEME = r"[A-Za-z][A-Za-z0-9+.\-]*+:"
_PATH = _text(rf"{_UNRESERVED}{_SUB_DELIMS}:@/")
_QUERY = _text(rf"{_UNRESERVED}{_SUB_DELIMS}:@/?")
_USERINFO = _text(rf"{_UNRESERVED}{_SUB_DELIMS}:")
_HOST = rf"(?:\[[{_UNRESERVED}{_SUB_DELIMS}:]++\]|{_text(_UNRESERVED + _SUB_DELIMS)})"
_AUTHORITY = rf"//(?:{_USERINFO}@)?{_HOST}(?::[0-9]*+)?"
_REST = rf"(?:{_AUTHORITY}(?:/{_PATH})?|(?!//){_PATH})(?:\?{_QUERY})?(?:#{_QUERY})?"

URI = re.compile(_SCHEME + _REST)
"""RFC 3986 section 3, with a scheme. A fragment is let through, though CloudEvents points to section 4.3, which has none:
schemas are commonly named with one."""

URI_REFERENCE = re.compile(rf"(?:{_SCHEME}|(?![^:/?#]*+:)){_REST}")
"""RFC 3986 section 4.1: a URI, or relative to one; the first segment of a relative one has no colon."""

_NAME = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"

MEDIA_TYPE = re.compile(rf"{_NAME}/{_NAME} *+(?:;[\x20-\x7e]*+)?")
"""RFC 2046 and RFC 2045 section 5.1: type, subtype, parameters; of these only that they are printable ASCII."""

_TIMESTAMP = re.compile(
    r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
    r"[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]++)?"
    r"(?:[Zz]|[+\-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
_LONG_MONTHS = frozenset(("01", "03", "05", "07", "08", "10", "12"))


def is_timestamp(text: str) -> bool:
    """RFC 3339 section 5.6: any number of digits after the second, `-00:00` and leap seconds included; the day must exist."""
    if _TIMESTAMP.fullmatch(text) is None:
        return False
    day = text[8:10]
    if day <= "28":
        return True
    month = text[5:7]
    if month == "02":
        number = int(text[:4])
        return day == "29" and number % 4 == 0 and (number % 100 != 0 or number % 400 == 0)
    return day != "31" or month in _LONG_MONTHS


def media_type(value: str) -> str:
    """The type without parameters in lower case: `Text/Plain; charset=utf-8` gives `text/plain`."""
    return value.partition(";")[0].strip().lower()


def is_json(value: str) -> bool:
    """Whether a content type declares JSON: `*/json` or `*/*+json` (JSON format 1.0, section 3.1.1)."""
    if value == "application/json":
        return True
    subtype = media_type(value).partition("/")[2]
    return subtype == "json" or subtype.endswith("+json")


_CHARSET = re.compile(r';\s*+charset\s*+=\s*+"?([^";\s]*+)', re.IGNORECASE)


def is_text(value: str) -> bool:
    """Whether a content type declares text that a UTF-8 string carries unchanged: `text/*` or XML, with no other charset."""
    kind = media_type(value)
    if not kind.startswith("text/") and kind != "application/xml" and not kind.endswith("+xml"):
        return False
    charset = _CHARSET.search(value)
    return charset is None or charset.group(1).lower() in ("utf-8", "utf8", "us-ascii")
