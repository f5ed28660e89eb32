"""Options in a channel's URL: sizes and durations, and a refusal by name of what isn't known."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from urllib.parse import parse_qsl

from eventing.errors import InvalidSetting

_UNITS = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40, "kB": 10**3, "MB": 10**6, "GB": 10**9}
_SIZE = re.compile(r"(\d+)\s*([A-Za-z]*)")
_DURATION = re.compile(r"P(?:(\d+(?:\.\d+)?)D)?(?:T(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?)?")


def query_options(url: str, query: str, known: Collection[str]) -> dict[str, str]:
    """The options of a URL's query. Raises `InvalidSetting` for one that is unknown, repeated or without a value."""
    options: dict[str, str] = {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError as error:
        raise InvalidSetting(f"channel URL {url!r}: the query isn't a list of name=value") from error
    for name, value in pairs:
        if name not in known:
            raise InvalidSetting(f"channel URL {url!r}: unknown option {name!r}; known: {', '.join(sorted(known))}")
        if name in options:
            raise InvalidSetting(f"channel URL {url!r}: option {name!r} is given twice")
        if not value:
            raise InvalidSetting(f"channel URL {url!r}: option {name!r} has no value")
        options[name] = value
    return options


def size(name: str, text: str) -> int:
    """Bytes from ``64MiB``, ``10GB`` or a plain number. Raises `InvalidSetting`."""
    match = _SIZE.fullmatch(text)
    if match is None or match[2] not in _UNITS:
        raise InvalidSetting(
            f"option {name!r}: {text!r} is no size; write bytes, or a number with KiB, MiB, GiB, TiB, kB, MB, GB"
        )
    value = int(match[1]) * _UNITS[match[2]]
    if value >= 1 << 62:
        raise InvalidSetting(f"option {name!r}: {text!r} is too large")
    return value


def duration(name: str, text: str) -> float:
    """Seconds from an ISO 8601 duration of days and smaller (``PT0S``, ``P7D``). Raises `InvalidSetting`."""
    match = _DURATION.fullmatch(text)
    if match is None or text[-1] in "PT":
        raise InvalidSetting(f"option {name!r}: {text!r} is no ISO 8601 duration of days, hours, minutes and seconds, as in PT1H")
    days, hours, minutes, seconds = (float(part) if part else 0.0 for part in match.groups())
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if not math.isfinite(total):
        raise InvalidSetting(f"option {name!r}: {text!r} is too long")
    return total
