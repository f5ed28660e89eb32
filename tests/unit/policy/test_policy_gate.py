"""What a trigger may start: slots, breaker, hold and pause (DATAPATH 3, 5, 6)."""

from __future__ import annotations

import pytest

from eventing.policy.gate import FAILURES, FIRST_PAUSE, LONGEST_PAUSE, SLOTS, Gate


def fail(gate: Gate, now: float, times: int = 1) -> None:
    for _ in range(times):
        assert gate.start(now)
        gate.failed(now)


def opened(slots: int = SLOTS) -> Gate:
    """A gate whose breaker opened at 0."""
    gate = Gate(slots, breaker=True)
    fail(gate, 0.0, FAILURES)
    return gate


def test_slots() -> None:
    gate = Gate(3, breaker=True)
    assert gate.allowed(0.0) == 3
    assert [gate.start(0.0) for _ in range(4)] == [True, True, True, False]
    assert (gate.allowed(0.0), gate.running) == (0, 3)
    assert gate.next_change(0.0) is None
    gate.succeeded(0.0)
    gate.failed(0.0)
    gate.abandoned()
    assert (gate.allowed(0.0), gate.running) == (3, 0)


def test_the_default_is_64_slots() -> None:
    assert Gate(breaker=False).allowed(0.0) == 64


def test_misuse_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one slot"):
        Gate(0, breaker=True)
    gate = Gate(1, breaker=True)
    with pytest.raises(ValueError, match="at least one slot"):
        gate.configure(0, breaker=True)
    with pytest.raises(RuntimeError, match="not started"):
        gate.succeeded(0.0)
    with pytest.raises(RuntimeError, match="not started"):
        gate.failed(0.0)
    with pytest.raises(RuntimeError, match="not started"):
        gate.abandoned()
    assert gate.allowed(0.0) == 1


def test_opens_after_twenty_failures_in_a_row() -> None:
    gate = Gate(breaker=True)
    fail(gate, 0.0, FAILURES - 1)
    assert gate.allowed(0.0) == SLOTS
    gate.start(0.0)
    gate.succeeded(0.0)
    fail(gate, 0.0, FAILURES - 1)
    assert gate.allowed(0.0) == SLOTS
    assert gate.reason(0.0) is None
    fail(gate, 5.0)
    assert gate.allowed(5.0) == 0
    assert not gate.start(5.0)
    assert gate.reason(5.0) == "breaker"
    assert gate.next_change(5.0) == 5.0 + FIRST_PAUSE


def test_probes_with_one_event_and_growing_pauses() -> None:
    gate = opened()
    now, pauses = 0.0, []
    for _ in range(9):
        due = gate.next_change(now)
        assert due is not None
        assert gate.allowed(due - 0.001) == 0
        assert gate.allowed(due) == 1
        pauses.append(due - now)
        assert gate.start(due)
        assert not gate.start(due)
        gate.failed(due)
        now = due
    assert pauses == [1, 2, 4, 8, 16, 32, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]


def test_ramps_up_by_doubling_and_starts_anew_after_closing() -> None:
    gate = opened()
    now = 1.0
    limits: list[int] = []
    while len(limits) < 7:
        limit = gate.allowed(now)
        limits.append(limit)
        for _ in range(limit):
            assert gate.start(now)
        for _ in range(limit):
            gate.succeeded(now)
    assert limits == [1, 2, 4, 8, 16, 32, 64]
    # Closed again: twenty in a row are needed, and the pause is the first one.
    fail(gate, now, FAILURES - 1)
    assert gate.allowed(now) == SLOTS
    fail(gate, now)
    assert gate.next_change(now) == now + FIRST_PAUSE


def test_a_pause_keeps_growing_until_the_ramp_is_through() -> None:
    gate = opened()
    assert gate.start(1.0)
    gate.succeeded(1.0)
    fail(gate, 1.0, 2)
    assert gate.next_change(1.0) == 3.0


def test_a_subscriber_that_fails_now_and_then_gets_its_slots_back() -> None:
    gate = opened()
    now, results = 1.0, 0
    while gate.allowed(now) < SLOTS and results < 1000:
        assert gate.start(now)
        results += 1
        if results % 4:
            gate.succeeded(now)
        else:
            gate.failed(now)
            now = gate.next_change(now) or now
    assert gate.allowed(now) == SLOTS


