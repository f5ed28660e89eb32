"""The soak sees what it is there to see: each fault that it looks for, planted."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.fuzz.findings import Findings
from tests.fuzz.program import SLACK, Watch
from tests.soak import accounts, faults, landscape, payload
from tests.soak.faults import Mood
from tests.soak.ledger import Ledger
from tests.soak.order import Order
from tests.soak.summary import MIB, slope, thinned
from tests.support.metrics import Page
from tests.support.process import EventingProcess


def quiet() -> Findings:
    return Findings(1, lambda _line: None)


def sent(ledger: Ledger, *triggers: str, expires: bool = False) -> str:
    id_ = f"e-{ledger.number()}"
    ledger.sent(id_, triggers, expires=expires)
    return id_


def test_an_event_is_owed_from_its_answer_on_until_it_reached_every_trigger() -> None:
    ledger = Ledger(quiet())
    id_ = sent(ledger, "steady", "flaky")
    assert ledger.open() == []
    assert ledger.end("steady", id_, "delivered"), "a delivery may come before the answer"
    ledger.accept(id_)
    assert ledger.open() == [("flaky", id_)]
    assert ledger.open("flaky") == []
    assert ledger.end("flaky", id_, "dead letter")
    assert (ledger.open(), ledger.events, ledger.owing["flaky"]) == ([], {}, 0)
    assert dict(ledger.ends) == {("steady", "delivered"): 1, ("flaky", "dead letter"): 1}


def test_what_comes_again_is_a_repeat_and_what_nobody_sent_a_finding() -> None:
    ledger = Ledger(quiet())
    id_ = sent(ledger, "steady")
    ledger.accept(id_)
    assert ledger.end("steady", id_, "delivered")
    assert not ledger.end("steady", id_, "delivered")
    assert ledger.repeats == {"steady": 1}
    assert not ledger.findings
    ledger.end("steady", "e-77", "delivered")
    ledger.end("steady", "x", "delivered")
    assert ledger.findings.kinds == {"an event that nobody sent": 2}


def test_an_event_without_an_answer_is_owed_to_nobody_and_one_that_was_refused_must_not_come() -> None:
    ledger = Ledger(quiet())
    unknown, refused = sent(ledger, "steady"), sent(ledger, "steady")
    ledger.doubt(unknown)
    assert ledger.open() == []
    ledger.end("steady", refused, "delivered")
    ledger.refuse(refused)
    assert ledger.findings.kinds == {"refused and delivered": 1}


def test_a_reply_is_owed_once_it_was_given() -> None:
    ledger = Ledger(quiet())
    ledger.number()
    ledger.reply("r-1", landscape.wanted_by(landscape.MAIN, landscape.REPLY))
    assert set(ledger.open()) == {("steady", "r-1"), ("replies", "r-1")}
    assert ledger.accepted == 0


def ordered() -> Order:
    order = Order(quiet(), wanted=True)
    for number in (1, 2, 3):
        order.accept("k", f"e-{number}")
    return order


def test_order_is_kept_through_failures_and_repeats() -> None:
    order = ordered()
    for id_, done in (("e-1", False), ("e-1", True), ("e-2", True), ("e-1", True), ("e-3", True)):
        order.begin("k", id_)
        order.end("k", id_, done=done)
    assert not order.findings


def test_an_event_before_its_turn_and_two_at_once_are_findings() -> None:
    order = ordered()
    order.begin("k", "e-2")
    assert order.findings.kinds == {"out of order": 1}
    order.begin("k", "e-1")
    assert order.findings.kinds["two of one key at once"] == 1
    order.begin("other", "e-9")
    assert order.findings.kinds.total() == 2


def test_an_event_that_became_a_dead_letter_gives_way() -> None:
    order = ordered()
    order.forget("e-1")
    order.begin("k", "e-2")
    assert not order.findings


def page(**numbers: int) -> Page:
    """One event accepted and matched by `steady`; ``numbers`` by metric."""
    samples = [
        (f"eventing_{name}", {"trigger": "default/steady", "result": "delivered"}, float(n)) for name, n in numbers.items()
    ]
    return Page([("eventing_events_accepted_total", {}, 1.0), *samples])


def test_metrics_that_add_up_are_no_finding_and_one_that_is_short_is() -> None:
    ledger = Ledger(quiet())
    id_ = sent(ledger, "steady")
    ledger.accept(id_)
    accounts.balance(page(events_matched_total=1, deliveries_total=1), ledger, ledger.findings)
    assert not ledger.findings
    accounts.balance(page(events_matched_total=2, deliveries_total=1), ledger, ledger.findings)
    assert ledger.findings.kinds == {"metrics don't add up": 1}
    ledger.accepted = 2
    accounts.balance(page(events_matched_total=1, backlog_entries=1), ledger, ledger.findings)
    assert ledger.findings.kinds["accepted"] == 1


@pytest.mark.parametrize(("counted", "found"), [(0, 1), (1, 0), (2, 1)])
def test_events_that_expired_are_those_that_are_missing(counted: int, found: int) -> None:
    ledger = Ledger(quiet())
    ledger.accept(sent(ledger, "steady", expires=True))
    accounts.balance(page(events_matched_total=counted, expired_total=counted), ledger, ledger.findings)
    assert ledger.findings.kinds.total() == found


def test_every_fault_is_none_that_the_program_may_take_for_a_success() -> None:
    chance = random.Random(5)
    assert not any(faults.succeeds(faults.one(chance)) for _ in range(2000))
    for mood in (Mood.HANGS, Mood.BUSY, Mood.BROKEN, Mood.MAD):
        for _ in range(50):
            reply = faults.of(mood, chance)
            assert reply is not None
            assert not faults.succeeds(reply)


def test_data_that_was_changed_is_seen() -> None:
    headers, body = payload.as_binary("e-5", landscape.PLAIN, 200)
    names = {name.decode(): value.decode() for name, value in headers}
    assert payload.check("e-5", names, body, in_json=False) == ""
    assert "199 bytes" in payload.check("e-5", names, body[:-1], in_json=False)
    assert payload.check("e-6", names, body, in_json=False)


def test_each_type_has_the_triggers_that_the_manifest_gives_it() -> None:
    assert landscape.wanted_by(landscape.MAIN, landscape.PLAIN) == ["steady", "flaky", "moody", "narrow"]
    assert landscape.wanted_by(landscape.MAIN, landscape.FAR) == ["steady", "far"]
    assert landscape.wanted_by(landscape.OTHER, landscape.BAD) == ["far"]
    ports = dict.fromkeys(landscape.SERVERS, 9000)
    made = {one["metadata"]["name"] for one in landscape.manifest(ports, idle=2) if one["kind"] == "Trigger"}
    assert made == {*landscape.NAMES, landscape.BRIDGE, "idle-0", "idle-1"}
    open_ = [one["metadata"].get("annotations") for one in landscape.manifest(ports, open_=True)]
    assert not any(open_), "at the end nothing is held back"


def test_the_slope_of_memory() -> None:
    assert slope([(0.0, 5), (1.0, 5), (2.0, 5)]) == 0
    assert slope([(float(second), second * MIB) for second in range(10)]) == pytest.approx(3600 * MIB)
    assert slope([(1.0, 5)]) == 0
    assert [at for at, _ in thinned([(float(n), n) for n in range(30)], 3)] == [0.0, 10.0, 20.0, 29.0]


@pytest.mark.parametrize(("late", "found"), [(100 * MIB, 0), (100 * MIB + SLACK + MIB, 1)])
def test_memory_that_grows_after_the_first_quarter_is_a_finding(late: int, found: int, tmp_path: Path) -> None:
    process = EventingProcess(tmp_path, [])
    watch = Watch(process, quiet(), rss=[50 * MIB] * 10 + [100 * MIB] * 20 + [late] * 10)
    watch.judge()
    process.end()
    assert watch.findings.kinds["memory grows"] == found
