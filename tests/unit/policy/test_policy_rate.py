"""The annotation `eventing-engine.dev/rate`: how it is read, and that its bucket keeps to it."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventing.policy.rate import FASTEST, SLOWEST, TICKS, Bucket, Rate, parse

RATES = st.floats(SLOWEST, FASTEST).map(Rate)
STEPS = st.floats(0, 3, allow_subnormal=False)
"""Between two looks, in times between two attempts at the rate."""


@pytest.mark.parametrize(
    ("text", "per_second", "burst"),
    [
        ("100/s", 100, 100),
        ("100", 100, 100),
        ("6/m", 0.1, 1),
        ("3600/h", 1, 1),
        ("0.5/h", 0.5 / 3600, 1),
        ("1.5", 1.5, 1),
        ("2.75/s", 2.75, 2),
        ("100000/s", 100_000, 100_000),
        ("1/h", 1 / 3600, 1),
    ],
)
def test_a_rate_is_a_number_and_a_unit_and_its_burst_is_one_seconds_worth(text: str, per_second: float, burst: int) -> None:
    assert parse(text) == Rate(per_second)
    assert parse(text).burst == burst


def test_the_same_rate_in_other_units_is_the_same() -> None:
    assert parse("60/m") == parse("3600/h") == parse("1")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0", "more than 0"),
        ("0.000/m", "more than 0"),
        ("5/d", "unknown unit 'd'"),
        ("5/sec", "unknown unit 'sec'"),
        ("100001/s", "from one a day"),
        ("999999999/s", "from one a day"),
        ("0.04/h", "from one a day"),
        *(
            (text, "a number of attempts and a unit")
            for text in ("", "-1/s", "+1", "1e3", "10/", "/s", "10 /s", " 10", "inf", "nan")
        ),
        *((text, "a number of attempts and a unit") for text in ("٣/s", "1_000", "1,5", ".5", "5.", "10/S", "9" * 40, "1/s/s")),
    ],
)
def test_what_is_no_usable_rate_is_refused_with_the_rule(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse(text)


@given(st.text(max_size=20))
def test_any_text_is_a_rate_within_bounds_or_refused(text: str) -> None:
    try:
        rate = parse(text)
    except ValueError:
        return
    assert SLOWEST <= rate.per_second <= FASTEST
    assert rate.burst >= 1


def test_a_bucket_begins_with_one_attempt_and_fills_up_to_the_burst() -> None:
    bucket = Bucket(Rate(4), 100.0)
    assert bucket.available(100.0) == 1
    bucket.take(100.0)
    assert bucket.available(100.0) == 0
    assert bucket.next_token(100.0) == 100.25
    assert [bucket.available(100.0 + quarter / 4) for quarter in range(7)] == [0, 1, 2, 3, 4, 4, 4]
    assert bucket.next_token(101.0) is None


@given(RATES, st.lists(st.tuples(STEPS, st.integers(0, 5)), max_size=60))
def test_in_any_time_no_more_attempts_start_than_the_burst_and_the_rate_times_that_time(
    rate: Rate, steps: list[tuple[float, int]]
) -> None:
    now, bucket = 1000.0, Bucket(rate, 1000.0, tokens=rate.burst)
    starts: list[float] = []
    for wait, wanted in steps:
        now += wait * rate.interval
        for _ in range(min(wanted, bucket.available(now))):
            bucket.take(now)
            starts.append(now)
    for (first, begin), (last, end) in combinations(enumerate(starts), 2):
        assert last - first + 1 <= rate.burst + rate.per_second * (end - begin + 1 / TICKS)


@given(RATES, st.floats(0, 1e7), st.lists(st.booleans(), max_size=40))
def test_the_moment_that_is_named_brings_the_next_attempt_and_none_comes_before(
    rate: Rate, now: float, taken: list[bool]
) -> None:
    bucket = Bucket(rate, now)
    for take in taken:
        if take and bucket.available(now):
            bucket.take(now)
        before, moment = bucket.available(now), bucket.next_token(now)
        assert (moment is None) is (before == rate.burst)
        if moment is not None:
            assert moment > now
            assert bucket.available(math.nextafter(moment, -math.inf)) == before
            assert bucket.available(moment) == before + 1
            now = moment


@given(RATES, st.integers(1, 300))
def test_every_attempt_starts_in_the_end_and_none_later_than_the_rate_says(rate: Rate, count: int) -> None:
    now, bucket = 0.0, Bucket(rate, 0.0)
    for _ in range(count):
        while not bucket.available(now):
            moment = bucket.next_token(now)
            assert moment is not None
            now = moment
        bucket.take(now)
    assert now <= count * (rate.interval + 1 / TICKS)


@given(RATES, st.lists(st.tuples(STEPS, st.sampled_from(["take", "lend"])), max_size=40))
def test_an_attempt_that_was_not_made_counts_for_nothing(rate: Rate, steps: list[tuple[float, str]]) -> None:
    now, one, other = 50.0, Bucket(rate, 50.0), Bucket(rate, 50.0)
    for wait, what in steps:
        now += wait * rate.interval
        if not one.available(now):
            continue
        one.take(now)
        if what == "take":
            other.take(now)
        else:
            one.give_back()
        assert max(one.when(rate.burst), now) == max(other.when(rate.burst), now)


def test_a_changed_rate_takes_over_what_was_left() -> None:
    slow = Bucket(Rate(1 / 3600), 0.0)
    slow.take(0.0)
    quick = slow.changed(Rate(100), 0.0)
    assert quick.available(0.0) == 0
    assert quick.available(0.011) == 1
    full = Bucket(Rate(100), 0.0, tokens=100)
    assert full.changed(Rate(10), 0.0).available(0.0) == 10
    assert full.changed(Rate(1 / 3600), 0.0).available(0.0) == 1
