"""Objects to plan and statuses."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import trustme
from reconcile_rig import BASE, GITHUB, NOW, Apply, broker, conditions, run, status, trigger

from eventing.event import Event
from eventing.kinds.conditions import Condition
from eventing.policy.delivery import DeliveryPolicy
from eventing.policy.rate import Rate
from eventing.ports.channel import Health
from eventing.resources.identity import Retired
from eventing.resources.kind_table import EVENTING, Key
from eventing.resources.plan import Target
from eventing.resources.reconcile import Reconciled, Report


@pytest.mark.requirement("O5")
def test_a_ready_broker_and_trigger(apply: Apply) -> None:
    result = run(apply(broker() + trigger()))
    assert status(result, "Broker", "b")["address"] == {"name": "http", "url": f"{BASE}/default/b"}
    assert conditions(result, "Broker", "b") == {
        "Ready": ("True", ""),
        "IngressReady": ("True", ""),
        "TriggerChannelReady": ("True", ""),
        "FilterReady": ("True", ""),
        "Addressable": ("True", ""),
        "DeadLetterSinkResolved": ("True", "DeadLetterSinkNotConfigured"),
        "EventPoliciesReady": ("True", "OIDCDisabled"),
    }
    assert conditions(result, "Trigger", "t") == {
        "Ready": ("True", ""),
        "BrokerReady": ("True", ""),
        "SubscriptionReady": ("True", ""),
        "DependencyReady": ("True", ""),
        "SubscriberResolved": ("True", ""),
        "DeadLetterSinkResolved": ("True", "DeadLetterSinkNotConfigured"),
        "OIDCIdentityCreated": ("True", "OIDCDisabled"),
    }
    assert status(result, "Trigger", "t")["subscriberUri"] == "http://sub/"
    [plan] = result.plan.triggers.values()
    assert (plan.uid, plan.broker, plan.subscriber) == ("uid-default-t", "uid-default-b", Target("http://sub/"))
    assert (plan.policy, plan.format, plan.max_in_flight, plan.paused) == (DeliveryPolicy(), "binary", None, False)
    assert plan.filter.matches(Event({"type": "a"}))
    assert not plan.filter.matches(Event({"type": "b"}))
    assert list(result.plan.brokers) == ["uid-default-b"]


@pytest.mark.requirement("O4", "O6")
def test_a_trigger_without_its_broker_is_not_ready_and_not_in_the_plan(apply: Apply) -> None:
    result = run(apply(trigger()))
    found = conditions(result, "Trigger", "t")
    assert found["BrokerReady"] == ("False", "BrokerDoesNotExist")
    assert found["Ready"] == ("False", "BrokerDoesNotExist")
    assert found["SubscriptionReady"] == ("Unknown", "SubscriptionNotConfigured")
    assert result.plan.triggers == {}


def test_a_broker_of_another_namespace_is_not_its_broker(apply: Apply) -> None:
    result = run(apply(broker(metadata=", namespace: other") + trigger()))
    assert conditions(result, "Trigger", "t")["BrokerReady"] == ("False", "BrokerDoesNotExist")


@pytest.mark.parametrize(
    ("destination", "expected"),
    [
        ("{uri: 'https://h/x?y=1'}", Target("https://h/x?y=1")),
        ("{ref: {apiVersion: v1, kind: Service, name: out}}", Target("http://out.example:8080/")),
        ("{ref: {apiVersion: v1, kind: Service, name: out}, uri: /path?q=1}", Target("http://out.example:8080/path?q=1")),
        ("{ref: {apiVersion: v1, kind: Service, name: in}}", Target("http://in.default.svc/")),
        ("{ref: {apiVersion: v1, kind: Service, name: out, namespace: n}}", Target("http://out.n.svc/")),
        (
            "{ref: {apiVersion: eventing.knative.dev/v1, kind: Broker, name: b}}",
            Target(f"{BASE}/default/b", broker="uid-default-b"),
        ),
        ("{uri: 'http://LOCALHOST:8080/default/b/'}", Target("http://LOCALHOST:8080/default/b/", broker="uid-default-b")),
        ("{uri: 'http://[::1]:8080/default/b'}", Target("http://[::1]:8080/default/b", broker="uid-default-b")),
        ("{uri: 'http://10.0.0.5:8080/default/%62?x'}", Target("http://10.0.0.5:8080/default/%62?x", broker="uid-default-b")),
        ("{uri: 'http://127.0.0.1:8081/default/b'}", Target("http://127.0.0.1:8081/default/b")),
        ("{uri: 'http://127.0.0.1:8080/default/c'}", Target("http://127.0.0.1:8080/default/c")),
        ("{uri: 'http://127.0.0.1:8080/default/b/more'}", Target("http://127.0.0.1:8080/default/b/more")),
    ],
)
def test_destinations(apply: Apply, destination: str, expected: Target) -> None:
    service = (
        "apiVersion: v1\nkind: Service\nmetadata: {name: out}\n"
        "spec: {type: ExternalName, externalName: out.example, ports: [{port: 8080}]}\n---\n"
    )
    result = run(apply(service + broker() + trigger(subscriber=destination)))
    [plan] = result.plan.triggers.values()
    assert plan.subscriber == expected
    assert status(result, "Trigger", "t")["subscriberUri"] == expected.url


def test_certificates_go_with_the_destination(apply: Apply) -> None:
    pem = trustme.CA().cert_pem.bytes().decode()
    result = run(apply(broker() + trigger(subscriber=f"{{uri: 'https://h/', CACerts: {json.dumps(pem)}}}")))
    [plan] = result.plan.triggers.values()
    assert plan.subscriber == Target("https://h/", ca_certs=pem)
    assert status(result, "Trigger", "t")["subscriberCACerts"] == pem


@pytest.mark.parametrize(
    ("destination", "words"),
    [
        ("{ref: {apiVersion: eventing.knative.dev/v1, kind: Broker, name: none}}", "Broker 'none' does not exist"),
        ("{ref: {apiVersion: eventing.knative.dev/v1, kind: Broker, name: b, namespace: n}}", "in namespace 'n'"),
        ("{ref: {apiVersion: serving.knative.dev/v1, kind: Service, name: x}}", "kind 'Service' of group 'serving.knative.dev'"),
        ("{ref: {apiVersion: v1, kind: Pod, name: x}, uri: /x}", "kind 'Pod' of the core group"),
    ],
)
def test_unresolved_destinations(apply: Apply, destination: str, words: str) -> None:
    result = run(apply(broker() + trigger(subscriber=destination)))
    assert conditions(result, "Trigger", "t")["SubscriberResolved"] == ("False", "SubscriberNotResolved")
    [condition] = [c for c in status(result, "Trigger", "t")["conditions"] if c["type"] == "Ready"]
    assert words in condition["message"]
    assert result.plan.triggers == {}
    assert status(result, "Trigger", "t")["subscriberUri"] == ""


@pytest.mark.requirement("D7")
def test_a_triggers_delivery_replaces_the_brokers_as_a_whole(apply: Apply) -> None:
    spec = "{delivery: {retry: 9, backoffPolicy: linear, deadLetterSink: {uri: 'http://dead/'}}}"
    result = run(
        apply(broker(spec=spec) + trigger("own", delivery="{retry: 2}") + trigger("none") + trigger("empty", delivery="{}"))
    )
    plans = {plan.name: plan for plan in result.plan.triggers.values()}
    assert (plans["own"].policy.retry, plans["own"].policy.backoff, plans["own"].dead_letter) == (2, "exponential", None)
    assert (plans["none"].policy.retry, plans["none"].policy.backoff) == (9, "linear")
    assert plans["none"].dead_letter == Target("http://dead/")
    assert (plans["empty"].policy.retry, plans["empty"].dead_letter) == (0, None)
    assert status(result, "Trigger", "none")["deadLetterSinkUri"] == "http://dead/"
    assert "deadLetterSinkUri" not in status(result, "Trigger", "own")
    assert status(result, "Broker", "b")["deadLetterSinkUri"] == "http://dead/"


def test_delivery_in_numbers(apply: Apply) -> None:
    text = "{backoffDelay: PT2S, timeout: PT1M, retryAfterMax: PT0S, format: json, deadLetterSink: {uri: 'http://d/'}}"
    [plan] = run(apply(broker() + trigger(delivery=text))).plan.triggers.values()
    assert plan.policy == DeliveryPolicy(retry=0, delay=2.0, timeout=60.0, retry_after_max=0.0, cap=600.0)
    assert plan.format == "json"


@pytest.mark.requirement("D14")
def test_an_unresolved_dead_letter_sink_keeps_it_out(apply: Apply) -> None:
    sink = "{deadLetterSink: {ref: {apiVersion: eventing.knative.dev/v1, kind: Broker, name: none}}}"
    result = run(apply(broker() + trigger(delivery=sink)))
    assert conditions(result, "Trigger", "t")["DeadLetterSinkResolved"][0] == "False"
    assert conditions(result, "Trigger", "t")["Ready"][0] == "False"
    assert result.plan.triggers == {}
    result = run(apply(broker(spec=f"{{delivery: {sink}}}") + trigger(delivery="{retry: 1}")))
    assert conditions(result, "Broker", "b")["Ready"][0] == "False"
    assert conditions(result, "Trigger", "t")["BrokerReady"] == ("False", "DeadLetterSinkNotResolved")
    assert (result.plan.brokers, result.plan.triggers) == ({}, {})


@pytest.mark.requirement("D14")
def test_the_brokers_dead_letter_reference_is_resolved_for_its_triggers(apply: Apply) -> None:
    spec = "{delivery: {deadLetterSink: {ref: {apiVersion: v1, kind: Service, name: d}}}}"
    [plan] = run(apply(broker(spec=spec) + trigger())).plan.triggers.values()
    assert plan.dead_letter == Target("http://d.default.svc/")


def test_options_reach_the_plan(apply: Apply) -> None:
    ours = "eventing-engine.dev/max-in-flight: '3', eventing-engine.dev/paused: 'true', eventing-engine.dev/rate: '5'"
    text = trigger(metadata=f", annotations: {{{ours}}}")
    [plan] = run(apply(broker() + text)).plan.triggers.values()
    assert (plan.max_in_flight, plan.paused, plan.rate) == (3, True, Rate(5))


@pytest.mark.requirement("B3")
def test_ready_only_once_the_dispatcher_took_it_up(apply: Apply) -> None:
    loaded = apply(broker() + trigger())
    result = run(loaded, subscribed=frozenset())
    assert conditions(result, "Trigger", "t")["Ready"] == ("Unknown", "SubscriptionNotConfigured")
    assert list(result.plan.triggers) == ["uid-default-t"]
    result = run(loaded, subscribed={"uid-default-t"})
    assert conditions(result, "Trigger", "t")["Ready"] == ("True", "")


def test_a_channel_out_of_order_shows_and_stays_in_the_plan(apply: Apply) -> None:
    loaded = apply(broker() + trigger())
    full = Health(ready=False, durability="x", reason="DiskFull", message="no room")
    result = run(loaded, channel=full)
    assert conditions(result, "Broker", "b")["TriggerChannelReady"] == ("False", "DiskFull")
    assert conditions(result, "Trigger", "t")["Ready"] == ("False", "DiskFull")
    assert list(result.plan.triggers) == ["uid-default-t"]
    assert conditions(run(loaded, channel=None), "Broker", "b")["Ready"] == ("Unknown", "ChannelNotOpen")
    assert conditions(run(loaded, channel=None), "Trigger", "t")["Ready"] == ("False", "ChannelNotOpen")


@pytest.mark.requirement("O4", "O8")
def test_what_has_no_effect_is_a_warning(apply: Apply) -> None:
    text = broker(
        spec="{config: {apiVersion: v1, kind: ConfigMap, name: c, namespace: n}}",
        metadata=", annotations: {eventing.knative.dev/broker.class: Kafka}",
    )
    result = run(apply(text))
    warnings = [c for c in status(result, "Broker", "b")["conditions"] if c.get("severity") == "Warning"]
    assert [(c["type"], c["status"], c["reason"]) for c in warnings] == [
        ("BrokerClassSupported", "False", "BrokerClassIgnored"),
        ("ConfigSupported", "False", "ConfigIgnored"),
    ]
    assert conditions(result, "Broker", "b")["Ready"] == ("True", "")


@pytest.mark.requirement("O4")
def test_times_move_only_with_a_status(apply: Apply) -> None:
    loaded = apply(broker() + trigger())
    first = run(loaded, subscribed=frozenset())
    second = run(loaded, now=NOW + 60, statuses=first.statuses)

    def times(result: Reconciled) -> dict[str, str]:
        return {c["type"]: c["lastTransitionTime"] for c in status(result, "Trigger", "t")["conditions"]}

    assert times(first)["Ready"] == "2023-11-14T22:13:20Z"
    assert times(second) == times(first) | {"Ready": "2023-11-14T22:14:20Z", "SubscriptionReady": "2023-11-14T22:14:20Z"}
    third = run(loaded, now=NOW + 120, statuses=second.statuses)
    assert third.statuses == second.statuses


@pytest.mark.requirement("O4")
def test_observed_generation(apply: Apply) -> None:
    loaded = apply(broker())
    assert status(run(loaded), "Broker", "b")["observedGeneration"] == 1
    assert status(run(loaded, generations={loaded.objects[0].key: 4}), "Broker", "b")["observedGeneration"] == 4


def test_a_source(apply: Apply) -> None:
    loaded = apply(broker() + GITHUB)
    result = run(loaded)
    found = status(result, "GitHubSource", "g")
    assert found["address"]["url"] == f"{BASE}/default/githubsources/g"
    assert found["sinkUri"] == f"{BASE}/default/b"
    assert conditions(result, "GitHubSource", "g") == {
        "Ready": ("Unknown", "NotReported"),
        "SinkProvided": ("True", ""),
        "SecretsProvided": ("Unknown", "NotReported"),
        "WebhookConfigured": ("Unknown", "NotReported"),
    }
    [plan] = result.plan.sources.values()
    assert (plan.path, plan.sink.broker, plan.extensions) == ("/default/githubsources/g", "uid-default-b", {"team": "x"})

    reports = {
        "SecretsProvided": Report(False, "SecretTokenNotFound", "m"),
        "WebhookConfigured": Report(True),
        "More": Report(True),
    }
    result = run(loaded, reports={"uid-default-g": reports}, receivers=())
    assert conditions(result, "GitHubSource", "g")["Ready"] == ("False", "SecretTokenNotFound")
    assert conditions(result, "GitHubSource", "g")["More"] == ("True", "")
    assert "address" not in status(result, "GitHubSource", "g")
    result = run(loaded, reports={"uid-default-g": {name: Report(True) for name in reports}}, receivers={plan.path})
    assert conditions(result, "GitHubSource", "g")["Ready"] == ("True", "")


def test_a_source_without_its_sink_does_not_run(apply: Apply) -> None:
    result = run(apply(GITHUB), reports={"uid-default-g": {"SinkProvided": Report(True)}})
    assert conditions(result, "GitHubSource", "g")["SinkProvided"] == ("False", "SinkNotFound")
    assert conditions(result, "GitHubSource", "g")["Ready"] == ("False", "SinkNotFound")
    assert result.plan.sources == {}


@pytest.mark.requirement("O8")
def test_dependencies(apply: Apply) -> None:
    def text(kind: str, name: str) -> str:
        reference = f'{{"apiVersion": "sources.knative.dev/v1alpha1", "kind": "{kind}", "name": "{name}"}}'
        return trigger(metadata=f", annotations: {{knative.dev/dependency: '{reference}'}}")

    result = run(apply(broker() + text("GitHubSource", "none")))
    assert conditions(result, "Trigger", "t")["DependencyReady"] == ("False", "DependencyDoesNotExist")
    loaded = apply(broker() + GITHUB + text("GitHubSource", "g"))
    result = run(loaded)
    assert conditions(result, "Trigger", "t")["DependencyReady"] == ("Unknown", "NotReported")
    assert list(result.plan.triggers) == ["uid-default-t"], "a weak dependency must not cost events"
    reports = {"uid-default-g": dict.fromkeys(("SecretsProvided", "WebhookConfigured"), Report(True))}
    assert conditions(run(loaded, reports=reports), "Trigger", "t")["Ready"] == ("True", "")


def test_what_may_have_stored_something_reaches_the_plan(apply: Apply) -> None:
    old = Retired(Key(EVENTING, "Broker", "default", "old"), "old", 5.0)
    unready = "{delivery: {deadLetterSink: {ref: {apiVersion: eventing.knative.dev/v1, kind: Broker, name: none}}}}"
    plan = run(apply(broker(spec=unready) + trigger()), retired={"old": old}).plan
    assert plan.retired == {"old": old}
    assert plan.brokers == {}, "it can't run now"
    assert plan.keys == {
        "uid-default-b": Key(EVENTING, "Broker", "default", "b"),
        "uid-default-t": Key(EVENTING, "Trigger", "default", "t"),
    }


def test_the_order_of_objects_does_not_matter(apply: Apply) -> None:
    loaded = apply(trigger() + GITHUB + broker())
    backwards = replace(loaded, objects=tuple(reversed(loaded.objects)))
    assert run(loaded).statuses == run(backwards).statuses
    assert run(loaded).plan == run(backwards).plan


def test_an_object_without_uid_is_an_error(apply: Apply) -> None:
    with pytest.raises(KeyError):
        run(apply(broker()), uids={Key("x", "y", "z", "w"): "u"})


def test_a_public_url_with_a_path(apply: Apply) -> None:
    text = broker() + trigger(subscriber="{uri: 'https://events.example/in/default/b'}")
    result = run(apply(text), bases=("https://events.example/in/", BASE))
    assert status(result, "Broker", "b")["address"] == {"name": "https", "url": "https://events.example/in/default/b"}
    [plan] = result.plan.triggers.values()
    assert plan.subscriber.broker == "uid-default-b"


@pytest.mark.requirement("O4")
def test_conditions_have_the_form_of_the_kind(apply: Apply) -> None:
    result = run(apply(broker(spec="{config: {apiVersion: v1, kind: ConfigMap, name: c}}") + trigger() + GITHUB))
    for found in result.statuses.values():
        for condition in found["conditions"]:
            Condition.model_validate(condition, by_alias=True, by_name=False)
