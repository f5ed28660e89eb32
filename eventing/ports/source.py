"""A source: what turns happenings elsewhere into events in a sink.

A plug-in is an object under the entry point group `eventing.sources`, named after its kind. It says which object it
serves and makes one running source per object. Two shapes exist: a webhook receiver answers requests at its own
address on the data plane; a pulling source runs until it is cancelled.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel

from eventing.event import Event
from eventing.ports.checkpoints import Checkpoints
from eventing.ports.http import Request, Response


@dataclass(frozen=True, slots=True)
class SourceName:
    namespace: str
    name: str
    uid: str


class SourceContext(Protocol):
    """What a running source may use."""

    checkpoints: Checkpoints

    def emit(self, events: Sequence[Event]) -> Awaitable[None]:
        """Hand events to the sink, with `ceOverrides` applied; returns once the sink holds them (stored in the broker, or
        2xx from a URL). Raises `ChannelUnavailable` (try again, answer 503), `DeliveryFailed`, `InvalidEvent`."""
        ...

    def secret(self, name: str, key: str) -> bytes | None:
        """The secret's value, or None where there is none. Never log it. A change counts within about 2 seconds, so ask each
        time instead of keeping it. Asking again is cheap; the first time may take a quarter of a second."""
        ...

    def condition(self, type_: str, status: bool | None, reason: str = "", message: str = "") -> None:
        """Report a condition of the object (None: Unknown)."""
        ...

    def count(self, outcome: str, amount: int = 1) -> None:
        """Count under `eventing_source_events_total{outcome}`: `sent` is counted by `emit`; others, such as
        `bad_signature`, name a refusal."""
        ...

    def log(self, message: str, **fields: object) -> None:
        """One line for the operator; no payloads, no secrets."""
        ...


@runtime_checkable
class WebhookReceiver(Protocol):
    """Answers at ``/{namespace}/{plural}/{name}`` on the data plane, published as `status.address.url`."""

    def handle(self, request: Request) -> Response | Awaitable[Response]: ...


@runtime_checkable
class PullingSource(Protocol):
    """Runs until cancelled. Raising ends it; it is started again with backoff and its Ready condition says why."""

    async def run(self) -> None: ...


class SourcePlugin(Protocol):
    """``spec``: the pydantic model of `.spec`, unknown fields refused. ``conditions``: types beside Ready, all True before
    the object is Ready. `SinkProvided` is kept by the engine."""

    group: str
    version: str
    kind: str
    plural: str
    spec: type[BaseModel]
    conditions: tuple[str, ...]

    def create(self, name: SourceName, spec: Any, context: SourceContext) -> WebhookReceiver | PullingSource: ...
