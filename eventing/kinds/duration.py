"""ISO 8601 durations, as `backoffDelay` and `timeout` are written (`PT0.5S`, `PT1M30S`, `P1DT12H`)."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator

from eventing.kinds.base import refuse

_DURATION = re.compile(
    r"P(?!$)(?:(?P<weeks>N)W)?(?:(?P<days>N)D)?(?:T(?!$)(?:(?P<hours>N)H)?(?:(?P<minutes>N)M)?(?:(?P<seconds>N)S)?)?".replace(
        "N", r"\d{1,12}(?:[.,]\d{1,9})?"
    ),
    re.ASCII,
)
_SECONDS = {"weeks": 604800.0, "days": 86400.0, "hours": 3600.0, "minutes": 60.0, "seconds": 1.0}
_RULE = "is no ISO 8601 duration such as PT0.2S, PT30S, PT10M or P1D"

MAX_DURATION = 366 * 86400.0
"""Longer than a year is taken for a slip. Seconds."""


def parse_duration(text: str) -> float:
    """Seconds of an ISO 8601 duration.

    Weeks, days, hours, minutes and seconds, each with a fraction if wanted. Years and months are refused, since they have
    no fixed length; so are negative durations and more than `MAX_DURATION`. Raises `ValueError` with the rule.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        if re.match(r"P[^T]*[YM]", text[:64]):
            raise ValueError(f"{text[:40]!r} has years or months, which have no fixed length")
        if text.startswith("-"):
            raise ValueError(f"{text[:40]!r} is negative")
        raise ValueError(f"{text[:40]!r} {_RULE}")
    seconds = sum(float(value.replace(",", ".")) * _SECONDS[unit] for unit, value in match.groupdict().items() if value)
    if seconds > MAX_DURATION:
        raise ValueError(f"{text[:40]!r} is longer than 366 days")
    return seconds


def _validate(value: object) -> object:
    if isinstance(value, str):
        try:
            return parse_duration(value)
        except ValueError as error:
            raise refuse(f"invalid value: {error}") from None
    raise refuse(f"must be a string: an ISO 8601 duration such as PT30S, not {type(value).__name__}")


Duration = Annotated[float, BeforeValidator(_validate)]
"""A field that is written as an ISO 8601 duration and held in seconds."""
