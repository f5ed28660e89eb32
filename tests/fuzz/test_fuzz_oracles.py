"""That the fuzzers would see a fault: each of their judges is shown one."""

from __future__ import annotations

import asyncio

import pytest

from tests.fuzz import sender
from tests.fuzz.answers import DONE, REFUSED, RETRY, expect
from tests.fuzz.event_reader import Read, read_message
from tests.fuzz.evil import Evil
from tests.fuzz.findings import Findings
from tests.fuzz.ledger import Ledger
from tests.fuzz.oracle import Oracle, Outcome
from tests.fuzz.receiver import Reply
from tests.fuzz.session import Ending, Session, make
from tests.fuzz.sink import check
from tests.fuzz.wire import Message, read_requests

GOOD = (
    b"POST /default/fuzz HTTP/1.1\r\nHost: a\r\nce-specversion: 1.0\r\nce-id: 1\r\nce-source: /s\r\nce-type: t\r\n"
    b"Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
)
BAD = GOOD.replace(b"ce-id: 1", b"ce-id: %C0%A0")
DATE = b"date: now\r\n"
TAKEN = b"HTTP/1.1 202 Accepted\r\n" + DATE + b"content-length: 0\r\n\r\n"
NOT_TAKEN = b"HTTP/1.1 400 Bad Request\r\n" + DATE + b"content-type: text/plain; charset=utf-8\r\ncontent-length: 4\r\n\r\nwhy\n"


def silent(_line: str) -> None:
    pass


def judged(sent: bytes, received: bytes, ended: str = "closed") -> list[str]:
    """The kinds of findings; what is accepted is delivered as it should be."""
    findings = Findings(1, silent)
    ledger = Ledger(findings)
    session = Session(0, [sent], Ending.HALF, read_requests(sent, 1000), 0)
    Oracle(findings, ledger).judge(session, Outcome(received, ended))
    return list(findings.kinds)


@pytest.mark.parametrize(
    ("sent", "received", "ended", "found"),
    [
        (GOOD, TAKEN, "closed", []),
        (GOOD + BAD, TAKEN + NOT_TAKEN, "closed", []),
        (GOOD, NOT_TAKEN, "closed", ["the status"]),
        (BAD, TAKEN, "closed", ["the status"]),
        (GOOD, TAKEN + TAKEN, "closed", ["the number of answers", "not refused"]),
        (GOOD, b"", "closed", ["the number of answers"]),
        (GOOD, b"", "late", ["the connection hangs"]),
        (GOOD, TAKEN[:-4], "closed", ["an answer is cut short", "the number of answers"]),
        (GOOD, b"hello\r\n\r\n", "closed", ["an answer is no HTTP"]),
        (GOOD, TAKEN.replace(DATE, b""), "closed", ["an answer breaks a rule"]),
        (BAD, NOT_TAKEN.replace(b"400", b"500"), "closed", ["the status"]),
        (BAD, NOT_TAKEN.replace(b"why\n", b"a\nb\n"), "closed", ["an answer breaks a rule"]),
        (BAD, NOT_TAKEN.replace(b"4\r\n\r\nwhy\n", b"0\r\n\r\n"), "closed", ["an answer breaks a rule"]),
        (GOOD, NOT_TAKEN.replace(b"400", b"503"), "closed", ["an answer breaks a rule"]),
        (b"GET\r\n\r\n", TAKEN, "closed", ["not refused"]),
    ],
)
def test_a_wrong_answer_is_found(sent: bytes, received: bytes, ended: str, found: list[str]) -> None:
    assert judged(sent, received, ended) == found


