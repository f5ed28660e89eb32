"""An absolute http or https URL, split into what a client needs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TypeAlias
from urllib.parse import quote, urlsplit

from eventing.errors import ConnectFailed

OriginKey: TypeAlias = tuple[str, str, int]
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\\ud800-\udfff]")
_HOST = re.compile(r"[a-z0-9_.\-]+")
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Target:
    """``host``: for the resolver and for TLS, without brackets. ``label``: host and port for people. ``start``: what follows
    the method in a request, up to and with the Host header. ``origin``: what a connection belongs to."""

    scheme: str
    host: str
    port: int
    label: str
    start: bytes
    origin: OriginKey


def parse_target(url: str) -> Target:
    """Raises `ConnectFailed`, whose message never repeats the URL: it may hold a secret."""
    if _FORBIDDEN.search(url):
        raise ConnectFailed("the URL holds white space, a control character, a backslash or half a character (RFC 3986)")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConnectFailed(f"the URL can't be used: {_plain(error)}") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise ConnectFailed("the URL is neither http nor https")
    if "@" in parts.netloc:
        raise ConnectFailed("the URL holds user information, which is refused (RFC 9110, 4.2.4)")
    if port is None:
        port = _DEFAULT_PORTS[parts.scheme]
    elif port == 0:
        raise ConnectFailed("the URL has the port 0")
    host = _host(parts.hostname or "", bracketed=parts.netloc.startswith("["))
    shown = f"[{host}]" if ":" in host else host
    authority = shown if port == _DEFAULT_PORTS[parts.scheme] else f"{shown}:{port}"
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._[]")
    if parts.query:
        path += "?" + quote(parts.query, safe="/?%:@!$&'()*+,;=~-._[]|{}^`\"<>").translate(_QUERY)
    start = f" {path} HTTP/1.1\r\nhost: {authority}\r\n".encode("ascii")
    return Target(parts.scheme, host, port, f"{shown}:{port}", start, (parts.scheme, host, port))


_QUERY = str.maketrans({c: f"%{ord(c):02X}" for c in '|{}^`"<>'})


def _host(name: str, *, bracketed: bool) -> str:
    if bracketed:
        try:
            return str(ip_address(name))
        except ValueError:
            raise ConnectFailed("the URL's host in brackets is not an IPv6 address") from None
    try:
        name = name.encode("idna").decode("ascii").lower() if not name.isascii() else name.lower()
    except UnicodeError:
        raise ConnectFailed("the URL's host is not a valid name (IDNA)") from None
    if not _HOST.fullmatch(name) or len(name) > 253 or any(not 0 < len(part) < 64 for part in name.rstrip(".").split(".")):
        raise ConnectFailed("the URL's host is not a valid name")
    return name


def _plain(error: ValueError) -> str:
    return "its port is not a number up to 65535" if "ort" in str(error) else "its host is malformed"
