"""Which HTTP headers of a request go on with its events to every delivery, and with an answer to its reply.

Knative Eventing passes `x-request-id`, `retry-after` and all that begins with `knative-` or `x-b3-` (pkg/utils/headers.go), and
its HTTP client continues the W3C trace context, `traceparent` and `tracestate`. Nothing else goes on, least of all
`authorization` and `cookie`. The CloudEvents extension `traceparent` is another thing: an attribute, the trace in which
the event came into being (CloudEvents, "Distributed Tracing extension").
"""

from __future__ import annotations

import re

from eventing.ports.http import Headers
from eventing.ports.records import PassedHeaders

MAX_HEADERS = 32
MAX_BYTES = 8192
"""Of names and values together. They are kept with every event, so they are bounded; what does not fit is left out, since an
event is worth more than the headers beside it."""

_NAMES = frozenset((b"x-request-id", b"retry-after", b"traceparent", b"tracestate"))
_PREFIXES = (b"knative-", b"x-b3-")
_FIRST = frozenset(name[:1] for name in (*_NAMES, *_PREFIXES))
_LOWEST = min(*_NAMES, *_PREFIXES)
_TRACE = frozenset((b"traceparent", b"tracestate"))

_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*+")


def passed(headers: Headers) -> PassedHeaders:
    """Those of a message's headers that go on, in the order received, within `MAX_HEADERS` and `MAX_BYTES`. Names are lower case.
    A value that could not be sent (RFC 9110, 5.5) is left out."""
    # Almost no message has one, and all pass here: `ce-`, `content-` and `host` lie below the lowest of them.
    found = [header for header in headers if header[0] >= _LOWEST and header[0][:1] in _FIRST and _goes_on(header[0])]
    return _bounded(found) if found else ()


def of_reply(answer: Headers, cause: PassedHeaders) -> PassedHeaders:
    """What goes on with a reply: the headers of the answer that carries it. The trace of the event that caused it goes on too,
    unless the answer tells one of its own."""
    own = passed(answer)
    if not cause or any(name in _TRACE for name, _ in own):
        return own
    trace = [header for header in cause if header[0] in _TRACE]
    return _bounded([*trace, *own]) if trace else own


def _goes_on(name: bytes) -> bool:
    return name in _NAMES or name.startswith(_PREFIXES)


def _bounded(found: list[tuple[bytes, bytes]]) -> PassedHeaders:
    kept: list[tuple[bytes, bytes]] = []
    left = MAX_BYTES
    for name, value in found:
        size = len(name) + len(value)
        if len(kept) < MAX_HEADERS and size <= left and _VALUE.fullmatch(value):
            kept.append((name, value))
            left -= size
    return tuple(kept)
