"""Whole manifests, case by case as Knative's webhooks take or refuse them (`Trigger.Validate`, `Broker.Validate`, their
defaults)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from eventing.errors import Fault
from eventing.resources.model import BrokerSpec, TriggerSpec
from eventing.resources.validate import Loaded

Apply = Callable[..., Loaded]
Refused = Callable[..., list[Fault]]

DEPENDENCY = "knative.dev/dependency"
INJECTION = "eventing.knative.dev/injection"
SUBSCRIBER = {"ref": {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "s", "namespace": "n"}}
SOURCE = {"apiVersion": "sources.knative.dev/v1", "kind": "PingSource", "name": "p"}


def trigger(spec: Any = None, *, namespace: str = "test-ns", **annotations: Any) -> str:
    """``spec``: beside a broker and a subscriber, unless it says `None` for one."""
    written = {"broker": "default", "subscriber": SUBSCRIBER, **(spec or {})}
    names = {"dependency": DEPENDENCY, "injection": INJECTION}
    metadata = {"name": "t", "namespace": namespace, "annotations": {names[name]: text for name, text in annotations.items()}}
    body = {"apiVersion": "eventing.knative.dev/v1", "kind": "Trigger", "metadata": metadata}
    return json.dumps(body | {"spec": {name: value for name, value in written.items() if value is not None}})


def broker(spec: Any = None, **annotations: str) -> str:
    metadata = {"name": "b", "annotations": {f"eventing.knative.dev/{name}": text for name, text in annotations.items()}}
    return json.dumps({"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "metadata": metadata, "spec": spec})


def reasons(faults: list[Fault]) -> dict[str, str]:
    return {fault.field or "": fault.reason for fault in faults}


# Triggers: the broker.


@pytest.mark.requirement("O1")
def test_a_trigger_with_broker_and_subscriber_is_accepted(apply: Apply) -> None:
    [resource] = apply(trigger()).objects
    assert isinstance(resource.spec, TriggerSpec)
    assert resource.spec.broker_name == "default"


@pytest.mark.requirement("O2")
def test_an_empty_spec_is_told_both_missing_fields_at_once(refused: Refused) -> None:
    assert reasons(refused(trigger({"broker": None, "subscriber": None}))) == {
        "spec.broker": "missing field(s)",
        "spec.subscriber": "expected at least one, got none: ref, uri",
    }


@pytest.mark.parametrize("spec", [{"broker": None}, {"broker": ""}])
def test_a_trigger_without_broker_is_refused(refused: Refused, spec: Any) -> None:
    assert reasons(refused(trigger(spec))) == {"spec.broker": "missing field(s)"}


def test_a_broker_reference_stands_for_the_broker(apply: Apply) -> None:
    for more in ({}, {"kind": "Broker", "apiVersion": "eventing.knative.dev/v1"}, {"group": "eventing.knative.dev"}):
        for name in (None, ""):
            [resource] = apply(trigger({"broker": name, "brokerRef": {"name": "c", **more}})).objects
            assert isinstance(resource.spec, TriggerSpec)
            assert resource.spec.broker_name == "c"


def test_a_broker_beside_a_broker_reference_is_refused(refused: Refused) -> None:
    faults = refused(trigger({"brokerRef": {"name": "c"}}))
    assert reasons(faults) == {"spec.broker": "expected exactly one, got both: broker, brokerRef"}


@pytest.mark.parametrize(
    ("more", "field", "words"),
    [
        ({"namespace": "test-ns"}, "namespace", "must not set the field(s)"),
        ({"address": "http"}, "address", "must not set the field(s)"),
        ({"kind": "Channel"}, "kind", "must refer to kind Broker"),
        ({"apiVersion": "messaging.knative.dev/v1"}, "apiVersion", "must refer to kind Broker"),
        ({"group": "messaging.knative.dev"}, "group", "must refer to kind Broker"),
        ({"name": ""}, "name", "missing field(s)"),
        ({"name": None}, "name", "missing field(s)"),
    ],
)
def test_a_broker_reference_that_says_anything_else_is_refused(refused: Refused, more: Any, field: str, words: str) -> None:
    [fault] = refused(trigger({"broker": None, "brokerRef": {"name": "c", **more}}))
    assert (fault.field, words in fault.reason) == (f"spec.brokerRef.{field}", True)


# Triggers: subscriber and delivery.


@pytest.mark.requirement("O2")
def test_a_subscriber_without_the_name_of_its_reference_is_refused(refused: Refused) -> None:
    spec = {"subscriber": {"ref": {"apiVersion": "v1", "kind": "Service", "namespace": "n"}}}
    assert reasons(refused(trigger(spec))) == {"spec.subscriber.ref.name": "missing field(s)"}


def test_a_delay_that_is_no_duration_is_refused_in_trigger_and_broker(refused: Refused) -> None:
    spec = {"delivery": {"backoffDelay": "invalid time"}}
    for text in (trigger(spec), broker(spec)):
        [fault] = refused(text)
        assert fault.field == "spec.delivery.backoffDelay"
        assert fault.reason.startswith("invalid value: 'invalid time'")


@pytest.mark.requirement("O2")
def test_a_dead_letter_sink_without_uri_and_reference_is_refused_in_trigger_and_broker(refused: Refused) -> None:
    spec = {"delivery": {"deadLetterSink": {}}}
    for text in (trigger(spec), broker(spec)):
        assert reasons(refused(text)) == {"spec.delivery.deadLetterSink": "expected at least one, got none: ref, uri"}


def test_null_stands_for_left_out_as_kubernetes_reads_it(apply: Apply) -> None:
    text = """\
    apiVersion: eventing.knative.dev/v1
    kind: Trigger
    metadata: {name: t, namespace: null, labels: null, annotations: null}
    spec: {broker: b, brokerRef: null, filter: null, filters: null, delivery: null, subscriber: {uri: 'http://h/', ref: null}}
    """
    [resource] = apply(text).objects
    assert resource.meta.namespace == "default"


# Triggers: annotations and labels.


@pytest.mark.requirement("O8")
@pytest.mark.parametrize("value", ["enabled", "disabled"])
def test_injection_is_accepted_for_the_broker_called_default(apply: Apply, value: str) -> None:
    warnings = apply(trigger(injection=value)).warnings
    assert [warning.field for warning in warnings] == [f"metadata.annotations[{INJECTION}]"] * (value == "enabled")


@pytest.mark.requirement("O8")
def test_injection_with_another_value_is_refused(refused: Refused) -> None:
    for value in ("wut", "", "Enabled", "true"):
        [fault] = refused(trigger(injection=value))
        assert fault.field == f"metadata.annotations[{INJECTION}]"
        assert fault.reason == f'invalid value: {value!r}, must be "enabled" or "disabled"'


@pytest.mark.requirement("O8")
@pytest.mark.parametrize("spec", [{"broker": "test-broker"}, {"broker": None, "brokerRef": {"name": "default"}}])
def test_injection_for_another_broker_is_refused(refused: Refused, spec: Any) -> None:
    [fault] = refused(trigger(spec, injection="enabled"))
    assert fault.reason == "is only used where spec.broker is 'default'"


@pytest.mark.requirement("O8")
def test_a_dependency_is_an_object_reference_as_json(apply: Apply) -> None:
    for more in ({}, {"namespace": "test-ns"}, {"namespace": ""}, {"namespace": None}, {"uid": "x"}):
        assert apply(trigger(dependency=json.dumps(SOURCE | more))).objects


@pytest.mark.requirement("O8")
@pytest.mark.parametrize("text", ["invalid dependency annotation", "", "[]", "3", '"a"', "{", "null"])
def test_a_dependency_that_is_no_object_reference_is_refused(refused: Refused, text: str) -> None:
    [fault] = refused(trigger(dependency=text))
    assert (fault.field, fault.reason) == (f"metadata.annotations[{DEPENDENCY}]", "must be an object reference as JSON")


@pytest.mark.requirement("O8")
def test_a_dependency_in_another_namespace_is_refused(refused: Refused) -> None:
    [fault] = refused(trigger(dependency=json.dumps(SOURCE | {"namespace": "test-ns-2"})))
    assert fault.reason == "namespace must be empty or equal to the trigger's namespace 'test-ns'"


@pytest.mark.requirement("O8")
@pytest.mark.parametrize("missing", [("kind",), ("name",), ("apiVersion",), ("apiVersion", "kind", "name")])
def test_a_dependency_is_told_all_its_missing_fields(refused: Refused, missing: tuple[str, ...]) -> None:
    [fault] = refused(trigger(dependency=json.dumps({name: text for name, text in SOURCE.items() if name not in missing})))
    assert fault.reason == f"missing field(s): {', '.join(missing)}"


@pytest.mark.requirement("O8")
def test_faults_of_spec_and_of_both_annotations_are_told_at_once(refused: Refused) -> None:
    faults = refused(trigger({"broker": None}, dependency="{}", injection="wut"))
    assert reasons(faults).keys() == {
        "spec.broker",
        f"metadata.annotations[{DEPENDENCY}]",
        f"metadata.annotations[{INJECTION}]",
    }


@pytest.mark.requirement("O8")
def test_a_trigger_is_labelled_with_its_broker_whatever_its_label_said(apply: Apply) -> None:
    by_name = apply(trigger()).objects[0].raw["metadata"]["labels"]
    assert by_name == {"eventing.knative.dev/broker": "default"}
    text = trigger({"broker": None, "brokerRef": {"name": "c"}})
    written = json.loads(text)
    written["metadata"]["labels"] = {"eventing.knative.dev/broker": "stale", "other": "kept"}
    by_reference = apply(json.dumps(written)).objects[0].raw["metadata"]["labels"]
    assert by_reference == {"eventing.knative.dev/broker": "c", "other": "kept"}


# Brokers.


@pytest.mark.requirement("O8")
def test_a_broker_needs_no_class_and_takes_any(apply: Apply) -> None:
    for written in ({}, *({"broker.class": name} for name in ("MTChannelBasedBroker", "Kafka", "RabbitMQBroker", ""))):
        assert apply(broker({}, **written)).objects


@pytest.mark.requirement("O1")
def test_a_broker_with_an_empty_spec_or_none_is_accepted(apply: Apply) -> None:
    for spec in (None, {}, {"config": None, "delivery": None}):
        [resource] = apply(broker(spec)).objects
        assert resource.spec == BrokerSpec()


CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "name": "c"}


def test_a_broker_config_is_accepted_in_whatever_namespace(apply: Apply) -> None:
    for more in ({}, {"namespace": "other"}, {"namespace": ""}):
        assert apply(broker({"config": CONFIG | more})).objects


@pytest.mark.parametrize("missing", ["name", "apiVersion", "kind"])
def test_a_broker_config_without_name_api_version_or_kind_is_refused(refused: Refused, missing: str) -> None:
    config = {name: text for name, text in CONFIG.items() if name != missing}
    assert reasons(refused(broker({"config": config}))) == {f"spec.config.{missing}": "missing field(s)"}


@pytest.mark.parametrize("field", ["class", "channelTemplateSpec", "Delivery", "configs"])
def test_an_unknown_field_of_a_broker_is_refused(refused: Refused, field: str) -> None:
    [fault] = refused(broker({field: {}}))
    assert fault.field == f"spec.{field}"
    assert fault.reason.startswith("must not set the field(s): unknown field")


# Groups and versions.


@pytest.mark.requirement("O1")
@pytest.mark.parametrize("kind", ["Broker", "Trigger"])
@pytest.mark.parametrize("version", ["v1", "eventing.knative.dev", "eventing.knative.dev/v1beta1", "eventing.knative.dev/v2"])
def test_a_kind_under_another_version_or_no_group_is_refused_and_the_right_one_is_named(
    refused: Refused, kind: str, version: str
) -> None:
    [fault] = refused(json.dumps({"apiVersion": version, "kind": kind, "metadata": {"name": "x"}}))
    assert (fault.field, fault.reason) == ("apiVersion", f"{kind} is known as eventing.knative.dev/v1 only")


@pytest.mark.requirement("O1")
@pytest.mark.parametrize("version", ["eventing.knative.dv/v1", "evening.knative.dev/v1", "eventing.knative.com/v1"])
def test_a_slip_in_the_group_is_refused_and_not_skipped_as_somebody_elses(refused: Refused, version: str) -> None:
    for kind in ("Trigger", "trigger"):
        [fault] = refused(json.dumps({"apiVersion": version, "kind": kind, "metadata": {"name": "x"}}))
        assert fault.field == "apiVersion"
        assert "did you mean 'eventing.knative.dev/v1'?" in fault.reason


@pytest.mark.requirement("O1")
@pytest.mark.parametrize("version", ["rabbitmq.com/v1beta1", "argoproj.io/v1alpha1", "triggers.tekton.dev/v1", "apps/v1"])
def test_a_kind_of_our_name_in_somebody_elses_group_is_skipped(apply: Apply, version: str) -> None:
    loaded = apply(json.dumps({"apiVersion": version, "kind": "Trigger", "metadata": {"name": "x"}}))
    assert (loaded.objects, len(loaded.skipped)) == ((), 1)
