"""Requests as bytes, made before the load begins: only ids are written into them afterwards.

An id says which event it is and when it was sent: `NUMBER-NANOSECONDS`, both hexadecimal and of fixed width. So the sink needs
nothing else, however the event went.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Literal

ID_LENGTH = 25
"""Characters of an id: 8 digits, a dash, 16 digits."""
KEYS_PER_CONNECTION = 16
TYPE = "com.example.bench"
_TEXT = b'{"text":"%b"}'

Make = Callable[[int, int], bytes]
"""One request from the number of its first event and a time in nanoseconds."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What events look like. ``size``: bytes of the data of one. ``batch``: events of one request. ``keyed``: whether each
    connection gives its events keys of its own (`partitionkey`), so that the order within a key is the order of sending."""

    size: int = 1024
    mode: Literal["binary", "structured", "batch"] = "binary"
    batch: int = 1
    keyed: bool = False
    type: str = TYPE


def data(size: int) -> bytes:
    """A JSON document of exactly so many bytes, 11 at least."""
    return _TEXT % (b"x" * (size - len(_TEXT) + 2))


def maker(shape: Shape, path: str, port: int, connection: int = 0) -> Make:
    """``connection``: the number of the connection that sends them."""
    start = b"POST %b HTTP/1.1\r\nhost: 127.0.0.1:%d\r\n" % (path.encode(), port)
    if shape.mode == "binary":
        return _keyed(start, shape, connection) if shape.keyed else _binary(start, shape)
    return _structured(start, shape) if shape.mode == "structured" else _batch(start, shape)


def _binary(start: bytes, shape: Shape, key: bytes = b"") -> Make:
    body = data(shape.size)
    head = b"%bcontent-type: application/json\r\nce-specversion: 1.0\r\nce-type: %b\r\nce-source: /bench\r\n%b" % (
        start,
        shape.type.encode(),
        key,
    )
    head += b"content-length: %d\r\nce-id: " % len(body)
    tail = b"\r\n\r\n" + body

    def make(number: int, stamp: int) -> bytes:
        return b"%b%08x-%016x%b" % (head, number, stamp, tail)

    return make


def _keyed(start: bytes, shape: Shape, connection: int) -> Make:
    makers = [
        _binary(start, shape, b"ce-partitionkey: %03x-%x\r\n" % (connection, number)) for number in range(KEYS_PER_CONNECTION)
    ]
    turns = count()

    def make(number: int, stamp: int) -> bytes:
        return makers[next(turns) % KEYS_PER_CONNECTION](number, stamp)

    return make


def _document(shape: Shape) -> tuple[bytes, bytes]:
    """A structured event before and after its id."""
    before = b'{"specversion":"1.0","type":"%b","source":"/bench","datacontenttype":"application/json","id":"'
    return before % shape.type.encode(), b'","data":%b}' % data(shape.size)


def _structured(start: bytes, shape: Shape) -> Make:
    before, after = _document(shape)
    length = len(before) + ID_LENGTH + len(after)
    head = b"%bcontent-type: application/cloudevents+json\r\ncontent-length: %d\r\n\r\n%b" % (start, length, before)

    def make(number: int, stamp: int) -> bytes:
        return b"%b%08x-%016x%b" % (head, number, stamp, after)

    return make


def _batch(start: bytes, shape: Shape) -> Make:
    before, after = _document(shape)
    length = 1 + shape.batch * (len(before) + ID_LENGTH + len(after) + 1)
    head = b"%bcontent-type: application/cloudevents-batch+json\r\ncontent-length: %d\r\n\r\n[" % (start, length)
    between = after + b"," + before
    size = shape.batch

    def make(number: int, stamp: int) -> bytes:
        ids = [b"%08x-%016x" % (one, stamp) for one in range(number, number + size)]
        return b"%b%b%b%b]" % (head, before, between.join(ids), after)

    return make
