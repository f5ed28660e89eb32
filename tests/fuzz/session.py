"""One connection's worth of requests: the case that a seed and a number stand for, always the same one."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import Enum, auto
from itertools import pairwise

from tests.fuzz.grammar import Plan, plan
from tests.fuzz.model import MAX_BODY
from tests.fuzz.mutate import scramble, spoil
from tests.fuzz.wire import Stream, read_requests

_GARBAGE = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03",
    b"*1\r\n$4\r\nPING\r\n",
    b"\r\n" * 400,
    b"SSH-2.0-x\r\n",
)


class Ending(Enum):
    """What the client does when it has sent everything."""

    HALF = auto()
    """It closes its side and reads the rest."""
    STEPS = auto()
    """It sends each request when the one before is answered, then as HALF."""
    PROMPT = auto()
    """It stays until every complete request is answered, and what is no request refused, then as HALF: no end of its own may
    be needed for that."""
    RESET = auto()
    """It resets the connection at once: nobody knows what was stored."""
    SILENT = auto()
    """It stays, silent, until the server's time-outs end it."""


@dataclass(slots=True)
class Session:
    """``pieces``: what is sent at a time. ``stream``: what a strict reader makes of all of them. ``spoilt``: how many times
    something was changed in good requests."""

    number: int
    pieces: list[bytes]
    ending: Ending
    stream: Stream
    spoilt: int

    @property
    def data(self) -> bytes:
        return b"".join(self.pieces)


def make(seed: int, number: int, *, silent: bool = True) -> Session:
    """``silent``: whether some are left to the time-outs of the server."""
    rng = random.Random(f"{seed}/{number}")
    made = [_request(rng, f"{number}-{index}") for index in range(rng.choice((1, 1, 1, 2, 2, 3, 5, 9)))]
    whole, spoilt = [data for data, _ in made], sum(times for _, times in made)
    if rng.random() < 0.08:
        spoilt += 1
        whole.insert(rng.randrange(len(whole) + 1), rng.choice((*_GARBAGE, rng.randbytes(rng.choice((1, 30, 3000))))))
    data = b"".join(whole)
    broken = rng.random()
    if broken < 0.15:
        for _ in range(rng.choice((1, 1, 2, 5))):
            data = scramble(rng, data)
            spoilt += 1
    stream = read_requests(data, MAX_BODY)
    which = rng.random()
    ending = Ending.HALF
    if which < 0.05:
        ending = Ending.RESET
    elif which < 0.051 and silent:
        ending = Ending.SILENT
    elif which < 0.25 and broken >= 0.15:
        return Session(number, [piece for piece in whole if piece], Ending.STEPS, stream, spoilt)
    elif which > 0.75 and not stream.patient:
        ending = Ending.PROMPT
    return Session(number, _cut(rng, data), ending, stream, spoilt)


def _cut(rng: random.Random, data: bytes) -> list[bytes]:
    count = rng.choice((0, 0, 0, 1, 2, 4, 12))
    if len(data) < 400 and rng.random() < 0.02:
        count = 40
    borders = sorted({0, len(data), *range(min(count // 2, len(data))), *(rng.randrange(len(data) + 1) for _ in range(count))})
    return [data[start:end] for start, end in pairwise(borders)]


def _request(rng: random.Random, id_: str) -> tuple[bytes, int]:
    """A request and how many times it was spoilt."""
    made = plan(rng, id_)
    which = rng.random()
    times = rng.choice((1, 1, 1, 1, 2, 2, 3, 6)) if which > 0.45 else 0
    for _ in range(times):
        spoil(rng, made)
    return render(rng, made), times


def render(rng: random.Random, made: Plan) -> bytes:
    """The plan as bytes. It gets the framing that its body needs, unless a header says otherwise already."""
    framed = any(name.lower() in {b"content-length", b"transfer-encoding"} for name, _ in made.headers)
    lines = [made.start, *(name + b":" + rng.choice((b" ", b" ", b"", b"\t  ")) + value for name, value in made.headers)]
    body = made.body
    if made.chunked:
        if not framed:
            lines.append(b"Transfer-Encoding: chunked")
        body = b"".join(made.pieces) if made.pieces else _chunk(rng, body)
    elif not framed and (body or rng.random() < 0.5):
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join((*lines, b"", body))


def _chunk(rng: random.Random, body: bytes) -> bytes:
    size = max(1, rng.choice((len(body), len(body) // 3, 1000)))
    chunks = [body[place : place + size] for place in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
