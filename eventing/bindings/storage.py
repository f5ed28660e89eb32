"""An event as channels store it: a head with the attributes, and the payload beside it as it came.

The head is one byte with the format's version, then MessagePack. Version 1 is a map from attribute name to value, which keeps the
types String, Integer and Boolean and the order received. Version 2 is written only where HTTP headers go along with the event: an
array of that map and the headers, each an array of name and value. So a store in which no headers were ever kept stays
readable to programs that know version 1 alone.
"""

from __future__ import annotations

import msgspec

from eventing.errors import ChannelCorrupt, ChannelUnsupported
from eventing.event import AttributeValue, Event
from eventing.ports.records import PassedHeaders

FORMAT = 2
_PLAIN, _WITH_HEADERS = b"\x01", b"\x02"

_Attributes = dict[str, str | int | bool]

_encoder = msgspec.msgpack.Encoder()
_plain = msgspec.msgpack.Decoder(_Attributes)
_with_headers = msgspec.msgpack.Decoder(tuple[_Attributes, PassedHeaders])


def encode_head(event: Event, headers: PassedHeaders = ()) -> bytes:
    """The head. ``event.data`` is stored by the caller, who keeps None and ``b""`` apart."""
    if headers:
        return _WITH_HEADERS + _encoder.encode((dict(event.items()), headers))
    return _PLAIN + _encoder.encode(dict(event.items()))


def decode(head: bytes, data: bytes | None) -> Event:
    """The event alone; raises as `decode_whole`."""
    return decode_whole(head, data)[0]


def decode_whole(head: bytes, data: bytes | None) -> tuple[Event, PassedHeaders]:
    """The event again, and the headers beside it. Raises `ChannelUnsupported` for a format newer than this program,
    `ChannelCorrupt` for what is no head."""
    version = head[:1]
    attributes: dict[str, AttributeValue]
    headers: PassedHeaders = ()
    try:
        if version == _PLAIN:
            attributes = _plain.decode(head[1:])
        elif version == _WITH_HEADERS:
            attributes, headers = _with_headers.decode(head[1:])
        else:
            raise _not_ours(head)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ChannelCorrupt("a stored event's head is damaged") from None
    return Event(attributes, data), headers


def _not_ours(head: bytes) -> ChannelUnsupported | ChannelCorrupt:
    version = head[0] if head else 0
    if version > FORMAT:
        return ChannelUnsupported(f"a stored event has format {version}, this program knows up to {FORMAT}: use a newer one")
    return ChannelCorrupt("a stored event's head is damaged")
