"""A backlog entry's and a dead letter's lesser fields, as stored: MessagePack."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from eventing.errors import ChannelCorrupt
from eventing.ports.records import Failure, NewEntry

BODY = 1024
"""Bytes kept of a failing answer's body (see `Failure`)."""

_Packed = tuple[str, int, str, bytes] | tuple[str, int, str, bytes, tuple[tuple[str, str], ...]]


class _Failure(msgspec.Struct, array_like=True):
    """As stored: an array of four, of five only where the answer asked for extensions, which older programs can't read."""

    destination: str
    code: int
    reason: str
    body: bytes
    extensions: tuple[tuple[str, str], ...] = ()


_encoder = msgspec.msgpack.Encoder()
_detail = msgspec.msgpack.Decoder(tuple[str | None, _Failure | None, _Failure | None])
_failures = msgspec.msgpack.Decoder(list[_Failure])


def encode_detail(entry: NewEntry) -> bytes | None:
    if entry.ordering_key is None and entry.failure is None and entry.origin is None:
        return None
    return _encoder.encode((entry.ordering_key, _pack(entry.failure), _pack(entry.origin)))


def decode_detail(detail: bytes | None) -> tuple[str | None, Failure | None, Failure | None]:
    """Ordering key, last failure in this lane, origin. Raises `ChannelCorrupt`."""
    if detail is None:
        return None, None, None
    try:
        key, failure, origin = _detail.decode(detail)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ChannelCorrupt("what is stored beside a backlog entry is damaged") from None
    return key, _unpack(failure), _unpack(origin)


def encode_failures(failures: Sequence[Failure]) -> bytes:
    return _encoder.encode([_pack(failure) for failure in failures])


def decode_failures(stored: bytes) -> tuple[Failure, ...]:
    """Raises `ChannelCorrupt`."""
    try:
        return tuple(_made(failure) for failure in _failures.decode(stored))
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ChannelCorrupt("what is stored of a dead letter's failures is damaged") from None


def _pack(failure: Failure | None) -> _Packed | None:
    if failure is None:
        return None
    packed = (_text(failure.destination), failure.code, _text(failure.reason), failure.body[:BODY])
    return (*packed, failure.extensions) if failure.extensions else packed


def _text(text: str) -> str:
    """Error texts of the system may hold undecodable bytes as lone surrogates, which no UTF-8 has."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _unpack(failure: _Failure | None) -> Failure | None:
    return _made(failure) if failure is not None else None


def _made(stored: _Failure) -> Failure:
    return Failure(stored.destination, stored.code, stored.reason, stored.body, stored.extensions)
