"""The Retry-After header (RFC 9110, sections 10.2.3 and 5.6.7)."""

from __future__ import annotations

import re
from datetime import UTC, datetime

LONGEST = 366 * 24 * 3600.0
"""Seconds. A value beyond it is read as this much; a policy's `retry_after_max` is far below."""

_SECONDS = re.compile(r"[0-9]+")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = "|".join(_MONTHS)
_TIME = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_DATES = (
    # IMF-fixdate, RFC 850 and asctime, the three that a recipient must accept.
    re.compile(rf"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (?P<day>[0-9]{{2}}) (?P<month>{_MONTH}) (?P<year>[0-9]{{4}}) {_TIME} GMT"),
    re.compile(
        rf"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?P<day>[0-9]{{2}})-(?P<month>{_MONTH})-(?P<year>[0-9]{{2}}) {_TIME} GMT"
    ),
    re.compile(rf"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (?P<month>{_MONTH}) (?P<day>[0-9]{{2}}| [0-9]) {_TIME} (?P<year>[0-9]{{4}})"),
)


def parse(value: str, now: float) -> float | None:
    """The seconds to wait from ``now`` (epoch seconds), between 0 and `LONGEST`; a date that has passed is 0. None where the
    value is neither a number of seconds nor an HTTP-date."""
    value = value.strip(" \t")
    if _SECONDS.fullmatch(value):
        return min(float(value), LONGEST)
    for form in _DATES:
        found = form.fullmatch(value)
        if found:
            at = _epoch(found, now)
            return None if at is None else min(max(at - now, 0.0), LONGEST)
    return None


def _epoch(found: re.Match[str], now: float) -> float | None:
    year = int(found["year"])
    if len(found["year"]) == 2:
        # A two-digit year that looks more than 50 years ahead is the latest past one (RFC 9110, 5.6.7).
        this_year = datetime.fromtimestamp(now, UTC).year
        year += this_year - this_year % 100
        if year > this_year + 50:
            year -= 100
    second = int(found["second"])
    try:
        at = datetime(
            year,
            _MONTHS.index(found["month"]) + 1,
            int(found["day"]),
            int(found["hour"]),
            int(found["minute"]),
            # A leap second is written 60; the clock here doesn't know it.
            min(second, 59) if second <= 60 else second,
            tzinfo=UTC,
        )
    except ValueError:
        return None
    return at.timestamp()
