from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from eventing.event import Event
from eventing.ports.checkpoints import Checkpoints
from eventing.ports.http import Request
from eventing.ports.source import SourceName
from eventing_sources.github import GitHubReceiver, GitHubSourceSpec

SECRET = b"It's a Secret to Everybody"
NAME = SourceName("default", "octo", "uid-1")
SPEC = {
    "sink": {"uri": "http://127.0.0.1/"},
    "ownerAndRepository": "Codertocat/Hello-World",
    "secretToken": {"secretKeyRef": {"name": "github", "key": "secret"}},
}


class RecordingContext:
    """Keeps in memory what a source does; ``failure`` is what the sink answers instead of taking events."""

    checkpoints: Checkpoints

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.secrets: dict[tuple[str, str], bytes] = {("github", "secret"): SECRET}
        self.conditions: list[tuple[str, bool | None, str, str]] = []
        self.outcomes: Counter[str] = Counter()
        self.lines: list[str] = []
        self.failure: BaseException | None = None
        self.before_storing: Callable[[], Awaitable[object]] | None = None

    async def emit(self, events: Sequence[Event]) -> None:
        if self.before_storing is not None:
            await self.before_storing()
        if self.failure is not None:
            raise self.failure
        self.events.extend(events)

    def secret(self, name: str, key: str) -> bytes | None:
        return self.secrets.get((name, key))

    def condition(self, type_: str, status: bool | None, reason: str = "", message: str = "") -> None:
        self.conditions.append((type_, status, reason, message))

    def count(self, outcome: str, amount: int = 1) -> None:
        self.outcomes[outcome] += amount

    def log(self, message: str, **fields: object) -> None:
        self.lines.append(f"{message} {fields}")

    def status(self, type_: str) -> tuple[bool | None, str, str]:
        """The last report of a condition: status, reason, message."""
        return next(entry[1:] for entry in reversed(self.conditions) if entry[0] == type_)


@pytest.fixture
def context() -> RecordingContext:
    return RecordingContext()


@pytest.fixture
def make_receiver(context: RecordingContext) -> Callable[..., GitHubReceiver]:
    def make(receiver: dict[str, Any] | None = None, **fields: Any) -> GitHubReceiver:
        return GitHubReceiver(NAME, GitHubSourceSpec.model_validate(SPEC | fields), context, **(receiver or {}))

    return make


@pytest.fixture
def sign() -> Callable[..., bytes]:
    def sign(body: bytes, secret: bytes = SECRET, algorithm: str = "sha256") -> bytes:
        return algorithm.encode() + b"=" + hmac.new(secret, body, getattr(hashlib, algorithm)).hexdigest().encode()

    return sign


@pytest.fixture
def make_request(sign: Callable[..., bytes]) -> Callable[..., Request]:
    """A signed delivery as GitHub sends it; a header given as None is left out."""

    def make(payload: object = None, *, body: bytes | None = None, method: str = "POST", **headers: bytes | None) -> Request:
        raw = body if body is not None else json.dumps(payload if payload is not None else {"action": "opened"}).encode()
        fields: dict[str, bytes | None] = {
            "content_type": b"application/json",
            "user_agent": b"GitHub-Hookshot/44aa1b2",
            "x_github_event": b"issues",
            "x_github_delivery": b"72d3162e-cc78-11e3-81ab-4c9367dc0958",
            "x_hub_signature": sign(raw, algorithm="sha1"),
            "x_hub_signature_256": sign(raw),
        }
        fields |= headers
        pairs = [(name.replace("_", "-").encode(), value) for name, value in fields.items() if value is not None]
        return Request(method, "/default/githubsources/octo", "", pairs, raw, "127.0.0.1:5")

    return make
