"""Metadata of an object."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from eventing.kinds.base import KindModel, given
from eventing.kinds.names import Label, Subdomain

DEFAULT_NAMESPACE = "default"


def _or_default(value: object) -> object:
    return DEFAULT_NAMESPACE if value is None or value == "" else value


class ObjectMeta(KindModel):
    """Kubernetes' ObjectMeta as far as it means something here.

    Its other fields (`generateName`, `finalizers`, `managedFields` ...) are tolerated, so that what `kubectl get -o yaml`
    printed can be applied. ``annotations`` and ``labels`` of others are kept.
    """

    model_config = ConfigDict(extra="ignore", alias_generator=to_camel, populate_by_name=True, frozen=True, strict=True)

    name: Annotated[Subdomain, BeforeValidator(given)]
    namespace: Annotated[Label, BeforeValidator(_or_default)] = DEFAULT_NAMESPACE
    labels: dict[str, str] | None = Field(default=None)
    annotations: dict[str, str] | None = Field(default=None)

    def annotation(self, name: str) -> str | None:
        """The annotation's value, or None where there is none."""
        return self.annotations.get(name) if self.annotations else None
