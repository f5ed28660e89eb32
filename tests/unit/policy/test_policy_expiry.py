"""The `expirytime` extension (requirement D15, DATAPATH 13)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventing.event import AttributeValue, Event
from eventing.policy.expiry import expired, expiry_of


def event(expirytime: AttributeValue | None) -> Event:
    return Event({"specversion": "1.0", "id": "1", "source": "/", "type": "a"}).replace(expirytime=expirytime)


@pytest.mark.requirement("D15", "F8")
@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0.0),
        ("1970-01-01t00:01:00z", 60.0),
        ("1969-12-31T23:59:59Z", -1.0),
        ("2026-02-03T04:05:06Z", 1770091506.0),
        ("2026-02-03T04:05:06.5Z", 1770091506.5),
        ("2026-02-03T04:05:06.500000000Z", 1770091506.5),
        ("2026-02-03T05:05:06+01:00", 1770091506.0),
        ("2026-02-02T22:35:06-05:30", 1770091506.0),
        ("2016-12-31T23:59:60Z", 1483228800.0),
        ("0001-01-01T00:00:00+23:59", -62135683140.0),
        ("9999-12-31T23:59:59-23:59", 253402387139.0),
    ],
)
def test_an_event_expires_at_its_expirytime_and_not_before(text: str, seconds: float) -> None:
    assert expiry_of(event(text)) == seconds
    assert not expired(event(text), seconds - 0.1)
    assert expired(event(text), seconds)
    assert expired(event(text), seconds + 0.1)


@pytest.mark.requirement("D15", "F8")
@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "tomorrow",
        "2026-02-03",
        "2026-02-03T04:05:06",
        "2026-02-03 04:05:06Z",
        "2026-2-3T04:05:06Z",
        "2026-02-30T04:05:06Z",
        "2026-13-03T04:05:06Z",
        "0000-01-01T00:00:00Z",
        "2026-02-03T24:00:00Z",
        "2026-02-03T04:60:06Z",
        "2026-02-03T04:05:61Z",
        "2026-02-03T04:05:06.Z",
        "2026-02-03T04:05:06+0100",
        "2026-02-03T04:05:06+24:00",
        "2026-02-03T04:05:06Z\n",
        "٢٠٢٦-02-03T04:05:06Z",
        1770091506,
        True,
    ],
)
def test_an_expirytime_that_is_no_timestamp_never_comes(value: AttributeValue | None) -> None:
    assert expiry_of(event(value)) is None
    assert not expired(event(value), 1e18)


@pytest.mark.requirement("D15", "F8")
@settings(deadline=None)
@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)), st.integers(-1439, 1439))
def test_any_expirytime_is_read_as_the_standard_library_reads_it(at: datetime, minutes: int) -> None:
    moment = at.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    found = expiry_of(event(moment.isoformat()))
    assert found == pytest.approx(moment.astimezone(UTC).timestamp(), abs=1e-5)
