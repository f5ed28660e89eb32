"""The benchmark's arithmetic."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.figures import difference, interleaved, medians, milliseconds, percentile, ratio

NUMBERS = st.lists(st.integers(0, 10**9), min_size=1, max_size=300)


@given(NUMBERS, st.integers(1, 100))
def test_a_percentile_is_the_smallest_value_that_the_share_does_not_exceed(values: list[int], percent: int) -> None:
    ordered = sorted(values)
    found = percentile(ordered, percent / 100)
    assert found in ordered
    assert sum(value <= found for value in ordered) * 100 >= percent * len(ordered)
    assert sum(value < found for value in ordered) * 100 < percent * len(ordered)


@pytest.mark.parametrize("share", [0.0, -0.5, 1.01])
def test_a_share_outside_of_what_can_be_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        percentile([1], share)


def test_no_percentile_of_nothing() -> None:
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 0.5)
    assert milliseconds([]) == {}


def test_nanoseconds_are_told_in_milliseconds_whatever_their_order() -> None:
    assert milliseconds([5_000_000, 1_000_000, 3_000_000]) == {"p50_ms": 3.0, "p99_ms": 5.0, "max_ms": 5.0}


def test_medians_are_taken_of_each_figure_over_the_runs_that_have_it() -> None:
    assert medians([{"a": 1, "b": 5}, {"a": 9}, {"a": 2, "c": 4}]) == {"a": 2, "b": 5, "c": 4}
    assert medians([]) == {}


def test_a_ratio_is_the_median_of_pairs_and_not_the_ratio_of_medians() -> None:
    case, base = [{"rate": 10.0}, {"rate": 30.0}, {"rate": 100.0}], [{"rate": 10.0}, {"rate": 60.0}, {"rate": 50.0}]
    assert ratio(case, base, "rate") == 1.0
    assert difference(case, base, "rate") == 0.0


def test_a_pair_without_the_figure_or_with_a_base_of_nothing_does_not_count() -> None:
    assert ratio([{"rate": 3.0}, {}, {"rate": 1.0}], [{"rate": 2.0}, {"rate": 1.0}, {"rate": 0.0}], "rate") == 1.5
    assert ratio([{}], [{}], "rate") is None
    assert difference([], [], "rate") is None


def test_runs_that_are_no_pairs_are_not_compared() -> None:
    with pytest.raises(ValueError, match="zip"):
        ratio([{"rate": 1.0}], [], "rate")


def test_base_and_case_run_in_turn() -> None:
    assert list(interleaved("ten", "base", 2)) == [(0, "base"), (0, "ten"), (1, "base"), (1, "ten")]
    assert list(interleaved("base", None, 2)) == [(0, "base"), (1, "base")]
