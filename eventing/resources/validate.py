"""From manifests to accepted objects, or every fault in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from eventing.errors import Fault, InvalidManifest, one_line
from eventing.kinds.metadata import ObjectMeta
from eventing.ports.source import SourcePlugin
from eventing.resources.annotations import INJECTION, options
from eventing.resources.delivery import attempts_once
from eventing.resources.faults import did_you_mean, text_wanted
from eventing.resources.kind_table import BROKER, EVENTING, SECRET, SERVICE, TRIGGER, KindTable, ResourceKind, is_ours
from eventing.resources.loader import ObjectDocument, load
from eventing.resources.model import BrokerSpec, Resource, SecretValues, Spec, TriggerSpec
from eventing.resources.nodes import Path, dotted
from eventing.resources.slips import misplaced, spec_model, wrong_group
from eventing.resources.subject import Subject, object_name

_SERVER_OWNED = frozenset(("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink"))
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True, slots=True)
class Remark:
    """Something to tell the operator that is no fault. ``object``: `Kind/name`."""

    reason: str
    file: str
    line: int | None
    object: str
    field: str = ""

    def __str__(self) -> str:
        where = ": ".join(part for part in (self.file, self.object, self.field) if part)
        return one_line(f"{where}: {self.reason}" + (f" (line {self.line})" if self.line is not None else ""))


@dataclass(frozen=True, slots=True)
class Loaded:
    """``skipped``: objects of kinds that are nobody's here. ``warnings``: accepted, and probably not what was meant."""

    kinds: KindTable
    objects: tuple[Resource, ...]
    skipped: tuple[Remark, ...] = ()
    warnings: tuple[Remark, ...] = ()


def validate(paths: Sequence[str], plugins: Mapping[str, SourcePlugin], *, stdin: Callable[[], BinaryIO] | None = None) -> Loaded:
    """Read and check all manifests in ``paths`` (files, folders, `-` for standard input).

    ``plugins``: the sources by kind. Raises `InvalidManifest` with every fault that was found, in the order of files and lines.
    """
    checker = _Checker(KindTable(plugins))
    for item in load(paths, checker.faults, stdin or _standard_input):
        checker.check(item)
    if checker.faults:
        order = {file: number for number, file in reversed(list(enumerate(fault.file for fault in checker.faults)))}
        raise InvalidManifest(sorted(checker.faults, key=lambda fault: (order[fault.file], fault.line or 0)))
    return Loaded(checker.kinds, tuple(checker.objects.values()), tuple(checker.skipped), tuple(checker.warnings))


def _standard_input() -> BinaryIO:
    return open(0, "rb", closefd=False)


