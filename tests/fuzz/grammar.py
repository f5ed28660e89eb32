"""Valid events and requests, at random: what the mutations start from."""

from __future__ import annotations

import base64
import json
import random
from dataclasses import dataclass, field
from typing import Any

from tests.fuzz.model import BROKER
from tests.fuzz.wire import Headers

TYPES = ("org.fuzz.x", "org.fuzz.created", "org.fuzz.y.x", "com.other.x", "plain")
SOURCES = ("/fuzz", "/not", "https://example.org/a/b?c=1#d", "urn:fuzz:1", "relative", "//host.example/x")
CONTENT_TYPES = (
    "application/json",
    "application/json; charset=utf-8",
    "text/plain",
    "text/xml",
    "application/octet-stream",
    "application/vnd.fuzz+json",
    "image/png",
)
TIMES = ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.123456789+01:00", "2020-12-31T23:59:59-00:00")
TEXTS = ("x", "a b", "100%", 'say "no"', "Grüße", "日本", "😀", "a,b;c", "\\", "~", "é%C3%A9", "'", "=?utf-8?q?x?=")
JSON_VALUES = ("null", "false", "0", '""', '{"a":[1,2.50,{"b":null}]}', "[1e400, -0, 1.0]", '"\\ud83d\\ude00"', '{"a":1,"a":2}')
EXTENSION_NAMES = ("mark", "mark", "x", "comext", "a1b2c3", "abcdefghijklmnopqrstuvwxyz0123456789", "0")


@dataclass(slots=True)
class Plan:
    """A request before it becomes bytes; every part may be spoiled."""

    start: bytes
    headers: Headers
    body: bytes
    chunked: bool = False
    pieces: list[bytes] = field(default_factory=list)
    """Where ``chunked``: the chunks, as bytes on the wire, that replace the plain ones."""


def attributes(rng: random.Random, id_: str) -> dict[str, Any]:
    """Of a valid event; Integers and Booleans among them."""
    found: dict[str, Any] = {
        "specversion": "0.3" if rng.random() < 0.15 else "1.0",
        "id": id_ if rng.random() < 0.8 else id_ + rng.choice(TEXTS),
        "source": rng.choice(SOURCES),
        "type": rng.choice(TYPES),
    }
    if rng.random() < 0.3:
        found["subject"] = rng.choice(TEXTS)
    if rng.random() < 0.3:
        found["time"] = rng.choice(TIMES)
    if rng.random() < 0.1:
        found["dataschema" if found["specversion"] == "1.0" else "schemaurl"] = "https://example.org/schema"
    for _ in range(rng.choice((0, 0, 0, 1, 1, 2, 5))):
        found[rng.choice(EXTENSION_NAMES)] = rng.choice((*TEXTS, 5, 0, -7, 2**31 - 1, -(2**31), True, False))
    return found


def payload(rng: random.Random) -> tuple[str | None, bytes]:
    """A content type, or None, and data that fits it."""
    kind = rng.choice((None, *CONTENT_TYPES))
    if kind is None:
        return None, rng.choice((b"", b"", rng.randbytes(8)))
    if "json" in kind:
        return kind, rng.choice(JSON_VALUES).encode()
    if kind.startswith("text/"):
        return kind, (rng.choice(TEXTS) * rng.choice((0, 1, 3, 2000))).encode()
    return kind, rng.randbytes(rng.choice((1, 10, 300, 20_000)))


def percent(rng: random.Random, text: str) -> bytes:
    """Encoded as it must be, and now and then more than that."""
    form = "%%%02x" if rng.random() < 0.2 else "%%%02X"
    extra = 0.2 if rng.random() < 0.1 else 0.0
    parts = [
        chr(octet) if 0x21 <= octet <= 0x7E and octet not in b'"%' and rng.random() >= extra else form % octet
        for octet in text.encode()
    ]
    return "".join(parts).encode()


def document(rng: random.Random, id_: str) -> str:
    """One event in the JSON format."""
    members: dict[str, Any] = attributes(rng, id_)
    kind, data = payload(rng)
    if kind is not None:
        members["datacontenttype"] = kind
    text = json.dumps(members, ensure_ascii=rng.random() < 0.5)
    old = members["specversion"] == "0.3"
    if kind is not None and "json" in kind and rng.random() < 0.8:
        member = '"data":' + data.decode()
    elif kind is not None and kind.startswith("text/") and rng.random() < 0.8:
        member = '"data":' + json.dumps(data.decode())
    elif kind is None and rng.random() < 0.5:
        member = '"data":' + rng.choice(JSON_VALUES) if rng.random() < 0.5 else ""
    elif old:
        member = '"datacontentencoding":"base64","data":"' + base64.b64encode(data).decode() + '"'
    else:
        member = '"data_base64":"' + base64.b64encode(data).decode() + '"'
    if not member:
        return text
    return text[:-1] + "," + member + "}" if rng.random() < 0.5 else "{" + member + "," + text[1:]


def plan(rng: random.Random, id_: str) -> Plan:
    """A valid request to the broker, with one event, or a batch of some."""
    headers: Headers = [(b"Host", b"127.0.0.1:8080")]
    mode = rng.random()
    if mode < 0.5:
        for name, value in attributes(rng, id_).items():
            text = value if isinstance(value, str) else json.dumps(value)
            headers.append((b"ce-" + name.encode(), percent(rng, text)))
        kind, body = payload(rng)
        if kind is not None:
            headers.append((b"Content-Type", kind.encode()))
    elif mode < 0.85:
        body = document(rng, id_).encode()
        headers.append((b"Content-Type", b"application/cloudevents+json" + rng.choice((b"", b"; charset=utf-8"))))
    else:
        version = f'"{rng.choice(("1.0", "0.3"))}"'
        items = [document(rng, f"{id_}.{number}") for number in range(rng.choice((0, 1, 2, 5, 20)))]
        same = [item.replace('"specversion": "1.0"', f'"specversion": {version}') for item in items]
        same = [item.replace('"specversion": "0.3"', f'"specversion": {version}') for item in same]
        body = ("[" + rng.choice((",", " ,\r\n")).join(same) + "]").encode()
        headers.append((b"Content-Type", b"application/cloudevents-batch+json"))
    if rng.random() < 0.1:
        headers.append(rng.choice(NEIGHBOURS))
    rng.shuffle(headers)
    return Plan(
        b"POST " + BROKER + rng.choice((b"", b"", b"", b"/", b"?q=%20&r")) + b" HTTP/1.1", headers, body, rng.random() < 0.25
    )


NEIGHBOURS: Headers = [
    (b"Accept", b"application/json"),
    (b"Authorization", b"Bearer secret-of-the-sender"),
    (b"Cookie", b"secret=of-the-sender"),
    (b"User-Agent", b"fuzz/1"),
    (b"Connection", b"keep-alive"),
    (b"Expect", b"100-continue"),
    (b"eventing-engine-hops", b"7"),
    (b"WebHook-Request-Origin", b"fuzz.example"),
    (b"WebHook-Request-Rate", b"120"),
    (b"Upgrade", b"h2c"),
    (b"Prefer", b"reply"),
    (b"X-Request-Id", b"r-1"),
    (b"X-B3-TraceId", b"463ac35c9f6413ad"),
    (b"Knative-Thing", b"a b"),
    (b"Retry-After", b"3"),
    (b"Traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
]
