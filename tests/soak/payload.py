"""The events' data: made from the id, so that whoever gets an event can tell whether it is whole."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping

from tests.support.events import binary, structured

SIZES = (0, 0, 1, 20, 200, 200, 1000, 1000, 1000, 2000, 4000)
LARGE = (16 * 1024, 64 * 1024)


def size(chance: random.Random) -> int:
    """Bytes, mostly few."""
    return chance.choice(LARGE) if chance.random() < 0.03 else chance.choice(SIZES)


def text(id_: str, length: int) -> str:
    return (f"{id_}." * (length // (len(id_) + 1) + 1))[:length]


def as_binary(id_: str, type_: str, length: int, **more: str) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Headers and body."""
    headers = binary(id_, type_, "/soak", content_type="text/plain", soaksize=str(length), **more)
    return [(name.encode(), value.encode()) for name, value in headers.items()], text(id_, length).encode()


def as_json(id_: str, type_: str, length: int, **more: str) -> dict[str, object]:
    return structured(id_, type_, text(id_, length), source="/soak", datacontenttype="text/plain", soaksize=str(length), **more)


def check(id_: str, headers: Mapping[str, str], body: bytes, in_json: bool) -> str:
    """What is wrong with a delivery, empty if nothing. Raises ValueError, KeyError."""
    if id_.startswith("r-"):
        return ""
    if in_json:
        event = json.loads(body)
        length, data = int(event["soaksize"]), event.get("data", "").encode()
    else:
        length, data = int(headers["ce-soaksize"]), body
    return "" if data == text(id_, length).encode() else f"{len(data)} bytes of data, sent were {length}"
