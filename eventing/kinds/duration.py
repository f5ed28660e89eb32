"""ISO 8601 durations, as `backoffDelay` and `timeout` are written (`PT0.5S`, `PT1M30S`, `P1DT12H`)."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator

from eventing.kinds.base import refuse

_NUMBER = r"(?=[0-9]|[.,][0-9])[0-9]{0,15}(?:[.,][0-9]{0,15})?"
_DURATION = re.compile(
    r"\+?P(?=.*[0-9])(?:(?P<years>N)Y)?(?:(?P<months>N)M)?(?:(?P<weeks>N)W)?(?:(?P<days>N)D)?"
    r"(?:T(?:(?P<hours>N)H)?(?:(?P<minutes>N)M)?(?:(?P<seconds>N)S)?)?".replace("N", _NUMBER),
    re.ASCII,
)
_SECONDS = {"weeks": 604800.0, "days": 86400.0, "hours": 3600.0, "minutes": 60.0, "seconds": 1.0}
_RULE = "is no ISO 8601 duration such as PT0.2S, PT30S, PT10M or P1D"

MAX_DURATION = 366 * 86400.0
"""Longer than a year is taken for a slip. Seconds."""


def parse_duration(text: str) -> float:
    """Seconds of an ISO 8601 duration.

    Weeks, days, hours, minutes and seconds, each with a fraction if wanted. What Knative's parser reads beyond the standard and
    has one meaning is read too: `P0`, `+PT1S`, `PT.5S`, `PT5.S`, `P1DT`. Years and months are refused but for none of them, since
    they have no fixed length; so are negative durations and more than `MAX_DURATION`. Raises `ValueError` with the rule.
    """
    if text == "P0":
        return 0.0
    match = _DURATION.fullmatch(text)
    if match is None:
        if text.startswith("-") and _DURATION.fullmatch(text[1:]):
            raise ValueError(f"{text[:40]!r} is negative")
        raise ValueError(f"{text[:40]!r} {_RULE}")
    parts = {unit: float(value.replace(",", ".")) for unit, value in match.groupdict().items() if value}
    if parts.pop("years", 0.0) or parts.pop("months", 0.0):
        raise ValueError(f"{text[:40]!r} has years or months, which have no fixed length")
    seconds = sum(number * _SECONDS[unit] for unit, number in parts.items() if unit in _SECONDS)
    if seconds > MAX_DURATION:
        raise ValueError(f"{text[:40]!r} is longer than 366 days")
    return seconds


def _validate(value: object) -> object:
    if isinstance(value, str):
        try:
            return parse_duration(value)
        except ValueError as error:
            raise refuse(f"invalid value: {error}{_meant(value)}") from None
    raise refuse("must be a string: an ISO 8601 duration such as PT30S")


def _meant(text: str) -> str:
    """For the way Go and most other programs write durations."""
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?(ms|s|sec|seconds?|m|min|minutes?|h|hours?|d|days?)?", text, re.ASCII)
    if match is None:
        return ""
    number, unit = match[1], match[2] or "s"
    if unit == "ms":
        return f", did you mean 'PT{float(number) / 1000:g}S'?" if float(number) >= 1 else ""
    return f", did you mean 'P{number}D'?" if unit[0] == "d" else f", did you mean 'PT{number}{unit[0].upper()}'?"


Duration = Annotated[float, BeforeValidator(_validate)]
"""A field that is written as an ISO 8601 duration and held in seconds."""
