"""Answers GitHub's deliveries for one GitHubSource."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from eventing.bindings import rules
from eventing.errors import ChannelClosed, ChannelUnavailable, DeliveryFailed, EventTooLarge, InvalidEvent
from eventing.event import AttributeValue, Event
from eventing.ports.http import Request, Response
from eventing.ports.source import SourceContext, SourceName
from eventing_sources.github import adapter, knative
from eventing_sources.github.attributes import rfc3339
from eventing_sources.github.payload import MalformedPayload, UnsupportedContentType, read
from eventing_sources.github.signature import Verdict, check
from eventing_sources.github.spec import EVENT_NAME, GitHubSourceSpec

EMIT_TIMEOUT = 9.0
"""Seconds. GitHub gives a delivery up after 10 and shows no answer then; ours comes before."""

RETRY_AFTER = (b"retry-after", b"10")
MAX_DELIVERY_ID = 256

_REFUSALS = {
    Verdict.MISSING: (401, "X-Hub-Signature-256 is missing: set the webhook's secret at GitHub"),
    Verdict.WRONG: (403, "the signature is wrong: the webhook's secret at GitHub is not the one of this source"),
    Verdict.ONLY_SHA1: (403, "only a SHA-1 signature (X-Hub-Signature): X-Hub-Signature-256 is required unless allowSHA1 is set"),
}


class GitHubReceiver:
    """A `WebhookReceiver`: verifies a delivery, makes a CloudEvent of it, and answers 2xx only once that is stored.

    Nothing about a delivery is looked at before its signature is right. ``now`` gives the `time` of events that bring
    none; ``timeout`` bounds the wait for the sink, in seconds.
    """

    def __init__(
        self,
        name: SourceName,
        spec: GitHubSourceSpec,
        context: SourceContext,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        timeout: float = EMIT_TIMEOUT,
    ) -> None:
        self._name, self._spec, self._context = name, spec, context
        self._now, self._timeout = now, timeout
        self._describe = knative.describe if spec.mapping == "knative" else adapter.describe
        self._wanted = frozenset(spec.event_types or ())
        self._secret_provided: bool | None = None
        self._delivered = False
        self._secret()
        context.condition("WebhookConfigured", True, "ManualRegistration", self._instructions())

    async def handle(self, request: Request) -> Response:
        """Answer one delivery; docs/sources/github.md lists the answers. Raises nothing for a bad request."""
        if request.method != "POST":
            return self._refuse(405, "method_not_allowed", "deliveries are POST requests", (b"allow", b"POST"))
        secret = self._secret()
        if secret is None:
            return self._refuse(503, "no_secret", "the secret of this source is not there yet", RETRY_AFTER)
        verdict = check(request, secret, allow_sha1=self._spec.allow_sha1)
        if verdict is not Verdict.GENUINE:
            status, reason = _REFUSALS[verdict]
            return self._refuse(status, verdict.value, reason)
        return await self._accept(request)

    async def _accept(self, request: Request) -> Response:
        event = _header(request, b"x-github-event")
        if event is None or EVENT_NAME.fullmatch(event) is None:
            return self._refuse(400, "bad_request", _header_fault("X-GitHub-Event", event, "no name of a GitHub event"))
        delivery = _header(request, b"x-github-delivery")
        if delivery is None or not _is_delivery_id(delivery):
            return self._refuse(400, "bad_request", _header_fault("X-GitHub-Delivery", delivery, "no id that an event may have"))
        try:
            payload = read(request.body, request.header(b"content-type"))
        except UnsupportedContentType as error:
            return self._refuse(415, "bad_request", str(error))
        except MalformedPayload as error:
            return self._refuse(400, "bad_request", str(error))
        self._note_delivery()
        if event not in self._wanted:
            if event == "ping":
                self._context.count("ping")
                return _answer(200, "pong")
            if self._wanted:
                self._context.count("ignored")
                return _answer(202, f"ignored: {event} is not in eventTypes of this source")
        attributes: dict[str, AttributeValue] = {"specversion": "1.0", "id": delivery}
        now = rfc3339(self._now())
        attributes.update(self._describe(event, payload.content, self._spec.owner_and_repository, now))
        attributes["datacontenttype"] = "application/json"
        return await self._emit(Event(attributes, payload.raw))

    async def _emit(self, event: Event) -> Response:
        try:
            rules.check(event)
            async with asyncio.timeout(self._timeout):
                await self._context.emit([event])
        except TimeoutError:
            return self._refuse(503, "timeout", "the sink did not confirm the event in time; it may hold it", RETRY_AFTER)
        except (ChannelUnavailable, ChannelClosed):
            return self._refuse(503, "unavailable", "the event can't be stored now", RETRY_AFTER)
        except DeliveryFailed as error:
            return self._refuse(502, "delivery_failed", f"the sink did not take the event: {error.reason}")
        except EventTooLarge:
            return self._refuse(413, "too_large", "the event is larger than the sink takes")
        except InvalidEvent as error:
            return self._refuse(400, "invalid_event", f"no valid event: {error}")
        return _answer(202, "accepted")

    def _secret(self) -> bytes | None:
        """The present secret: asked for with every delivery, so that a rotation needs no restart."""
        reference = self._spec.secret_token.secret_key_ref
        secret = self._context.secret(reference.name, reference.key)
        # With an empty key anyone can sign; a file that holds a line end alone is as empty.
        provided = secret is not None and bool(secret.strip())
        if provided is not self._secret_provided:
            self._secret_provided = provided
            if provided:
                self._context.condition("SecretsProvided", True)
            else:
                message = f"Secret {reference.name!r} has no value under the key {reference.key!r}"
                self._context.condition("SecretsProvided", False, "SecretTokenNotFound", message)
        return secret if provided else None

    def _note_delivery(self) -> None:
        if not self._delivered:
            self._delivered = True
            self._context.condition("WebhookConfigured", True, "DeliveryReceived", "A delivery with a right signature arrived.")

    def _instructions(self) -> str:
        owner, _, repository = self._spec.owner_and_repository.partition("/")
        where = f"repository {owner}/{repository}" if repository else f"organization {owner}"
        path = f"/{self._name.namespace}/githubsources/{self._name.name}"
        return (
            f"This engine registers no webhooks at GitHub, and no delivery came since it started: in the settings of the "
            f"{where} add one with the URL of status.address.url (path {path}) and the secret of secretToken."
        )

    def _refuse(self, status: int, outcome: str, reason: str, *headers: tuple[bytes, bytes]) -> Response:
        self._context.count(outcome)
        self._context.log("delivery refused", status=status, outcome=outcome, reason=reason)
        return _answer(status, reason, *headers)


def _answer(status: int, text: str, *headers: tuple[bytes, bytes]) -> Response:
    # GitHub shows the body beside the delivery, so it speaks to whoever set the webhook up.
    return Response(status, (*headers, (b"content-type", b"text/plain; charset=utf-8")), text.encode() + b"\n")


def _header(request: Request, name: bytes) -> str | None:
    value = request.header(name)
    try:
        return None if value is None else value.decode("utf-8")
    except UnicodeDecodeError:
        return ""


def _is_delivery_id(value: str) -> bool:
    if not 0 < len(value) <= MAX_DELIVERY_ID:
        return False
    try:
        rules.check_text("id", value)
    except InvalidEvent:
        return False
    return True


def _header_fault(name: str, value: str | None, fault: str) -> str:
    return f"{name} is missing" if value is None else f"{name} is {fault}"
