"""What the SDKs send that isn't what they were given."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import datetime

from tests.interop.model import ANY_TEXT, Json, Refused, Seen, as_json, of_sample, value
from tests.interop.plain import decoded
from tests.interop.samples import Sample
from tests.interop.traits import (
    BINARY,
    BODY,
    CONTENT_TYPE,
    EVERY,
    JSON_DATA,
    JSON_FALSY,
    NO_CODING,
    NO_CODING_ISSUES,
    PRECISION,
    STRUCTURED,
    SUFFIX_ISSUES,
    TYPES,
    Change,
    Trait,
    apply,
    cut_times,
    each_text,
    of_type,
    refused,
)


def sent(sdk: str, mode: str, sample: Sample) -> Seen | Refused:
    """What stands on the wire when this SDK was given the sample. `Refused` by the sender where it, or its transport, won't;
    by the broker where what it sends is no event."""
    return apply(SENDERS, sdk, mode, of_sample(sample), sample)


def _own_time(seen: Seen, _sample: Sample) -> Seen | Refused:
    return seen if "time" in seen.attributes else seen.with_(time=ANY_TEXT)


def _own_content_type(seen: Seen, _sample: Sample) -> Seen | Refused:
    if "datacontenttype" in seen.attributes:
        return seen
    return seen.with_(datacontenttype="application/json; charset=utf-8")


def _trimmed(seen: Seen, _sample: Sample) -> Seen | Refused:
    return replace(seen, attributes={name: text.strip() for name, text in seen.attributes.items()})


def _is(type_: str) -> Change:
    """Whether an extension is of this type."""
    return refused("sender", lambda _seen, sample: _has(sample, type_))


def _has(sample: Sample, type_: str) -> bool:
    return any(one.type == type_ for one in sample.attributes.values())


def _outside(last: str, by: str) -> Change:
    return refused(by, lambda seen, _sample: max("".join(seen.attributes.values())) > last)


def _js_date(text: str) -> str:
    return datetime.fromisoformat(text).strftime("%a %b %d %Y %H:%M:%S GMT+0000 (Coordinated Universal Time)")


def _python_body(of: object) -> str:
    if isinstance(of, dict):
        return json.dumps(of)
    return "" if of is None else str(of)


def _js_body(of: object) -> str:
    return of if isinstance(of, str) else json.dumps(of)


def _body(write: object) -> Change:
    def changed(seen: Seen, sample: Sample) -> Seen | Refused:
        if sample.data is None or "json" not in sample.data:
            return seen
        assert callable(write)
        body = write(sample.data["json"]).encode()
        return replace(seen, data=as_json(body) if body else None)

    return changed


def _null_is_nothing(seen: Seen, _sample: Sample) -> Seen | Refused:
    return replace(seen, data=None) if seen.data == value(None) else seen


def _json_as_text(seen: Seen, _sample: Sample) -> Seen | Refused:
    """JSON under another name than `json` itself is taken for text."""
    if not isinstance(seen.data, Json) or "+json" not in seen.attributes.get("datacontenttype", ""):
        return seen
    return replace(seen, data=value(json.dumps(json.loads(seen.data.text), separators=(",", ":"))))


def _bytes(sample: Sample) -> bytes | None:
    return base64.b64decode(sample.data["base64"]) if sample.data is not None and "base64" in sample.data else None


def _bytes_as_json(seen: Seen, sample: Sample) -> bool:
    return bool(_bytes(sample)) and seen.json and not isinstance(seen.data, Json)


def replied(sdk: str, mode: str, sample: Sample) -> Seen | Refused:
    """The same for an event that this SDK's receiver answers with."""
    event = sent(sdk, mode, sample)
    return apply(REPLIERS, sdk, mode, event, sample) if isinstance(event, Seen) else event


def _guessed_content_type(seen: Seen, sample: Sample) -> Seen | Refused:
    if "datacontenttype" in seen.attributes or sample.data is None:
        return seen
    raw = _bytes(sample)
    guess = "text/plain; charset=utf-8" if raw is None else "application/octet-stream"
    body = json.dumps(sample.data["json"], separators=(",", ":")).encode() if raw is None else raw
    return replace(seen.with_(datacontenttype=guess), data=body)


REPLIERS = (
    Trait(("go",), BINARY, "lets the server guess a content type where the event has none", CONTENT_TYPE, _guessed_content_type),
)

SENDERS = (
    Trait(("python", "js"), EVERY, "adds the present time to an event without one", None, _own_time),
    Trait(("go",), ("binary", "structured"), "adds the present time to an event without one", None, _own_time),
    Trait(("python",), EVERY, "cuts times to microseconds", PRECISION, cut_times(1_000)),
    Trait(("js",), EVERY, "cuts times to milliseconds", PRECISION, cut_times(1_000_000)),
    Trait(("go",), EVERY, "takes spaces off both ends of an attribute", "CE, subject: a String, spaces included", _trimmed),
    Trait(("python",), BINARY, "writes booleans as True and False", TYPES, of_type("Boolean", str.title)),
    Trait(("python",), BINARY, "writes bytes as Python does", TYPES, of_type("Binary", lambda text: str(base64.b64decode(text)))),
    Trait(("python",), STRUCTURED, "has no JSON for bytes", TYPES, _is("Binary")),
    Trait(
        ("js",),
        BINARY,
        "writes bytes as numbers",
        TYPES,
        of_type("Binary", lambda text: ",".join(map(str, base64.b64decode(text)))),
    ),
    Trait(("js",), STRUCTURED, "writes bytes as an object", TYPES, refused("broker", lambda _seen, one: _has(one, "Binary"))),
    Trait(("js",), BINARY, "writes a timestamp as JavaScript does", TYPES, of_type("Timestamp", _js_date)),
    Trait(("js",), BINARY, "adds a content type to an event without one", CONTENT_TYPE, _own_content_type),
    Trait(
        ("js", "java"),
        BINARY,
        "leaves text outside ISO 8859-1 as it is, which the transport refuses",
        NO_CODING,
        _outside("ÿ", "sender"),
        NO_CODING_ISSUES,
    ),
    Trait(("vertx",), BINARY, "writes text outside ASCII in ISO 8859-1", NO_CODING, _outside("~", "broker"), NO_CODING_ISSUES),
    Trait(("go", "js", "java", "vertx"), BINARY, "doesn't encode", NO_CODING, each_text(decoded), NO_CODING_ISSUES),
    Trait(("python",), BINARY, "writes JSON data that is no object as Python does", BODY, _body(_python_body)),
    Trait(("js",), BINARY, "writes a JSON string without its quotes", BODY, _body(_js_body)),
    Trait(("python",), STRUCTURED, "has no JSON null", JSON_FALSY, _null_is_nothing),
    Trait(("go",), ("structured", "batch"), "knows no JSON media type but json itself", JSON_DATA, _json_as_text, SUFFIX_ISSUES),
    Trait(
        ("java", "vertx"),
        STRUCTURED,
        "writes bytes that are no JSON as JSON",
        "JF 3.1",
        refused("broker", _bytes_as_json),
    ),
    Trait(
        ("js",),
        STRUCTURED,
        "writes both data and data_base64 for no bytes",
        "JF 3.1: never both",
        refused("broker", lambda _seen, sample: _bytes(sample) == b""),
    ),
)
