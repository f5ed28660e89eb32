"""The hop count on its way over HTTP: beside the event, in a header of its own (DATAPATH 8)."""

from __future__ import annotations

from eventing.event import Event
from eventing.ports.http import Request
from eventing.ports.records import MAX_HOPS

HEADER = b"eventing-engine-hops"
KNATIVE = "knativebrokerttl"
"""The extension in which Knative's own brokers count."""


def header(hops: int) -> tuple[bytes, bytes]:
    """The header of a delivery of an event with this count: what is left behind the address that it goes to. A subscriber that
    turns out to be a broker of ours, under whatever name or behind a proxy, or of another engine, goes on counting from there."""
    return HEADER, b"%d" % max(hops - 1, 0)


def read(request: Request) -> int:
    """Hops that the events of a request have left, 0 to `MAX_HOPS`. Without the header, and where it is no such number, all."""
    value = request.header(HEADER)
    if value is None or len(value) > 3 or not value.isdigit():
        return MAX_HOPS
    return min(int(value), MAX_HOPS)


def left(event: Event, hops: int) -> int:
    """Hops that an event has left here, of ``hops`` that its request allows: less where it comes from a Knative broker and its
    count is further down, by one for this broker, as there (pkg/broker/ttl.go). 0 or less: it goes round in a circle."""
    value = event.get(KNATIVE)
    if value is None:
        return hops
    if type(value) is str and len(value) <= 11 and value.isascii() and value.removeprefix("-").isdigit():
        value = int(value)
    return min(hops, value - 1) if type(value) is int else hops
