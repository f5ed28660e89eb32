"""The event that a dead-letter sink receives: the original with Knative's three extensions about the failure, and those that the
failing answer asks for."""

from __future__ import annotations

import binascii
import re
from urllib.parse import quote

from eventing.bindings.rules import check_text
from eventing.errors import InvalidEvent
from eventing.event import AttributeValue, Event
from eventing.ports.http import Headers
from eventing.ports.records import Failure

MAX_BODY = 1024
"""Bytes of the failed answer's body that go into `knativeerrordata`."""

MAX_EXTENSIONS, MAX_EXTENSION_BYTES = 16, 4096
"""How many extensions an answer may ask for, and the bytes of their names and values together."""

_ASKED = b"kne-"
_NAME = re.compile(rb"kne-([a-z0-9]{1,20})")
_OURS = frozenset(("knativeerrordest", "knativeerrorcode", "knativeerrordata"))
_RESERVED = _OURS | {
    *("specversion", "id", "source", "type", "subject", "time", "data", "datacontenttype", "dataschema"),
    *("datacontentencoding", "schemaurl"),  # CloudEvents 0.3
    *("expirytime", "knativebrokerttl"),  # would end the letter on its way
}

_URL_CHARACTERS = "".join(chr(code) for code in range(0x21, 0x7F))


def with_error(event: Event, failure: Failure) -> Event:
    """The event with `knativeerrordest` (the URL tried), `knativeerrorcode` (digits; absent where there was no answer) and
    `knativeerrordata` (Base64 of the body's first 1,024 bytes; absent where there was none). Those of an earlier failure
    go. The failure's own extensions come after them, but for names that the event has. Source: Knative Eventing, "Event
    delivery", configuring broker event delivery.
    """
    body = failure.body[:MAX_BODY]
    attributes: dict[str, AttributeValue] = {name: value for name, value in event.items() if name not in _OURS}
    destination = _destination(failure.destination)
    if destination:
        attributes["knativeerrordest"] = destination
    if failure.code:
        attributes["knativeerrorcode"] = str(failure.code)
    if body:
        attributes["knativeerrordata"] = binascii.b2a_base64(body, newline=False).decode()
    for name, value in failure.extensions:
        attributes.setdefault(name, value)
    return Event(attributes, event.data)


def extensions_of(headers: Headers) -> tuple[tuple[str, str], ...]:
    """The extensions that a failing answer asks for by headers `kne-NAME: VALUE`, as with Knative's broker for Apache Kafka
    (RecordDispatcherImpl); of a name that comes twice the last. Header names are lower case.

    Left out are names that CloudEvents or the failure itself use, those by which brokers let an event end, and those that are
    no extension's (`a-z0-9`, at most 20, CloudEvents 1.0 "Naming Conventions"), values that are no valid String, and what
    goes beyond the bounds.
    """
    asked: dict[str, str] = {}
    left = MAX_EXTENSION_BYTES
    for header, value in headers:
        if not header.startswith(_ASKED):
            continue
        match = _NAME.fullmatch(header)
        if match is None or (name := match[1].decode()) in _RESERVED:
            continue
        size = len(name) + len(value)
        try:
            text = value.decode()
            check_text(name, text)
        except (UnicodeDecodeError, InvalidEvent):
            continue
        if size <= left and (name in asked or len(asked) < MAX_EXTENSIONS):
            asked[name] = text
            left -= size
    return tuple(asked.items())


def _destination(url: str) -> str:
    """Without user and password, and in characters that an attribute may have."""
    before, slashes, rest = url.partition("//")
    if slashes:
        end = min((place for mark in "/?#" if (place := rest.find(mark)) >= 0), default=len(rest))
        rest = rest[:end].rpartition("@")[2] + rest[end:]
    return quote(before + slashes + rest, safe=_URL_CHARACTERS, errors="replace")
