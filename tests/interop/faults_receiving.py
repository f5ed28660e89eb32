"""What the SDKs show to a program that isn't what stood on the wire."""

from __future__ import annotations

import json
from dataclasses import replace

from tests.interop.model import ANY_TEXT, Json, Refused, Seen, as_json, value
from tests.interop.plain import encoded
from tests.interop.samples import Sample
from tests.interop.traits import (
    BINARY,
    EVERY,
    JSON_DATA,
    JSON_FALSY,
    NO_CODING,
    NO_CODING_ISSUES,
    NOT_IN_IT,
    PRECISION,
    STRUCTURED,
    SUFFIX_ISSUES,
    Trait,
    apply,
    cut_times,
    each_text,
)

_FALSY = ("null", "false", "0", '""')


def shown(sdk: str, mode: str, event: Seen, sample: Sample) -> Seen | Refused:
    """What a program with this SDK sees of the event, arriving in this mode."""
    return apply(RECEIVERS, sdk, mode, event, sample)


def _own_time(seen: Seen, _sample: Sample) -> Seen | Refused:
    return seen if "time" in seen.attributes else seen.with_(time=ANY_TEXT)


def _null_is_nothing(seen: Seen, _sample: Sample) -> Seen | Refused:
    return replace(seen, data=None) if seen.data == value(None) else seen


def _falsy_is_nothing(seen: Seen, _sample: Sample) -> Seen | Refused:
    falsy = seen.data == b"" or (isinstance(seen.data, Json) and seen.data.text in _FALSY)
    return replace(seen, data=None) if falsy else seen


def _js_parsed(seen: Seen) -> bool:
    return seen.attributes.get("datacontenttype") in {"application/json", "application/json; charset=utf-8"}


def _js_quotes(seen: Seen, _sample: Sample) -> Seen | Refused:
    """What begins like an array, an object or a string is parsed, all else put in quotes first."""
    if not _js_parsed(seen) or seen.data is None:
        return seen
    text = seen.data.text if isinstance(seen.data, Json) else seen.data.decode(errors="replace")
    parsed = as_json((text if text[0] in '[{"|' else f'"{text}"').encode())
    return replace(seen, data=parsed) if isinstance(parsed, Json) else Refused("receiver")


def _json_as_text(seen: Seen, _sample: Sample) -> Seen | Refused:
    if not isinstance(seen.data, Json) or "+json" not in seen.attributes.get("datacontenttype", ""):
        return seen
    held = json.loads(seen.data.text)
    return replace(seen, data=as_json(held.encode())) if isinstance(held, str) else Refused("receiver")


def _text(seen: Seen, _sample: Sample) -> Seen | Refused:
    if not seen.json or not isinstance(seen.data, bytes) or seen.data == b"":
        return seen
    try:
        return replace(seen, data=value(seen.data.decode()))
    except UnicodeDecodeError:
        return seen


def _implied_content_type(seen: Seen, _sample: Sample) -> Seen | Refused:
    if seen.untyped or "datacontenttype" in seen.attributes or not isinstance(seen.data, Json):
        return seen
    return seen.with_(datacontenttype="application/json")


RECEIVERS = (
    Trait(("python", "js"), EVERY, "shows a time where the event has none", NOT_IN_IT, _own_time),
    Trait(("python",), EVERY, "cuts times to microseconds", PRECISION, cut_times(1_000)),
    Trait(("js",), EVERY, "cuts times to milliseconds", PRECISION, cut_times(1_000_000)),
    Trait(("go", "js", "java", "vertx"), BINARY, "doesn't decode", NO_CODING, each_text(encoded), NO_CODING_ISSUES),
    Trait(("python",), EVERY, "takes JSON null for no data", JSON_FALSY, _null_is_nothing),
    Trait(("python",), BINARY, "shows as text what should be JSON and isn't", None, _text),
    Trait(("js",), STRUCTURED, "takes false, 0, null and empty text for no data", JSON_FALSY, _falsy_is_nothing),
    Trait(("js",), BINARY, "takes a JSON number, boolean and null for a string", "HB 3.1.2", _js_quotes),
    Trait(
        ("go", "java", "vertx"),
        STRUCTURED,
        "knows no JSON media type with dots before +json",
        JSON_DATA,
        _json_as_text,
        SUFFIX_ISSUES,
    ),
    Trait(("java", "vertx"), STRUCTURED, "makes the implied content type explicit", None, _implied_content_type),
)
