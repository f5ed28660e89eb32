"""Addresses: what a reference resolves to, and what a status publishes (Knative eventing control plane, "Destination
Resolution", "Broker Lifecycle", "Trigger Lifecycle")."""

from __future__ import annotations

import json

import pytest
import trustme
from reconcile_rig import BASE, GITHUB, Apply, broker, conditions, run, status, trigger

from eventing.kinds.destination import Destination
from eventing.resources.plan import Target
from eventing.resources.resolve import Resolver, Unresolved

PEM = trustme.CA().cert_pem.bytes().decode()
EXTERNAL = """\
apiVersion: v1
kind: Service
metadata: {name: out}
spec: {type: ExternalName, externalName: out.example, ports: []}
---
"""


def reference(name: str, kind: str = "Broker", version: str = "eventing.knative.dev/v1", more: str = "") -> str:
    return f"{{ref: {{apiVersion: {version}, kind: {kind}, name: {name}{more}}}}}"


def with_sink(sink: str) -> str:
    return f"{{delivery: {{retry: 1, deadLetterSink: {sink}}}}}"


@pytest.mark.requirement("O3")
def test_a_service_is_reached_under_its_name_in_the_cluster(apply: Apply) -> None:
    for more, namespace in (("", "default"), (", namespace: other", "other"), (", address: http", "default")):
        result = run(apply(broker() + trigger(subscriber=reference("in", "Service", "v1", more))))
        assert status(result, "Trigger", "t")["subscriberUri"] == f"http://in.{namespace}.svc/"


@pytest.mark.requirement("O3")
@pytest.mark.parametrize(("name", "url"), [("in", "https://in.default.svc/"), ("out", "https://out.example/")])
def test_a_service_with_certificates_is_reached_by_https(apply: Apply, name: str, url: str) -> None:
    subscriber = reference(name, "Service", "v1")[:-1] + f", CACerts: {json.dumps(PEM)}}}"
    result = run(apply(EXTERNAL + broker() + trigger(subscriber=subscriber)))
    assert [plan.subscriber for plan in result.plan.triggers.values()] == [Target(url, ca_certs=PEM)]


@pytest.mark.requirement("O2")
@pytest.mark.parametrize(
    ("uri", "url"),
    [
        ("/update", "http://out.example/update"),
        ("update", "http://out.example/update"),
        ("/a/../b?x=1", "http://out.example/b?x=1"),
        ("?x=1", "http://out.example/?x=1"),
        ("/%20", "http://out.example/%20"),
    ],
)
def test_a_uri_is_interpreted_relative_to_the_reference(apply: Apply, uri: str, url: str) -> None:
    subscriber = reference("out", "Service", "v1")[:-1] + f", uri: '{uri}'}}"
    result = run(apply(EXTERNAL + broker() + trigger(subscriber=subscriber)))
    assert status(result, "Trigger", "t")["subscriberUri"] == url


@pytest.mark.requirement("O2", "O7")
def test_a_reference_may_choose_an_address_by_its_name(apply: Apply) -> None:
    chosen = run(apply(broker() + broker("c") + trigger(subscriber=reference("c", more=", address: http"))))
    assert status(chosen, "Trigger", "t")["subscriberUri"] == f"{BASE}/default/c"
    none = run(apply(broker() + broker("c") + trigger(subscriber=reference("c", more=", address: https"))))
    [condition] = [c for c in status(none, "Trigger", "t")["conditions"] if c["type"] == "SubscriberResolved"]
    assert condition["message"] == "Broker 'c' in namespace 'default' has no address named 'https'"


@pytest.mark.requirement("O7", "B1")
@pytest.mark.parametrize("base", [BASE, "https://events.example", "https://[::1]:8443/in"])
def test_a_ready_broker_publishes_its_address_and_the_list_of_them(apply: Apply, base: str) -> None:
    found = status(run(apply(broker()), bases=(base,)), "Broker", "b")
    assert found["address"] == {"name": base.partition(":")[0], "url": f"{base}/default/b"}
    assert found["addresses"] == [found["address"]]


@pytest.mark.requirement("O7")
def test_a_source_that_receives_requests_publishes_its_address_too(apply: Apply) -> None:
    found = status(run(apply(broker() + GITHUB)), "GitHubSource", "g")
    assert found["address"] == {"name": "http", "url": f"{BASE}/default/githubsources/g"}
    assert found["addresses"] == [found["address"]]


