"""The event that a dead-letter sink receives: the original with Knative's three extensions about the failure."""

from __future__ import annotations

import binascii
from urllib.parse import quote

from eventing.event import Event
from eventing.ports.records import Failure

MAX_BODY = 1024
"""Bytes of the failed answer's body that go into `knativeerrordata`."""

_URL_CHARACTERS = "".join(chr(code) for code in range(0x21, 0x7F))


def with_error(event: Event, failure: Failure) -> Event:
    """The event with `knativeerrordest` (the URL tried), `knativeerrorcode` (digits; absent where there was no answer) and
    `knativeerrordata` (Base64 of the body's first 1,024 bytes; absent where there was none). Those of an earlier failure
    go. Source: Knative Eventing, "Event delivery", configuring broker event delivery.
    """
    body = failure.body[:MAX_BODY]
    return event.replace(
        knativeerrordest=_destination(failure.destination) or None,
        knativeerrorcode=str(failure.code) if failure.code else None,
        knativeerrordata=binascii.b2a_base64(body, newline=False).decode() if body else None,
    )


def _destination(url: str) -> str:
    """Without user and password, and in characters that an attribute may have."""
    before, slashes, rest = url.partition("//")
    if slashes:
        end = min((place for mark in "/?#" if (place := rest.find(mark)) >= 0), default=len(rest))
        rest = rest[:end].rpartition("@")[2] + rest[end:]
    return quote(before + slashes + rest, safe=_URL_CHARACTERS, errors="replace")
