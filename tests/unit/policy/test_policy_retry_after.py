"""The Retry-After header (requirement D10; RFC 9110, 10.2.3 and 5.6.7)."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import formatdate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventing.policy.retry_after import LONGEST, parse

# Sun, 06 Nov 1994 08:49:37 GMT, the RFC's example.
THEN = 784111777.0


@pytest.mark.requirement("D10")
@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 120\t", 120.0),
        ("0000000000000000120", 120.0),
        ("999999999", LONGEST),
        ("9" * 100_000, LONGEST),
    ],
)
def test_a_number_is_read_as_seconds(value: str, seconds: float) -> None:
    assert parse(value, THEN) == seconds


@pytest.mark.requirement("D10")
@pytest.mark.parametrize(
    "value",
    ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "Sun Nov 06 08:49:37 1994"],
)
def test_all_three_forms_of_a_date_are_read(value: str) -> None:
    assert parse(value, THEN - 90) == 90
    assert parse(value, THEN - 90.5) == 90.5
    assert parse(value, THEN) == 0
    assert parse(value, THEN + 1000) == 0
    assert parse(value, THEN - 10 * LONGEST) == LONGEST


@pytest.mark.requirement("D10")
def test_a_year_of_two_digits_is_the_latest_that_is_not_far_ahead() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    assert parse("Thursday, 01-Jan-26 00:01:00 GMT", now) == 60
    assert parse("Saturday, 01-Jan-77 00:00:00 GMT", now) == 0
    assert parse("Wednesday, 01-Jan-76 00:00:00 GMT", now) == LONGEST


@pytest.mark.requirement("D10")
def test_a_leap_second_is_read_as_the_one_before() -> None:
    now = datetime(2016, 12, 31, 23, 59, 0, tzinfo=UTC).timestamp()
    assert parse("Sat, 31 Dec 2016 23:59:60 GMT", now) == 59


@pytest.mark.requirement("D10")
@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "-1",
        "+1",
        "1.5",
        "1e3",
        "inf",
        "nan",
        "0x10",
        "1_000",
        "١٢",
        "soon",
        "120 seconds",
        "1,2",
        "12\n",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "sun, 06 nov 1994 08:49:37 gmt",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "1994-11-06T08:49:37Z",
    ],
)
def test_anything_else_is_nothing(value: str) -> None:
    assert parse(value, THEN) is None


@pytest.mark.requirement("D10")
@settings(deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 2**31))
def test_any_date_is_read_as_the_standard_library_writes_it(at: int, now: int) -> None:
    assert parse(formatdate(at, usegmt=True), now) == min(max(at - now, 0), LONGEST)


WORDS = st.lists(
    st.sampled_from(
        ["Sun", "Sunday", ",", " ", "-", "06", "Nov", "94", "1994", "08:49:37", "99:99:99", "GMT", "0000", "9999", "²"]
    )
    | st.text()
)


@pytest.mark.requirement("D10")
@settings(max_examples=500, deadline=None)
@given(WORDS.map("".join), st.floats(0, 2**33))
def test_any_text_is_read_without_error_and_within_bounds(value: str, now: float) -> None:
    seconds = parse(value, now)
    assert seconds is None or 0 <= seconds <= LONGEST
