"""What the spec of every source has."""

from __future__ import annotations

import re

from pydantic import Field, field_validator

from eventing.kinds.base import KindModel, refuse
from eventing.kinds.destination import RequiredDestination

_NAME = re.compile(r"[a-z0-9]+", re.ASCII)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_CONTEXT = frozenset({"specversion", "id", "source", "type", "datacontenttype", "dataschema", "subject", "time", "data"})


class CloudEventOverrides(KindModel):
    """Extensions set on every event of the source, whatever the event carried."""

    extensions: dict[str, str] | None = None

    @field_validator("extensions")
    @classmethod
    def _extensions(cls, value: dict[str, str] | None) -> dict[str, str] | None:
        for name, text in (value or {}).items():
            if name in _CONTEXT:
                raise refuse("must not override a context attribute of CloudEvents", field=name)
            if _NAME.fullmatch(name) is None:
                raise refuse(f"invalid key name {name[:40]!r}: extensions consist of lower case letters and digits", field=name)
            if _CONTROL.search(text) is not None:
                raise refuse("must hold no control characters (CloudEvents 1.0, String)", field=name)
        return value


class SourceSpec(KindModel):
    """Base of a source's `.spec` (Knative's Source duck type)."""

    sink: RequiredDestination = Field(default=None, validate_default=True)
    ce_overrides: CloudEventOverrides | None = None

    @property
    def extensions(self) -> dict[str, str]:
        """The overrides, empty where there are none."""
        return dict(self.ce_overrides.extensions or {}) if self.ce_overrides else {}
