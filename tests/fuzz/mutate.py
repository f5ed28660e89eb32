"""Ways to spoil a request, from the event's text to the bytes on the wire; each changes one thing at random."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.fuzz.grammar import BROKER, NEIGHBOURS, Plan

Mutation = Callable[[random.Random, Plan], None]

# The request line.

METHODS = (
    b"GET",
    b"HEAD",
    b"PUT",
    b"OPTIONS",
    b"DELETE",
    b"PATCH",
    b"TRACE",
    b"CONNECT",
    b"PRI",
    b"post",
    b"BREW",
    b"",
    b"MKCOL",
    b"QUERY",
    b"POST\x00",
)
TARGETS = (
    *(b"/", b"*", b"//", BROKER + b"//", BROKER + b"/x", BROKER + b"/?x", b"/default", b"/default/none", b"/a/b/c/d"),
    *(b"http://a.example" + BROKER, b"http://a.example", b"http://a.example?x", b"a.example:80", b"x://", b"relative", b""),
    *(
        b"/default/%66uzz",
        b"/default/fuzz%00",
        b"/default/fuzz%0d%0aX-Injected:1",
        b"/%64efault/fuz%7A/?",
        b"/default%2ffuzz",
        b"/a/%ff",
        b"/default/fuzz;a=b",
        b"/default/../default/fuzz",
        b"/default/fuzz#f",
        b"/\xc3\xa4",
    ),
    *(
        b"/healthz",
        b"/readyz",
        b"/metrics",
        b"/default/fuzz?" + b"a=b&" * 50,
        b"/" + b"x" * 7000,
        b"/" + b"x" * 9000,
        b"/\x7f",
        b"/%zz",
    ),
)
VERSIONS = (
    b"HTTP/1.0",
    b"HTTP/1.2",
    b"HTTP/2.0",
    b"HTTP/0.9",
    b"http/1.1",
    b"HTTP/1.1 ",
    b"HTTP/11",
    b"",
    b"HTTP/1",
    b"HTTQ/1.1",
)


def _start(rng: random.Random, plan: Plan) -> None:
    parts = plan.start.split(b" ", 2)
    if len(parts) < 3:  # spoiled before
        return
    method, target, version = parts
    which = rng.random()
    if which < 0.35:
        method = rng.choice(METHODS)
    elif which < 0.7:
        target = rng.choice(TARGETS)
    elif which < 0.9:
        version = rng.choice(VERSIONS)
    plan.start = rng.choice((b" ",) * 8 + (b"  ", b"\t")).join((method, target, version))
    if rng.random() < 0.05:
        plan.start = rng.choice((b"", b" ", b"\r\n\r\n", b"GET /", b"\x00" + plan.start, b" " + plan.start))


# Headers.

NAMES = (
    *(
        b"ce-",
        b"ce-data",
        b"ce-datacontenttype",
        b"ce-a_b",
        b"ce-A1",
        b"CE-ID",
        b"ce-specversion",
        b"ce-\xc3\xa4",
        b"ce-a.b",
        b"ce_id",
    ),
    *(
        b"",
        b" x",
        b"x ",
        b"x\t",
        b"x\x00",
        b"x(y)",
        b"\xff",
        b"ce-time",
        b"ce-dataschema",
        b"ce-schemaurl",
        b"ce-subject",
        b"ce-sequence",
    ),
    *(
        b"eventing-engine-hops",
        b"ce-datacontentencoding",
        b"ce-knativeerrordest",
        b"trailer",
        b"te",
        b"keep-alive",
        b"x" * 300,
        b"ce-knativebrokerttl",
    ),
)
VALUES = (
    *(
        b"",
        b"%",
        b"%4",
        b"%zz",
        b"%C0%A0",
        b"%ED%A0%80",
        b"%00",
        b"%0d%0aX-Injected:%201",
        b"%7f",
        b"%C2%80",
        b"%EF%BF%BE",
        b"%FF",
    ),
    *(
        b"%E2%82%ac",
        b"%41%42",
        b"%2541",
        b"%25",
        b"a%20b",
        b"%20",
        b"%22",
        b"a b",
        b"a\tb",
        b"  padded\t ",
        b"\xc3\xa4",
        b"\xff\xfe",
    ),
    *(
        b'"quoted"',
        b'"a \\"b\\" \\\\ c"',
        b'"%20"',
        b'"\\%41"',
        b'"',
        b'""',
        b'"open',
        b'"a"b',
        b'a"b"',
        b'"a\\"',
        b'"\xe2\x82\xac"',
    ),
    *(
        b"\x00",
        b"\x01",
        b"\x0b",
        b"\x7f",
        b"a\rb",
        b"a\nb",
        b"a\r\n b",
        b"a\r\nX-Injected: 1",
        b"\xf0\x9f\x98\x80",
        b"%F0%9F%98%80",
    ),
    *(
        b"1.0",
        b"0.3",
        b"1",
        b"1.1",
        b"2026-02-30T00:00:00Z",
        b"2026-01-01T00:00:00",
        b"/a",
        b"a:b",
        b"::",
        b"http://[::1]/",
        b"%2f",
        b"<>",
    ),
    *(b"0", b"-1", b"99999999999", b"255", b"256", b"true", b"x" * 5000, b"%20" * 3000, b"x" * 100_000, b"=?utf-8?b?eA==?="),
)
TYPES = (
    *(
        b"application/cloudevents",
        b"application/cloudevents+xml",
        b"application/cloudevents+avro",
        b"APPLICATION/CLOUDEVENTS+JSON",
    ),
    *(
        b"application/cloudevents-batch+json;x=y",
        b"application/cloudevents-batch",
        b"application/cloudevents-batch+xml",
        b"text/plain",
    ),
    *(
        b"application/cloudeventsx",
        b"application/cloudevents+json ; charset=utf-16",
        b"application/cloudevents+json;",
        b"/",
        b"json",
    ),
    *(
        b"application/cloudevents+json,application/json",
        b"text/plain;charset=latin1",
        b'text/plain; a="b;c"',
        b"a/b; \xc3\xa4",
        b"",
    ),
    *(b'"application/json"', b"application/json%20", b"application/json", b"multipart/form-data; boundary=x", b"*/*", b" ; "),
)
FRAMING = (
    *(
        (b"Content-Length", value)
        for value in (b"0", b"1", b"00007", b"-1", b"+5", b"5, 5", b"0x5", b"5 5", b"", b"9" * 18, b"9" * 30)
    ),
    *(
        (b"Transfer-Encoding", value)
        for value in (b"chunked", b"Chunked", b"gzip, chunked", b"identity", b"chunked, chunked", b"", b"x")
    ),
    *(
        (b"Connection", value)
        for value in (b"close", b"keep-alive", b"upgrade", b"close, x", b"Close", b"", b"keep-alive, close", b"te")
    ),
    *((b"Expect", value) for value in (b"100-continue", b"100-Continue", b"", b"the-worst", b"100-continue, x")),
    *((b"Host", value) for value in (b"", b"a b", b"a/b", b"user@a", b"[::1]:80", b"a:b", b"a,b", b"x" * 300, b"\xc3\xa4")),
    *((b"Upgrade", value) for value in (b"h2c", b"websocket", b"", b"h2c, x/1")),
    (b"HTTP2-Settings", b"AAMAAABkAAQCAAAAAAIAAAAA"),
    (b"TE", b"trailers"),
    (b"Trailer", b"ce-id"),
)


def _pick(rng: random.Random, plan: Plan) -> int:
    """A header; rarely Host, without which nothing else is looked at."""
    number = rng.randrange(len(plan.headers))
    return rng.randrange(len(plan.headers)) if plan.headers[number][0] == b"Host" and rng.random() < 0.7 else number


def _value(rng: random.Random, plan: Plan) -> None:
    number = _pick(rng, plan)
    name, value = plan.headers[number]
    new = rng.choice(TYPES) if name.lower() == b"content-type" and rng.random() < 0.7 else rng.choice(VALUES)
    if rng.random() < 0.3:
        place = rng.randrange(len(value) + 1)
        new = value[:place] + new + value[place:]
    plan.headers[number] = (name, new)


def _name(rng: random.Random, plan: Plan) -> None:
    number = _pick(rng, plan)
    plan.headers[number] = (rng.choice(NAMES), plan.headers[number][1])


def _add(rng: random.Random, plan: Plan) -> None:
    which = rng.random()
    header = (
        rng.choice(FRAMING) if which < 0.4 else rng.choice(NEIGHBOURS) if which < 0.5 else (rng.choice(NAMES), rng.choice(VALUES))
    )
    plan.headers.insert(rng.randrange(len(plan.headers) + 1), header)


def _repeat(rng: random.Random, plan: Plan) -> None:
    name, value = plan.headers[_pick(rng, plan)]
    name = rng.choice((name, name.upper(), name.lower()))
    plan.headers.insert(rng.randrange(len(plan.headers) + 1), (name, rng.choice((value, b"other"))))


def _drop(rng: random.Random, plan: Plan) -> None:
    del plan.headers[_pick(rng, plan)]
    if not plan.headers:
        plan.headers.append((b"Host", b"a"))


def _many(rng: random.Random, plan: Plan) -> None:
    count = rng.choice((20, 50, 300, 1500))
    prefix = rng.choice((b"ce-m", b"x-m", b""))
    plan.headers.extend((prefix + b"%d" % number, b"v") for number in range(count))


def _upgrade(rng: random.Random, plan: Plan) -> None:
    plan.headers += [
        (b"Connection", rng.choice((b"Upgrade", b"Upgrade, HTTP2-Settings"))),
        (b"Upgrade", rng.choice((b"h2c", b"x"))),
    ]


# Bodies.

JSON_PARTS = (
    *(
        "null",
        "NaN",
        "Infinity",
        "-0",
        "1.0",
        "1e2",
        "2147483648",
        "-2147483649",
        "9" * 400,
        "[]",
        "{}",
        '"\\ud800"',
        '"\\udc00\\ud800"',
    ),
    *(
        '"\\u0000"',
        '"\\u000a"',
        '"\\ufffe"',
        '"\\u0085"',
        '"\x01"',
        '"\\x"',
        '"open',
        "'x'",
        "tru",
        "+1",
        "01",
        ".5",
        "/**/1",
        '""',
        '"x"',
    ),
    *(
        "true",
        "[" * 100 + "]" * 100,
        "[" * 100_000 + "]" * 100_000,
        '"' + "y" * 3000 + '"',
        '"=="',
        '"YQ"',
        '"YQ==\\n"',
        '"Y Q=="',
        '"-_-_"',
    ),
)
MEMBERS = (
    *('"id":"again"', '"i\\u0064":"x"', '"ID":"x"', '"a_b":"x"', '"":"x"', '"data":{}', '"data":null', '"data_base64":"YQ=="'),
    *(
        '"data_base64":null',
        '"datacontenttype":"text/plain"',
        '"datacontentencoding":"base64"',
        '"specversion":"0.3"',
        '"subject":""',
    ),
    *(
        '"time":"yesterday"',
        '"dataschema":"relative"',
        '"source":"a b"',
        '"x":1.5',
        '"x":{}',
        '"x":null',
        '"mark":5',
        '"mark":"5"',
    ),
)


def _json(rng: random.Random, plan: Plan) -> None:
    text = plan.body.decode("utf-8", "surrogateescape")
    which = rng.random()
    if which < 0.3:
        place = text.find("{")
        text = text[: place + 1] + rng.choice(MEMBERS) + "," + text[place + 1 :]
    elif which < 0.6:
        colons = [place for place, character in enumerate(text[:2000]) if character == ":"]
        if colons:
            start = rng.choice(colons) + 1
            ends = [end for end in (text.find(",", start), text.find("}", start)) if end >= 0]
            text = text[:start] + rng.choice(JSON_PARTS) + text[min(ends, default=len(text)) :]
    elif which < 0.7:
        text = rng.choice(
            ("\ufeff" + text, text + "x", text + " ", " \t\r\n" + text, text + "{}", text[:-1], "[" + text + "]", "\x0c" + text)
        )
    elif which < 0.8:
        text = text.replace(": ", rng.choice((":", " : ", "\t:\r\n"))).replace(", ", rng.choice((",", " ,", ",,")))
    elif which < 0.9:
        text = rng.choice(JSON_PARTS)
    else:
        plan.body = rng.choice((text.encode("utf-16", "surrogatepass"), text.encode("utf-8", "surrogateescape") + b"\xff", b""))
        return
    plan.body = text.encode("utf-8", "surrogateescape")


def _size(rng: random.Random, plan: Plan) -> None:
    plan.body = rng.choice((b"", plan.body * 2, b"x" * 70_000, b"x" * 131_072, b"x" * 140_000, rng.randbytes(3)))


def _chunks(rng: random.Random, plan: Plan) -> None:
    plan.chunked = True
    size = b"%x" % len(plan.body)
    plan.pieces = [
        rng.choice(
            (
                *(
                    b"0" * 5 + size,
                    size.upper(),
                    size + b";a=b",
                    size + b';a="b;c"',
                    size + b" ",
                    size + b" ;a",
                    b"0x" + size,
                    b"-" + size,
                ),
                *(
                    size + b";" + b"x" * 400,
                    b"",
                    b"g",
                    b"f" * 16,
                    b"f" * 17,
                    size + b"\x00",
                    b" " + size,
                    size + b";\xff",
                    b"%x" % (len(plan.body) + 1),
                ),
            )
        ),
        rng.choice((b"\r\n",) * 9 + (b"\n", b"\r", b"")),
        plan.body,
        rng.choice((b"\r\n",) * 9 + (b"\n", b"", b"\r\nx")),
        rng.choice(
            (b"0\r\n\r\n",) * 6
            + (b"0\r\nX: y\r\n\r\n", b"0\r\nContent-Length: 5\r\n\r\n", b"0\r\nHost: b\r\n\r\n", b"0;x\r\n\r\n", b"0\r\n")
        ),
    ]


PLAN_MUTATIONS: tuple[tuple[Mutation, int], ...] = (
    *((_start, 4), (_value, 8), (_name, 3), (_add, 5), (_repeat, 3), (_drop, 3), (_many, 1), (_upgrade, 1)),
    *((_json, 8), (_size, 1), (_chunks, 3)),
)
_CHOICES = [mutation for mutation, weight in PLAN_MUTATIONS for _ in range(weight)]


def spoil(rng: random.Random, plan: Plan) -> None:
    rng.choice(_CHOICES)(rng, plan)


# Bytes.

JUNK = (
    b"\x00",
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b" ",
    b"\t",
    b":",
    b"\xff",
    b"0\r\n\r\n",
    b"GET / HTTP/1.1\r\n",
    b"\x16\x03\x01\x02\x00",
    b'"',
)


def scramble(rng: random.Random, data: bytes) -> bytes:
    """Change the bytes themselves."""
    place = rng.randrange(len(data) + 1)
    other = min(len(data), place + rng.choice((1, 1, 2, 10, 100, 1000)))
    which = rng.randrange(8)
    if which == 0:
        return data[:place] + bytes((rng.randrange(256),)) + data[place + 1 :]
    if which == 1:
        return data[:place] + data[other:]
    if which == 2:
        return data[:other] + data[place:]
    if which == 3:
        return data[:place] + rng.choice(JUNK) + data[place:]
    if which == 4:
        return data[:place] + rng.randbytes(rng.choice((1, 5, 50))) + data[place:]
    if which == 5:
        return data.replace(b"\r\n", rng.choice((b"\n", b"\r", b"\r\r\n", b"\n\r")), rng.choice((1, -1)))
    if which == 6:
        return data[:place]
    lines = data.split(b"\r\n")
    number = rng.randrange(len(lines))
    lines[number] = rng.choice((b" ", b"\t", b"")) + lines[number]
    return b"\r\n".join(lines)
