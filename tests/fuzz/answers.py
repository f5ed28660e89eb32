"""Answers of subscribers: valid ones of every class, spoiled ones, and what the program ought to make of each."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tests.fuzz.event_reader import Read, Refused, read_message
from tests.fuzz.grammar import plan
from tests.fuzz.mutate import scramble
from tests.fuzz.receiver import Reply
from tests.fuzz.wire import Broken, Headers, Partial, read_answer
from tests.fuzz.words import FRAMING, NAMES, TYPES, VALUES

STATUSES = (
    200,
    200,
    200,
    201,
    202,
    204,
    206,
    299,
    300,
    301,
    304,
    400,
    401,
    403,
    404,
    405,
    408,
    409,
    410,
    413,
    418,
    429,
    451,
    499,
)
ERRORS = (500, 501, 502, 503, 504, 511, 599, 600, 799, 999)
STARTS = (
    b"HTTP/1.1 200 OK",
    b"HTTP/1.1 200",
    b"HTTP/1.1 200 ",
    b"HTTP/1.0 200 OK",
    b"HTTP/1.1 20 OK",
    b"HTTP/1.1 2000 OK",
    b"HTTP/2.0 200",
)
ODD_STARTS = (
    b"HTTP/1.1 099 x",
    b"HTTP/1.1 -1 x",
    b"HTTP/1.1  200 OK",
    b"http/1.1 200 OK",
    b"",
    b"ICY 200 OK",
    b"HTTP/1.1 200 \xff\x01",
    b"200 OK",
)
INTERIM = (
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n",
    b"HTTP/1.1 102 Processing\r\n\r\n",
)
MARGIN = 60_000
"""Bytes of an answer beyond which the program's own bounds may come in."""

DONE, RETRY, REFUSED = "done", "retry", "refused"


@dataclass(slots=True)
class Expected:
    """``outcomes``: any of these is right. ``reply``: the event that goes on where it is done."""

    outcomes: frozenset[str]
    reply: Read | None = None
    why: str = ""


ANY = frozenset((DONE, RETRY, REFUSED))


def make(seed: int, number: int) -> Reply:
    """The answer that a seed and a number stand for. It is never left open without an end."""
    rng = random.Random(f"answer {seed}/{number}")
    data, ends = _plain(rng, f"reply-{number}")
    which = rng.random()
    if which < 0.15:
        for _ in range(rng.choice((1, 1, 2, 5))):
            data = scramble(rng, data)
        ends = True
    elif which < 0.2:
        data, ends = rng.choice((b"", b"\r\n\r\n", rng.randbytes(30), b"x" * 70_000, data + data, data + b"x")), True
    return Reply(data, ends or rng.random() < 0.1)


def _plain(rng: random.Random, id_: str) -> tuple[bytes, bool]:
    """An answer, and whether it takes the close to end it."""
    status = rng.choice(STATUSES if rng.random() < 0.8 else ERRORS)
    start = b"HTTP/1.%d %d %b" % (rng.random() < 0.9, status, rng.choice((b"OK", b"", b"A reason")))
    headers: Headers = []
    body = b""
    if rng.random() < 0.5:
        made = plan(rng, id_)
        headers, body = (
            [header for header in made.headers if header[0].lower() not in {b"host", b"connection", b"upgrade", b"expect"}],
            made.body,
        )
    elif rng.random() < 0.7:
        headers, body = [(b"Content-Type", rng.choice(TYPES))], rng.choice((b"", b"ok", b"{}", rng.randbytes(200), b"y" * 3000))
    for _ in range(rng.choice((0, 0, 0, 0, 0, 1, 1, 2))):
        _spoil(rng, headers)
    if rng.random() < 0.06:
        start, status = rng.choice((*STARTS, *ODD_STARTS)), 0
    lines = [start, *(name + b": " + value for name, value in headers)]
    before = rng.choice(INTERIM) * rng.choice((1, 1, 3, 500)) if rng.random() < 0.06 else b""
    framing = rng.random()
    ends = start[5:8] != b"1.1" or any(
        name.lower() in {b"connection", b"content-length", b"transfer-encoding"} for name, _ in headers
    )
    if status in {204, 304} and rng.random() < 0.8:
        return before + b"\r\n".join((*lines, b"", b"")), ends
    if framing < 0.6:
        lines.append(b"Content-Length: %d" % len(body))
    elif framing < 0.85:
        lines.append(b"Transfer-Encoding: chunked")
        body = b"%x\r\n%b\r\n" % (len(body), body) * bool(body) + b"0\r\n\r\n"
    else:
        ends = True
    return before + b"\r\n".join((*lines, b"", body)), ends


def _spoil(rng: random.Random, headers: Headers) -> None:
    which = rng.random()
    if which < 0.3 or not headers:
        header = (
            rng.choice(FRAMING)
            if rng.random() < 0.3
            else (rng.choice((*NAMES, b"retry-after", b"kne-x", b"location")), rng.choice(VALUES))
        )
        headers.insert(rng.randrange(len(headers) + 1), header)
        return
    number = rng.randrange(len(headers))
    name, value = headers[number]
    if which < 0.7:
        headers[number] = (name, rng.choice(TYPES) if name.lower() == b"content-type" else rng.choice(VALUES))
    elif which < 0.85:
        del headers[number]
    else:
        headers.append((name, rng.choice((value, b"other"))))


def expect(reply: Reply) -> Expected:
    """What becomes of a delivery that is answered so, and then closed or not."""
    if len(reply.data) > MARGIN:
        return Expected(ANY, why="it is large")
    try:
        answer, doubt = read_answer(reply.data, closed=reply.close)
    except (Broken, Partial) as error:
        return Expected(frozenset((RETRY,)), why=f"it is malformed: {error}")
    if doubt:
        return Expected(ANY, why=doubt)
    status = answer.status
    if not 200 <= status < 300:
        retried = status in {404, 408, 409, 429} or status >= 500
        return Expected(frozenset((RETRY if retried else REFUSED,)), why=f"the status {status}")
    types = [value for name, value in answer.headers if name == b"content-type"]
    event = any(name.startswith(b"ce-") for name, _ in answer.headers) or any(
        value.lower().startswith(b"application/cloudevents") for value in types
    )
    if status != 200 or not event:
        return Expected(frozenset((DONE,)), why="no reply")
    if any(value.lower().startswith(b"application/cloudevents-batch") for value in types):
        return Expected(frozenset((RETRY,)), why="a batch is no reply")
    try:
        (found,) = read_message(answer.headers, answer.body)
    except Refused as error:
        return Expected(frozenset((RETRY,)), why=f"the reply is no event: {error}")
    if "knativebrokerttl" in found.attributes:
        found.doubt = "it may have gone round too often"
    if found.doubt:
        return Expected(frozenset((DONE, RETRY)), found, found.doubt)
    return Expected(frozenset((DONE,)), found)
