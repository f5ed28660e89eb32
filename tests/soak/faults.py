"""What subscribers do to the program: single faults, and bad times that last."""

from __future__ import annotations

import random
from enum import Enum, auto
from math import inf

from tests.fuzz.receiver import NO_CONTENT, Reply


class Mood(Enum):
    """A server's time, good or bad."""

    WELL = auto()
    GONE = auto()
    """Connections are refused."""
    HANGS = auto()
    """It takes requests and answers none; when the time ends the connections are cut."""
    SLOW = auto()
    """Three seconds for each answer."""
    BUSY = auto()
    """429 with Retry-After."""
    BROKEN = auto()
    """500 for everything."""
    MAD = auto()
    """Answers that are none."""


BAD = tuple(mood for mood in Mood if mood is not Mood.WELL)
SLOW_SECONDS = 3.0

_GARBAGE = (
    b"\x00\x01\x02\xff" * 20,
    b"HTTP/1.1 twohundred OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    b"SSH-2.0-OpenSSH_9.6\r\n",
)
_HALF = (
    b"HTTP/1.1 200 OK\r\ncontent-le",
    b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
    b"HTTP/1.1 204 No Content\r\n",
)


def status(code: int, *headers: bytes, body: bytes = b"") -> Reply:
    lines = (b"HTTP/1.1 %d Said" % code, *headers, b"content-length: %d" % len(body), b"", body)
    return Reply(b"\r\n".join(lines))


def one(chance: random.Random) -> Reply:
    """A single fault, none of which is a success."""
    which = chance.random()
    if which < 0.35:
        return status(chance.choice((500, 502, 503, 404, 408, 409)), body=b"trouble")
    if which < 0.5:
        return Reply(b"", reset=True)
    if which < 0.62:
        return Reply(b"", close=True)
    if which < 0.76:
        return Reply(chance.choice(_HALF), close=True)
    if which < 0.9:
        return Reply(chance.choice(_GARBAGE), close=True)
    if which < 0.93:
        return status(429, b"retry-after: 1")
    return Reply(b"", close=True, after=chance.uniform(0.3, 2.0))


def of(mood: Mood, chance: random.Random) -> Reply | None:
    """What a server in this mood answers; None where it answers as it ought to."""
    match mood:
        case Mood.HANGS:
            return Reply(b"", after=inf)
        case Mood.SLOW:
            return Reply(NO_CONTENT.data, after=SLOW_SECONDS)
        case Mood.BUSY:
            return status(429, b"retry-after: 1")
        case Mood.BROKEN:
            return status(500)
        case Mood.MAD:
            return Reply(chance.choice((*_GARBAGE, *_HALF)), close=True)
        case _:
            return None


def succeeds(reply: Reply) -> bool:
    """Whether the program must take it for a success."""
    return reply.data.startswith((b"HTTP/1.1 200 Said\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"))
