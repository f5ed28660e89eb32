"""Lists as tables: what `kubectl get` asks for, with the columns of Knative's resource definitions (Kubernetes API, "Receiving
resources as Tables")."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from eventing.api.errors import Refusal
from eventing.resources.conditions import READY, find
from eventing.resources.kind_table import BROKER, TRIGGER, ResourceKind
from eventing.resources.model import TriggerSpec
from eventing.resources.store import StoredObject

Cell = Callable[[StoredObject, float], str]

_TABLE = {"as": "table", "g": "meta.k8s.io", "v": "v1"}
_STEPS = (  # up to that many seconds: in which units, the second one where it isn't 0
    (120, 1, "s", None),
    (600, 60, "m", "s"),
    (3 * 3600, 60, "m", None),
    (8 * 3600, 3600, "h", "m"),
    (48 * 3600, 3600, "h", None),
    (8 * 86400, 86400, "d", "h"),
    (2 * 365 * 86400, 86400, "d", None),
    (8 * 365 * 86400, 365 * 86400, "y", "d"),
)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def wants_table(accept: str) -> bool:
    """Whether the first of the media types that this server knows is a table of version 1."""
    for choice in accept.lower().split(","):
        media, *parameters = (part.strip() for part in choice.split(";"))
        if media != "application/json":
            continue
        given = dict(parameter.partition("=")[::2] for parameter in parameters)
        if "as" not in given:
            return False
        if {name: given.get(name) for name in _TABLE} == _TABLE:
            return True
    return False


def head(kind: ResourceKind, version: int) -> dict[str, Any]:
    """The table without its rows. ``version``: of the store."""
    names = ["Name", *_columns(kind)]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": str(version)},
        "columnDefinitions": [
            {"name": name, "type": "string", "format": "name" if name == "Name" else "", "description": "", "priority": 0}
            for name in names
        ],
    }


def row(stored: StoredObject, written: Mapping[str, Any], now: float, include: str) -> dict[str, Any]:
    """One row. ``written``: the object as the API shows it; ``include``: how much of it goes along, as Kubernetes calls it:
    `None`, `Metadata` or `Object`. Raises `Refusal` for another word."""
    cells = [stored.key.name, *(cell(stored, now) for cell in _columns(stored.resource.kind).values())]
    if include == "None":
        return {"cells": cells, "object": None}
    if include == "Object":
        return {"cells": cells, "object": written}
    part = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": written["metadata"]}
    return {"cells": cells, "object": part}


def included(word: str | None) -> str:
    """The query parameter `includeObject`, `Metadata` where it isn't given. Raises `Refusal`."""
    if word not in {None, "", "None", "Metadata", "Object"}:
        raise Refusal(400, "the query parameter includeObject is None, Metadata or Object")
    return word or "Metadata"


def human(seconds: float) -> str:
    """An age as `kubectl` prints it: `45s`, `5m10s`, `3h`, `2d4h`."""
    whole = max(0, int(seconds))
    for limit, size, unit, rest in _STEPS:
        if whole < limit:
            left = (whole % size) // _UNITS[rest] if rest is not None else 0
            return f"{whole // size}{unit}" + (f"{left}{rest}" if left else "")
    return f"{whole // (365 * 86400)}y"


def _columns(kind: ResourceKind) -> dict[str, Cell]:
    if not kind.has_status:
        return {"Age": _age}
    first: dict[str, Cell] = {"Sink": _status("sinkUri")}
    if kind == BROKER:
        first = {"URL": lambda stored, _now: stored.status.get("address", {}).get("url", "")}
    elif kind == TRIGGER:
        first = {"Broker": _broker, "Subscriber_URI": _status("subscriberUri")}
    return first | {"Age": _age, "Ready": _ready("status"), "Reason": _ready("reason")}


def _age(stored: StoredObject, now: float) -> str:
    return human(now - stored.created)


def _broker(stored: StoredObject, _now: float) -> str:
    assert isinstance(stored.resource.spec, TriggerSpec)
    return stored.resource.spec.broker_name


def _status(name: str) -> Cell:
    return lambda stored, _now: str(stored.status.get(name, ""))


def _ready(part: str) -> Cell:
    return lambda stored, _now: (find(stored.status, READY) or {}).get(part, "")
