"""Objects from short texts, and what reconciling says of them."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from eventing.ports.channel import Health
from eventing.resources.reconcile import Observed, Reconciled, reconcile
from eventing.resources.validate import Loaded

Apply = Callable[..., Loaded]

BASE = "http://127.0.0.1:8080"
NOW = 1_700_000_000.0
HEALTHY = Health(ready=True, durability="memory only")


def run(loaded: Loaded, **changes: Any) -> Reconciled:
    uids = {resource.key: f"uid-{resource.meta.namespace}-{resource.meta.name}" for resource in loaded.objects}
    observed = Observed(bases=(BASE, "http://10.0.0.5:8080"), now=NOW, uids=uids, channel=HEALTHY)
    return reconcile(loaded.objects, replace(observed, **changes))


def conditions(result: Reconciled, kind: str, name: str) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c.get("reason", "")) for c in status(result, kind, name)["conditions"]}


def status(result: Reconciled, kind: str, name: str, namespace: str = "default") -> Mapping[str, Any]:
    [found] = [found for key, found in result.statuses.items() if (key.kind, key.namespace, key.name) == (kind, namespace, name)]
    return found


def broker(name: str = "b", spec: str = "{}", metadata: str = "") -> str:
    return f"apiVersion: eventing.knative.dev/v1\nkind: Broker\nmetadata: {{name: {name}{metadata}}}\nspec: {spec}\n---\n"


def trigger(
    name: str = "t", *, subscriber: str = "{uri: 'http://sub/'}", delivery: str = "null", metadata: str = "", of: str = "b"
) -> str:
    return textwrap.dedent(
        f"""\
        apiVersion: eventing.knative.dev/v1
        kind: Trigger
        metadata: {{name: {name}{metadata}}}
        spec:
          broker: {of}
          filters: [{{exact: {{type: a}}}}]
          subscriber: {subscriber}
          delivery: {delivery}
        ---
        """
    )


GITHUB = """\
apiVersion: sources.knative.dev/v1alpha1
kind: GitHubSource
metadata: {name: g}
spec:
  ownerAndRepository: a/b
  eventTypes: [push]
  secretToken: {secretKeyRef: {name: s, key: token}}
  sink: {ref: {apiVersion: eventing.knative.dev/v1, kind: Broker, name: b}}
  ceOverrides: {extensions: {team: x}}
---
"""
