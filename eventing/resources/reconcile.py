"""Objects to plan and statuses. Pure: the same objects and observations give the same answer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from eventing.kinds.destination import Destination
from eventing.kinds.source import SourceSpec
from eventing.ports.channel import Health
from eventing.resources.annotations import BROKER_CLASS, dependency
from eventing.resources.conditions import Conditions, find, timestamp
from eventing.resources.delivery import effective, policy_of
from eventing.resources.identity import Retired
from eventing.resources.kind_table import BROKER, EVENTING, TRIGGER, Key
from eventing.resources.model import BrokerSpec, Resource, TriggerSpec
from eventing.resources.plan import BrokerPlan, Plan, SourcePlan, Target, TriggerPlan
from eventing.resources.resolve import Resolver, Unresolved, address_name

SUBSCRIBER_NOT_RESOLVED = "SubscriberNotResolved"
DEAD_LETTER_SINK_NOT_RESOLVED = "DeadLetterSinkNotResolved"
NO_OIDC = "OIDCDisabled"


@dataclass(frozen=True, slots=True)
class Report:
    """What a running source says of one of its conditions; ``status`` None is Unknown."""

    status: bool | None
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Observed:
    """What is known beside the objects.

    ``bases``: URLs under which the data plane is reached; the first is published. ``now``: seconds since the epoch.
    ``uids``: of every object (`identity`). ``retired``: by uid, what is gone from the manifests (`identity`).
    ``generations``: of the objects, 1 where not said. ``channel``: None before it is open. ``subscribed``: uids of the triggers
    that the dispatcher took up; None where it is not asked. ``reports``: of running sources, by uid and condition type.
    ``receivers``: the paths at which sources answer requests; None: all of them. ``statuses``: the last ones.
    """

    bases: Sequence[str]
    now: float
    uids: Mapping[Key, str]
    retired: Mapping[str, Retired] = field(default_factory=dict)
    generations: Mapping[Key, int] = field(default_factory=dict)
    channel: Health | None = None
    subscribed: Collection[str] | None = None
    reports: Mapping[str, Mapping[str, Report]] = field(default_factory=dict)
    receivers: Collection[str] | None = None
    statuses: Mapping[Key, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reconciled:
    """``statuses``: of every object whose kind has one, as JSON."""

    plan: Plan
    statuses: Mapping[Key, Mapping[str, Any]]


def reconcile(objects: Sequence[Resource], observed: Observed) -> Reconciled:
    """Brokers first, then sources, then triggers, since each looks at those before it.

    The plan holds what can be run: a broker or trigger whose destinations don't all resolve is not in it. A trigger whose
    dependency or channel isn't ready stays in it, so that a passing weakness loses no event. Every object needs its uid in
    ``observed.uids``, else `KeyError`.
    """
    work = _Reconciler(objects, observed)
    for resource in objects:
        if resource.kind is BROKER:
            work.broker(resource)
    for resource in objects:
        if resource.kind.source is not None:
            work.source(resource)
    for resource in objects:
        if resource.kind is TRIGGER:
            work.trigger(resource)
    plan = Plan(
        brokers=work.brokers,
        triggers=work.triggers,
        sources=work.sources,
        keys={observed.uids[resource.key]: resource.key for resource in objects},
        retired=dict(observed.retired),
    )
    return Reconciled(plan, work.statuses)


class _Reconciler:
    def __init__(self, objects: Sequence[Resource], observed: Observed) -> None:
        self._observed = observed
        self._now = timestamp(observed.now)
        self._resolver = Resolver(objects, observed.bases, observed.uids)
        self._by_key = {resource.key: resource for resource in objects}
        self.brokers: dict[str, BrokerPlan] = {}
        self.sources: dict[str, SourcePlan] = {}
        self.triggers: dict[str, TriggerPlan] = {}
        self.statuses: dict[Key, dict[str, Any]] = {}

    def broker(self, resource: Resource) -> None:
        assert isinstance(resource.spec, BrokerSpec)
        conditions, uid = self._conditions(resource), self._observed.uids[resource.key]
        status: dict[str, Any] = {}
        delivery = resource.spec.delivery
        # First, since Ready names the first cause: without its sink a broker isn't served.
        sink = self._dead_letter(resource, delivery.dead_letter_sink if delivery else None, conditions, status)
        if isinstance(sink, Unresolved):
            message = "Events are not taken: the dead letter sink is not resolved."
            conditions.mark("IngressReady", False, DEAD_LETTER_SINK_NOT_RESOLVED, message)
            conditions.mark("Addressable", False, DEAD_LETTER_SINK_NOT_RESOLVED, message)
        else:
            self.brokers[uid] = BrokerPlan(uid, resource.meta.namespace, resource.meta.name)
            url = self._resolver.address(resource.meta.namespace, resource.meta.name)
            status["address"] = {"name": address_name(url), "url": url}
            status["addresses"] = [status["address"]]
            conditions.mark("IngressReady", True)
            conditions.mark("Addressable", True)
        health = self._observed.channel
        if health is None:
            conditions.mark("TriggerChannelReady", None, "ChannelNotOpen", "The channel is not open yet.")
        elif health.ready:
            conditions.mark("TriggerChannelReady", True, message=f"durability: {health.durability}")
        else:
            conditions.mark("TriggerChannelReady", False, health.reason or "ChannelUnavailable", health.message)
        conditions.mark("FilterReady", True)
        conditions.mark("EventPoliciesReady", True, NO_OIDC, "There are no event policies: events are taken from anyone.")
        if resource.spec.config is not None:
            message = "spec.config has no effect: the channel is chosen when the program starts."
            conditions.mark("ConfigSupported", False, "ConfigIgnored", message, severity="Warning")
        if resource.meta.annotation(BROKER_CLASS) is not None:
            message = "The broker class has no effect: there is one implementation."
            conditions.mark("BrokerClassSupported", False, "BrokerClassIgnored", message, severity="Warning")
        self._finish(resource, conditions, status)

    def trigger(self, resource: Resource) -> None:
        spec, meta = resource.spec, resource.meta
        assert isinstance(spec, TriggerSpec)
        assert resource.filter is not None
        conditions, uid = self._conditions(resource), self._observed.uids[resource.key]
        status: dict[str, Any] = {}
        broker = self._by_key.get(Key(EVENTING, BROKER.kind, meta.namespace, spec.broker_name))
        subscriber = self._resolver.resolve(spec.subscriber, meta.namespace)
        if broker is None:
            conditions.mark("BrokerReady", False, "BrokerDoesNotExist", f'Broker "{spec.broker_name}" does not exist')
        else:
            _of_broker(conditions, spec.broker_name, self.statuses[broker.key])
        if isinstance(subscriber, Unresolved):
            conditions.mark("SubscriberResolved", False, SUBSCRIBER_NOT_RESOLVED, subscriber.message)
            status["subscriberUri"] = ""
        else:
            conditions.mark("SubscriberResolved", True)
            status["subscriberUri"] = subscriber.url
            if subscriber.ca_certs is not None:
                status["subscriberCACerts"] = subscriber.ca_certs
        from_broker = broker.spec.delivery if broker is not None and isinstance(broker.spec, BrokerSpec) else None
        delivery = effective(spec.delivery, from_broker)
        owner = resource if spec.delivery is not None or broker is None else broker
        sink = self._dead_letter(owner, delivery.dead_letter_sink if delivery else None, conditions, status)
        self._depend(resource, conditions)
        conditions.mark("OIDCIdentityCreated", True, NO_OIDC, "Events are sent without OIDC tokens: no identity is needed.")
        broker_uid = None if broker is None else self._observed.uids[broker.key]
        runs = broker_uid in self.brokers and not isinstance(subscriber, Unresolved) and not isinstance(sink, Unresolved)
        subscribed = self._observed.subscribed
        if not runs or (subscribed is not None and uid not in subscribed):
            conditions.mark("SubscriptionReady", None, "SubscriptionNotConfigured", "Subscription has not yet been reconciled.")
        else:
            conditions.mark("SubscriptionReady", True)
        if runs and broker_uid is not None and isinstance(subscriber, Target):
            self.triggers[uid] = TriggerPlan(
                uid=uid,
                namespace=meta.namespace,
                name=meta.name,
                broker=broker_uid,
                filter=resource.filter,
                subscriber=subscriber,
                dead_letter=sink if isinstance(sink, Target) else None,
                policy=policy_of(delivery),
                format=(delivery.format if delivery else None) or "binary",
                max_in_flight=resource.options.max_in_flight,
                paused=resource.options.paused,
                rate=resource.options.rate,
                ordered=resource.options.ordered,
            )
        self._finish(resource, conditions, status)

    def source(self, resource: Resource) -> None:
        plugin, spec, meta = resource.kind.source, resource.spec, resource.meta
        assert plugin is not None
        assert isinstance(spec, SourceSpec)
        conditions, uid = self._conditions(resource), self._observed.uids[resource.key]
        path = f"/{meta.namespace}/{plugin.plural}/{meta.name}"
        status: dict[str, Any] = {}
        if self._observed.receivers is None or path in self._observed.receivers:
            url = self._resolver.address(meta.namespace, plugin.plural, meta.name)
            status["address"] = {"name": address_name(url), "url": url}
            status["addresses"] = [status["address"]]
        sink = self._resolver.resolve(spec.sink, meta.namespace)
        if isinstance(sink, Unresolved):
            conditions.mark("SinkProvided", False, "SinkNotFound", sink.message)
        else:
            conditions.mark("SinkProvided", True)
            status["sinkUri"] = sink.url
            if sink.ca_certs is not None:
                status["sinkCACerts"] = sink.ca_certs
            self.sources[uid] = SourcePlan(
                uid=uid,
                namespace=meta.namespace,
                name=meta.name,
                path=path,
                plugin=plugin,
                spec=spec,
                sink=sink,
                extensions=spec.extensions,
            )
        reports = self._observed.reports.get(uid, {})
        for type_ in (*plugin.conditions, *(type_ for type_ in reports if type_ not in plugin.conditions)):
            if type_ == "SinkProvided":
                continue
            report = reports.get(type_, Report(None, "NotReported", "The source has not said yet."))
            failed = report.status is False and not report.reason
            conditions.mark(type_, report.status, "NoReasonGiven" if failed else report.reason, report.message)
        self._finish(resource, conditions, status)

    def _conditions(self, resource: Resource) -> Conditions:
        return Conditions(self._observed.statuses.get(resource.key), self._now)

    def _dead_letter(
        self, owner: Resource, sink: Destination | None, conditions: Conditions, status: dict[str, Any]
    ) -> Target | Unresolved | None:
        """``owner``: whose `delivery` names the sink, since a reference is resolved in its namespace."""
        if sink is None:
            reason = "DeadLetterSinkNotConfigured"
            conditions.mark("DeadLetterSinkResolved", True, reason, "No dead letter sink is configured.")
            return None
        found = self._resolver.resolve(sink, owner.meta.namespace)
        if isinstance(found, Unresolved):
            conditions.mark("DeadLetterSinkResolved", False, DEAD_LETTER_SINK_NOT_RESOLVED, found.message)
            return found
        conditions.mark("DeadLetterSinkResolved", True)
        status["deadLetterSinkUri"] = found.url
        if found.ca_certs is not None:
            status["deadLetterSinkCACerts"] = found.ca_certs
        return found

    def _depend(self, resource: Resource, conditions: Conditions) -> None:
        key = dependency(resource.meta)
        if not isinstance(key, Key):
            conditions.mark("DependencyReady", True)
        elif key in self.statuses and key.kind != TRIGGER.kind:
            _propagate(conditions, "DependencyReady", self.statuses[key], "DependencyNotConfigured")
        else:
            message = f"Dependency does not exist: {key} in namespace {key.namespace!r}"
            conditions.mark("DependencyReady", False, "DependencyDoesNotExist", message)

    def _finish(self, resource: Resource, conditions: Conditions, status: dict[str, Any]) -> None:
        generation = self._observed.generations.get(resource.key, 1)
        self.statuses[resource.key] = {"observedGeneration": generation, "conditions": conditions.finish(), **status}


def _of_broker(conditions: Conditions, name: str, status: Mapping[str, Any]) -> None:
    """A broker that isn't Ready, for whatever reason, makes its triggers not Ready: False, never Unknown (Knative eventing
    control plane, "Trigger Lifecycle")."""
    ready = find(status) or {}
    if ready.get("status") == "True":
        conditions.mark("BrokerReady", True)
    else:
        message = f'Broker "{name}" is not Ready: {ready.get("message") or ready.get("reason") or "no reason given"}'
        conditions.mark("BrokerReady", False, ready.get("reason") or "BrokerNotConfigured", message)


def _propagate(conditions: Conditions, type_: str, status: Mapping[str, Any], missing: str) -> None:
    """Mirror another object's Ready."""
    ready = find(status)
    if ready is None:
        conditions.mark(type_, None, missing)
    else:
        value = {"True": True, "False": False}.get(ready["status"])
        conditions.mark(type_, value, ready.get("reason", ""), ready.get("message", ""))
