"""Ways to spoil a request, from the event's text to the bytes on the wire; each changes one thing at random."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.fuzz.grammar import NEIGHBOURS, Plan
from tests.fuzz.words import FRAMING, JSON_PARTS, JUNK, MEMBERS, METHODS, NAMES, TARGETS, TYPES, VALUES, VERSIONS

SIZES = (60_000, 190_000, 203_000, 206_000, 260_000)
Mutation = Callable[[random.Random, Plan], None]

# The request line.


def _start(rng: random.Random, plan: Plan) -> None:
    parts = plan.start.split(b" ", 2)
    if len(parts) < 3:  # spoiled before
        return
    method, target, version = parts
    which = rng.random()
    if which < 0.35:
        method = rng.choice(METHODS)
    elif which < 0.7:
        target = rng.choice(TARGETS)
    elif which < 0.9:
        version = rng.choice(VERSIONS)
    plan.start = rng.choice((b" ",) * 8 + (b"  ", b"\t")).join((method, target, version))
    if rng.random() < 0.05:
        plan.start = rng.choice((b"", b" ", b"\r\n\r\n", b"GET /", b"\x00" + plan.start, b" " + plan.start))


# Headers.


def _pick(rng: random.Random, plan: Plan) -> int:
    """A header; rarely Host, without which nothing else is looked at."""
    number = rng.randrange(len(plan.headers))
    return rng.randrange(len(plan.headers)) if plan.headers[number][0] == b"Host" and rng.random() < 0.7 else number


def _value(rng: random.Random, plan: Plan) -> None:
    number = _pick(rng, plan)
    name, value = plan.headers[number]
    new = rng.choice(TYPES) if name.lower() == b"content-type" and rng.random() < 0.7 else rng.choice(VALUES)
    if rng.random() < 0.3:
        place = rng.randrange(len(value) + 1)
        new = value[:place] + new + value[place:]
    plan.headers[number] = (name, new)


def _name(rng: random.Random, plan: Plan) -> None:
    number = _pick(rng, plan)
    plan.headers[number] = (rng.choice(NAMES), plan.headers[number][1])


def _add(rng: random.Random, plan: Plan) -> None:
    which = rng.random()
    header = (
        rng.choice(FRAMING) if which < 0.4 else rng.choice(NEIGHBOURS) if which < 0.5 else (rng.choice(NAMES), rng.choice(VALUES))
    )
    plan.headers.insert(rng.randrange(len(plan.headers) + 1), header)


def _repeat(rng: random.Random, plan: Plan) -> None:
    name, value = plan.headers[_pick(rng, plan)]
    name = rng.choice((name, name.upper(), name.lower()))
    plan.headers.insert(rng.randrange(len(plan.headers) + 1), (name, rng.choice((value, b"other"))))


def _drop(rng: random.Random, plan: Plan) -> None:
    del plan.headers[_pick(rng, plan)]
    if not plan.headers:
        plan.headers.append((b"Host", b"a"))


def _many(rng: random.Random, plan: Plan) -> None:
    if rng.random() < 0.2:
        plan.headers.append(
            (rng.choice((b"ce-long", b"x-long")), b"v" * rng.choice((60_000, 190_000, 203_000, 206_000, 260_000)))
        )
        return
    count = rng.choice((20, 50, 300, 1500))
    prefix = rng.choice((b"ce-m", b"x-m", b""))
    plan.headers.extend((prefix + b"%d" % number, b"v") for number in range(count))


def _upgrade(rng: random.Random, plan: Plan) -> None:
    plan.headers += [
        (b"Connection", rng.choice((b"Upgrade", b"Upgrade, HTTP2-Settings"))),
        (b"Upgrade", rng.choice((b"h2c", b"x"))),
    ]


# Bodies.


def _json(rng: random.Random, plan: Plan) -> None:
    text = plan.body.decode("utf-8", "surrogateescape")
    which = rng.random()
    if which < 0.3:
        place = text.find("{")
        text = text[: place + 1] + rng.choice(MEMBERS) + "," + text[place + 1 :]
    elif which < 0.6:
        colons = [place for place, character in enumerate(text[:2000]) if character == ":"]
        if colons:
            start = rng.choice(colons) + 1
            ends = [end for end in (text.find(",", start), text.find("}", start)) if end >= 0]
            text = text[:start] + rng.choice(JSON_PARTS) + text[min(ends, default=len(text)) :]
    elif which < 0.7:
        text = rng.choice(
            ("\ufeff" + text, text + "x", text + " ", " \t\r\n" + text, text + "{}", text[:-1], "[" + text + "]", "\x0c" + text)
        )
    elif which < 0.8:
        text = text.replace(": ", rng.choice((":", " : ", "\t:\r\n"))).replace(", ", rng.choice((",", " ,", ",,")))
    elif which < 0.9:
        text = rng.choice(JSON_PARTS)
    else:
        plan.body = rng.choice((text.encode("utf-16", "surrogatepass"), text.encode("utf-8", "surrogateescape") + b"\xff", b""))
        return
    plan.body = text.encode("utf-8", "surrogateescape")


def _size(rng: random.Random, plan: Plan) -> None:
    plan.body = rng.choice((b"", plan.body * 2, b"x" * 70_000, b"x" * 131_072, b"x" * 140_000, rng.randbytes(3)))


def _chunks(rng: random.Random, plan: Plan) -> None:
    plan.chunked = True
    size = b"%x" % len(plan.body)
    plan.pieces = [
        rng.choice(
            (
                *(
                    b"0" * 5 + size,
                    size.upper(),
                    size + b";a=b",
                    size + b';a="b;c"',
                    size + b" ",
                    size + b" ;a",
                    b"0x" + size,
                    b"-" + size,
                ),
                *(
                    size + b";" + b"x" * 400,
                    b"",
                    b"g",
                    b"f" * 16,
                    b"f" * 17,
                    size + b"\x00",
                    b" " + size,
                    size + b";\xff",
                    b"%x" % (len(plan.body) + 1),
                ),
            )
        ),
        rng.choice((b"\r\n",) * 9 + (b"\n", b"\r", b"")),
        plan.body,
        rng.choice((b"\r\n",) * 9 + (b"\n", b"", b"\r\nx")),
        rng.choice(
            (b"0\r\n\r\n",) * 6
            + (b"0\r\nX: y\r\n\r\n", b"0\r\nContent-Length: 5\r\n\r\n", b"0\r\nHost: b\r\n\r\n", b"0;x\r\n\r\n", b"0\r\n")
        ),
    ]


PLAN_MUTATIONS: tuple[tuple[Mutation, int], ...] = (
    *((_start, 4), (_value, 8), (_name, 3), (_add, 5), (_repeat, 3), (_drop, 3), (_many, 1), (_upgrade, 1)),
    *((_json, 8), (_size, 1), (_chunks, 3)),
)
_CHOICES = [mutation for mutation, weight in PLAN_MUTATIONS for _ in range(weight)]


def spoil(rng: random.Random, plan: Plan) -> None:
    rng.choice(_CHOICES)(rng, plan)


# Bytes.


def scramble(rng: random.Random, data: bytes) -> bytes:
    """Change the bytes themselves."""
    place = rng.randrange(len(data) + 1)
    other = min(len(data), place + rng.choice((1, 1, 2, 10, 100, 1000)))
    which = rng.randrange(8)
    if which == 0:
        return data[:place] + bytes((rng.randrange(256),)) + data[place + 1 :]
    if which == 1:
        return data[:place] + data[other:]
    if which == 2:
        return data[:other] + data[place:]
    if which == 3:
        return data[:place] + rng.choice(JUNK) + data[place:]
    if which == 4:
        return data[:place] + rng.randbytes(rng.choice((1, 5, 50))) + data[place:]
    if which == 5:
        return data.replace(b"\r\n", rng.choice((b"\n", b"\r", b"\r\r\n", b"\n\r")), rng.choice((1, -1)))
    if which == 6:
        return data[:place]
    lines = data.split(b"\r\n")
    number = rng.randrange(len(lines))
    lines[number] = rng.choice((b" ", b"\t", b"")) + lines[number]
    return b"\r\n".join(lines)
