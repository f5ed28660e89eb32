"""Slips of hand that would lose what a person wrote, or send them looking at the wrong place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import BaseModel

from eventing.resources.faults import did_you_mean
from eventing.resources.kind_table import BROKER, SECRET, SERVICE, TRIGGER, KindTable, ResourceKind
from eventing.resources.model import BrokerSpec, ServiceSpec, TriggerSpec
from eventing.resources.nodes import Path

_UNKNOWN = "must not set the field(s): unknown field"
_METADATA = ("name", "namespace", "labels", "annotations")
_FIELDS = ("apiVersion", "kind", "metadata", "spec", "status")
_SECRET_FIELDS = ("apiVersion", "kind", "metadata", "data", "stringData", "type", "immutable")


def spec_model(kind: ResourceKind) -> type[BaseModel] | None:
    """The model of the kind's `spec`; None where it has none (Secret)."""
    if kind.source is not None:
        return kind.source.spec
    models: dict[str, type[BaseModel]] = {BROKER.kind: BrokerSpec, TRIGGER.kind: TriggerSpec, SERVICE.kind: ServiceSpec}
    return models.get(kind.kind)


def misplaced(kind: ResourceKind, value: Mapping[str, object]) -> Iterator[tuple[Path, str]]:
    """Fields beside `spec` that aren't known there, and fields in `metadata` that look like another one or belong outside."""
    allowed = _SECRET_FIELDS if kind is SECRET else _FIELDS
    for name in value:
        if name not in allowed:
            yield (name,), _UNKNOWN + (_belongs(kind, name) or did_you_mean(name, allowed))
    metadata = value.get("metadata")
    for name in metadata if isinstance(metadata, Mapping) else ():
        if name in _METADATA:
            continue
        # Metadata tolerates what it doesn't know, but not what would lose its content.
        if name in allowed:
            yield ("metadata", name), f"{_UNKNOWN}; {name} stands beside metadata, with the same indentation"
        elif near := did_you_mean(name, _METADATA, likeness=0.7):
            yield ("metadata", name), _UNKNOWN + near


def _belongs(kind: ResourceKind, name: str) -> str:
    model = spec_model(kind)
    inside = {info.alias or field for field, info in model.model_fields.items()} if model is not None else set()
    if name in _METADATA:
        return "; it belongs under metadata, with more indentation"
    return "; it belongs under spec, with more indentation" if name in inside else ""


def wrong_group(kinds: KindTable, group: str, version: str, name: str) -> str:
    """Why an object of a group that isn't ours is probably one of ours, with a slip in its `apiVersion`; else nothing: what
    belongs to others is skipped."""
    meant = [kind for kind in kinds if kind.group and kind.kind.lower() == name.lower()]
    if not meant or any(kind.group == group for kind in meant):
        return ""
    known = " or ".join(kind.api_version for kind in meant)
    if not group:  # core Kubernetes has no kind of these names
        return f"{meant[0].kind} is known as {known} only"
    near = did_you_mean(f"{group}/{version}", (kind.api_version for kind in meant), likeness=0.85)
    return f"{meant[0].kind} is not known in {group[:100]}{near}" if near else ""
