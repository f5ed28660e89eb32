"""What the front door takes and refuses, byte for byte, and how the same event leaves again."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.support.events import binary, structured
from tests.support.fixtures import Listen, Make
from tests.support.http import Answer, call
from tests.support.manifest import broker, trigger
from tests.support.process import EventingProcess
from tests.support.subscriber import Received, Subscriber
from tests.support.wait import eventually

pytestmark = pytest.mark.acceptance

CORE = [b"ce-specversion: 1.0", b"ce-source: /s", b"ce-type: t"]
JSON_EVENT = {"content-type": "application/cloudevents+json"}


async def raw(port: int, head: list[bytes], body: bytes = b"", target: bytes = b"POST /default/default") -> tuple[int, str]:
    """One request as these bytes, on a connection of its own. Status and body of the answer."""
    lines = [target + b" HTTP/1.1", b"Host: x", b"Connection: close", b"Content-Length: %d" % len(body), *head]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        answer = await asyncio.wait_for(reader.read(), 20)
    finally:
        writer.close()
        await writer.wait_closed()
    head_bytes, _, content = answer.partition(b"\r\n\r\n")
    return int(head_bytes.split(b" ", 2)[1]), content.decode()


class Pair:
    """The engine with a subscriber in binary and one in structured mode."""

    def __init__(self, engine: EventingProcess, plain: Subscriber, document: Subscriber) -> None:
        self.engine, self.plain, self.document = engine, plain, document

    async def delivered(self, id_: str) -> tuple[Received, dict[str, object]]:
        def found(subscriber: Subscriber, structured_: bool) -> Received | None:
            for one in subscriber.received:
                if (json.loads(one.body)["id"] if structured_ else one.headers["ce-id"]) == id_:
                    return one
            return None

        plain = await eventually(lambda: found(self.plain, False), 20, f"{id_} in binary mode")
        document = await eventually(lambda: found(self.document, True), 20, f"{id_} in structured mode")
        assert isinstance(plain, Received)
        assert isinstance(document, Received)
        assert document.headers["content-type"] == "application/cloudevents+json"
        return plain, json.loads(document.body)


@pytest.fixture
async def pair(make: Make, listen: Listen) -> Pair:
    plain, document = await listen(), await listen()
    delivery = {"retry": 0, "format": "json"}
    engine = make([broker(), trigger("plain", plain.url), trigger("document", document.url, delivery=delivery)])
    await engine.start()
    return Pair(engine, plain, document)


VALUES = {
    "percent": (b"100%25", b"100%25", "100%"),
    "one-round": (b"%2525", b"%2525", "%25"),
    "needless-escapes": (b"%61%62%7e", b"ab~", "ab~"),
    "lower-case-digits": (b"%e2%82%ac", b"%E2%82%AC", "€"),
    "raw-utf-8": ("€ 😀".encode(), b"%E2%82%AC%20%F0%9F%98%80", "€ 😀"),
    "quoted": (b'"a \\"b\\" \\\\"', b"a%20%22b%22%20\\", 'a "b" \\'),
    "quoted-then-encoded": (b'"%22"', b"%22", '"'),
    "spaces-around": (b"  a b \t", b"a%20b", "a b"),
    "empty": (b"", b"", ""),
    "a-comma": (b"a, b", b"a,%20b", "a, b"),
}


@pytest.mark.requirement("I13", "I14", "B7")
async def test_a_header_value_is_decoded_once_and_leaves_in_one_spelling(pair: Pair) -> None:
    for number, (given, _, _) in enumerate(VALUES.values()):
        status, text = await raw(pair.engine.port, [*CORE, b"ce-id: v%d" % number, b"ce-x: " + given])
        assert (status, text) == (202, "")
    for number, (name, (_, header, value)) in enumerate(VALUES.items()):
        plain, document = await pair.delivered(f"v{number}")
        assert plain.headers["ce-x"].encode("latin-1") == header, name
        assert document["x"] == value, name


@pytest.mark.requirement("I12", "F3")
async def test_what_has_no_content_type_leaves_without_one(pair: Pair) -> None:
    assert (await raw(pair.engine.port, [*CORE, b"ce-id: bytes"], b"\x00\xff"))[0] == 202
    assert (await raw(pair.engine.port, [*CORE, b"ce-id: nothing"]))[0] == 202
    plain, document = await pair.delivered("bytes")
    assert "content-type" not in plain.headers
    assert plain.body == b"\x00\xff"
    assert "datacontenttype" not in document
    assert document["data_base64"] == "AP8="
    plain, document = await pair.delivered("nothing")
    assert "content-type" not in plain.headers
    assert plain.body == b""
    assert not {"data", "data_base64", "datacontenttype"} & document.keys()


@pytest.mark.requirement("F2", "F3", "F7")
async def test_json_data_without_content_type_is_said_to_be_json_and_stays_as_it_is(pair: Pair) -> None:
    texts = ["null", "false", "0", '""', '"{\\"a\\":1}"', '{"b":1.0,"a":1e2}', "[ ]"]
    for number, data in enumerate(texts):
        document = json.dumps(structured(f"j{number}")).removesuffix("}") + ', "data": ' + data + "}"
        assert (await pair.engine.post(JSON_EVENT, document.encode())).status == 202
    for number, data in enumerate(texts):
        plain, sent = await pair.delivered(f"j{number}")
        assert plain.headers["content-type"] == "application/json"
        assert plain.body == data.encode()
        assert sent["datacontenttype"] == "application/json"
        assert sent["data"] == json.loads(data)


@pytest.mark.requirement("F1", "F5", "B7")
async def test_attributes_keep_their_types_and_their_text(pair: Pair) -> None:
    extensions: dict[str, object] = {"n": -2147483648, "t": True, "f": False, "s": "5", "e": "", "u": None}
    event = structured("a", time="1996-12-19T16:39:57.123456789-00:00", **extensions)
    assert (await pair.engine.post(JSON_EVENT, json.dumps(event).encode())).status == 202
    plain, sent = await pair.delivered("a")
    assert sent == {name: value for name, value in event.items() if value is not None}
    assert {name: plain.headers[f"ce-{name}"] for name in "ntfse"} == {
        "n": "-2147483648",
        "t": "true",
        "f": "false",
        "s": "5",
        "e": "",
    }
    assert plain.headers["ce-time"] == event["time"]
    assert "ce-u" not in plain.headers


REFUSED: dict[str, tuple[list[bytes], bytes, str]] = {
    "a repeated attribute": ([*CORE, b"ce-id: 1", b"CE-ID: 2"], b"", "attribute id: the header 'ce-id' occurs twice"),
    "a repeated content type": (
        [*CORE, b"ce-id: 1", b"content-type: text/plain", b"content-type: text/plain"],
        b"",
        "Content-Type occurs twice",
    ),
    "ce-datacontenttype": ([*CORE, b"ce-id: 1", b"ce-datacontenttype: text/plain"], b"", "ce-datacontenttype is not allowed"),
    "an attribute called data": ([*CORE, b"ce-id: 1", b"ce-data: x"], b"", "no attribute is called data"),
    "a name with a dash": ([*CORE, b"ce-id: 1", b"ce-a-b: x"], b"", "'a-b': a name has only the characters a-z and 0-9"),
    "an overlong encoding": ([*CORE, b"ce-id: %C0%A0"], b"", "attribute id: the header value is not UTF-8"),
    "a smuggled header": ([*CORE, b"ce-id: a%0d%0aX-Other: 1"], b"", "attribute id: the character U+000D is not allowed"),
    "an open quotation": ([*CORE, b'ce-id: "a'], b"", "attribute id: the quoted string"),
    "a version of tomorrow": ([b"ce-specversion: 2.0", *CORE[1:], b"ce-id: 1"], b"", "'2.0' is not supported"),
    "a relative dataschema": ([*CORE, b"ce-id: 1", b"ce-dataschema: /s"], b"", "attribute dataschema: "),
    "an empty subject": ([*CORE, b"ce-id: 1", b"ce-subject:"], b"", "attribute subject: must be a non-empty String"),
    "an unknown format": (
        [b"content-type: application/cloudevents+avro"],
        b"x",
        "'application/cloudevents+avro' is not supported",
    ),
    "an unknown batch": ([b"content-type: application/cloudevents-batch+xml"], b"x", "batch+xml' is not supported"),
    "NaN": ([b"content-type: application/cloudevents+json"], b'{"specversion":"1.0","id":"1","data":NaN}', "not a JSON object"),
    "a fraction": (
        [b"content-type: application/cloudevents+json"],
        json.dumps(structured("1", x=1.5)).encode(),
        "attribute x: a number has no fraction",
    ),
    "33 bits": (
        [b"content-type: application/cloudevents+json"],
        json.dumps(structured("1", x=2**31)).encode(),
        "attribute x: an Integer lies between",
    ),
    "an unpaired surrogate": (
        [b"content-type: application/cloudevents+json"],
        json.dumps(structured("1", x="\ud800")).encode(),
        "not a JSON object",
    ),
    "a member twice": (
        [b"content-type: application/cloudevents+json"],
        b'{"id":"1",' + json.dumps(structured("2")).encode()[1:],
        "attribute id: occurs twice",
    ),
    "one bad event in a batch": (
        [b"content-type: application/cloudevents-batch+json"],
        json.dumps([structured("1"), structured("")]).encode(),
        "event 1 of the batch: attribute id: must not be empty",
    ),
}


@pytest.mark.requirement("I4", "I10", "I11", "I12", "I13", "I15", "I16", "I18", "F1", "F6")
async def test_what_is_no_event_is_refused_in_one_line_with_place_and_rule(pair: Pair) -> None:
    for name, (head, body, named) in REFUSED.items():
        status, text = await raw(pair.engine.port, head, body)
        assert status == 400, name
        assert named in text, name
        assert text.endswith(")\n"), f"{name}: the rule stands in parentheses at the end"
        assert text.count("\n") == 1, name
        status, text = await raw(pair.engine.port, [*head, b"accept: application/json"], body)
        assert status == 400, name
        told = json.loads(text)
        assert named in told["error"], name
        assert told["rule"], name
    assert (await pair.engine.post(binary("after"))).status == 202
    await pair.delivered("after")
    assert [one.headers["ce-id"] for one in pair.plain.received] == ["after"]


@pytest.mark.requirement("I2", "I3", "I23")
async def test_options_consents_to_a_webhook_only_where_it_is_asked(pair: Pair) -> None:
    async def options(headers: dict[str, str], path: str = "/default/default") -> Answer:
        return await call(pair.engine.port, "OPTIONS", path, headers)

    plain = await options({})
    assert plain.status == 200
    assert plain.headers["allow"] == "POST, OPTIONS"
    assert not [name for name in plain.headers if name.startswith("webhook-")]
    asked = {"WebHook-Request-Origin": "sender.example.com", "WebHook-Request-Rate": "120"}
    agreed = await options({**asked, "WebHook-Request-Callback": "http://127.0.0.1:9/callback"})
    assert agreed.headers["webhook-allowed-origin"] == "*"
    assert agreed.headers["webhook-allowed-rate"] == "*"
    assert (await options(asked, "/default/nobody")).status == 404
    server = await options(asked, "*")
    assert (server.status, server.headers["allow"]) == (200, "POST, OPTIONS")
    assert not [name for name in server.headers if name.startswith("webhook-")], "nobody consents for all brokers"
    refused = await call(pair.engine.port, "PUT", "/default/default", asked)
    assert refused.status == 405
    assert refused.headers["allow"] == "POST, OPTIONS"
    assert not [name for name in refused.headers if name.startswith("webhook-")]


@pytest.mark.requirement("I5")
async def test_an_address_is_a_namespace_and_a_broker(pair: Pair) -> None:
    for target, expected in (
        (b"POST /default/default", 202),
        (b"POST /default/default/", 202),
        (b"POST /default/default?a=b&c", 202),
        (b"POST /default/default/?", 202),
        (b"POST http://other.example.com/default/default", 202),
        (b"POST /%64efault/%64%65fault", 202),
        (b"POST /default%2Fdefault", 400),
        (b"POST /default/default%0D%0Aa", 404),
        (b"POST /default/default//", 404),
        (b"POST /default/Default", 404),
        (b"POST /default/other", 404),
        (b"POST /other/default", 404),
        (b"POST /", 404),
        (b"POST /default", 400),
        (b"POST /default/default/a/b", 400),
    ):
        status, text = await raw(pair.engine.port, [*CORE, b"ce-id: 1"], target=target)
        assert status == expected, target
        assert bool(text) == (expected != 202), target


@pytest.mark.requirement("I8", "B5")
async def test_an_event_that_is_sent_twice_is_delivered_twice(pair: Pair) -> None:
    for _ in range(2):
        assert (await pair.engine.post(binary("same"), b"1")).status == 202
    await eventually(lambda: len(pair.plain.received) == 2, 20, "both deliveries")


@pytest.mark.requirement("I17")
async def test_an_event_of_64_kib_of_headers_is_taken_and_delivered(pair: Pair) -> None:
    large = {f"ce-x{number}": "v" * 8_000 for number in range(8)}
    assert (await pair.engine.post({**binary("many"), **large}, b"1")).status == 202
    assert (await pair.engine.post({**binary("one"), "ce-x": "w" * 64_000}, b"1")).status == 202
    plain, document = await pair.delivered("many")
    assert {name: plain.headers[name] for name in large} == large
    assert document["x7"] == "v" * 8_000
    plain, document = await pair.delivered("one")
    assert plain.headers["ce-x"] == document["x"] == "w" * 64_000
    assert plain.headers["content-type"] == "application/json"
