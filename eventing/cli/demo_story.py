"""The demo's story: what is sent, who receives it, and how it is checked that nothing went astray."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import tempfile
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from eventing.bindings import http as binding
from eventing.errors import DeliveryFailed, EventingError
from eventing.event import Event
from eventing.http.client import HttpClient
from eventing.http.resolver import Resolver
from eventing.http.server import HttpServer
from eventing.ports.http import Request, Response
from eventing.resources.validate import validate
from eventing.runtime.engine import Ready, serve
from eventing.runtime.plugins import source_plugins
from eventing.settings import Settings
from eventing.telemetry.logs import Log

WEBHOOKS = (
    ("push", "push.json", "Codertocat pushed to Hello-World"),
    ("pull_request", "pull_request.opened.json", "a pull request was opened"),
    ("issues", "issues.opened.json", "an issue was opened"),
    ("release", "release.published.json", "a release was published"),
)
TYPE = "dev.knative.source.github."
RETRIES = 2

MANIFEST = """\
apiVersion: eventing.knative.dev/v1
kind: Broker
metadata: {{name: github}}
---
apiVersion: v1
kind: Secret
metadata: {{name: webhook}}
stringData: {{token: {secret}}}
---
apiVersion: sources.knative.dev/v1alpha1
kind: GitHubSource
metadata: {{name: hello-world}}
spec:
  ownerAndRepository: Codertocat/Hello-World
  secretToken: {{secretKeyRef: {{name: webhook, key: token}}}}
  sink: {{ref: {{apiVersion: eventing.knative.dev/v1, kind: Broker, name: github}}}}
---
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {{name: audit}}
spec:
  broker: github
  subscriber: {{uri: {audit}}}
---
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {{name: reviews}}
spec:
  broker: github
  filters:
  - exact: {{type: dev.knative.source.github.pull_request}}
  subscriber: {{uri: {reviews}}}
---
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {{name: deploy}}
spec:
  broker: github
  filters:
  - any:
    - exact: {{type: dev.knative.source.github.push}}
    - exact: {{type: dev.knative.source.github.release}}
  subscriber: {{uri: {deploy}}}
  delivery:
    retry: {retries}
    backoffPolicy: exponential
    backoffDelay: PT0.1S
    deadLetterSink: {{uri: {dead}}}
"""


@dataclass(frozen=True, slots=True)
class Story:
    """``say``: prints one line. ``timeout``: seconds for all of it."""

    channel: str
    timeout: float
    say: Callable[[str], None]


@dataclass(slots=True)
class Result:
    """``received``: event types by subscriber, in order; ``faults``: what went astray, empty if nothing did."""

    received: dict[str, list[str]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        return {"ok": not self.faults, "received": self.received, "faults": self.faults}


class Subscriber:
    """A subscriber of the demo: notes what it gets; answers 500 where it is the failing one."""

    def __init__(self, name: str, status: int, arrived: asyncio.Event) -> None:
        self.name = name
        self.events: list[Event] = []
        self._status = status
        self._arrived = arrived

    def handle(self, request: Request) -> Response:
        self.events += binding.decode(request.headers, request.body)
        self._arrived.set()
        return Response(self._status)

    def types(self) -> list[str]:
        return [event.type.removeprefix(TYPE) for event in self.events]


async def tell(story: Story) -> Result:
    """Set everything up, send the webhooks, wait, check, take everything down. Raises `EventingError` where it can't start."""
    arrived = asyncio.Event()
    people = {
        "audit": Subscriber("audit", 204, arrived),
        "reviews": Subscriber("reviews", 204, arrived),
        "deploy": Subscriber("deploy", 500, arrived),
        "dead": Subscriber("dead", 204, arrived),
    }
    log = Log(level="error")
    async with AsyncExitStack() as stack:
        stack.callback(log.close)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="eventing-demo-")))
        urls = {}
        for name, subscriber in people.items():
            server = HttpServer(subscriber.handle, log=log)
            urls[name] = f"http://127.0.0.1:{await server.start()}/"
            stack.push_async_callback(server.close)
        secret = secrets.token_hex(16)
        manifest = folder / "demo.yaml"
        manifest.write_text(MANIFEST.format(secret=secret, retries=RETRIES, **urls))
        client = HttpClient(resolver=Resolver(log=log), log=log)
        stack.push_async_callback(client.close)
        settings = Settings(data_dir=folder / "data", channel=story.channel, port=0, control_port=0)
        loaded = validate([str(manifest)], source_plugins())
        stop = asyncio.Event()
        ready: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(story.timeout), asyncio.TaskGroup() as tasks:
                tasks.create_task(serve(settings, loaded, log, stop=stop, on_ready=ready.set_result))
                try:
                    return await _play(story, await ready, client, secret.encode(), people, arrived)
                finally:
                    stop.set()
        except TimeoutError:
            raise EventingError(f"the demo did not end within {story.timeout:g} s") from None
        except BaseExceptionGroup as group:
            known = group.subgroup(EventingError)
            if known is not None:
                raise _leaf(known) from None
            raise


