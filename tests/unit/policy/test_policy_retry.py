"""The retry schedule (requirements D4, D5, D6, D10; DATAPATH 5)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventing.policy.delivery import WEEK, DeliveryPolicy
from eventing.policy.retry import GiveUp, Retry, delay_after, next_step, obeyed, too_old

NOW = 1_700_000_000.0
LINEAR = DeliveryPolicy(retry=5, backoff="linear", delay=2.0)
EXPONENTIAL = DeliveryPolicy(retry=5, backoff="exponential", delay=2.0)
DEFAULT = DeliveryPolicy()


@pytest.mark.requirement("D5")
def test_linear_waits_are_d_2d_3d() -> None:
    assert [delay_after(LINEAR, attempts) for attempts in (1, 2, 3, 10)] == [2, 4, 6, 20]


@pytest.mark.requirement("D5")
def test_exponential_waits_are_d_2d_4d() -> None:
    assert [delay_after(EXPONENTIAL, attempts) for attempts in (1, 2, 3, 4, 5)] == [2, 4, 8, 16, 32]


@pytest.mark.requirement("D5")
def test_no_wait_is_longer_than_the_cap() -> None:
    assert delay_after(EXPONENTIAL, 10) == 600
    assert delay_after(LINEAR, 301) == 600
    assert delay_after(replace(LINEAR, delay=1000.0), 1) == 600
    assert delay_after(replace(EXPONENTIAL, cap=5.0), 3) == 5


@pytest.mark.requirement("D6")
def test_the_default_is_never_zero_and_reaches_ten_minutes() -> None:
    waits = [delay_after(DEFAULT, attempts) for attempts in range(1, 15)]
    assert waits[:3] == [0.2, 0.4, 0.8]
    assert waits[-1] == 600


@pytest.mark.parametrize("attempts", [0, -1])
def test_attempts_count_from_one(attempts: int) -> None:
    with pytest.raises(ValueError, match="counted from 1"):
        delay_after(DEFAULT, attempts)


@pytest.mark.requirement("D5", "D6")
@settings(deadline=None)
@given(
    st.sampled_from(["linear", "exponential"]),
    st.floats(0, 1e12),
    st.floats(0, 1e12),
    st.integers(1, 10**30) | st.integers(1, 80),
)
def test_delays_are_finite_capped_and_never_shrink(
    backoff: Literal["linear", "exponential"], delay: float, cap: float, attempts: int
) -> None:
    policy = DeliveryPolicy(retry=1, backoff=backoff, delay=delay, cap=cap)
    wait = delay_after(policy, attempts)
    assert 0 <= wait <= cap
    assert math.isfinite(wait)
    assert wait <= delay_after(policy, attempts + 1)
    assert wait >= min(delay, cap)


@pytest.mark.requirement("D4")
@pytest.mark.parametrize("retry", [0, 1, 3, 10])
def test_there_are_exactly_retry_plus_one_attempts(retry: int) -> None:
    policy = replace(EXPONENTIAL, retry=retry)
    attempts, now = 1, NOW
    # Age plays no part: the event is much older than max_age.
    while isinstance(step := next_step(policy, attempts, NOW - 10 * WEEK, now, None), Retry):
        assert step.due == now + delay_after(policy, attempts)
        attempts, now = attempts + 1, step.due
    assert step == GiveUp("exhausted")
    assert attempts == retry + 1


@pytest.mark.requirement("D6", "D8")
def test_without_retry_an_event_is_tried_until_it_is_a_week_old() -> None:
    attempts, now, appended = 1, NOW, NOW
    while isinstance(step := next_step(DEFAULT, attempts, appended, now, None), Retry):
        assert now < appended + WEEK
        attempts, now = attempts + 1, step.due
    assert step == GiveUp("expired_age")
    assert appended + WEEK <= now < appended + WEEK + DEFAULT.cap
    assert attempts > 1000


def test_age_boundary_and_a_clock_set_back() -> None:
    assert too_old(DEFAULT, NOW - WEEK, NOW)
    assert not too_old(DEFAULT, NOW - WEEK + 1, NOW)
    assert not too_old(DEFAULT, NOW + 10 * WEEK, NOW)
    assert isinstance(next_step(DEFAULT, 10**6, NOW + 10 * WEEK, NOW, None), Retry)


@pytest.mark.requirement("D10")
@pytest.mark.parametrize(
    ("retry_after", "maximum", "wait"),
    [
        (None, 600.0, 2.0),
        (0.0, 600.0, 2.0),
        (1.0, 600.0, 2.0),
        (30.0, 600.0, 30.0),
        (10_000.0, 600.0, 600.0),
        (10_000.0, 3600.0, 3600.0),
        (30.0, 10.0, 10.0),
        (30.0, 1.0, 2.0),
        (30.0, 0.0, 2.0),
    ],
)
def test_the_wait_is_the_longer_one_of_backoff_and_bounded_retry_after(
    retry_after: float | None, maximum: float, wait: float
) -> None:
    """max(backoff, min(value, maximum)); 0 turns it off. The cap of the backoff does not apply to it."""
    policy = replace(EXPONENTIAL, retry_after_max=maximum)
    assert next_step(policy, 1, NOW, NOW, retry_after) == Retry(NOW + wait)


@pytest.mark.requirement("D4", "D10")
def test_retry_after_gives_no_attempt_beyond_the_last() -> None:
    assert next_step(EXPONENTIAL, 6, NOW, NOW, 30.0) == GiveUp("exhausted")


@pytest.mark.requirement("D10")
@pytest.mark.parametrize(("value", "seconds"), [(None, 0.0), (-5.0, 0.0), (5.0, 5.0), (601.0, 600.0)])
def test_retry_after_is_obeyed_up_to_its_maximum_and_not_at_all_with_zero(value: float | None, seconds: float) -> None:
    assert obeyed(DEFAULT, value) == seconds
    assert obeyed(replace(DEFAULT, retry_after_max=0.0), value) == 0
