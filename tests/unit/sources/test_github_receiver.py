from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote_plus

import pytest

from eventing.errors import ChannelClosed, ChannelFull, ChannelUnavailable, DeliveryTimeout, EventTooLarge, InvalidEvent
from eventing.ports.http import Request, Response
from eventing.ports.source import SourceName
from eventing_sources.github import GitHubReceiver, GitHubSourceSpec

Make = Callable[..., Any]
NAME = SourceName("default", "octo", "uid-1")
SPEC = {
    "sink": {"uri": "http://127.0.0.1/"},
    "ownerAndRepository": "Codertocat/Hello-World",
    "secretToken": {"secretKeyRef": {"name": "github", "key": "secret"}},
}


def answer(response: Response) -> tuple[int, str]:
    return response.status, response.body.decode()


async def test_a_delivery_becomes_an_event(context: Any, make_receiver: Make, make_request: Make) -> None:
    moment = datetime(2026, 1, 2, 5, 4, 5, 600, timezone(timedelta(hours=2)))
    body = (
        b'{ "action": "opened",\n "issue": {"number": 7, "title": "\xc3\xa9"}, "sender": {"login": "octocat"},'
        b' "repository": {"name": "Hello-World", "owner": {"login": "Codertocat"}} }\n'
    )
    response = await make_receiver({"now": lambda: moment}).handle(make_request(body=body))
    assert response.status == 202
    (event,) = context.events
    assert dict(event.attributes) == {
        "specversion": "1.0",
        "id": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
        "type": "dev.knative.source.github.issues",
        "source": "https://github.com/Codertocat/Hello-World",
        "subject": "7",
        "time": "2026-01-02T03:04:05.000600Z",
        "datacontenttype": "application/json",
        "owner": "Codertocat",
        "repository": "Hello-World",
        "sender": "octocat",
        "action": "opened",
    }
    assert event.data == body
    assert not context.outcomes


async def test_the_answer_waits_for_storage(context: Any, make_receiver: Make, make_request: Make) -> None:
    stored, asked = asyncio.Event(), asyncio.Event()

    async def store() -> None:
        asked.set()
        await stored.wait()

    context.before_storing = store
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        task = group.create_task(make_receiver().handle(make_request()))
        await asked.wait()
        assert not task.done()
        stored.set()
    assert task.result().status == 202


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_only_post(method: str, context: Any, make_receiver: Make, make_request: Make) -> None:
    response = await make_receiver().handle(make_request(method=method))
    assert response.status == 405
    assert response.header(b"allow") == b"POST"
    assert not context.events


@pytest.mark.parametrize(
    ("headers", "status", "outcome", "reason"),
    [
        ({"x_hub_signature_256": None, "x_hub_signature": None}, 401, "missing_signature", "X-Hub-Signature-256 is missing"),
        ({"x_hub_signature_256": b"sha256=00"}, 403, "bad_signature", "signature is wrong"),
        ({"x_hub_signature_256": b"sha256=\xff"}, 403, "bad_signature", "signature is wrong"),
        ({"x_hub_signature_256": None}, 403, "sha1_signature", "only a SHA-1 signature"),
    ],
)
async def test_what_is_not_signed_does_not_enter(
    headers: dict[str, bytes | None],
    status: int,
    outcome: str,
    reason: str,
    context: Any,
    make_receiver: Make,
    make_request: Make,
) -> None:
    response = await make_receiver().handle(make_request(**headers))
    assert response.status == status
    assert reason in response.body.decode()
    assert not context.events
    assert context.outcomes == {outcome: 1}


async def test_a_ping_must_be_signed_too(context: Any, make_receiver: Make, make_request: Make) -> None:
    response = await make_receiver().handle(make_request(x_github_event=b"ping", x_hub_signature_256=b"sha256=00"))
    assert response.status == 403
    assert context.status("WebhookConfigured")[1] == "ManualRegistration"


async def test_the_signature_is_judged_before_anything_else(context: Any, make_receiver: Make, make_request: Make) -> None:
    """A stranger learns nothing about what would be wrong with the rest."""
    request = make_request(
        body=b"not json", x_github_event=None, x_github_delivery=None, content_type=None, x_hub_signature_256=b"sha256=00"
    )
    assert (await make_receiver().handle(request)).status == 403
    assert context.outcomes == {"bad_signature": 1}


