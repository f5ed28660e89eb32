"""Cases without a process: parsers and bindings by themselves, thousands a second, held against the same second readers."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from itertools import pairwise

from eventing.bindings import http as binding
from eventing.errors import DeliveryFailed, InvalidEvent, InvalidManifest
from eventing.event import Event
from eventing.http.limits import ClientLimits, ServerLimits
from eventing.http.refusal import Refusal
from eventing.http.request_parser import SLICE, Incoming, RequestParser
from eventing.http.response_parser import ResponseParser
from eventing.resources.validate import validate
from tests.fuzz import answers, manifests
from tests.fuzz.event_reader import Read, Refused, key, read_message
from tests.fuzz.model import MAX_BODY
from tests.fuzz.session import Session, make
from tests.fuzz.wire import Broken, Message, Partial, read_answer

_LIMITS = ServerLimits(max_body=MAX_BODY, max_connections=16)
_CLIENT = ClientLimits(max_connections=16)

Problem = str


def requests(seed: int, number: int) -> list[Problem]:
    """The request parser: the same requests and the same refusal however the bytes are cut, and those that they are."""
    session = make(seed, number, silent=False)
    rng = random.Random(f"cuts {seed}/{number}")
    runs = [_parse(_cut(rng, session.data, count)) for count in (0, 1, 7)]
    problems: list[Problem] = []
    found, why = runs[0]
    if any(run != runs[0] for run in runs) and not _of_several_faults(session, runs):
        problems.append(f"another reading when cut: {[(len(run_found), run_why) for run_found, run_why in runs]}")
    wanted = [(message.method, message.headers, message.body, not message.last) for message in session.stream.messages]
    if found != wanted:
        problems.append(f"{len(found)} requests ({why}), not {len(wanted)} ({session.stream.stop} {session.stream.why})")
    if bool(why) != bool(session.stream.stop):
        problems.append(f"ends as {why or 'good'}, not as {session.stream.stop} {session.stream.why}")
    if why.isdigit() and not 400 <= int(why) < 500:
        problems.append(f"the status {why}")
    return problems


_Parsed = list[tuple[bytes, list[tuple[bytes, bytes]], bytes, bool]]


def _of_several_faults(session: Session, runs: list[tuple[_Parsed, str]]) -> bool:
    """Whether the readings differ only in which of several faults is told. llhttp hands over a header, or a part of one, when it
    has seen what follows it or when a piece ends: so a fault there is found before one behind it only where there is a cut
    between them. Byte by byte the first is always found."""
    if session.spoilt < 2:
        return False
    found, why = runs[0]
    first = _parse([session.data[place : place + 1] for place in range(len(session.data))])
    told = {why, first[1]}
    return all(run_found == found for run_found, _ in (*runs, first)) and all(
        run_why in told and run_why.isdigit() for _, run_why in runs
    )


def _parse(pieces: list[bytes]) -> tuple[_Parsed, str]:
    found: _Parsed = []

    def emit(incoming: Incoming) -> None:
        request = incoming.request
        found.append((request.method.encode(), list(request.headers), request.body, incoming.keep_alive))

    parser = RequestParser(_LIMITS, emit)
    try:
        for piece in pieces:
            for start in range(0, len(piece), SLICE):
                parser.feed(piece[start : start + SLICE])
    except Refusal as refusal:
        return found, str(refusal.status)
    return found, "in part" if parser.begun else ""  # then the end of the connection makes it a 400


def _cut(rng: random.Random, data: bytes, count: int) -> list[bytes]:
    borders = sorted({0, len(data), *(rng.randrange(len(data) + 1) for _ in range(count))})
    return [data[start:end] for start, end in pairwise(borders)]


def events(seed: int, number: int) -> list[Problem]:
    """The bindings: the events that a request holds, and the same ones again from what is written of them."""
    problems: list[Problem] = []
    for message in make(seed, number, silent=False).stream.messages:
        problems.extend(_event(message))
    return problems


def _event(message: Message) -> list[Problem]:
    try:
        wanted: list[Read] | None = read_message(message.headers, message.body)
        why = ""
    except Refused as error:
        wanted, why = None, str(error)
    try:
        found = binding.decode(message.headers, message.body)
    except InvalidEvent as error:
        if wanted is not None and not any(read.doubt for read in wanted):
            return [f"refused, and it is an event: {error}"]
        line = str(error)
        return [] if line.isprintable() and len(line) < 1000 else [f"an error that is not one line: {line!r}"]
    if wanted is None:
        return [f"taken, and it is none: {why}"]
    problems: list[Problem] = []
    for event, read in zip(found, wanted, strict=True):
        if key(_read(event), typed=True) != key(read, typed=True):
            problems.append(f"another event: {event.attributes!r}, not {read!r}")
        problems.extend(_again(event))
    return problems


def _again(event: Event) -> list[Problem]:
    """Written in both modes and read by the second reader."""
    problems = []
    for typed, encode in ((False, binding.encode_binary), (True, binding.encode_structured)):
        headers, body = encode(event)
        try:
            (read,) = read_message(headers, body)
        except Refused as error:
            problems.append(f"written so that it is no event any more: {error}")
            continue
        if key(read, typed=typed) != key(_read(event), typed=typed):
            problems.append(f"written as another event: {read!r}, not {event.attributes!r}")
    return problems


def _read(event: Event) -> Read:
    return Read(dict(event.items()), event.data)


def replies(seed: int, number: int) -> list[Problem]:
    """The response parser: an answer or one error, the same however the bytes are cut, and the one that it is."""
    reply = answers.make(seed, number)
    rng = random.Random(f"cuts {seed}/{number}")
    runs = [_answer(_cut(rng, reply.data, count)) for count in (0, 1, 7)]
    problems: list[Problem] = []
    if any(run != runs[0] for run in runs):
        problems.append(f"another reading when cut: {runs!r:.500}")
    status = runs[0][0]
    if len(reply.data) > answers.MARGIN:
        return problems
    try:
        wanted, doubt = read_answer(reply.data, closed=True)
    except (Broken, Partial) as error:
        if status:
            problems.append(f"the answer {status}, and it is none: {error}")
        return problems
    if not doubt and runs[0] != (wanted.status, wanted.headers, wanted.body):
        problems.append(f"{runs[0]!r:.300}, not {wanted!r:.300}")
    return problems


def _answer(pieces: list[bytes]) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Status 0 where it is none."""
    parser = ResponseParser(_CLIENT)
    try:
        for piece in pieces:
            if parser.response is None and piece:
                parser.feed(piece)
        if parser.response is None:
            parser.finish()
    except DeliveryFailed:
        return 0, [], b""
    assert parser.response is not None
    return parser.response.status, list(parser.response.headers), parser.response.body


def objects(seed: int, number: int) -> list[Problem]:
    """Manifests: accepted, or refused with faults that each are one line."""
    text = manifests.make(seed, number)
    try:
        validate(["-"], {}, stdin=lambda: io.BytesIO(text))
    except InvalidManifest as error:
        lines = [str(fault) for fault in error.faults]
        return [f"a fault that is not one line: {line!r:.300}" for line in lines if not line.isprintable() or len(line) > 2000]
    return []


TARGETS: dict[str, Callable[[int, int], list[Problem]]] = {
    "requests": requests,
    "events": events,
    "answers": replies,
    "manifests": objects,
}


def run(target: str, seed: int, number: int) -> list[Problem]:
    """Problems of one case; what it raises is one too."""
    try:
        return TARGETS[target](seed, number)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not be raised
        return [f"raised {type(error).__name__}: {error}"]
