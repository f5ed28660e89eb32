"""The one thing that the standard library does not tell of a server's own certificate: when it ends."""

from __future__ import annotations

import binascii
import re
from datetime import UTC, datetime

_PEM = re.compile(rb"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----(.+?)-----END ", re.DOTALL)
_SEQUENCE, _VERSION, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0xA0, 0x17, 0x18


def not_after(pem: bytes) -> datetime | None:
    """The end of the first certificate's validity (RFC 5280, 4.1.2.5); None where there is none to be read."""
    found = _PEM.search(pem)
    if found is None:
        return None
    try:
        certificate, _ = _element(binascii.a2b_base64(found[1]), _SEQUENCE)
        rest, _ = _element(certificate, _SEQUENCE)
        if rest[:1] == bytes([_VERSION]):
            _, rest = _element(rest)
        for _ in ("serialNumber", "signature", "issuer"):
            _, rest = _element(rest)
        validity, _ = _element(rest, _SEQUENCE)
        _, end = _element(validity)
        tag = end[0]
        return _time(tag, _element(end)[0])
    except (ValueError, IndexError):
        return None


def _element(data: bytes, tag: int | None = None) -> tuple[bytes, bytes]:
    """Content of the first DER element, and what follows it. Raises ValueError, IndexError."""
    if tag is not None and data[0] != tag:
        raise ValueError("another element was expected")
    length, start = data[1], 2
    if length > 127:
        start += length - 128
        length = int.from_bytes(data[2:start], "big")
    if len(data) < start + length:
        raise ValueError("the element is cut short")
    return data[start : start + length], data[start + length :]


def _time(tag: int, text: bytes) -> datetime:
    if tag not in {_UTC_TIME, _GENERALIZED_TIME}:
        raise ValueError("not a time")
    digits = text.decode("ascii")
    if tag == _UTC_TIME:  # two digits of the year: 1950 to 2049 (RFC 5280, 4.1.2.5.1)
        digits = ("19" if digits[:2] >= "50" else "20") + digits
    return datetime.strptime(digits, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