async def test_sha1_with_the_opt_in(context: Any, make_receiver: Make, make_request: Make) -> None:
    receiver = make_receiver(allowSHA1=True)
    assert (await receiver.handle(make_request(x_hub_signature_256=None))).status == 202
    assert (await receiver.handle(make_request(x_hub_signature_256=None, x_hub_signature=b"sha1=00"))).status == 403
    assert (await receiver.handle(make_request(x_hub_signature_256=b"sha256=00"))).status == 403
    assert len(context.events) == 1


async def test_the_secret_is_read_for_every_delivery(context: Any, make_receiver: Make, make_request: Make, sign: Make) -> None:
    receiver = make_receiver()
    assert (await receiver.handle(make_request())).status == 202
    context.secrets[("github", "secret")] = b"rotated"
    assert (await receiver.handle(make_request())).status == 403
    body = b'{"action": "closed"}'
    assert (await receiver.handle(make_request(body=body, x_hub_signature_256=sign(body, b"rotated")))).status == 202


@pytest.mark.parametrize("value", [None, b"", b"\n", b" \r\n"])
async def test_no_secret_no_entry(value: bytes | None, context: Any, make_receiver: Make, make_request: Make, sign: Make) -> None:
    if value is None:
        context.secrets.clear()
    else:
        context.secrets[("github", "secret")] = value
    receiver = make_receiver()
    assert context.status("SecretsProvided") == (
        False,
        "SecretTokenNotFound",
        "Secret 'github' has no value under the key 'secret'",
    )
    body = b"{}"
    response = await receiver.handle(make_request(body=body, x_hub_signature_256=sign(body, value or b"")))
    assert response.status == 503
    assert response.header(b"retry-after") is not None
    assert not context.events
    assert context.outcomes == {"no_secret": 1}

    context.secrets[("github", "secret")] = b"It's a Secret to Everybody"
    assert (await receiver.handle(make_request())).status == 202
    assert context.status("SecretsProvided")[0] is True
    context.secrets.clear()
    assert (await receiver.handle(make_request())).status == 503
    assert context.status("SecretsProvided")[0] is False


async def test_conditions_are_reported_when_they_change_only(context: Any, make_receiver: Make, make_request: Make) -> None:
    receiver = make_receiver()
    assert context.status("SecretsProvided")[0] is True
    status, reason, message = context.status("WebhookConfigured")
    assert (status, reason) == (True, "ManualRegistration")
    assert "repository Codertocat/Hello-World" in message
    assert "/default/githubsources/octo" in message
    for _ in range(3):
        await receiver.handle(make_request())
    assert context.status("WebhookConfigured")[:2] == (True, "DeliveryReceived")
    assert len(context.conditions) == 3


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"x_github_event": None}, "X-GitHub-Event is missing"),
        ({"x_github_event": b""}, "X-GitHub-Event is no name"),
        ({"x_github_event": b"Issues"}, "X-GitHub-Event is no name"),
        ({"x_github_event": b"issues.x"}, "X-GitHub-Event is no name"),
        ({"x_github_event": b"\xff"}, "X-GitHub-Event is no name"),
        ({"x_github_event": b"a" * 101}, "X-GitHub-Event is no name"),
        ({"x_github_delivery": None}, "X-GitHub-Delivery is missing"),
        ({"x_github_delivery": b""}, "X-GitHub-Delivery is no id"),
        ({"x_github_delivery": b"\xff"}, "X-GitHub-Delivery is no id"),
        ({"x_github_delivery": b"a\tb"}, "X-GitHub-Delivery is no id"),
        ({"x_github_delivery": b"a" * 257}, "X-GitHub-Delivery is no id"),
    ],
)
async def test_headers_that_name_the_event(
    headers: dict[str, bytes | None], reason: str, context: Any, make_receiver: Make, make_request: Make
) -> None:
    response = await make_receiver().handle(make_request(**headers))
    assert response.status == 400
    assert reason in response.body.decode()
    assert not context.events
    assert context.outcomes == {"bad_request": 1}


