"""What the data plane does, compiled from the objects: the reconcilers make it, the dispatcher and the ingress follow it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel

from eventing.filters import Filter
from eventing.policy.delivery import DeliveryPolicy
from eventing.policy.rate import Rate
from eventing.ports.source import SourcePlugin
from eventing.resources.identity import Retired
from eventing.resources.kind_table import Key


@dataclass(frozen=True, slots=True)
class Target:
    """A resolved destination. ``url``: absolute, http or https. ``ca_certs``: PEM from the Destination's `CACerts`.
    ``broker``: the uid where the address is one of our own brokers (the hop count travels with the event)."""

    url: str
    ca_certs: str | None = None
    broker: str | None = None


@dataclass(frozen=True, slots=True)
class BrokerPlan:
    uid: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class TriggerPlan:
    """A trigger that is Ready. ``max_in_flight``: slots, None for the default. ``format``: `delivery.format`. ``rate``: how many
    attempts at the subscriber may start per unit of time, None for any number. ``ordered``: events with one
    ordering key (`policy.order`) go one at a time."""

    uid: str
    namespace: str
    name: str
    broker: str
    filter: Filter
    subscriber: Target
    dead_letter: Target | None = None
    policy: DeliveryPolicy = field(default_factory=DeliveryPolicy)
    format: str = "binary"
    max_in_flight: int | None = None
    paused: bool = False
    rate: Rate | None = None
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class SourcePlan:
    """A source whose sink is resolved. ``path``: where a webhook receiver answers. ``extensions``: `ceOverrides`."""

    uid: str
    namespace: str
    name: str
    path: str
    plugin: SourcePlugin
    spec: BaseModel
    sink: Target
    extensions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole of it, by uid. ``keys``: all objects there are, those that can't run now too: what they stored is theirs.
    ``retired``: objects gone from the manifests of which something may still be stored."""

    brokers: Mapping[str, BrokerPlan] = field(default_factory=dict)
    triggers: Mapping[str, TriggerPlan] = field(default_factory=dict)
    sources: Mapping[str, SourcePlan] = field(default_factory=dict)
    keys: Mapping[str, Key] = field(default_factory=dict)
    retired: Mapping[str, Retired] = field(default_factory=dict)