def test_an_event_that_is_lost_changed_or_made_up_is_found() -> None:
    event = Read({"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}, b"data")
    changed = Read(dict(event.attributes), b"Data")
    lost, doubled, other = Ledger(Findings(1, silent)), Ledger(Findings(1, silent)), Ledger(Findings(1, silent))
    for ledger in (lost, doubled, other):
        ledger.deliver("all", event if ledger is not other else changed)
        ledger.accept([event], 0)
    lost.check(0.0)
    assert lost.findings.kinds == {"accepted and not delivered": 1}, "that with the trigger json is missing"
    doubled.deliver("json", event)
    doubled.deliver("json", event)
    doubled.check(0.0)
    assert doubled.findings.kinds == {"delivered and never accepted so": 1}
    other.deliver("json", event)
    other.check(0.0)
    assert other.findings.kinds == {"accepted and not delivered": 1, "delivered and never accepted so": 1}


def test_an_event_whose_fate_nobody_knows_may_come_or_not() -> None:
    event = Read({"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}, None)
    ledger = Ledger(Findings(1, silent))
    ledger.doubt([event], 0)
    ledger.deliver("all", event)
    ledger.check(0.0)
    assert not ledger.findings
    assert not ledger.unknown


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ((b"ce-x", b"a%20b"), False),
        ((b"ce-x", b"a b"), True),
        ((b"ce-x", b'"a"'), True),
        ((b"ce-x", b"a%2fb"), True),
        ((b"ce-x", b"\xc3\xa4"), True),
        ((b"authorization", b"Bearer x"), True),
        ((b"x-request-id", b"1"), False),
        ((b"x-request-id", b"secret-of-the-sender"), True),
    ],
)
def test_a_delivery_that_breaks_the_binding_is_found(header: tuple[bytes, bytes], found: bool) -> None:
    headers = [(b"prefer", b"reply"), (b"kn-namespace", b"default"), (b"eventing-engine-hops", b"254"), header]
    assert bool(check(Message(b"POST", b"/all", headers, b"", False))) is found


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", DONE),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", DONE),
        (b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", REFUSED),
        (b"HTTP/1.1 429 x\r\nContent-Length: 0\r\n\r\n", RETRY),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", RETRY),
        (b"HTTP/1.1 200 OK\r\nce-id: 1\r\nContent-Length: 0\r\n\r\n", RETRY),
    ],
)
def test_another_fate_than_the_answer_says_is_found(answer: bytes, outcome: str) -> None:
    assert expect(Reply(answer, close=True)).outcomes == {outcome}
    headers = b"ce-specversion: 1.0\r\nce-id: 0\r\nce-source: /evil\r\nce-type: evil.cause\r\n"
    delivery = b"POST %b HTTP/1.1\r\nhost: a\r\n%bcontent-length: 0\r\n\r\n"
    evil = Evil(1, Findings(1, silent), answer=lambda _seed, _number: Reply(answer, close=True))
    evil.take(delivery % (b"/evil", headers))
    evil.take(delivery % (b"/evil", headers))
    evil.take(delivery % (b"/dead", headers + b"ce-knativeerrordest: http://a/evil\r\n"))
    evil.judge(0.0)
    assert evil.findings.kinds == {"the outcome": 1}, "a retry and a dead letter too: that is never right"


def test_a_case_is_the_same_every_time_and_another_with_another_seed() -> None:
    assert [make(1, number).pieces for number in range(20)] == [make(1, number).pieces for number in range(20)]
    assert make(1, 3).pieces != make(2, 3).pieces


def test_the_second_reader_takes_the_binding_by_the_letter() -> None:
    headers = [(b"ce-specversion", b"1.0"), (b"ce-id", b'"a\\"%2541%c3%a4"'), (b"ce-source", b"/s"), (b"ce-type", b"t")]
    (event,) = read_message(headers, b"")
    assert event.attributes["id"] == 'a"%41ä'


@pytest.mark.parametrize(("ending", "ended"), [(Ending.PROMPT, "late"), (Ending.HALF, "closed")])
async def test_an_answer_that_comes_only_after_the_clients_end_is_late(
    monkeypatch: pytest.MonkeyPatch, ending: Ending, ended: str
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.write(TAKEN)
        writer.close()

    monkeypatch.setattr(sender, "PROMPT_BOUND", 0.3)
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        outcome = await sender.play(port, Session(0, [GOOD], ending, read_requests(GOOD, 1000), 0))
    assert outcome.ended == ended
