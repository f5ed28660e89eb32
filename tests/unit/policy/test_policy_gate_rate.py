"""The gate's rate together with what else holds a trigger."""

from __future__ import annotations

from eventing.policy.gate import FAILURES, FIRST_PAUSE, Gate
from eventing.policy.rate import Rate


def rated(per_second: float, slots: int = 64, *, breaker: bool = False) -> Gate:
    """A gate whose bucket is full at 100."""
    gate = Gate(slots, breaker=breaker)
    gate.limit(Rate(per_second), 0.0)
    return gate


def test_the_rate_bounds_what_may_start_and_names_the_next_moment() -> None:
    gate = rated(4.0)
    assert gate.allowed(100.0) == 4
    assert [gate.start(100.0) for _ in range(5)] == [True] * 4 + [False]
    assert (gate.reason(100.0), gate.next_change(100.0)) == ("rate", 100.25)
    gate.succeeded(100.1)
    assert gate.allowed(100.1) == 0, "an attempt that ended gives its slot back, not its token"
    assert gate.start(100.25)


def test_attempts_that_wait_for_a_slot_have_the_tokens_before_others() -> None:
    gate = rated(4.0)
    assert gate.reason(100.0, 3) is None
    assert gate.reason(100.0, 4) == "rate"


def test_slots_bound_it_as_well() -> None:
    gate = rated(10.0, 2)
    assert gate.allowed(100.0) == 2
    assert gate.next_change(100.0) is None, "more tokens would change nothing"
    assert [gate.start(100.0) for _ in range(3)] == [True, True, False]
    assert gate.reason(100.0) is None


def test_a_hold_comes_first_and_tokens_gather_meanwhile_up_to_the_burst() -> None:
    gate = rated(2.0)
    assert gate.start(100.0)
    assert gate.start(100.0)
    gate.hold(100.2)
    assert gate.reason(100.0) == "retry_after"
    assert gate.next_change(100.0) == 100.5, "the hold ends earlier than a token comes"
    gate.hold(160.0)
    assert gate.next_change(100.0) == 160.0
    assert gate.allowed(160.0) == 2


def test_a_pause_comes_first_and_time_alone_ends_it_never() -> None:
    gate = rated(2.0)
    gate.pause()
    assert (gate.reason(100.0), gate.next_change(100.0), gate.allowed(100.0)) == ("paused", None, 0)
    gate.resume()
    assert gate.allowed(100.0) == 1


def test_a_probe_takes_a_token_like_any_attempt() -> None:
    gate = rated(1 / 60, breaker=True)
    now = 1000.0
    for _ in range(FAILURES):
        assert gate.start(now)
        gate.failed(now)
        now += 60
    now -= 60
    assert gate.reason(now) == "breaker"
    probe_at = gate.next_change(now)
    assert probe_at is not None
    assert probe_at > now + FIRST_PAUSE, "the pause is over before there is a token"
    assert gate.allowed(now + FIRST_PAUSE) == 0
    assert gate.start(probe_at)


def test_an_attempt_that_was_not_made_gives_its_token_back() -> None:
    gate = rated(1.0)
    assert gate.start(100.0)
    gate.abandoned()
    assert gate.allowed(100.0) == 1


def test_what_ran_before_there_was_a_rate_gives_no_token_back() -> None:
    gate = Gate(breaker=False)
    assert gate.start(0.0)
    gate.limit(Rate(3.0), 0.0)
    assert gate.start(0.0)
    gate.abandoned()
    assert gate.allowed(0.0) == 0


def test_a_rate_that_is_taken_away_or_stays_as_it_is() -> None:
    gate = rated(1.0)
    assert gate.start(100.0)
    gate.limit(Rate(1.0), 100.0)
    assert gate.allowed(100.0) == 0, "no new burst with every update"
    gate.limit(None, 100.0)
    assert (gate.allowed(100.0), gate.reason(100.0)) == (63, None)


def test_what_is_had_ready_to_start_in_turn_is_bounded_by_the_rate_and_not_by_slots() -> None:
    assert Gate(2, breaker=False).in_turn(0.0, 9) == 9
    gate = rated(4.0, 2)
    assert gate.in_turn(100.0, 9) == 4
    assert gate.in_turn(100.0, 3) == 3
    assert gate.start(100.0)
    assert gate.in_turn(100.0, 9) == 3


def test_nothing_is_had_ready_for_a_gate_that_is_not_all_open() -> None:
    gate = Gate(breaker=True)
    gate.hold(5.0)
    assert (gate.in_turn(4.0, 9), gate.in_turn(5.0, 9)) == (0, 9)
    gate.pause()
    assert gate.in_turn(9.0, 9) == 0
    gate.resume()
    assert gate.allowed(9.0) == 1
    assert gate.in_turn(9.0, 9) == 0, "half open"
