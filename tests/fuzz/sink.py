"""The subscribers of the ingress campaign: they hold every delivery against the specifications."""

from __future__ import annotations

import json
import re

from tests.fuzz.event_reader import Refused, read_message
from tests.fuzz.findings import Findings
from tests.fuzz.ledger import Ledger
from tests.fuzz.model import TRIGGERS
from tests.fuzz.receiver import NO_CONTENT, Reply
from tests.fuzz.wire import Message, read_requests

_ATTRIBUTE = re.compile(rb"(?:[\x21\x23\x24\x26-\x7e]|%[0-9A-F]{2})*")
_OURS = frozenset((b"host", b"content-length", b"content-type", b"prefer", b"kn-namespace", b"eventing-engine-hops"))
_PASSED = frozenset((b"x-request-id", b"retry-after", b"traceparent", b"tracestate"))
_SECRET = b"-of-the-sender"
_MAX = 4 * 1024 * 1024


class Sink:
    """For all triggers, told apart by the path."""

    def __init__(self, ledger: Ledger, findings: Findings) -> None:
        self._ledger, self._findings = ledger, findings

    def take(self, data: bytes) -> Reply:
        """One whole request, as it came."""
        self._check(data)
        return NO_CONTENT

    def _check(self, data: bytes) -> None:
        stream = read_requests(data, _MAX, _MAX)
        if stream.stop or len(stream.messages) != 1:
            self._findings.add("a delivery is no request", f"{stream.stop} {stream.why} {data[:300]!r}")
            return
        message = stream.messages[0]
        for problem in check(message):
            self._findings.add("a delivery breaks a rule", f"{problem} {message.headers!r:.800}")
        trigger = message.target[1:].decode("latin-1")
        try:
            events = read_message(message.headers, message.body)
        except Refused as error:
            self._findings.add("a delivery is no event", f"{error} {message.headers!r:.800} {message.body[:300]!r}")
            return
        if trigger not in TRIGGERS or len(events) != 1:
            self._findings.add("a delivery at the wrong place", f"{message.target!r}, {len(events)} events")
            return
        if trigger == "json":
            json.loads(message.body)
        self._ledger.deliver(trigger, events[0])


def check(message: Message) -> list[str]:
    """What is wrong with a delivery's head."""
    found: list[str] = []
    names = [name for name, _ in message.headers if name in _OURS or name.startswith(b"ce-")]
    if any(_SECRET in value for name, value in message.headers if not name.startswith(b"ce-")):  # a mutation may rename it
        found.append("a secret of the sender")
    if len(set(names)) != len(names):
        found.append("a header twice")
    for name, value in message.headers:
        if name.startswith(b"ce-"):
            if _ATTRIBUTE.fullmatch(value) is None:
                found.append(f"{name!r} is not encoded as it must be (HTTP binding 3.1.3.2)")
        elif name not in _OURS and name not in _PASSED and not name.startswith((b"knative-", b"x-b3-")):
            found.append(f"a header from nowhere: {name!r}")
    hops = message.header(b"eventing-engine-hops") or b""
    if message.header(b"prefer") != b"reply" or message.header(b"kn-namespace") != b"default" or not hops.isdigit():
        found.append("Prefer, Kn-Namespace or the hop count")
    if message.method != b"POST":
        found.append("no POST")
    return found
