"""Shares of the budget (DATAPATH 4)."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from eventing.policy.shares import Budget

TOTAL, LARGEST = 800, 100


def budget(triggers: int = 4) -> Budget:
    # Half of 800 for the direct path, a reserve of 100, and 300 to share.
    return Budget(TOTAL, largest=LARGEST, triggers=triggers)


def drain(shares: Budget, trigger: str, amount: int) -> int:
    taken = 0
    while shares.take(trigger, amount):
        taken += amount
    return taken


def test_half_belongs_to_the_direct_path() -> None:
    shares = budget()
    for trigger in "abcd":
        drain(shares, trigger, 1)
    for _ in range(4):
        assert shares.take_direct(100)
    assert not shares.take_direct(1)
    shares.give_direct(100)
    assert shares.take_direct(100)


def test_a_trigger_gets_its_share_whatever_the_others_took() -> None:
    shares = budget()
    assert shares.share == 75
    for trigger in "abc":
        assert drain(shares, trigger, 1) == 75
        assert shares.held(trigger) == 75
    while shares.take_direct(100):
        pass
    assert drain(shares, "d", 1) == 75
    shares.give("a", 1)
    assert not shares.take("b", 1)
    assert shares.take("a", 1)


def test_an_item_larger_than_the_share_goes_alone_through_the_reserve() -> None:
    shares = budget()
    assert drain(shares, "a", 75) == 75
    assert shares.take("a", 90)
    assert not shares.take("a", 80)
    # The reserve is lent; who has an item that fits its share is not concerned.
    assert not shares.take("b", 80)
    assert shares.take("b", 75)
    shares.give("a", 90)
    assert shares.held("a") == 75
    assert shares.take("b", 80)


def test_a_trigger_is_lent_one_item_at_a_time_and_others_are_not_kept_out() -> None:
    shares = Budget(1600, largest=LARGEST, triggers=100)
    assert shares.share < 50
    assert shares.take("a", 50)
    assert not shares.take("a", 50)
    assert shares.take("b", 50)
    shares.give("a", 50)
    assert shares.take("a", 50)


def test_more_triggers_make_shares_smaller_and_nothing_goes_over() -> None:
    shares = budget(triggers=1)
    assert drain(shares, "a", 100) == 300
    shares.resize(4)
    assert not shares.take("a", 1)
    assert not shares.take("b", 75)
    shares.give("a", 100)
    assert shares.take("b", 75)
    assert not shares.take("a", 1)


def test_the_largest_item_always_fits_in_the_end_however_many_triggers() -> None:
    shares = budget(triggers=10_000)
    assert shares.share == 0
    for trigger in ("a", "b", "c"):
        assert shares.take(trigger, LARGEST)
        shares.give(trigger, LARGEST)
    assert shares.used == 0


def test_connections_are_counted_the_same_way() -> None:
    connections = Budget(100, largest=1, triggers=10)
    assert [drain(connections, f"t{number}", 1) for number in range(10)] == [3] * 10


@pytest.mark.parametrize("amount", [-1, LARGEST + 1])
def test_what_could_never_fit_is_an_error(amount: int) -> None:
    with pytest.raises(ValueError, match="largest item"):
        budget().take("a", amount)
    with pytest.raises(ValueError, match="largest item"):
        budget().take_direct(amount)


def test_a_budget_too_small_for_one_item_is_an_error() -> None:
    with pytest.raises(ValueError, match="needs 202"):
        Budget(200, largest=101)
    with pytest.raises(ValueError, match="needs 0"):
        Budget(200, largest=0)


def test_more_is_not_given_back_than_was_taken() -> None:
    shares = budget()
    assert shares.take("a", 10)
    assert shares.take_direct(10)
    with pytest.raises(ValueError, match="gives back 11"):
        shares.give("a", 11)
    with pytest.raises(ValueError, match="gives back 10"):
        shares.give("b", 10)
    with pytest.raises(ValueError, match="gives back 11"):
        shares.give_direct(11)
    with pytest.raises(ValueError, match="gives back -1"):
        shares.give_direct(-1)
    assert shares.used == 20


TRIGGERS = st.sampled_from("abcdef")
AMOUNTS = st.integers(0, LARGEST)


class Shares(RuleBasedStateMachine):
    """Against a plain list of what was taken. Six triggers at most, told to the budget or resized to."""

    taken = Bundle("taken")
    direct = Bundle("direct")

    def __init__(self) -> None:
        super().__init__()
        self.shares = budget(triggers=6)
        self.held: dict[str, list[int]] = defaultdict(list)
        self.held_directly: list[int] = []
        self.resized = False

    @rule(target=taken, trigger=TRIGGERS, amount=AMOUNTS)
    def take(self, trigger: str, amount: int) -> object:
        share = self.shares.share
        before = sum(item for item in self.held[trigger] if item <= share)
        if self.shares.take(trigger, amount):
            self.held[trigger].append(amount)
            return (trigger, amount)
        if not self.resized:
            # Refused only for the trigger's own doing, or because the reserve is lent.
            assert before + amount > share or amount > share
        return multiple()

    @rule(item=consumes(taken))
    def give(self, item: tuple[str, int]) -> None:
        self.shares.give(*item)
        self.held[item[0]].remove(item[1])

    @rule(target=direct, amount=AMOUNTS)
    def take_direct(self, amount: int) -> object:
        fits = sum(self.held_directly) + amount <= TOTAL // 2
        assert self.shares.take_direct(amount) is fits
        if not fits:
            return multiple()
        self.held_directly.append(amount)
        return amount

    @rule(amount=consumes(direct))
    def give_direct(self, amount: int) -> None:
        self.shares.give_direct(amount)
        self.held_directly.remove(amount)

    @rule(triggers=st.integers(0, 12))
    def resize(self, triggers: int) -> None:
        self.resized = True
        self.shares.resize(triggers)

    @invariant()
    def counted_right_and_never_over(self) -> None:
        assert self.shares.used == sum(map(sum, self.held.values())) + sum(self.held_directly)
        assert self.shares.used <= TOTAL
        assert sum(map(sum, self.held.values())) <= TOTAL // 2
        for trigger, items in self.held.items():
            assert self.shares.held(trigger) == sum(items)
            if not self.resized:
                assert sum(item for item in items if item <= self.shares.share) <= self.shares.share
                assert sum(item > self.shares.share for item in items) <= 1

    def teardown(self) -> None:
        for trigger, items in self.held.items():
            for amount in items:
                self.shares.give(trigger, amount)
        for amount in self.held_directly:
            self.shares.give_direct(amount)
        assert self.shares.used == 0


Shares.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestShares = Shares.TestCase
