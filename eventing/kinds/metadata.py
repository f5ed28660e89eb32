"""Metadata of an object."""

from __future__ import annotations

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from eventing.kinds.base import KindModel
from eventing.kinds.names import Label, Subdomain

DEFAULT_NAMESPACE = "default"


class ObjectMeta(KindModel):
    """Kubernetes' ObjectMeta as far as it means something here.

    Its other fields (`generateName`, `finalizers`, `managedFields` ...) are tolerated, so that what `kubectl get -o yaml`
    printed can be applied. ``annotations`` and ``labels`` of others are kept.
    """

    model_config = ConfigDict(extra="ignore", alias_generator=to_camel, populate_by_name=True, frozen=True, strict=True)

    name: Subdomain
    namespace: Label = DEFAULT_NAMESPACE
    labels: dict[str, str] | None = Field(default=None)
    annotations: dict[str, str] | None = Field(default=None)

    def annotation(self, name: str) -> str | None:
        """The annotation's value, or None where there is none."""
        return self.annotations.get(name) if self.annotations else None