class _Checker:
    def __init__(self, kinds: KindTable) -> None:
        self.kinds = kinds
        self.faults: list[Fault] = []
        self.objects: dict[object, Resource] = {}
        self.skipped: list[Remark] = []
        self.warnings: list[Remark] = []

    def check(self, item: ObjectDocument) -> None:
        value = item.document.value
        kind = self._kind(item)
        if kind is None:
            return
        before = len(self.faults)
        subject = Subject(item, object_name(value), self.faults, before)
        for path, reason in misplaced(kind, value):
            subject.fault(path, reason)
        meta = subject.model(ObjectMeta, ("metadata",), value.get("metadata"))
        spec = self._spec(kind, subject)
        if meta is not None:
            written = value.get("spec")
            chosen, wrong = options(kind, meta, written.get("broker") if isinstance(written, dict) else None)
            for fault in wrong:
                subject.fault(("metadata", "labels" if fault.label else "annotations", fault.annotation), fault.reason)
        compiled = subject.filter(value.get("spec")) if kind is TRIGGER else None
        if meta is None or spec is None or len(self.faults) > before:
            return
        resource = Resource(kind, meta, spec, _raw(kind, meta, spec, value), item.file, item.document.root.line, compiled, chosen)
        first = self.objects.setdefault(resource.key, resource)
        if first is not resource:
            subject.fault((), f"is given twice in namespace {meta.namespace}, first in {first.file} on line {first.line}")
            return
        self._warn(resource, subject)

    def _kind(self, item: ObjectDocument) -> ResourceKind | None:
        """The kind to check against, or None where that is settled already."""
        value = item.document.value
        subject = Subject(item, object_name(value), self.faults)
        missing = [name for name in ("apiVersion", "kind") if not isinstance(value.get(name), str) or not value[name]]
        for name in missing:
            subject.fault((name,), "missing field(s)" if (value.get(name) or "") == "" else text_wanted(value[name]))
        if missing:
            return None
        group, _, version = value["apiVersion"].rpartition("/")
        kind = self.kinds.get(group, value["kind"])
        if kind is None:
            slip = wrong_group(self.kinds, group, version, value["kind"])
            if slip:
                subject.fault(("apiVersion",), slip)
            elif is_ours(group):
                near = did_you_mean(value["kind"], (known.kind for known in self.kinds if known.group == group))
                subject.fault(("kind",), f"kind {value['kind'][:63]!r} is not known in {group[:100]}{near}")
            else:
                self._skip(subject, f"kind {value['kind'][:63]} of {value['apiVersion'][:100]} is not run here, skipped")
            return None
        if version != kind.version:
            subject.fault(("apiVersion",), f"{kind.kind} is known as {kind.api_version} only")
            return None
        spec = value.get("spec")
        if kind is SERVICE and not (isinstance(spec, dict) and spec.get("type") == "ExternalName"):
            self._skip(subject, "a Service is only looked at when its type is ExternalName, skipped")
            return None
        return kind

    def _spec(self, kind: ResourceKind, subject: Subject) -> Spec | None:
        value = subject.item.document.value
        if kind is SECRET:
            return subject.secret()
        model, spec = spec_model(kind), value.get("spec")
        assert model is not None
        return subject.model(model, ("spec",), {} if kind is BROKER and spec is None else spec)

    def _skip(self, subject: Subject, reason: str) -> None:
        self.skipped.append(Remark(reason, subject.item.file, subject.item.document.root.line, subject.name))

    def _warn(self, resource: Resource, subject: Subject) -> None:
        def warn(path: Path, reason: str) -> None:
            line = subject.item.document.line(path)
            self.warnings.append(Remark(reason, resource.file, line, subject.name, dotted(path)))

        spec = resource.spec
        if isinstance(spec, BrokerSpec | TriggerSpec) and attempts_once(spec.delivery):
            sink = spec.delivery is not None and spec.delivery.dead_letter_sink is not None
            then = "goes to the dead-letter sink, which gets one as well" if sink else "goes to the built-in dead-letter store"
            warn(("spec", "delivery"), f"without retry an event gets one attempt, then {then}")
        if resource.meta.annotation(INJECTION) == "enabled":
            warn(("metadata", "annotations", INJECTION), "no broker is made by injection here; give a Broker")


def _raw(kind: ResourceKind, meta: ObjectMeta, spec: Spec, value: Mapping[str, Any]) -> Mapping[str, Any]:
    """The object for the API: what was written, without `status`, server-owned metadata and secret values."""
    metadata = {name: part for name, part in value["metadata"].items() if name not in _SERVER_OWNED and part is not None}
    metadata["namespace"] = meta.namespace
    raw: dict[str, Any] = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}
    if isinstance(spec, TriggerSpec):
        metadata["labels"] = {**(meta.labels or {}), f"{EVENTING}/broker": spec.broker_name}
    if not isinstance(spec, SecretValues):
        raw["spec"] = value.get("spec") or {}
        return raw
    if meta.annotations:
        # kubectl keeps the whole manifest here, values included.
        metadata["annotations"] = {name: text for name, text in meta.annotations.items() if name != _LAST_APPLIED}
    for part in ("data", "stringData"):
        if value.get(part):
            raw["data"] = {**raw.get("data", {}), **dict.fromkeys(value[part], "")}
    raw["type"] = value.get("type") if isinstance(value.get("type"), str) else "Opaque"
    return raw
