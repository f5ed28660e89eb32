"""URIs that can work: what a manifest or an option names is checked before anything is sent there."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import SplitResult, urlsplit

_AUTHORITY = re.compile(r"(?:\[(?P<address>[^\[\]]*)\]|(?P<name>[^\[\]:]*))(?::\d*)?", re.ASCII)
_PART = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_TOKEN = re.compile(r"(?<=[?&]access_token=)[^&#]+", re.IGNORECASE)
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def split_uri(uri: str) -> SplitResult:
    """Split a URI reference (RFC 3986) that a client can use.

    Its host, where it has one, is an IPv6 address in brackets, an IPv4 address in decimal, or consists of parts as DNS allows
    them (RFC 1123, 2.1), `_` included, as the names of containers have it. One that ends in a number is no name but an IPv4
    address (WHATWG URL, 3.5, "ends in a number"); its short, octal and hexadecimal forms are refused, since it depends on the
    resolver which address they mean. Raises `ValueError` whose text is the rule, made to follow the field's name; it
    repeats nothing of the URI, which may hold a secret.
    """
    if not uri or not uri.isascii() or any(not "!" <= char <= "~" for char in uri):
        raise ValueError("must be a URI of visible ASCII characters; percent-encode others")
    if "\\" in uri:
        raise ValueError("must hold no backslash; percent-encode it")
    if _BROKEN_ESCAPE.search(uri):
        raise ValueError("is no valid URI: after '%' come two hexadecimal digits")
    try:
        split = urlsplit(uri)
    except ValueError:
        raise ValueError("is no valid URI") from None
    if "@" in split.netloc:
        raise ValueError("must hold no user name or password")
    if split.netloc:
        _check_authority(split)
    return split


def without_token(uri: str) -> str:
    """The URI without the value of a parameter `access_token` (RFC 6750, 2.3), for whoever it is no business of."""
    return _TOKEN.sub("...", uri) if "=" in uri else uri


def _check_authority(split: SplitResult) -> None:
    match = _AUTHORITY.fullmatch(split.netloc)
    if match is None:
        raise ValueError("is no valid URI: its host or port is malformed")
    try:
        port = split.port
    except ValueError:
        raise ValueError("is no valid URI: a port is a number from 1 to 65535") from None
    if port == 0:
        raise ValueError("must not have the port 0")
    address, name = match["address"], match["name"]
    if address is not None:
        _check_address(address)
    elif name:
        _check_name(name.lower())


def _check_address(text: str) -> None:
    try:
        zone = IPv6Address(text).scope_id
    except ValueError:
        raise ValueError("is no valid URI: in brackets stands an IPv6 address") from None
    if zone is not None:
        raise ValueError("must have no zone in its IPv6 address")


def _check_name(name: str) -> None:
    parts = name.removesuffix(".").split(".")
    if len(name) > 253 or not all(_PART.fullmatch(part) for part in parts):
        raise ValueError(
            "has no valid host name: its parts are letters, digits, '-' and '_', 1 to 63 of them, without '-' at either end, "
            "253 in all"
        )
    if _NUMBER.fullmatch(parts[-1]):
        _check_ipv4(name)


def _check_ipv4(text: str) -> None:
    try:
        IPv4Address(text)  # in decimal, whole, and without leading zeros, which some read as octal
    except ValueError:
        raise ValueError(
            "has no valid IPv4 address: a host whose last part is a number is four numbers from 0 to 255 with '.' between them, "
            "in decimal, without leading zeros"
        ) from None
