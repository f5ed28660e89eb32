"""Order per key: the key of an event, and who may start when."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from eventing.event import AttributeValue, Event
from eventing.policy.order import KeyOrder, Question, Turn, ordering_key

KEYS = ("k", "l")


@pytest.mark.requirement("B8")
@pytest.mark.parametrize(
    ("attributes", "key"),
    [
        ({"partitionkey": "p", "subject": "s"}, "p"),
        ({"partitionkey": 7, "subject": "s"}, "7"),
        ({"partitionkey": True}, "true"),
        ({"partitionkey": "", "subject": "s"}, "s"),
        ({"subject": "s"}, "s"),
        ({"subject": ""}, "/source"),
        ({}, "/source"),
    ],
)
def test_the_key_is_the_partition_key_else_the_subject_else_the_source(
    attributes: Mapping[str, AttributeValue], key: str
) -> None:
    assert ordering_key(Event({"specversion": "1.0", "id": "1", "source": "/source", "type": "t", **attributes})) == key


def known() -> KeyOrder[int]:
    """With an empty backlog."""
    order: KeyOrder[int] = KeyOrder()
    order.answered(order.question(9), (), None)
    return order


def test_with_an_empty_backlog_nothing_is_asked_and_nothing_is_kept_of_a_key_that_ended() -> None:
    order = known()
    assert [order.join("k", 1), order.join("k", 2), order.join("l", 3)] == [Turn.START, Turn.WAIT, Turn.START]
    assert not order.asks
    assert order.ended("k") == 2
    assert order.ended("k") is None
    assert order.ended("l") is None
    assert order.keys == 0


def test_events_behind_what_is_on_its_way_into_the_backlog_go_there_too_and_later_ones_ask() -> None:
    order = known()
    order.join("k", 1)
    order.join("k", 2)
    assert order.park("k") == [1, 2]
    assert order.turn("k") is Turn.PARK
    order.parked("k")
    for _ in range(3):
        assert order.turn("k") is Turn.PARK
        order.stored("k")
    assert order.keys == 0
    assert order.join("k", 4) is Turn.ASK
    assert order.join("k", 5) is Turn.WAIT
    question = order.question(9)
    assert question.keys == ("k",)
    answer = order.answered(question, {"k"}, 3)
    assert (answer.start, answer.park) == ([], ["k"])
    assert order.park("k") == [4, 5]


def test_an_answer_from_before_a_hand_over_does_not_say_that_the_backlog_is_empty() -> None:
    order = known()
    order.parked("k")
    order.stored("k")
    order.join("l", 1)
    question = order.question(9)
    order.park("l")  # it took too long
    answer = order.answered(question, (), None)
    assert (answer.start, answer.park) == ([], [])
    assert order.turn("m") is Turn.ASK
    order.stored("l")
    order.join("l", 2)
    assert order.answered(order.question(9), (), None).start == [2]
    assert order.turn("m") is Turn.START


def test_a_question_without_an_answer_is_asked_again_but_for_what_went_to_the_backlog_meanwhile() -> None:
    order = known()
    order.parked("x")
    for number, key in enumerate("klm"):
        order.join(key, number)
    question = order.question(2)
    assert question.keys == ("k", "l")
    order.unanswered(question)
    order.park("k")
    assert order.question(9).keys == ("l", "m")


class Machine(RuleBasedStateMachine):
    """A trigger's order with a backlog, a reader and a store that is slow to take what is handed over. Before it all a crash:
    some positions are entries, some ended, some did not; the reader begins at an earlier one."""

    @initialize(
        former=st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(["entry", "ended", "open"])), max_size=8),
        cursor=st.integers(0, 8),
    )
    def begin_after_a_crash(self, former: list[tuple[str, str]], cursor: int) -> None:
        self.order: KeyOrder[int] = KeyOrder()
        self.log = [key for key, _ in former]
        self.entries = {at for at, (_, how) in enumerate(former) if how == "entry"}
        self.ended = {at for at, (_, how) in enumerate(former) if how == "ended"}
        open_ = [at for at, (_, how) in enumerate(former) if how == "open"]
        self.next = min([cursor, len(former), *open_])
        self.running: dict[str, int] = {}
        self.leased: set[int] = set()
        self.reached: dict[str, int] = {}
        self.on_the_way: deque[tuple[str, int]] = deque()
        self.asked: tuple[Question[int], set[str], int | None] | None = None

    def begin(self, at: int) -> None:
        key = self.log[at]
        assert key not in self.running, "two at once"
        assert self.reached.get(key, -1) <= at, "out of order"
        assert all(self.log[earlier] != key or earlier in self.ended for earlier in range(at)), "an earlier one has not ended"
        self.running[key] = self.reached[key] = at

    def hand_over(self, key: str) -> None:
        for at in self.order.park(key):
            self.on_the_way.append((key, at))
            if self.running.get(key) == at:
                self.leased.add(at)

    def backlog_says(self) -> tuple[set[str], int | None]:
        return {self.log[at] for at in self.entries}, max(self.entries, default=None)

    @rule(key=st.sampled_from(KEYS))
    def append(self, key: str) -> None:
        self.log.append(key)

    @precondition(lambda self: self.next < len(self.log))
    @rule(full=st.integers(0, 4))
    def read(self, full: int) -> None:
        at, self.next = self.next, self.next + 1
        key = self.log[at]
        if self.order.turn(key) is Turn.PARK or not full:
            self.hand_over(key)
            self.order.parked(key)
            self.on_the_way.append((key, at))
        elif self.order.join(key, at) is Turn.START:
            self.begin(at)
        self.look()

    def look(self) -> None:
        if self.order.catch_up is not None and self.next > self.order.catch_up:
            self.order.caught_up()

    @precondition(lambda self: self.on_the_way)
    @rule(count=st.integers(1, 4))
    def store(self, count: int) -> None:
        for _ in range(min(count, len(self.on_the_way))):
            key, at = self.on_the_way.popleft()
            self.entries.add(at)
            self.order.stored(key)

    @precondition(lambda self: self.asked is None and self.order.asks)
    @rule(limit=st.integers(1, 2))
    def ask(self, limit: int) -> None:
        self.asked = (self.order.question(limit), *self.backlog_says())

    @precondition(lambda self: self.asked is not None)
    @rule(fails=st.booleans(), late=st.booleans())
    def answer(self, fails: bool, late: bool) -> None:
        assert self.asked is not None
        question, held, last = self.asked
        self.asked = None
        if fails:
            self.order.unanswered(question)
            return
        if late:
            held, last = self.backlog_says()
        answer = self.order.answered(question, held & set(question.keys), last)
        for key in answer.park:
            self.hand_over(key)
        for at in answer.start:
            self.begin(at)
        self.look()

    @precondition(lambda self: self.running)
    @rule(data=st.data(), ends=st.booleans())
    def attempt_ends(self, data: st.DataObject, ends: bool) -> None:
        key = data.draw(st.sampled_from(sorted(self.running)))
        at = self.running[key]
        if at in self.leased:
            if at not in self.entries:
                return  # its result is settled behind its hand-over
            del self.running[key]
            self.leased.discard(at)
            if ends:
                self.entries.discard(at)
        elif ends:
            del self.running[key]
            following = self.order.ended(key)
            self.ended.add(at)
            if following is not None:
                self.begin(following)
        else:
            del self.running[key]
            self.hand_over(key)
        if ends:
            self.ended.add(at)

    @rule(key=st.sampled_from(KEYS))
    def it_takes_too_long(self, key: str) -> None:
        self.hand_over(key)

    @precondition(lambda self: self.order.known)
    @rule(key=st.sampled_from(KEYS))
    def claim(self, key: str) -> None:
        first = min((at for at in self.entries if self.log[at] == key), default=None)
        if first is not None and first not in self.leased:
            self.leased.add(first)
            self.begin(first)

    @rule()
    def order_is_asked_for_anew(self) -> None:
        self.order.restart()

    @invariant()
    def little_is_kept(self) -> None:
        assert self.order.keys <= len(KEYS)

    def teardown(self) -> None:
        """Whatever happened, everything ends."""
        for _ in range(400):
            if self.next < len(self.log):
                self.read(1)
            if self.on_the_way:
                self.store(4)
            if self.asked is not None:
                self.answer(False, True)
            elif self.order.asks:
                self.ask(2)
            for key in sorted(self.running):
                at = self.running.get(key)
                if at is not None and at in self.leased:
                    if at not in self.entries:
                        continue
                    del self.running[key]
                    self.leased.discard(at)
                    self.entries.discard(at)
                    self.ended.add(at)
                elif at is not None:
                    del self.running[key]
                    following = self.order.ended(key)
                    self.ended.add(at)
                    if following is not None:
                        self.begin(following)
            if self.order.known:
                for key in KEYS:
                    self.claim(key)
        assert self.ended == set(range(len(self.log)))
        assert self.order.keys == 0


TestNothingStartsOutOfOrderAndEverythingEnds = Machine.TestCase
TestNothingStartsOutOfOrderAndEverythingEnds.settings = settings(
    max_examples=250, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
