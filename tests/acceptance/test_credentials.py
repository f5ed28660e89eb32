"""What a client or subscriber proves itself with goes no further: not into deliveries, the store, the log or the control API."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from eventing.ports.http import Response
from tests.support.events import batch, binary, structured
from tests.support.fixtures import Listen, Make
from tests.support.http import call
from tests.support.manifest import broker, trigger
from tests.support.process import EventingProcess
from tests.support.smuggling import request
from tests.support.subscriber import Received, event_answer
from tests.support.wait import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.requirement("I24")]

SECRET = "s3cr3t"  # part of each of them, and of nothing else
HEADERS = {
    "Authorization": f"Bearer {SECRET}-a",
    "Cookie": f"session={SECRET}-b",
    "Proxy-Authorization": f"Basic {SECRET}-c",
    "access_token": f"{SECRET}-d",
    "Set-Cookie": f"session={SECRET}-e",
}
QUERY = f"?access_token={SECRET}-f"
PATH = "/default/default" + QUERY
OBJECTS = "/apis/eventing.knative.dev/v1/namespaces/default/"
RAW = f"Authorization: Bearer {SECRET}-g\r\nCookie: {SECRET}-h".encode()


def replying(_: Received) -> Response:
    return event_answer({**binary("reply", "replied"), **HEADERS}, b"1")


async def send_all(engine: EventingProcess) -> None:
    """Requests of every kind and outcome, each with credentials."""
    for id_, headers, body in [
        ("b", binary("b"), b"1"),
        ("s", {"content-type": "application/cloudevents+json"}, json.dumps(structured("s")).encode()),
        ("c", {"content-type": "application/cloudevents-batch+json"}, batch(["c"])),
    ]:
        assert (await engine.post({**headers, **HEADERS}, body, path=PATH)).status == 202, id_
    refused: list[tuple[str, str, dict[str, str], bytes, int]] = [
        ("POST", PATH, binary(""), b"1", 400),
        ("POST", PATH, binary("x", specversion="9"), b"1", 400),
        ("POST", "/no/one" + QUERY, binary("x"), b"1", 404),
        ("POST", "/" + QUERY, binary("x"), b"1", 404),
        ("POST", PATH, binary("x"), b"x" * 70_000, 413),
        ("GET", PATH, {}, b"", 405),
        ("OPTIONS", PATH, {"WebHook-Request-Origin": "events.example"}, b"", 200),
    ]
    for method, path, headers, body, status in refused:
        answer = await call(engine.port, method, path, {**headers, **HEADERS}, body)
        assert (answer.status, SECRET in repr(answer)) == (status, False), (method, path)
    for wire in (
        request(RAW, b"Content-Length: 1", b"Content-Length: 2", start=f"POST {PATH} HTTP/1.1".encode()),
        request(RAW, start=f"BREW {PATH} HTTP/1.1".encode()),
        request(RAW, host=b"Host: " + SECRET.encode() + b"@a"),
        request(RAW, start=f"POST http://{SECRET}:{SECRET}@a{PATH} HTTP/1.1".encode()),
        request(RAW, start=f"POST {PATH} HTTP/2.0".encode()),
        request(RAW, b"Expect: " + SECRET.encode()),
        request(RAW, b"Content-Length: 5", body=b"cut"),
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", engine.port)
        writer.write(wire)
        writer.write_eof()
        answer_bytes = await asyncio.wait_for(reader.read(), 20)
        writer.close()
        await writer.wait_closed()
        assert answer_bytes.startswith(b"HTTP/1.1 4"), wire
        assert SECRET.encode() not in answer_bytes, wire


def kept(folder: Path) -> list[str]:
    """The files that hold one of the secrets."""
    return [file.name for file in folder.rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()]


async def test_credentials_are_neither_passed_on_nor_kept_nor_shown_nor_logged(make: Make, listen: Listen) -> None:
    plain, document, sink, replier = await listen(), await listen(), await listen(), await listen(replying)
    failing = await listen(lambda _: Response(500, [(name.encode(), value.encode()) for name, value in HEADERS.items()], b"no"))
    to_sink = {"retry": 1, "backoffDelay": "PT0.01S", "deadLetterSink": {"uri": sink.url}}
    engine = make(
        [
            broker(),
            trigger("plain", plain.url),
            trigger("document", document.url, delivery={"retry": 0, "format": "json"}),
            trigger("replier", replier.url, types=["test.happened"]),
            trigger("sunk", failing.url, types=["test.happened"], delivery=to_sink),
            trigger("stored", failing.url + QUERY, types=["test.happened"], delivery={"retry": 1, "backoffDelay": "PT0.01S"}),
            trigger("gone", "http://127.0.0.1:9/" + QUERY, types=["test.happened"], delivery=to_sink),
        ],
        *("--log-level", "debug", "--max-event-size", "64KiB"),
    )
    await engine.start()
    await send_all(engine)

    await plain.until_done({"b", "s", "c", "reply"}, 30)
    await document.until_done({"b", "s", "c", "reply"}, 30)
    await sink.until(lambda: len(sink.received) >= 6, 30, "the dead letters of two triggers")

    async def stored() -> bool:
        return (await engine.metrics()).trigger("dead_letters_stored", "stored") == 3

    await eventually(stored, 30, "three letters in the built-in store")
    for subscriber in (plain, document, sink, replier, failing):
        assert subscriber.received
        assert SECRET not in repr(subscriber.received)
    destinations = {one.headers["ce-knativeerrordest"] for one in sink.received}
    assert destinations == {failing.url, "http://127.0.0.1:9/?access_token=..."}

    for path in ("/metrics", "/readyz", OBJECTS + "brokers", OBJECTS + "triggers/plain", OBJECTS + "triggers/sunk"):
        assert SECRET not in (await engine.control(path)).text, path
    assert kept(engine.data_dir) == []
    await engine.terminate()
    assert kept(engine.data_dir) == []
    assert SECRET not in engine.stderr()
