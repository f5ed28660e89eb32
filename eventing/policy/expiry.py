"""When an event expires by its own word: the CloudEvents extension `expirytime` (DATAPATH 13)."""

from __future__ import annotations

import re
from datetime import date

from eventing.event import Event

_RFC3339 = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]+)?(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)
_EPOCH_DAY = date(1970, 1, 1).toordinal()


def expiry_of(event: Event) -> float | None:
    """Epoch seconds of the event's `expirytime`, or None where it has none or one that is no RFC 3339 timestamp."""
    text = event.text("expirytime")
    return None if text is None else _epoch(text)


def expired(event: Event, now: float) -> bool:
    """Whether the event's `expirytime` has come at ``now`` (epoch seconds). Such an event ends as expired, not as dead letter."""
    if event.get("expirytime") is None:  # as good as always
        return False
    at = expiry_of(event)
    return at is not None and at <= now


def _epoch(text: str) -> float | None:
    found = _RFC3339.fullmatch(text)
    if found is None:
        return None
    hour, minute, second = int(found[4]), int(found[5]), int(found[6])
    offset_hour, offset_minute = int(found[9] or 0), int(found[10] or 0)
    # Second 60 is a leap second; it counts as the first of the next minute.
    if hour > 23 or minute > 59 or second > 60 or offset_hour > 23 or offset_minute > 59:
        return None
    try:
        day = date(int(found[1]), int(found[2]), int(found[3])).toordinal() - _EPOCH_DAY
    except ValueError:
        return None
    # Plain arithmetic: an offset may carry the first and the last year beyond what datetime can hold.
    offset = (offset_hour * 60 + offset_minute) * 60
    whole = ((day * 24 + hour) * 60 + minute) * 60 + second - (-offset if found[8] == "-" else offset)
    return whole + float(found[7] or 0)
