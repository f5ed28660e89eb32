"""Annotations that mean something here. Ours are strict: a typo under our prefix is refused, not ignored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from eventing.kinds.metadata import ObjectMeta
from eventing.resources.faults import did_you_mean
from eventing.resources.kind_table import OURS, TRIGGER, Key, ResourceKind
from eventing.resources.model import TriggerOptions

PREFIX = f"{OURS}/"
MAX_IN_FLIGHT = f"{PREFIX}max-in-flight"
PAUSED = f"{PREFIX}paused"
NOT_YET = (f"{PREFIX}order", f"{PREFIX}rate")
DELIVERY_ORDER = "kafka.eventing.knative.dev/delivery.order"
BROKER_CLASS = "eventing.knative.dev/broker.class"
DEPENDENCY = "knative.dev/dependency"
INJECTION = "eventing.knative.dev/injection"


@dataclass(frozen=True, slots=True)
class AnnotationFault:
    """``annotation`` is refused for ``reason``; ``label``: it stands among the labels."""

    annotation: str
    reason: str
    label: bool = False


def options(kind: ResourceKind, meta: ObjectMeta) -> tuple[TriggerOptions, list[AnnotationFault]]:
    """What the annotations say, and what is wrong with them."""
    faults = [
        AnnotationFault(name, f"must be an annotation: a label under {PREFIX} has no meaning", label=True)
        for name in meta.labels or {}
        if name.startswith(PREFIX)
    ]
    known = (MAX_IN_FLIGHT, PAUSED, *NOT_YET) if kind is TRIGGER else ()
    max_in_flight: int | None = None
    paused = False
    for name, value in (meta.annotations or {}).items():
        reason = ""
        if name == MAX_IN_FLIGHT and name in known:
            max_in_flight = _count(value)
            reason = "" if max_in_flight is not None else "invalid value: must be a whole number from 1 to 10000"
        elif name == PAUSED and name in known:
            paused = value == "true"
            reason = "" if value in {"true", "false"} else 'invalid value: must be "true" or "false"'
        elif name in NOT_YET:
            reason = "not supported yet"
        elif name.startswith(PREFIX):
            reason = _unknown(name, kind, known)
        elif name == DELIVERY_ORDER:
            reason = _order(value)
        elif name == INJECTION and kind is TRIGGER and value not in {"enabled", "disabled"}:
            reason = 'invalid value: must be "enabled" or "disabled"'
        elif name == DEPENDENCY and kind is TRIGGER:
            found = dependency(meta)
            reason = found if isinstance(found, str) else ""
        if reason:
            faults.append(AnnotationFault(name, reason))
    return TriggerOptions(max_in_flight=max_in_flight, paused=paused), faults


def dependency(meta: ObjectMeta) -> Key | str | None:
    """The object that a Trigger waits for (annotation `knative.dev/dependency`, a JSON object reference): None where it names
    none, a reason where it can't be used."""
    text = meta.annotation(DEPENDENCY)
    if text is None:
        return None
    try:
        reference = json.loads(text)
    except (ValueError, RecursionError):
        return "must be an object reference as JSON"
    if not isinstance(reference, Mapping):
        return "must be an object reference as JSON"
    values = {name: reference.get(name) for name in ("apiVersion", "kind", "name")}
    for name, value in values.items():
        if not isinstance(value, str) or not value:
            return f"missing field(s): {name}"
    namespace = reference.get("namespace") or meta.namespace
    if namespace != meta.namespace:
        return f"namespace must be empty or the trigger's own, {meta.namespace}"
    return Key(str(values["apiVersion"]).rpartition("/")[0], str(values["kind"]), meta.namespace, str(values["name"]))


def _count(value: str) -> int | None:
    if not (value.isascii() and value.isdigit() and len(value) <= 5):
        return None
    number = int(value)
    return number if 1 <= number <= 10_000 else None


def _order(value: str) -> str:
    if value == "ordered":
        return "not supported yet"
    return "" if value == "unordered" else 'invalid value: must be "ordered" or "unordered"'


def _unknown(name: str, kind: ResourceKind, known: tuple[str, ...]) -> str:
    if name in {MAX_IN_FLIGHT, PAUSED}:
        return f"has no meaning on kind {kind.kind}"
    return "unknown annotation" + did_you_mean(name, known)