@pytest.mark.requirement("B1", "D14")
def test_a_broker_without_its_dead_letter_sink_takes_no_events_and_publishes_no_address(apply: Apply) -> None:
    result = run(apply(broker(spec=with_sink(reference("none")))))
    found = status(result, "Broker", "b")
    assert found.keys() == {"observedGeneration", "conditions"}
    said = conditions(result, "Broker", "b")
    assert {said[type_] for type_ in ("Ready", "IngressReady", "Addressable", "DeadLetterSinkResolved")} == {
        ("False", "DeadLetterSinkNotResolved")
    }
    assert result.plan.brokers == {}


@pytest.mark.requirement("O2")
def test_a_reference_to_a_broker_without_address_does_not_resolve(apply: Apply) -> None:
    text = broker() + broker("c", spec=with_sink(reference("none"))) + trigger(subscriber=reference("c"))
    result = run(apply(text))
    [condition] = [c for c in status(result, "Trigger", "t")["conditions"] if c["type"] == "Ready"]
    assert (condition["status"], condition["reason"]) == ("False", "SubscriberNotResolved")
    assert condition["message"] == "Broker 'c' in namespace 'default' has no address: it isn't Ready"


@pytest.mark.requirement("D14")
def test_a_chain_of_dead_letter_sinks_breaks_as_a_whole_whatever_the_order(apply: Apply) -> None:
    chain = [broker(name, spec=with_sink(reference(to))) for name, to in (("a", "b"), ("b", "c"), ("c", "none"))]
    for texts in (chain, chain[::-1]):
        assert run(apply("".join(texts))).plan.brokers == {}


@pytest.mark.requirement("D14")
def test_a_service_named_as_a_broker_without_address_stays_a_dead_letter_sink(apply: Apply) -> None:
    service = "{ref: {apiVersion: v1, kind: Service, name: a}}"
    result = run(apply(broker("a", spec=with_sink(reference("none"))) + broker("b", spec=with_sink(service))))
    assert [plan.name for plan in result.plan.brokers.values()] == ["b"]


@pytest.mark.requirement("D14")
@pytest.mark.parametrize("step", [1, -1])
def test_a_long_chain_of_dead_letter_sinks_costs_no_more_than_its_length(
    apply: Apply, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    count = 300
    chain = [broker(f"b{number}", spec=with_sink(reference(f"b{number + 1}"))) for number in range(count)]
    loaded = apply("".join(chain[::step]))
    resolve, asked = Resolver.resolve, 0

    def counting(self: Resolver, destination: Destination, namespace: str) -> Target | Unresolved:
        nonlocal asked
        asked += 1
        return resolve(self, destination, namespace)

    monkeypatch.setattr(Resolver, "resolve", counting)
    assert run(loaded).plan.brokers == {}
    assert asked <= 3 * count, "two rounds to find what has no address, one for the statuses"


@pytest.mark.requirement("D14")
def test_brokers_may_be_each_others_dead_letter_sink(apply: Apply) -> None:
    result = run(apply(broker("a", spec=with_sink(reference("b"))) + broker("b", spec=with_sink(reference("a")))))
    assert [conditions(result, "Broker", name)["Ready"][0] for name in "ab"] == ["True", "True"]
    assert status(result, "Broker", "a")["deadLetterSinkUri"] == f"{BASE}/default/b"


@pytest.mark.requirement("D14", "B3")
def test_subscriber_and_dead_letter_sink_are_resolved_before_a_trigger_is_ready(apply: Apply) -> None:
    loaded = apply(broker() + trigger(delivery="{retry: 1, deadLetterSink: {uri: 'http://dead/'}}"))
    for subscribed in (frozenset[str](), {"uid-default-t"}):
        result = run(loaded, subscribed=subscribed)
        found = status(result, "Trigger", "t")
        assert (found["subscriberUri"], found["deadLetterSinkUri"]) == ("http://sub/", "http://dead/")
        assert conditions(result, "Trigger", "t")["Ready"][0] == ("True" if subscribed else "Unknown")


@pytest.mark.requirement("O2")
def test_the_subscriber_uri_is_empty_while_it_does_not_resolve(apply: Apply) -> None:
    result = run(apply(broker() + trigger(subscriber=reference("x", "Pod", "v1"))))
    assert status(result, "Trigger", "t")["subscriberUri"] == ""
    assert conditions(result, "Trigger", "t")["Ready"] == ("False", "SubscriberNotResolved")


@pytest.mark.requirement("O2")
def test_the_namespace_of_a_reference_defaults_to_that_of_the_object_that_names_it(apply: Apply) -> None:
    result = run(
        apply(broker(metadata=", namespace: n") + trigger(metadata=", namespace: n", subscriber=reference("s", "Service", "v1")))
    )
    assert status(result, "Trigger", "t", "n")["subscriberUri"] == "http://s.n.svc/"
