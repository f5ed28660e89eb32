"""Holds what came back on a connection against what had to."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field

from tests.fuzz.findings import Findings
from tests.fuzz.ledger import Ledger
from tests.fuzz.model import Verdict, judge
from tests.fuzz.session import Ending, Session
from tests.fuzz.wire import Answer, Broken, Message, read_answers

_MANY = 256 * 1024
"""Bytes beyond which a client that is refused may still be sending when the server has stopped to listen."""


_SLOW = 15.0
"""The shortest time-out of the server while a request comes in."""


@dataclass(slots=True)
class Outcome:
    """``received``: all bytes of the server. ``ended``: `closed`, `reset`, or `late` where neither came in time. ``seconds``: how
    long it all took."""

    received: bytes
    ended: str
    seconds: float = 0.0


@dataclass(slots=True)
class Oracle:
    findings: Findings
    ledger: Ledger
    statuses: Counter[int] = field(default_factory=Counter)
    requests: int = 0

    def judge(self, session: Session, outcome: Outcome) -> None:
        """Adds to the findings and to the ledger."""
        messages = session.stream.messages
        self.requests += len(messages) + bool(session.stream.stop)
        verdicts = [judge(message) for message in messages]
        if session.ending is Ending.RESET:
            for verdict in verdicts:
                self.ledger.doubt(verdict.events, session.number)
            return
        try:
            answers, used = read_answers(outcome.received, [message.method for message in messages])
        except Broken as error:
            self._found("an answer is no HTTP", f"{error} {outcome.received[-400:]!r}", session)
            return
        if used != len(outcome.received):
            self._found("an answer is cut short", repr(outcome.received[used:][:400]), session)
        for answer in answers:
            self.statuses[answer.status] += 1
        if answers and answers[-1].status == 408 and outcome.seconds >= _SLOW:
            answers.pop()  # a busy machine can't even send in time
        else:
            self._count(session, outcome, len(answers))
        for index, answer in enumerate(answers):
            last = index == len(answers) - 1
            problem = check(answer)
            if problem:
                self._found("an answer breaks a rule", f"{problem} {answer!r:.600}", session)
            if index < len(messages):
                self._answered(messages[index], verdicts[index], answer, session)
            elif not 400 <= answer.status < 500 or not last or answer.header(b"connection") != b"close":
                self._found("not refused", f"{session.stream.stop} {session.stream.why}: {answer!r:.300}", session)
        for verdict in verdicts[len(answers) :]:
            self.ledger.doubt(verdict.events, session.number)

    def _count(self, session: Session, outcome: Outcome, answers: int) -> None:
        if outcome.ended == "late":
            self._found("the connection hangs", f"{answers} answers, {session.ending.name}", session)
            return
        wanted = len(session.stream.messages) + bool(session.stream.stop)
        if answers == wanted or (outcome.ended == "reset" and answers < wanted and len(session.data) > _MANY):
            return
        detail = f"{answers} answers, not {wanted} ({session.stream.stop} {session.stream.why}), {outcome.ended}"
        self._found("the number of answers", f"{detail} {outcome.received[-200:]!r}", session)

    def _answered(self, message: Message, verdict: Verdict, answer: Answer, session: Session) -> None:
        if answer.status == 202:
            self.ledger.accept(verdict.events, session.number)
        elif answer.status == 503:
            self.ledger.doubt(verdict.events, session.number)
        if answer.status not in verdict.statuses:
            told = answer.body[:200].decode("latin-1").strip()
            detail = f"{answer.status} ({told}), not {sorted(verdict.statuses)} ({verdict.why}) for {message.headers!r:.500}"
            self._found("the status", f"{detail} {message.body[:300]!r}", session)
        elif message.method == b"OPTIONS" and answer.status == 200 and b"POST" not in (answer.header(b"allow") or b""):
            self._found("an answer breaks a rule", f"OPTIONS without Allow: {answer!r:.300}", session)

    def _found(self, kind: str, detail: str, session: Session) -> None:
        self.findings.add(kind, detail, session.number)


def check(answer: Answer) -> str:
    """What is wrong with an answer by itself, empty where nothing is."""
    if answer.header(b"date") is None:
        return "no Date"
    if (
        answer.status == 405
        and b"POST" not in (answer.header(b"allow") or b"")
        and b"GET" not in (answer.header(b"allow") or b"")
    ):
        return "no Allow"
    if answer.status in {429, 503} and answer.header(b"retry-after") is None:
        return "no Retry-After"
    if answer.status < 400 or not answer.body:
        return "" if answer.status < 400 or answer.header(b"content-length") != b"0" else "no reason"
    try:
        text = answer.body.decode()
    except UnicodeDecodeError:
        return "no UTF-8"
    if not text.endswith("\n") or not text[:-1].isprintable() or len(text) > 2000:
        return "not one line"
    if answer.header(b"content-type") == b"application/json":
        told = json.loads(text)
        return "" if isinstance(told, dict) and isinstance(told.get("error"), str) else "no error told"
    return "" if answer.header(b"content-type") == b"text/plain; charset=utf-8" else "another content type"
