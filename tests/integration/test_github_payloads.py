"""Every example payload that GitHub's community keeps goes through the receiver and comes out as a valid CloudEvent."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import hmac
import http.client
import json
from collections import Counter
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from cloudevents.core.bindings import http as sdk
from cloudevents.core.formats.json import JSONFormat

from eventing.bindings import http as binding
from eventing.bindings import rules
from eventing.event import Event
from eventing.http.server import HttpServer
from eventing.ports.checkpoints import Checkpoints
from eventing.ports.http import Request
from eventing.ports.source import SourceName
from eventing_sources.github import GitHubReceiver, plugin

ROOT = Path(__file__).parents[2]
EXAMPLES: dict[str, list[dict[str, Any]]] = json.loads(
    gzip.decompress((ROOT / "tests/data/github/webhooks-examples-7.6.1.json.gz").read_bytes())
)
DEMO_PAYLOADS = sorted((Path(str(files("eventing.cli"))) / "demo_data").glob("*.json"))
SECRET = b"It's a Secret to Everybody"


class Broker:
    """A source's context whose sink is a list, and the server's log; every event is held against the rules on its way in."""

    checkpoints: Checkpoints

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.outcomes: Counter[str] = Counter()
        self.refusals_expected = False

    async def emit(self, events: Sequence[Event]) -> None:
        for event in events:
            rules.check(event)
        self.events.extend(events)

    def secret(self, name: str, key: str) -> bytes | None:
        return SECRET if (name, key) == ("github", "secretToken") else None

    def condition(self, type_: str, status: bool | None, reason: str = "", message: str = "") -> None:
        assert status, (type_, reason, message)

    def count(self, outcome: str, amount: int = 1) -> None:
        self.outcomes[outcome] += amount

    def log(self, message: str, **fields: object) -> None:
        assert self.refusals_expected, (message, fields)

    def warning(self, message: str, /, **fields: object) -> None:
        raise AssertionError((message, fields))

    error = warning


def delivery(event: str, identity: str, raw: bytes, *, form: bool) -> Request:
    body = urlencode({"payload": raw}).encode() if form else raw
    headers = [
        (b"x-github-event", event.encode()),
        (b"x-github-delivery", identity.encode()),
        (b"x-github-hook-id", b"292430182"),
        (b"x-hub-signature-256", b"sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest().encode()),
        (b"content-type", b"application/x-www-form-urlencoded" if form else b"application/json"),
    ]
    return Request("POST", "/default/githubsources/octo", "", headers, body)


def test_the_examples_are_all_there() -> None:
    assert len(EXAMPLES) == 58
    assert sum(map(len, EXAMPLES.values())) == 329


MANIFEST = {
    "sink": {"ref": {"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "name": "default"}},
    "ownerAndRepository": "Codertocat/Hello-World",
    "secretToken": {"secretKeyRef": {"name": "github", "key": "secretToken"}},
    "eventTypes": list(EXAMPLES),  # ping among them, so that it is emitted too
}


def create(broker: Broker, **fields: object) -> GitHubReceiver:
    receiver = plugin.create(SourceName("default", "octo", "uid-1"), plugin.spec.model_validate(MANIFEST | fields), broker)
    assert isinstance(receiver, GitHubReceiver)
    return receiver


@pytest.mark.parametrize("form", [False, True], ids=["json", "form"])
@pytest.mark.parametrize("mapping", ["knative", "adapter"])
async def test_every_payload(mapping: str, form: bool) -> None:
    broker = Broker()
    receiver = create(broker, mapping=mapping)
    prefix = {"knative": "dev.knative.source.github.", "adapter": "com.github."}[mapping]
    for name, payloads in EXAMPLES.items():
        for index, payload in enumerate(payloads):
            raw = json.dumps(payload, indent=1, ensure_ascii=index % 2 == 0).encode()
            response = await receiver.handle(delivery(name, f"{name}-{index}", raw, form=form))
            assert (response.status, response.body) == (202, b"accepted\n"), (name, index)
            event = broker.events.pop()
            assert event.id == f"{name}-{index}"
            assert event.type.startswith(prefix + name)
            assert event.data == raw
            assert event.datacontenttype == "application/json"
            assert all(value != "" for _, value in event.items())
            assert not broker.events
            survives_the_wire(event)
    assert not broker.outcomes


def survives_the_wire(event: Event) -> None:
    """Through our binding, and through the CloudEvents SDK, which knows nothing of ours."""
    strings = {name: event.text(name) for name in event.attributes}
    for headers, body in (binding.encode_binary(event), binding.encode_structured(event)):
        (decoded,) = binding.decode(headers, body)
        assert {name: decoded.text(name) for name in decoded.attributes} == strings
        assert json.loads(decoded.data or b"") == json.loads(event.data or b"")
        message = sdk.HTTPMessage({name.decode(): value.decode() for name, value in headers}, body)
        theirs = sdk.from_http(message, JSONFormat())
        assert (theirs.get_id(), theirs.get_type(), theirs.get_source()) == (event.id, event.type, event.source)
        assert theirs.get_subject() == event.subject


def post(port: int, request: Request) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        headers = {name.decode().title(): value for name, value in request.headers}
        connection.request(request.method, request.path, request.body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


async def test_over_the_data_plane_s_http_server() -> None:
    broker = Broker()
    server = HttpServer(create(broker).handle, log=broker)
    port = await server.start()
    try:
        raw = json.dumps(EXAMPLES["push"][0]).encode()
        for form in (False, True):
            assert await asyncio.to_thread(post, port, delivery("push", "d-1", raw, form=form)) == (202, b"accepted\n")
        get = Request("GET", "/default/githubsources/octo", "", [], b"")
        broker.refusals_expected = True
        assert (await asyncio.to_thread(post, port, get))[0] == 405
        forged = delivery("push", "d-2", raw, form=False)
        forged.body = raw.replace(b"refs/tags", b"refs/tagz")
        assert (await asyncio.to_thread(post, port, forged))[0] == 403
    finally:
        await server.close()
    assert [event.data for event in broker.events] == [raw, raw]
    assert broker.outcomes == {"method_not_allowed": 1, "bad_signature": 1}


@pytest.mark.parametrize("path", DEMO_PAYLOADS, ids=lambda path: path.stem)
def test_the_demo_s_payloads_are_real_ones(path: Path) -> None:
    event, _, action = path.stem.partition(".")
    payload = json.loads(path.read_bytes())
    assert payload in EXAMPLES[event]
    assert payload.get("action", "") == action
    assert "@octokit/webhooks-examples 7.6.1" in (ROOT / "NOTICE").read_text()


def test_there_are_four_demo_payloads() -> None:
    assert len(DEMO_PAYLOADS) == 4