@pytest.mark.parametrize("content_type", [None, b"", b"text/plain", b"application/xml", b"application/cloudevents+json"])
async def test_other_content_types(content_type: bytes | None, context: Any, make_receiver: Make, make_request: Make) -> None:
    response = await make_receiver().handle(make_request(content_type=content_type))
    assert response.status == 415
    assert "application/json or application/x-www-form-urlencoded" in response.body.decode()
    assert not context.events


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'"x"', b"null", b"1", b"{} {}", b'{"a": NaN}', b'{"a": "\xff"}', b"[" * 100_000, b"payload=%7B%7D"],
)
async def test_a_body_that_is_no_json_object(body: bytes, context: Any, make_receiver: Make, make_request: Make) -> None:
    response = await make_receiver().handle(make_request(body=body))
    assert response.status == 400
    assert not context.events
    assert context.outcomes == {"bad_request": 1}


@pytest.mark.parametrize("content_type", [b"application/json; charset=utf-8", b"Application/JSON", b"application/json ;x=1"])
async def test_parameters_and_case_of_the_content_type(
    content_type: bytes, context: Any, make_receiver: Make, make_request: Make
) -> None:
    assert (await make_receiver().handle(make_request(content_type=content_type))).status == 202
    assert context.events[0].datacontenttype == "application/json"


async def test_a_form_encoded_delivery(context: Any, make_receiver: Make, make_request: Make, sign: Make) -> None:
    raw = '{"action": "opened", "issue": {"number": 3, "title": "1 + 1 & 50 % é 😀"}}'
    body = b"payload=" + quote_plus(raw).encode()
    request = make_request(body=body, content_type=b"application/x-www-form-urlencoded")
    assert (await make_receiver().handle(request)).status == 202
    (event,) = context.events
    assert event.data == raw.encode()
    assert event.datacontenttype == "application/json"
    assert event.subject == "3"

    # The signature covers the body as sent, not the field in it.
    wrong = make_request(body=body, content_type=b"application/x-www-form-urlencoded", x_hub_signature_256=sign(raw.encode()))
    assert (await make_receiver().handle(wrong)).status == 403


@pytest.mark.parametrize("body", [b"", b"payload", b"other=%7B%7D", b"payload=%7B%7D&payload=%7B%7D", b"payload=%7B", b"{}"])
async def test_a_malformed_form(body: bytes, context: Any, make_receiver: Make, make_request: Make) -> None:
    response = await make_receiver().handle(make_request(body=body, content_type=b"application/x-www-form-urlencoded"))
    assert response.status == 400
    assert not context.events


async def test_a_ping_is_answered_and_not_emitted(context: Any, make_receiver: Make, make_request: Make) -> None:
    for receiver in (make_receiver(), make_receiver(eventTypes=["push"])):
        response = await receiver.handle(make_request({"zen": "Design for failure.", "hook_id": 1}, x_github_event=b"ping"))
        assert answer(response) == (200, "pong\n")
    assert not context.events
    assert context.outcomes == {"ping": 2}


async def test_a_ping_that_was_asked_for_is_emitted(context: Any, make_receiver: Make, make_request: Make) -> None:
    response = await make_receiver(eventTypes=["ping"]).handle(make_request({"hook_id": 5}, x_github_event=b"ping"))
    assert response.status == 202
    assert context.events[0].type == "dev.knative.source.github.ping"
    assert context.events[0].subject == "5"


async def test_an_event_that_was_not_asked_for(context: Any, make_receiver: Make, make_request: Make) -> None:
    receiver = make_receiver(eventTypes=["push", "issues"])
    response = await receiver.handle(make_request(x_github_event=b"star"))
    assert answer(response) == (202, "ignored: star is not in eventTypes of this source\n")
    assert not context.events
    assert context.outcomes == {"ignored": 1}
    assert (await receiver.handle(make_request())).status == 202
    assert len(context.events) == 1


@pytest.mark.parametrize("event_types", [None, []])
async def test_without_event_types_every_event_passes(
    event_types: list[str] | None, context: Any, make_receiver: Make, make_request: Make
) -> None:
    receiver = make_receiver(eventTypes=event_types)
    for name in (b"star", b"an_event_of_the_future"):
        assert (await receiver.handle(make_request(x_github_event=name))).status == 202
    assert [event.type for event in context.events] == [
        "dev.knative.source.github.star",
        "dev.knative.source.github.an_event_of_the_future",
    ]


