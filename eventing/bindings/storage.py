"""An event as channels store it: a head with the attributes, and the payload beside it as it came.

The head is one byte with the format's version, then a MessagePack map from attribute name to value, which keeps the types
String, Integer and Boolean and the order received. Version 1 is the only one so far.
"""

from __future__ import annotations

import msgspec

from eventing.errors import ChannelCorrupt, ChannelUnsupported
from eventing.event import AttributeValue, Event

FORMAT = 1
_PREFIX = bytes((FORMAT,))

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(dict[str, str | int | bool])


def encode_head(event: Event) -> bytes:
    """The head. ``event.data`` is stored by the caller, who keeps None and ``b""`` apart."""
    return _PREFIX + _encoder.encode(dict(event.items()))


def decode(head: bytes, data: bytes | None) -> Event:
    """The event again. Raises `ChannelUnsupported` for a format newer than this program, `ChannelCorrupt` for what is no head."""
    if head[:1] != _PREFIX:
        raise _not_ours(head)
    try:
        attributes: dict[str, AttributeValue] = _decoder.decode(head[1:])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ChannelCorrupt("a stored event's head is damaged") from None
    return Event(attributes, data)


def _not_ours(head: bytes) -> ChannelUnsupported | ChannelCorrupt:
    version = head[0] if head else 0
    if version > FORMAT:
        return ChannelUnsupported(f"a stored event has format {version}, this program knows up to {FORMAT}: use a newer one")
    return ChannelCorrupt("a stored event's head is damaged")
