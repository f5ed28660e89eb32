"""Conditions: which there are, how Ready sums them up, what their reasons and times say (Knative common specification, "Error
Signalling"; eventing control plane)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reconcile_rig import GITHUB, NOW, Apply, broker, conditions, run, status, trigger

from eventing.ports.channel import Health
from eventing.resources.conditions import Conditions, find
from eventing.resources.reconcile import Reconciled, Report
from eventing.resources.validate import Loaded

LOST = "{ref: {apiVersion: eventing.knative.dev/v1, kind: Broker, name: none}}"
BROKER = {
    "Ready",
    "IngressReady",
    "TriggerChannelReady",
    "FilterReady",
    "Addressable",
    "DeadLetterSinkResolved",
    "EventPoliciesReady",
}
TRIGGER = {
    "Ready",
    "BrokerReady",
    "SubscriptionReady",
    "DependencyReady",
    "SubscriberResolved",
    "DeadLetterSinkResolved",
    "OIDCIdentityCreated",
}


def dependent() -> str:
    reference = '{"apiVersion": "sources.knative.dev/v1alpha1", "kind": "GitHubSource", "name": "none"}'
    return trigger("dependent", metadata=f", annotations: {{knative.dev/dependency: '{reference}'}}")


SITUATIONS = {
    "all well": broker() + trigger() + GITHUB,
    "no broker": trigger() + GITHUB,
    "no subscriber": broker() + trigger(subscriber=LOST),
    "no dead-letter sink of the trigger": broker() + trigger(delivery=f"{{deadLetterSink: {LOST}}}"),
    "no dead-letter sink of the broker": broker(spec=f"{{delivery: {{deadLetterSink: {LOST}}}}}") + trigger() + GITHUB,
    "no dependency": broker() + dependent(),
    "without effect": broker(
        spec="{config: {apiVersion: v1, kind: C, name: c}}", metadata=", annotations: {eventing.knative.dev/broker.class: K}"
    ),
}
OBSERVED: dict[str, dict[str, Any]] = {
    "running": {},
    "before the channel is open": {"channel": None},
    "a channel out of order": {"channel": Health(ready=False, durability="", reason="", message="")},
    "not subscribed": {"subscribed": frozenset()},
    "a source that says no reason": {"reports": {"uid-default-g": {"SecretsProvided": Report(False)}}},
}


def everywhere(apply: Apply, what: str) -> list[tuple[Loaded, Reconciled]]:
    loaded = apply(SITUATIONS[what])
    return [(loaded, run(loaded, **observed)) for observed in OBSERVED.values()]


def written(result: Reconciled) -> list[Mapping[str, str]]:
    return [condition for found in result.statuses.values() for condition in found["conditions"]]


@pytest.mark.requirement("O5")
@pytest.mark.parametrize("what", [name for name in SITUATIONS if name != "without effect"])
def test_brokers_and_triggers_have_knatives_conditions_and_no_others_whatever_is_wrong(apply: Apply, what: str) -> None:
    for _, result in everywhere(apply, what):
        for key, found in result.statuses.items():
            types = [condition["type"] for condition in found["conditions"]]
            assert len(types) == len(set(types)), "a type is the key of a condition"
            if key.kind in {"Broker", "Trigger"}:
                assert set(types) == (BROKER if key.kind == "Broker" else TRIGGER)


@pytest.mark.requirement("O5")
def test_what_is_not_offered_is_true_with_a_reason_as_in_knative_with_its_features_off(apply: Apply) -> None:
    result = run(apply(broker() + trigger()))
    assert conditions(result, "Broker", "b")["EventPoliciesReady"] == ("True", "OIDCDisabled")
    assert conditions(result, "Trigger", "t")["OIDCIdentityCreated"] == ("True", "OIDCDisabled")
    assert "policies" not in status(result, "Broker", "b")
    assert "auth" not in status(result, "Trigger", "t")


@pytest.mark.requirement("O4")
@pytest.mark.parametrize("what", SITUATIONS)
def test_ready_is_false_if_one_deciding_condition_is_and_true_only_if_all_are(apply: Apply, what: str) -> None:
    for _, result in everywhere(apply, what):
        for found in result.statuses.values():
            ready = find(found)
            assert ready is not None
            assert "severity" not in ready
            deciding = [c for c in found["conditions"] if c["type"] != "Ready" and "severity" not in c]
            words = {condition["status"] for condition in deciding}
            assert ready["status"] == ("False" if "False" in words else "Unknown" if "Unknown" in words else "True")
            if ready["status"] != "True":
                causes = [c for c in deciding if c["status"] == ready["status"]]
                assert (ready["reason"], ready.get("message")) in [(c["reason"], c.get("message")) for c in causes]


@pytest.mark.requirement("O4", "O6")
@pytest.mark.parametrize("what", SITUATIONS)
def test_what_is_not_true_says_why_in_one_word_and_in_a_sentence(apply: Apply, what: str) -> None:
    for _, result in everywhere(apply, what):
        for condition in written(result):
            assert condition["status"] in {"True", "False", "Unknown"}
            assert re.fullmatch(r"([A-Z][A-Za-z0-9]*)?", condition.get("reason", "")), condition
            if condition["status"] != "True":
                assert condition["reason"], condition


@pytest.mark.requirement("O6")
def test_reasons_that_tools_look_for_are_knatives(apply: Apply) -> None:
    result = run(
        apply(broker() + trigger() + trigger("lost", of="none") + GITHUB.replace("name: b}", "name: none}") + dependent())
    )
    assert conditions(result, "Broker", "b")["DeadLetterSinkResolved"] == ("True", "DeadLetterSinkNotConfigured")
    assert conditions(result, "Trigger", "t")["DeadLetterSinkResolved"] == ("True", "DeadLetterSinkNotConfigured")
    assert conditions(result, "Trigger", "lost")["BrokerReady"] == ("False", "BrokerDoesNotExist")
    assert conditions(result, "Trigger", "lost")["SubscriptionReady"] == ("Unknown", "SubscriptionNotConfigured")
    assert conditions(result, "Trigger", "dependent")["DependencyReady"] == ("False", "DependencyDoesNotExist")
    assert conditions(result, "GitHubSource", "g")["SinkProvided"] == ("False", "SinkNotFound")


@pytest.mark.requirement("O4")
def test_a_warning_has_no_say_in_ready(apply: Apply) -> None:
    result = run(apply(SITUATIONS["without effect"]))
    warnings = [condition for condition in written(result) if condition.get("severity") == "Warning"]
    assert {condition["status"] for condition in warnings} == {"False"}
    assert len(warnings) == 2
    assert conditions(result, "Broker", "b")["Ready"] == ("True", "")


@pytest.mark.requirement("O4")
@pytest.mark.parametrize("observed", ["before the channel is open", "a channel out of order"])
def test_a_trigger_is_false_and_never_unknown_while_its_broker_is_not_ready(apply: Apply, observed: str) -> None:
    result = run(apply(broker() + trigger()), **OBSERVED[observed])
    ready = find(status(result, "Trigger", "t"))
    assert ready is not None
    assert ready["status"] == "False"
    assert ready["message"].startswith('Broker "b" is not Ready: ')


@pytest.mark.requirement("O4")
def test_a_new_generation_is_observed_together_with_its_conditions(apply: Apply) -> None:
    loaded = apply(broker() + trigger(subscriber=LOST))
    first = run(loaded)
    mended = apply(broker() + trigger())
    second = run(mended, statuses=first.statuses, generations={resource.key: 2 for resource in mended.objects})
    found = status(second, "Trigger", "t")
    assert found["observedGeneration"] == 2
    assert conditions(second, "Trigger", "t")["Ready"] == ("True", "")


@pytest.mark.requirement("O4")
def test_a_change_of_reason_alone_does_not_move_the_transition_time(apply: Apply) -> None:
    first = run(apply(broker() + trigger(subscriber=LOST)))
    second = run(apply(trigger(subscriber=LOST)), now=NOW + 60, statuses=first.statuses)
    before, after = (find(status(result, "Trigger", "t")) or {} for result in (first, second))
    assert (before["reason"], after["reason"]) == ("SubscriberNotResolved", "BrokerDoesNotExist")
    assert before["lastTransitionTime"] == after["lastTransitionTime"]


_MARKS = st.lists(
    st.tuples(st.sampled_from("ABCDE"), st.sampled_from([True, False, None]), st.sampled_from(["", "", "Warning", "Info"])),
    unique_by=lambda mark: mark[0],
)


@pytest.mark.requirement("O4")
@given(_MARKS, _MARKS)
def test_any_conditions_are_summed_up_and_timed_by_the_same_rules(first: list[Any], second: list[Any]) -> None:
    def made(marks: list[Any], previous: Mapping[str, Any] | None, now: str) -> dict[str, Mapping[str, str]]:
        made = Conditions(previous, now)
        for type_, value, severity in marks:
            made.mark(type_, value, "" if value else "Because", severity=severity)
        finished = made.finish()
        assert [condition["type"] for condition in finished] == sorted([*(mark[0] for mark in marks), "Ready"])
        return {condition["type"]: condition for condition in finished}

    before = made(first, None, "then")
    after = made(second, {"conditions": list(before.values())}, "now")
    errors = {value for _, value, severity in second if not severity}
    assert after["Ready"]["status"] == ("False" if False in errors else "Unknown" if None in errors else "True")
    for type_, condition in after.items():
        same = type_ in before and before[type_]["status"] == condition["status"]
        assert condition["lastTransitionTime"] == ("then" if same else "now")
