"""Durations and the other values of `delivery`, as Knative takes them (`DeliverySpec.Validate`, rickb777/date/period)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from eventing.kinds.delivery import DeliverySpec
from eventing.kinds.duration import MAX_DURATION, parse_duration


def delivery(**fields: Any) -> DeliverySpec:
    return DeliverySpec.model_validate(fields, by_alias=True, by_name=False)


def refusal(**fields: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        delivery(**fields)
    [error] = caught.value.errors()
    return f"{'.'.join(map(str, error['loc']))}: {error['msg']}"


@pytest.mark.requirement("D5", "D9", "D10")
@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT2S", 2.0),
        ("P0", 0.0),
        ("P0Y", 0.0),
        ("P0M", 0.0),
        ("P0W", 0.0),
        ("P0D", 0.0),
        ("PT0H", 0.0),
        ("PT0M", 0.0),
        ("PT0S", 0.0),
        ("+PT1S", 1.0),
        ("PT.5S", 0.5),
        ("PT5.S", 5.0),
        ("PT0,2S", 0.2),
        ("P1DT", 86400.0),
        ("P0Y0M1DT1S", 86401.0),
        ("PT0.123456789012S", 0.123456789012),
    ],
)
def test_a_duration_that_knative_reads_and_that_has_one_meaning_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)
    assert delivery(backoffDelay=text).backoff_delay == pytest.approx(seconds)


@pytest.mark.requirement("D5", "D9", "D10")
@pytest.mark.parametrize("field", ["backoffDelay", "timeout", "retryAfterMax"])
@pytest.mark.parametrize(
    "text",
    ["invalid time", "1985-04-12T23:20:50.52Z", "", "P", "PT", "P+1D", "PT1M1H", "P1", "PT1", "1S", "PT1S1S", "--PT1S", "PT..5S"],
)
def test_a_text_that_is_no_duration_is_an_invalid_value(field: str, text: str) -> None:
    assert refusal(**{field: text}).startswith(f"{field}: invalid value: {text!r} is no ISO 8601 duration")


@pytest.mark.requirement("D5")
def test_years_and_months_are_refused_since_they_have_no_fixed_length() -> None:
    for text in ("P1Y", "P1M", "P0Y1M", "P1Y1D", "P0.5Y"):
        assert (
            refusal(backoffDelay=text) == f"backoffDelay: invalid value: {text!r} has years or months, which have no fixed length"
        )


@pytest.mark.requirement("D5", "D9", "D10")
@pytest.mark.parametrize("field", ["backoffDelay", "timeout", "retryAfterMax"])
def test_a_negative_duration_is_refused(field: str) -> None:
    assert refusal(**{field: "-PT1S"}) == f"{field}: invalid value: '-PT1S' is negative"


@pytest.mark.requirement("D9")
def test_a_timeout_of_zero_is_refused_however_it_is_written() -> None:
    for text in ("PT0S", "P0", "P0D", "PT0.0S"):
        assert refusal(timeout=text) == "timeout: invalid value: must be longer than zero"


@pytest.mark.requirement("D10")
def test_a_retry_after_max_of_zero_is_accepted() -> None:
    assert delivery(retryAfterMax="PT0S").retry_after_max == 0.0


@pytest.mark.requirement("D4")
def test_retry_is_a_whole_number_of_32_bits_from_0() -> None:
    assert [delivery(retry=number).retry for number in (0, 1, 2**31 - 1)] == [0, 1, 2**31 - 1]
    for number in (-1, 2**31, "3", 1.5, True):
        assert refusal(retry=number).startswith("retry: ")


@pytest.mark.requirement("D5")
def test_the_backoff_policy_is_linear_or_exponential_in_lower_case() -> None:
    assert [delivery(backoffPolicy=policy).backoff_policy for policy in ("linear", "exponential")] == ["linear", "exponential"]
    for policy in ("Linear", "EXPONENTIAL", "", "cubic"):
        assert "must be" in refusal(backoffPolicy=policy) or "should be" in refusal(backoffPolicy=policy)


@pytest.mark.requirement("D13")
def test_the_format_is_json_or_binary_in_lower_case() -> None:
    assert [delivery(format=form).format for form in ("json", "binary", None)] == ["json", "binary", None]
    for form in ("JSON", "structured", "invalid", ""):
        refusal(format=form)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("5s", "'PT5S'"),
        ("5", "'PT5S'"),
        ("1.5h", "'PT1.5H'"),
        ("10 minutes", "'PT10M'"),
        ("2d", "'P2D'"),
        ("500ms", "'PT0.5S'"),
    ],
)
def test_a_duration_as_other_programs_write_it_is_answered_with_the_right_one(text: str, meant: str) -> None:
    refused = refusal(backoffDelay=text)
    assert refused.endswith(f", did you mean {meant}?")
    parse_duration(meant.strip("'"))


@given(st.sampled_from(["", "+"]), st.integers(0, 8), st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))
def test_a_sum_of_weeks_days_hours_and_seconds(sign: str, weeks: int, days: int, hours: int, seconds: int) -> None:
    expected = weeks * 604800 + days * 86400 + hours * 3600 + seconds
    assert expected <= MAX_DURATION
    assert parse_duration(f"{sign}P{weeks}W{days}DT{hours}H{seconds}S") == expected