def test_late_failures_do_not_prolong_the_pause_and_are_not_the_probe() -> None:
    gate = Gate(breaker=True)
    for _ in range(SLOTS):
        assert gate.start(0.0)
    for _ in range(FAILURES):
        gate.failed(0.0)
    for _ in range(SLOTS - FAILURES - 1):
        gate.failed(10.0)
    assert gate.allowed(10.0) == 0
    gate.failed(10.0)
    assert gate.allowed(10.0) == 1
    fail(gate, 10.0)
    assert gate.next_change(10.0) == 12.0


def test_a_late_success_lets_the_probe_start_at_once() -> None:
    gate = Gate(21, breaker=True)
    for _ in range(21):
        assert gate.start(0.0)
    for _ in range(20):
        gate.failed(0.0)
    assert gate.next_change(0.5) == 1.0
    gate.succeeded(0.5)
    assert gate.allowed(0.5) == 1
    assert gate.next_change(0.5) is None


def test_an_abandoned_probe_is_repeated() -> None:
    gate = opened()
    assert gate.start(1.0)
    assert gate.allowed(1.0) == 0
    gate.abandoned()
    assert gate.allowed(1.0) == 1


def test_one_slot_closes_with_the_probe_and_still_needs_twenty_failures() -> None:
    gate = opened(1)
    assert gate.start(1.0)
    gate.succeeded(1.0)
    fail(gate, 1.0, FAILURES - 1)
    assert gate.allowed(1.0) == 1
    fail(gate, 1.0)
    assert gate.allowed(1.0) == 0


def test_without_breaker_failures_change_nothing() -> None:
    gate = Gate(breaker=False)
    fail(gate, 0.0, 1000)
    assert gate.allowed(0.0) == SLOTS
    assert gate.next_change(0.0) is None


def test_a_hold_stops_all_starts_and_is_never_shortened() -> None:
    gate = Gate(breaker=False)
    gate.hold(10.0)
    gate.hold(5.0)
    assert gate.allowed(9.999) == 0
    assert not gate.start(9.999)
    assert gate.reason(9.0) == "retry_after"
    assert gate.next_change(0.0) == 10.0
    assert gate.allowed(10.0) == SLOTS
    assert gate.next_change(10.0) is None
    gate.hold(20.0)
    assert gate.allowed(10.0) == 0


def test_a_hold_outlasts_the_breaker_and_the_other_way() -> None:
    gate = opened()
    gate.hold(30.0)
    assert gate.allowed(1.0) == 0
    assert gate.next_change(0.0) == 30.0
    assert gate.allowed(30.0) == 1
    gate = opened()
    gate.hold(0.5)
    assert gate.allowed(0.5) == 0
    assert gate.next_change(0.0) == 1.0


@pytest.mark.parametrize("breaker", [True, False])
def test_pause_and_resume(breaker: bool) -> None:
    gate = Gate(breaker=breaker)
    assert gate.start(0.0)
    gate.pause()
    gate.pause()
    assert gate.allowed(1e9) == 0
    assert gate.next_change(0.0) is None
    assert gate.reason(0.0) == "paused"
    gate.succeeded(0.0)
    gate.resume()
    assert gate.allowed(0.0) == 1
    assert gate.start(0.0)
    gate.succeeded(0.0)
    assert gate.allowed(0.0) == 2
    gate.resume()
    assert gate.allowed(0.0) == 2


def test_without_breaker_the_ramp_after_a_pause_goes_on_through_failures() -> None:
    gate = Gate(8, breaker=False)
    gate.pause()
    gate.resume()
    fail(gate, 0.0, 1 + 2 + 4)
    assert gate.allowed(0.0) == 8


def test_resume_probes_at_once_though_the_breaker_was_open() -> None:
    gate = opened()
    gate.pause()
    gate.resume()
    assert gate.allowed(0.0) == 1
    gate.hold(3.0)
    gate.pause()
    gate.resume()
    assert gate.allowed(2.0) == 0
    assert gate.allowed(3.0) == 1


def test_configure() -> None:
    gate = Gate(4, breaker=True)
    for _ in range(4):
        assert gate.start(0.0)
    gate.configure(2, breaker=True)
    assert gate.allowed(0.0) == 0
    gate.succeeded(0.0)
    gate.succeeded(0.0)
    gate.succeeded(0.0)
    assert gate.allowed(0.0) == 1
    gate.configure(10, breaker=True)
    assert gate.allowed(0.0) == 9
    gate = opened()
    gate.configure(SLOTS, breaker=False)
    assert gate.allowed(0.0) == 1
    gate.configure(1, breaker=False)
    fail(gate, 0.0, 100)
    gate.configure(SLOTS, breaker=False)
    assert gate.allowed(0.0) == SLOTS
