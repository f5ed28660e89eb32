"""Annotations that mean something here. Ours are strict: a typo under our prefix is refused, not ignored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from eventing.kinds.metadata import ObjectMeta
from eventing.policy import rate as rates
from eventing.resources.faults import did_you_mean
from eventing.resources.kind_table import OURS, TRIGGER, Key, ResourceKind
from eventing.resources.model import TriggerOptions

PREFIX = f"{OURS}/"
MAX_IN_FLIGHT = f"{PREFIX}max-in-flight"
PAUSED = f"{PREFIX}paused"
RATE = f"{PREFIX}rate"
ORDER = f"{PREFIX}order"
DELIVERY_ORDER = "kafka.eventing.knative.dev/delivery.order"
BROKER_CLASS = "eventing.knative.dev/broker.class"
DEPENDENCY = "knative.dev/dependency"
INJECTION = "eventing.knative.dev/injection"
_NO_REFERENCE = "must be an object reference as JSON"


@dataclass(frozen=True, slots=True)
class AnnotationFault:
    """``annotation`` is refused for ``reason``; ``label``: it stands among the labels."""

    annotation: str
    reason: str
    label: bool = False


def options(kind: ResourceKind, meta: ObjectMeta, broker: object = None) -> tuple[TriggerOptions, list[AnnotationFault]]:
    """What the annotations say, and what is wrong with them. ``broker``: `spec.broker` of a Trigger as it is written."""
    faults = [
        AnnotationFault(name, f"must be an annotation: a label under {PREFIX} has no meaning", label=True)
        for name in meta.labels or {}
        if name.startswith(PREFIX)
    ]
    known = (MAX_IN_FLIGHT, ORDER, PAUSED, RATE) if kind is TRIGGER else ()
    max_in_flight: int | None = None
    rate: rates.Rate | None = None
    paused = False
    for name, value in (meta.annotations or {}).items():
        reason = ""
        if name == MAX_IN_FLIGHT and name in known:
            max_in_flight = _count(value)
            reason = "" if max_in_flight is not None else "invalid value: must be a whole number from 1 to 10000"
        elif name == PAUSED and name in known:
            paused = value == "true"
            reason = "" if value in {"true", "false"} else 'invalid value: must be "true" or "false"'
        elif name == RATE and name in known:
            try:
                rate = rates.parse(value)
            except ValueError as error:
                reason = f"invalid value: {error}"
        elif name == ORDER and name in known:
            reason = _order(value, meta.annotation(DELIVERY_ORDER))
        elif name.startswith(PREFIX):
            reason = _unknown(name, kind, known)
        elif name == DELIVERY_ORDER:
            reason = "" if value in {"ordered", "unordered"} else 'invalid value: must be "ordered" or "unordered"'
        elif name == INJECTION and kind is TRIGGER:
            reason = _injection(value, broker)
        elif name == DEPENDENCY and kind is TRIGGER:
            found = dependency(meta)
            reason = found if isinstance(found, str) else ""
        if reason:
            faults.append(AnnotationFault(name, reason))
    ordered = kind is TRIGGER and (meta.annotation(ORDER) == "key" or meta.annotation(DELIVERY_ORDER) == "ordered")
    return TriggerOptions(max_in_flight=max_in_flight, paused=paused, rate=rate, ordered=ordered), faults


def dependency(meta: ObjectMeta) -> Key | str | None:
    """The object that a Trigger waits for (annotation `knative.dev/dependency`, a JSON object reference): None where it names
    none, a reason where it can't be used."""
    text = meta.annotation(DEPENDENCY)
    if text is None:
        return None
    try:
        reference = json.loads(text)
    except (ValueError, RecursionError):
        return _NO_REFERENCE
    if not isinstance(reference, Mapping):
        return _NO_REFERENCE
    values = {name: reference.get(name) for name in ("apiVersion", "kind", "name", "namespace")}
    wrong = [name for name, value in values.items() if not isinstance(value, str | None)]
    if wrong:
        return f"{_NO_REFERENCE}: {wrong[0]} must be a string"
    missing = [name for name, value in values.items() if not value and name != "namespace"]
    if missing:
        return f"missing field(s): {', '.join(missing)}"
    if (values["namespace"] or meta.namespace) != meta.namespace:
        return f"namespace must be empty or equal to the trigger's namespace {meta.namespace!r}"
    return Key(str(values["apiVersion"]).rpartition("/")[0], str(values["kind"]), meta.namespace, str(values["name"]))


def _count(value: str) -> int | None:
    if not (value.isascii() and value.isdigit() and len(value) <= 5):
        return None
    number = int(value)
    return number if 1 <= number <= 10_000 else None


def _injection(value: str, broker: object) -> str:
    """As Knative checks it on a Trigger (`validateInjectionAnnotation`)."""
    if value not in {"enabled", "disabled"}:
        return f'invalid value: {value[:40]!r}, must be "enabled" or "disabled"'
    return "" if broker == "default" else "is only used where spec.broker is 'default'"


def _order(value: str, delivery_order: str | None) -> str:
    if value != "key":
        return 'invalid value: must be "key"; without this annotation there is no order'
    return f"contradicts {DELIVERY_ORDER}: unordered; remove one of them" if delivery_order == "unordered" else ""


def _unknown(name: str, kind: ResourceKind, known: tuple[str, ...]) -> str:
    if name in {MAX_IN_FLIGHT, ORDER, PAUSED, RATE}:
        return f"has no meaning on kind {kind.kind}"
    return "unknown annotation" + did_you_mean(name, known)
