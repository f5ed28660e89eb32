"""Manifests of tests, as objects; JSON is YAML."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

Object = dict[str, Any]


def broker(name: str = "default", **spec: Any) -> Object:
    return {"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "metadata": {"name": name}, "spec": spec}


def trigger(
    name: str,
    url: str,
    *,
    types: Sequence[str] = (),
    filters: Sequence[Mapping[str, Any]] | None = None,
    delivery: Mapping[str, Any] | None = None,
    broker: str = "default",
    **annotations: str,
) -> Object:
    """``types``: the event types that match, all where empty and no ``filters``. ``annotations``: ours, without prefix, with
    `_` for `-`."""
    spec: Object = {"broker": broker, "subscriber": {"uri": url}}
    if types:
        spec["filters"] = [{"any": [{"exact": {"type": type_}} for type_ in types]}]
    if filters is not None:
        spec["filters"] = list(filters)
    if delivery is not None:
        spec["delivery"] = dict(delivery)
    ours = {f"eventing-engine.dev/{key.replace('_', '-')}": value for key, value in annotations.items()}
    metadata: Object = {"name": name, **({"annotations": ours} if ours else {})}
    return {"apiVersion": "eventing.knative.dev/v1", "kind": "Trigger", "metadata": metadata, "spec": spec}


def document(objects: Sequence[Mapping[str, Any]]) -> str:
    return "\n---\n".join(json.dumps(one) for one in objects) + "\n"
