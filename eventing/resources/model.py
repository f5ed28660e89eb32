"""The built-in kinds as they are written, and an object once it is accepted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.alias_generators import to_camel

from eventing.filters import Filter
from eventing.kinds.base import KindModel, given, or_none, refuse
from eventing.kinds.delivery import DeliverySpec
from eventing.kinds.destination import KReference, OptionalText, RequiredDestination
from eventing.kinds.metadata import ObjectMeta
from eventing.kinds.names import Subdomain
from eventing.kinds.uri import split_uri
from eventing.policy.rate import Rate
from eventing.resources.kind_table import BROKER, EVENTING, Key, ResourceKind


class BrokerSpec(KindModel):
    """`eventing.knative.dev/v1` Broker. ``config`` chooses Knative's implementation; here it is accepted and has no effect."""

    config: KReference | None = None
    delivery: DeliverySpec | None = None


class BrokerReference(KindModel):
    """`spec.brokerRef` of a Trigger. Knative looks at the name alone; what else is given must not say anything else.

    ``namespace`` is refused, as by Knative without its feature cross-namespace-event-links.
    """

    name: Annotated[Subdomain, BeforeValidator(given)]
    kind: OptionalText = None
    api_version: OptionalText = None
    group: OptionalText = None
    namespace: OptionalText = None
    address: OptionalText = None

    @field_validator("kind")
    @classmethod
    def _a_broker(cls, value: str | None) -> str | None:
        if value not in {None, BROKER.kind}:
            raise refuse(f"must refer to kind {BROKER.kind} of {EVENTING}")
        return value

    @field_validator("api_version")
    @classmethod
    def _served(cls, value: str | None) -> str | None:
        if value not in {None, BROKER.api_version}:
            raise refuse(f"must refer to kind {BROKER.kind} of {EVENTING}: its apiVersion is {BROKER.api_version}")
        return value

    @field_validator("group")
    @classmethod
    def _in_group(cls, value: str | None) -> str | None:
        if value not in {None, EVENTING}:
            raise refuse(f"must refer to kind {BROKER.kind} of {EVENTING}")
        return value

    @field_validator("namespace")
    @classmethod
    def _own_namespace(cls, value: str | None) -> str | None:
        if value is not None:
            raise refuse("must not set the field(s): the broker is in the trigger's namespace")
        return value

    @field_validator("address")
    @classmethod
    def _no_address(cls, value: str | None) -> str | None:
        if value is not None:
            raise refuse("must not set the field(s): a trigger needs no address of its broker")
        return value


class TriggerFilter(KindModel):
    """The older filter: exact values, AND; an empty value stands for any that is present."""

    attributes: dict[str, str] | None = None


class TriggerSpec(KindModel):
    """`eventing.knative.dev/v1` Trigger. ``filters`` is kept as written: `eventing.filters` compiles it."""

    broker_ref: BrokerReference | None = None
    broker: Annotated[str | None, BeforeValidator(or_none)] = Field(default=None, validate_default=True)
    filter: TriggerFilter | None = None
    filters: list[Any] | None = None
    subscriber: RequiredDestination = Field(default=None, validate_default=True)
    delivery: DeliverySpec | None = None

    @field_validator("broker")
    @classmethod
    def _one_broker(cls, value: str | None, info: ValidationInfo) -> str | None:
        # A reference that is refused is not in the data: then that is told, and no more.
        if value is None and info.data.get("broker_ref", ...) is None:
            raise refuse("missing field(s)")
        if value is not None and info.data.get("broker_ref") is not None:
            raise refuse("expected exactly one, got both: broker, brokerRef")
        return value

    @property
    def broker_name(self) -> str:
        return self.broker or (self.broker_ref.name if self.broker_ref else "")


class _Tolerant(KindModel):
    model_config = ConfigDict(extra="ignore", alias_generator=to_camel, populate_by_name=True, frozen=True, strict=True)


class ServicePort(_Tolerant):
    port: int = Field(ge=1, le=65535)
    name: str = ""


class ServiceSpec(_Tolerant):
    """`v1` Service of type ExternalName: a name for something outside. Kubernetes' other fields are tolerated."""

    type: Literal["ExternalName"]
    external_name: Subdomain
    ports: list[ServicePort] | None = None

    @field_validator("external_name")
    @classmethod
    def _is_a_host(cls, name: str) -> str:
        split_uri(f"http://{name}/")
        return name

    def url(self, *, tls: bool = False) -> str:
        """https where the first port is 443 or named so, or where ``tls`` wants it."""
        if not self.ports:
            return f"http{'s' if tls else ''}://{self.external_name}/"
        first = self.ports[0]
        scheme = "https" if tls or first.port == 443 or first.name == "https" else "http"
        standard = first.port == (443 if scheme == "https" else 80)
        return f"{scheme}://{self.external_name}{'' if standard else f':{first.port}'}/"


class SecretValues:
    """The values of a Secret. Its repr names keys only."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, bytes]) -> None:
        self._values = dict(values)

    def get(self, key: str) -> bytes | None:
        return self._values.get(key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretValues) and other._values == self._values

    def __hash__(self) -> int:
        return hash(frozenset(self._values))

    def __repr__(self) -> str:
        return f"SecretValues({', '.join(sorted(self._values))})"


@dataclass(frozen=True, slots=True)
class TriggerOptions:
    """What our annotations on a Trigger say."""

    max_in_flight: int | None = None
    paused: bool = False
    rate: Rate | None = None
    ordered: bool = False


Spec = BrokerSpec | TriggerSpec | ServiceSpec | SecretValues | BaseModel


@dataclass(frozen=True, slots=True)
class Resource:
    """An accepted object. ``raw`` is the manifest's mapping for the API, without `status` and without secret values.
    ``filter`` and ``options``: of a Trigger. ``file``/``line``: where it was written."""

    kind: ResourceKind
    meta: ObjectMeta
    spec: Spec
    raw: Mapping[str, Any]
    file: str = ""
    line: int | None = None
    filter: Filter | None = None
    options: TriggerOptions = field(default_factory=TriggerOptions)

    @property
    def key(self) -> Key:
        return Key(self.kind.group, self.kind.kind, self.meta.namespace, self.meta.name)
