"""What the engine is to run: one broker and its triggers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from bench.messages import TYPE

_API = "eventing.knative.dev/v1"
ORDER = "eventing-engine.dev/order"


def broker() -> dict[str, Any]:
    return {"apiVersion": _API, "kind": "Broker", "metadata": {"name": "default"}}


def trigger(
    name: str,
    port: int,
    *,
    type_: str = TYPE,
    delivery: Mapping[str, Any] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """One that wants the events of a type and has its subscriber at a port."""
    spec: dict[str, Any] = {
        "broker": "default",
        "filters": [{"exact": {"type": type_}}],
        "subscriber": {"uri": f"http://127.0.0.1:{port}/{name}"},
    }
    if delivery is not None:
        spec["delivery"] = dict(delivery)
    metadata: dict[str, Any] = {"name": name}
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"apiVersion": _API, "kind": "Trigger", "metadata": metadata, "spec": spec}


def others(count: int, port: int) -> list[dict[str, Any]]:
    """Triggers that want something else, each a type of its own."""
    return [trigger(f"other-{number}", port, type_=f"com.example.other.{number}") for number in range(count)]


def text(objects: Iterable[Mapping[str, Any]]) -> str:
    """A document of YAML, of which JSON is a part."""
    return "".join(f"---\n{json.dumps(one)}\n" for one in objects)
