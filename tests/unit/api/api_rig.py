"""Objects behind the API, and what a request gets."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

MANIFEST = """\
apiVersion: eventing.knative.dev/v1
kind: Broker
metadata: {name: b, creationTimestamp: null, uid: mine}
---
apiVersion: eventing.knative.dev/v1
kind: Broker
metadata: {name: b, namespace: other}
---
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {name: t}
spec: {broker: b, subscriber: {uri: 'http://h/'}}
---
apiVersion: v1
kind: Secret
metadata: {name: s}
stringData: {token: hunter2}
"""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Get = Callable[..., Awaitable[Answer]]