@pytest.mark.parametrize(
    ("failure", "status", "outcome"),
    [
        (ChannelUnavailable("redis is down"), 503, "unavailable"),
        (ChannelFull("disk"), 503, "unavailable"),
        (ChannelClosed("draining"), 503, "unavailable"),
        (TimeoutError(), 503, "timeout"),
        (DeliveryTimeout("no answer from http://10.0.0.1/"), 502, "delivery_failed"),
        (EventTooLarge("2 MiB"), 413, "too_large"),
        (InvalidEvent("ceOverrides: no"), 400, "invalid_event"),
    ],
)
async def test_a_sink_that_does_not_take_the_event(
    failure: Exception, status: int, outcome: str, context: Any, make_receiver: Make, make_request: Make
) -> None:
    context.failure = failure
    response = await make_receiver().handle(make_request())
    assert response.status == status
    assert (response.header(b"retry-after") is not None) is (status == 503)
    assert b"10.0.0.1" not in response.body
    assert context.outcomes == {outcome: 1}


async def test_an_invalid_event_never_leaves(context: Any, make_request: Make) -> None:
    valid = GitHubSourceSpec.model_validate(SPEC)
    receiver = GitHubReceiver(NAME, valid.model_copy(update={"owner_and_repository": "no owner"}), context)
    response = await receiver.handle(make_request())
    assert response.status == 400
    assert b"source" in response.body
    assert not context.events
    assert context.outcomes == {"invalid_event": 1}


async def test_a_sink_that_never_answers(context: Any, make_receiver: Make, make_request: Make) -> None:
    context.before_storing = asyncio.Event().wait
    response = await make_receiver({"timeout": 0.0}).handle(make_request())
    assert response.status == 503
    assert not context.events


async def test_an_unforeseen_error_is_not_swallowed(context: Any, make_receiver: Make, make_request: Make) -> None:
    context.failure = RuntimeError("a bug")
    with pytest.raises(RuntimeError, match="a bug"):
        await make_receiver().handle(make_request())


async def test_no_secret_and_no_payload_in_answers_and_logs(context: Any, make_receiver: Make, make_request: Make) -> None:
    receiver = make_receiver()
    requests: list[Request] = [
        make_request(body=b'{"private": "topsecret"'),
        make_request(body=b"topsecret=1", content_type=b"application/x-www-form-urlencoded"),
        make_request({"private": "topsecret"}, x_hub_signature_256=b"sha256=topsecret"),
        make_request({"private": "topsecret"}, x_github_event=b"topsecret!"),
        make_request({"private": "topsecret"}, x_github_delivery=b"topsecret\x01"),
        make_request({"private": "topsecret"}, content_type=b"topsecret/json"),
    ]
    said = [(await receiver.handle(request)).body.decode() for request in requests]
    said += context.lines + [str(entry) for entry in context.conditions]
    assert len(context.lines) == len(requests)
    assert not [line for line in said if "topsecret" in line or "Everybody" in line]


async def test_the_adapter_mapping(context: Any, make_receiver: Make, make_request: Make) -> None:
    payload = {
        "action": "opened",
        "issue": {"number": 1, "updated_at": "2019-05-15T15:20:18Z"},
        "repository": {"url": "https://api.github.com/repos/Codertocat/Hello-World"},
    }
    assert (await make_receiver(mapping="adapter").handle(make_request(payload))).status == 202
    (event,) = context.events
    assert dict(event.attributes) == {
        "specversion": "1.0",
        "id": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
        "type": "com.github.issues.opened",
        "source": "https://api.github.com/repos/Codertocat/Hello-World",
        "subject": "1",
        "time": "2019-05-15T15:20:18Z",
        "datacontenttype": "application/json",
    }
    assert event.data == json.dumps(payload).encode()


async def test_time_is_the_receipt_s(context: Any, make_receiver: Make, make_request: Make) -> None:
    before = datetime.now(UTC)
    await make_receiver().handle(make_request())
    assert before <= datetime.fromisoformat(context.events[0].time) <= datetime.now(UTC)


@pytest.mark.parametrize("number", [b"9" * 5000, b"-1" + b"0" * 5000, b"1e999"])
async def test_a_number_out_of_range_is_named(
    number: bytes, context: Any, make_receiver: Make, make_request: Make, sign: Make
) -> None:
    body = b'{"size": %b}' % number
    response = await make_receiver().handle(make_request(body=body, x_hub_signature_256=sign(body)))
    assert (response.status, response.body) == (400, b"the payload holds a number that is out of range\n")
    assert not context.events