def _leaf(group: BaseExceptionGroup[EventingError]) -> BaseException:
    first: BaseException = group
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first


async def _play(
    story: Story,
    ready: Ready,
    client: HttpClient,
    secret: bytes,
    people: dict[str, Subscriber],
    arrived: asyncio.Event,
) -> Result:
    result = Result()
    url = f"{ready.url}/default/githubsources/hello-world"
    story.say("A broker, a GitHub source and three triggers are running:")
    story.say("  audit    wants every event")
    story.say("  reviews  wants pull requests")
    story.say(f"  deploy   wants pushes and releases, and always fails: {RETRIES} retries, then its dead-letter sink")
    story.say("")
    story.say(f"Webhooks sent to {url}:")
    for number, (name, file, what) in enumerate(WEBHOOKS, 1):
        body = files("eventing.cli").joinpath("demo_data", file).read_bytes()
        status = await _post(client, url, name, f"demo-{number}", body, secret)
        story.say(f"  {name:13} {what:35} -> {status}")
        if status != 202:
            result.faults.append(f"the webhook {name} was answered {status}, not 202")
    status = await _post(client, url, "push", "demo-forged", b"{}", b"not the secret")
    story.say(f"  {'push':13} {'with a forged signature':35} -> {status}")
    if status != 403:
        result.faults.append(f"the forged webhook was answered {status}, not 403")
    expected = {
        "audit": ["issues", "pull_request", "push", "release"],
        "reviews": ["pull_request"],
        "deploy": sorted(["push", "release"] * (RETRIES + 1)),
        "dead": ["push", "release"],
    }
    await _until(people, expected, arrived, story.timeout / 2)
    story.say("")
    story.say("What arrived:")
    for name, subscriber in people.items():
        label = "dead letters" if name == "dead" else name
        story.say(f"  {label:13} {_shown(subscriber)}")
        result.received[name] = subscriber.types()
        if sorted(subscriber.types()) != expected[name]:
            result.faults.append(f"{name} got {sorted(subscriber.types())}, not {expected[name]}")
    for event in people["dead"].events:
        if event.text("knativeerrorcode") != "500":
            result.faults.append(f"the dead letter {event.id} does not say why it failed")
    if not result.faults:
        story.say("")
        story.say("Every accepted event reached every trigger that matched it; what failed was retried, then dead-lettered.")
    return result


def _shown(subscriber: Subscriber) -> str:
    counts: dict[str, int] = {}
    for type_ in subscriber.types():
        counts[type_] = counts.get(type_, 0) + 1
    text = ", ".join(type_ if count == 1 else f"{type_} x{count}" for type_, count in counts.items()) or "nothing"
    if subscriber.name == "deploy":
        return f"{text} (answered 500 each time)"
    if subscriber.name == "dead":
        codes = {event.text("knativeerrorcode") for event in subscriber.events}
        return f"{text} (knativeerrorcode {', '.join(sorted(str(code) for code in codes))})"
    return text


async def _post(client: HttpClient, url: str, name: str, delivery: str, body: bytes, secret: bytes) -> int:
    signature = hmac.new(secret, body, hashlib.sha256).hexdigest()
    headers = [
        (b"content-type", b"application/json"),
        (b"x-github-event", name.encode()),
        (b"x-github-delivery", delivery.encode()),
        (b"x-hub-signature-256", f"sha256={signature}".encode()),
    ]
    try:
        return (await client.send(url, headers, body, timeout=20)).status
    except DeliveryFailed:
        return 0


async def _until(people: dict[str, Subscriber], expected: dict[str, list[str]], arrived: asyncio.Event, timeout: float) -> None:
    """Wait until each subscriber has as many events as expected; the check afterwards says what is missing."""
    try:
        async with asyncio.timeout(timeout):
            while any(len(people[name].events) < len(types) for name, types in expected.items()):
                arrived.clear()
                await arrived.wait()
    except TimeoutError:
        return
