"""Events as users send them: header by header, without the project's bindings."""

from __future__ import annotations

import json
from collections.abc import Sequence


def binary(id_: str, type_: str = "test.happened", source: str = "/tests", **attributes: str) -> dict[str, str]:
    """The headers of an event in binary mode. ``attributes`` also takes `specversion` and, as is, a content type."""
    content_type = attributes.pop("content_type", "application/json")
    context = {"specversion": "1.0", "id": id_, "type": type_, "source": source, **attributes}
    return {"content-type": content_type, **{f"ce-{name}": value for name, value in context.items()}}


def binary_bytes(id_: str, type_: str = "test.happened", **attributes: str) -> list[tuple[bytes, bytes]]:
    """The same, for the project's own client."""
    return [(name.encode(), value.encode()) for name, value in binary(id_, type_, **attributes).items()]


def structured(id_: str, type_: str = "test.happened", data: object = None, **attributes: object) -> dict[str, object]:
    """The event as a JSON object."""
    event: dict[str, object] = {"specversion": "1.0", "id": id_, "type": type_, "source": "/tests", **attributes}
    if data is not None:
        event["data"] = data
    return event


def batch(ids: Sequence[str], type_: str = "test.happened", data: object = None) -> bytes:
    """The body of a batch (`application/cloudevents-batch+json`)."""
    return json.dumps([structured(id_, type_, data) for id_ in ids]).encode()
