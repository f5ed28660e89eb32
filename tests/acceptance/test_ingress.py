"""The front door, with the standard library's client and server alone on the other side."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.support.events import batch, binary, structured
from tests.support.fixtures import Make
from tests.support.http import call
from tests.support.manifest import broker, trigger
from tests.support.process import EventingProcess
from tests.support.wait import eventually

pytestmark = pytest.mark.acceptance

STRUCTURED = {"content-type": "application/cloudevents+json; charset=utf-8"}
BATCH = {"content-type": "application/cloudevents-batch+json"}


class Sink(ThreadingHTTPServer):
    """Answers 204 and keeps headers (names in lower case) and bodies, in order."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[tuple[dict[str, str], bytes]] = []

    def by_id(self, id_: str) -> tuple[dict[str, str], bytes] | None:
        return next((request for request in list(self.requests) if request[0].get("ce-id") == id_), None)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Sink

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join(10)


@pytest.fixture
async def engine(make: Make, sink: Sink) -> EventingProcess:
    url = f"http://127.0.0.1:{sink.server_address[1]}/"
    process = make([broker(), trigger("t", url)], "--max-event-size", "64KiB")
    await process.start()
    return process


async def delivered(sink: Sink, id_: str) -> tuple[dict[str, str], bytes]:
    found = await eventually(lambda: sink.by_id(id_), 20, f"the delivery of {id_}")
    assert isinstance(found, tuple)
    return found


@pytest.mark.requirement("I1", "I6", "B6", "B7", "F7", "F5")
async def test_a_binary_event_arrives_as_it_was_sent(engine: EventingProcess, sink: Sink) -> None:
    body = b'{ "n" : 1.0, "n" : 2 }'
    headers = binary("b-1", subject="a%20b", time="2026-01-01T00:00:00.123456789Z", comext="x", partitionkey="p")
    answer = await engine.post(headers, body)
    assert answer.status == 202
    assert answer.body == b""
    got, data = await delivered(sink, "b-1")
    assert data == body, "data is never parsed and written again"
    assert {name: got[name] for name in headers} == headers
    assert got["prefer"] == "reply"
    assert got["kn-namespace"] == "default"
    assert not {"authorization", "cookie"} & got.keys()


@pytest.mark.requirement("I1", "F3")
async def test_a_structured_event_is_accepted_and_delivered(engine: EventingProcess, sink: Sink) -> None:
    event = structured("s-1", data={"a": [1, None]}, number=5, flag=True)
    assert (await engine.post(STRUCTURED, json.dumps(event).encode())).status == 202
    got, data = await delivered(sink, "s-1")
    assert json.loads(data) == {"a": [1, None]}
    assert got["ce-number"] == "5"
    assert got["ce-flag"] == "true"
    assert got["content-type"] == "application/json"


@pytest.mark.requirement("I18")
async def test_a_batch_is_taken_whole_or_not_at_all(engine: EventingProcess, sink: Sink) -> None:
    assert (await engine.post(BATCH, batch(["x-1", "x-2", "x-3"], data=1))).status == 202
    for id_ in ("x-1", "x-2", "x-3"):
        await delivered(sink, id_)
    bad = [structured("y-1"), {"id": "y-2"}]
    answer = await engine.post(BATCH, json.dumps(bad).encode())
    assert answer.status == 400
    assert (await engine.post(BATCH, b"[]")).status == 202
    assert (await engine.post(binary("after"))).status == 202
    await delivered(sink, "after")
    assert sink.by_id("y-1") is None


@pytest.mark.requirement("I11")
async def test_an_event_of_version_0_3_is_delivered_as_such(engine: EventingProcess, sink: Sink) -> None:
    assert (await engine.post(binary("old", specversion="0.3"), b"{}")).status == 202
    got, _ = await delivered(sink, "old")
    assert got["ce-specversion"] == "0.3"


BAD = {
    "no id": ({name: value for name, value in binary("x").items() if name != "ce-id"}, b"{}", "id"),
    "version": (binary("x", specversion="2.0"), b"{}", "specversion"),
    "empty source": (binary("x", source=""), b"{}", "source"),
    "time": (binary("x", time="yesterday"), b"{}", "time"),
    "bad UTF-8": (binary("x", subject="%C0%A0"), b"{}", "subject"),
    "not JSON": (STRUCTURED, b"{", "JSON"),
    "an array as attribute": (STRUCTURED, json.dumps(structured("x", ext=[1])).encode(), "ext"),
    "both kinds of data": (STRUCTURED, json.dumps(structured("x", data=1, data_base64="AA==")).encode(), "data"),
    "JSON that is no event": ({"content-type": "application/json"}, b'{"hello": 1}', "specversion"),
}


@pytest.mark.requirement("I4")
@pytest.mark.parametrize("what", BAD)
async def test_a_bad_event_is_400_with_the_reason(what: str, engine: EventingProcess, sink: Sink) -> None:
    headers, body, named = BAD[what]
    answer = await engine.post(headers, body)
    assert answer.status == 400
    assert named in answer.text
    as_json = await engine.post({**headers, "accept": "application/json"}, body)
    assert as_json.status == 400
    assert named in str(as_json.json())
    assert (await engine.metrics()).total("eventing_events_refused_total", reason="invalid") == 2
    assert not sink.requests


@pytest.mark.requirement("I2", "I3", "I5", "I23")
async def test_methods_and_paths_are_answered_as_knative_does(engine: EventingProcess) -> None:
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        answer = await call(engine.port, method, "/default/default")
        assert answer.status == 405, method
        assert "POST" in answer.headers["allow"]
    options = await call(engine.port, "OPTIONS", "/default/default", {"WebHook-Request-Origin": "example.com"})
    assert options.status == 200
    assert "POST" in options.headers["allow"]
    assert options.headers["webhook-allowed-origin"] == "*"
    assert options.headers["webhook-allowed-rate"] == "*"
    event = binary("x")
    assert (await engine.post(event, path="/default/other")).status == 404
    assert (await engine.post(event, path="/other/default")).status == 404
    assert (await engine.post(event, path="/")).status == 404
    assert (await engine.post(event, path="/default")).status == 400
    assert (await engine.post(event, path="/default/default/")).status == 202


@pytest.mark.requirement("I17")
async def test_an_event_over_the_limit_is_413_and_one_of_64_kib_passes(engine: EventingProcess, sink: Sink) -> None:
    fits = b'"' + b"x" * (64 * 1024 - 2) + b'"'
    assert (await engine.post(binary("fits"), fits)).status == 202
    _, data = await delivered(sink, "fits")
    assert data == fits
    answer = await engine.post(binary("large"), fits + b" ")
    assert answer.status == 413
    assert (await engine.post(binary("next"), b"{}")).status == 202


async def test_health_on_both_ports(engine: EventingProcess) -> None:
    for path in ("/healthz", "/readyz"):
        assert (await call(engine.port, "GET", path)).status == 200
        assert (await engine.control(path)).status == 200
    assert (await call(engine.port, "GET", "/metrics")).status != 200, "metrics are not for those who send events"
    page = await engine.control("/metrics")
    assert page.headers["content-type"].startswith("text/plain")
    assert "eventing_build_info" in page.text
