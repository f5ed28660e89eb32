"""What the ingress ought to answer to a request, and which events it takes by that."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from tests.fuzz.event_reader import Read, Refused, canonical, read_message
from tests.fuzz.wire import Message

BROKER = b"/default/fuzz"
MAX_BODY = 128 * 1024
TRIGGERS = ("all", "json", "some")

REFUSED = frozenset((400, 404, 413))
TAKEN = frozenset((202, 503))
"""503: back-pressure; then some of its events may be stored."""


@dataclass(slots=True)
class Verdict:
    """``statuses``: any of these is right. ``events``: stored after a 202. ``why``: why nothing can be stored."""

    statuses: frozenset[int]
    events: list[Read] = field(default_factory=list)
    why: str = ""


def judge(message: Message) -> Verdict:
    """The verdict on a complete request."""
    path = _path(message.target)
    if path == b"*" and message.method == b"OPTIONS":
        return Verdict(frozenset((200,)), why="the server as a whole")
    if path in {b"/healthz", b"/readyz"}:
        fits = message.method in {b"GET", b"HEAD"}
        return Verdict(frozenset((200,) if fits else (405,)), why="no broker")
    if b"%2f" not in path.lower():
        path = unquote_to_bytes(path.removesuffix(b"/"))
    if path != BROKER:
        return Verdict(frozenset((400, 404)), why="no such broker")
    if message.method == b"OPTIONS":
        return Verdict(frozenset((200,)), why="no event")
    if message.method != b"POST":
        return Verdict(frozenset((405,)), why="the method")
    try:
        events = read_message(message.headers, message.body)
    except Refused as error:
        return Verdict(REFUSED, why=str(error))
    if any(_hops(message, event) <= 0 for event in events):
        return Verdict(frozenset((400,)), why="the hop count")
    if any(event.doubt for event in events):
        return Verdict(TAKEN | REFUSED, events)
    return Verdict(TAKEN, events)


def matches(trigger: str, event: Read) -> bool:
    """Whether the trigger of this name wants the event; see `tests.fuzz.program` for their filters."""
    if trigger != "some":
        return True
    kind, source = canonical(event.attributes["type"]), canonical(event.attributes["source"])
    mark = event.attributes.get("mark")
    return kind.startswith("org.fuzz.") and source != "/not" and (kind.endswith("x") or canonical(mark or "") == "5")


def _path(target: bytes) -> bytes:
    if target[:1] not in {b"/", b"*"}:
        rest = target.partition(b"://")[2]
        found = re.search(rb"[/?]", rest)
        target = rest[found.start() :] if found else b"/"
        if target[:1] == b"?":
            target = b"/" + target
    return target.partition(b"?")[0]


def _hops(message: Message, event: Read) -> int:
    """Our count, in a header of one to three digits, or Knative's, in the event, whichever is further down."""
    ours = message.header(b"eventing-engine-hops") or b""
    hops = int(ours) if re.fullmatch(rb"[0-9]{1,3}", ours) else 255
    theirs = canonical(event.attributes.get("knativebrokerttl", ""))
    return min(hops, int(theirs) - 1) if re.fullmatch(r"-?[0-9]{1,10}", theirs) else hops
