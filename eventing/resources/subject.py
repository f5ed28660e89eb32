"""One object under test: its parts become models, what is wrong becomes faults."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from eventing.errors import Fault, InvalidFilter
from eventing.filters import Filter, compile_filter
from eventing.kinds.secret import KEY_RULE, is_secret_key
from eventing.resources.faults import explain, name_of, text_wanted
from eventing.resources.loader import ObjectDocument
from eventing.resources.model import SecretValues
from eventing.resources.nodes import Path, dotted

M = TypeVar("M", bound=BaseModel)

_MAX_SECRET = 1024 * 1024
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Subject:
    """The object under test, and where its faults go, behind the ``earlier`` ones of other objects."""

    item: ObjectDocument
    name: str
    faults: list[Fault]
    earlier: int = 0

    def fault(self, path: Path, reason: str) -> None:
        line = self.item.document.line(path)
        self.faults.append(Fault(reason, file=self.item.file, line=line, object_=self.name, field=dotted(path)))

    def model(self, model: type[M], base: Path, value: object) -> M | None:
        """The part at ``base`` as a model, or None after its faults were noted."""
        if not isinstance(value, dict):
            self.fault(base, "missing field(s)" if value is None else f"must be a mapping, not {name_of(value)}")
            return None
        try:
            return model.model_validate(value, by_alias=True, by_name=False)
        except ValidationError as error:
            for path, reason in explain(error, model, value):
                self.fault(base + path, reason)
            return None

    def filter(self, spec: object) -> Filter | None:
        """Compile a Trigger's filter from its spec as written, so that its faults show beside those of other fields."""
        if not isinstance(spec, Mapping):
            return None
        filters, legacy = spec.get("filters"), spec.get("filter")
        attributes = legacy.get("attributes") if isinstance(legacy, Mapping) else None
        if not isinstance(filters, list | None) or not isinstance(attributes, Mapping | None):
            return None  # the model says so
        try:
            return compile_filter(filters, attributes)
        except InvalidFilter as error:
            path = ("spec", *steps(error.path))
            known = (self.item.file, self.item.document.line(path), dotted(path))
            if not any((fault.file, fault.line, fault.field) == known for fault in self.faults[self.earlier :]):
                self.fault(path, error.reason)
            return None

    def secret(self) -> SecretValues | None:
        """The values of a Secret (`stringData` wins over `data`). No fault repeats one."""
        value = self.item.document.value
        values: dict[str, bytes] = {}
        before = len(self.faults)
        for part in ("data", "stringData"):
            entries = value.get(part)
            if entries is None:
                continue
            if not isinstance(entries, dict):
                self.fault((part,), f"must be a mapping, not {name_of(entries)}")
                continue
            for key, text in entries.items():
                if not is_secret_key(key):
                    self.fault((part, key), f"invalid key name: {KEY_RULE}")
                elif text is None:
                    values[key] = b""
                elif not isinstance(text, str):
                    self.fault((part, key), text_wanted(text))
                elif part == "stringData":
                    values[key] = text.encode()
                else:
                    try:
                        values[key] = base64.b64decode("".join(text.split()), validate=True)
                    except (binascii.Error, ValueError):
                        self.fault((part, key), "is not base64; plain text belongs under stringData")
        if sum(map(len, values.values())) > _MAX_SECRET:
            self.fault((), f"holds more than {_MAX_SECRET} bytes")
        return SecretValues(values) if len(self.faults) == before else None


def object_name(value: Mapping[str, Any]) -> str:
    """`Kind/name` of whatever was written, for messages."""
    kind = value.get("kind")
    meta = value.get("metadata")
    name = meta.get("name") if isinstance(meta, Mapping) else None
    shown = [part[:253] if isinstance(part, str) and part and part.isprintable() else "?" for part in (kind, name)]
    return "/".join(shown)


def steps(path: str) -> Path:
    """`filters[1].any[0].exact` as steps."""
    return tuple(int(index) if index else word for word, index in _STEP.findall(path))
