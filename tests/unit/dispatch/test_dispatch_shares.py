"""Shares of memory and connections: bounded for all together, and nobody is stopped for good."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from eventing.dispatch.shares import Shares
from eventing.policy.shares import Budget

TOTAL, LARGEST = 1000, 100


def shares(connections: int = 400) -> Shares:
    return Shares(Budget(TOTAL, largest=LARGEST), connections)


def test_connections_are_cut_anew_as_lanes_begin_and_cease() -> None:
    made = shares()
    assert made.slots == 50
    for number in range(10):
        assert made.take(f"lane{number}", 1)
    assert made.slots == 20
    for number in range(1000):
        made.take(f"lane{number}", 0)
    assert made.slots == 1
    for number in range(10):
        made.give(f"lane{number}", 1)
    assert made.slots == 1


def test_a_lane_that_holds_nothing_gets_one_delivery_though_the_budget_is_used_up() -> None:
    made = shares()
    greedy = 0
    while made.take(f"greedy{greedy % 4}", 50):
        greedy += 1
    waiting = [f"late{number}" for number in range(50)]
    got = [lane for lane in waiting if made.take(lane, 50)]
    assert got
    # A quarter of the budget for all such lanes together, beside what the budget itself still had.
    assert made.used <= TOTAL // 2 + TOTAL // 4
    assert not made.take(got[0], LARGEST)


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 150), st.booleans()),
        max_size=200,
    )
)
def test_what_is_taken_is_bounded_and_all_of_it_can_be_given_back(steps: list[tuple[str, int, bool]]) -> None:
    made = shares()
    held: dict[str, list[int]] = defaultdict(list)
    for lane, size, take in steps:
        if take:
            if made.take(lane, size):
                held[lane].append(size)
        elif held[lane]:
            made.give(lane, held[lane].pop())
        # What is over the largest item counts as that.
        assert made.used == sum(min(size, LARGEST) for sizes in held.values() for size in sizes)
        assert made.used <= TOTAL
        assert made.room(lane) >= 0
    for lane, sizes in held.items():
        while sizes:
            made.give(lane, sizes.pop(0))
    assert made.used == 0
    assert made.slots == 50
