"""Mistakes that everybody makes once: each is told on its own line, with what is meant. Nothing of it is silently left out."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import pytest

from eventing.errors import Fault

Refused = Callable[..., list[Fault]]

HEAD = "apiVersion: eventing.knative.dev/v1\nkind: {kind}\nmetadata: {{name: x}}\n"


def trigger(spec: str) -> str:
    return HEAD.format(kind="Trigger") + "spec:\n" + textwrap.indent(textwrap.dedent(spec), "  ")


def told(faults: list[Fault]) -> list[str]:
    return [f"{fault.field}: {fault.reason} (line {fault.line})" for fault in faults]


def test_a_spec_that_is_not_indented(refused: Refused) -> None:
    text = HEAD.format(kind="Trigger") + "spec:\nbroker: b\nsubscriber:\n  uri: http://h/\n"
    assert told(refused(text)) == [
        "spec: missing field(s) (line 4)",
        "broker: must not set the field(s): unknown field; it belongs under spec, with more indentation (line 5)",
        "subscriber: must not set the field(s): unknown field; it belongs under spec, with more indentation (line 7)",
    ]


def test_a_spec_that_is_indented_too_far(refused: Refused) -> None:
    text = "apiVersion: eventing.knative.dev/v1\nkind: Broker\nmetadata:\n  name: b\n  spec:\n    delivery: {retry: 3}\n"
    assert told(refused(text)) == [
        "metadata.spec: must not set the field(s): unknown field; spec stands beside metadata, with the same indentation (line 6)"
    ]


def test_a_name_outside_metadata(refused: Refused) -> None:
    faults = told(refused("apiVersion: eventing.knative.dev/v1\nkind: Broker\nname: b\n"))
    assert "name: must not set the field(s): unknown field; it belongs under metadata, with more indentation (line 3)" in faults


@pytest.mark.parametrize("name", ["", "null", "''"])
def test_a_name_that_was_forgotten(refused: Refused, name: str) -> None:
    assert told(refused(f"apiVersion: eventing.knative.dev/v1\nkind: Broker\nmetadata:\n  name: {name}\n")) == [
        "metadata.name: missing field(s) (line 4)"
    ]


@pytest.mark.parametrize(
    ("spec", "words", "line"),
    [
        (
            "broker: b\n subscriber:\n  uri: http://h/\n",
            "mapping values are not allowed in this context: check the indentation",
            6,
        ),
        ("broker: b: c\n", "and quote a value that holds ': '", 5),
        ("broker: @b\n", "found character that cannot start any token ('@'): quote the value", 5),
        ("broker: b\n\tsubscriber: x\n", "a tab character that violates indentation: indent with spaces, not with tabs", 6),
        ("broker: {{ .Values.broker }}\n", "a template, as {{ name }}, has to be filled in first", 5),
        ("broker: *b\n", "the alias *b has no anchor; quote it if it is text", 5),
        ('broker: "b\n', "found unexpected end of stream: a quote isn't closed", 6),
        ("filters:\n- cesql: 'a' = type\n", "there is more behind a closing quote; quote the whole value", 6),
        ("filters:\n- exact: {subject: 'it's'}\n", "there is more behind a closing quote", 6),
        ("broker: 'b'\n subscriber: {}\n", "check the indentation", 6),
        ("- broker: b\nsubscriber: {}\n", "check the indentation of this line and of those before it", 6),
    ],
)
def test_a_text_that_is_no_yaml_is_told_what_to_look_for(refused: Refused, spec: str, words: str, line: int) -> None:
    [fault] = refused(HEAD.format(kind="Trigger") + "spec:\n" + "".join(f"  {part}\n" for part in spec.splitlines()))
    assert words in fault.reason, fault.reason
    assert fault.line == line


def test_two_objects_without_a_line_between_them(refused: Refused) -> None:
    [fault] = refused(
        (HEAD + HEAD.replace("name: x", "name: y")).replace("{kind}", "Broker").replace("{{", "{").replace("}}", "}")
    )
    assert fault.reason == "the key 'apiVersion' is given twice, first on line 1; objects are separated by a line ---"


@pytest.mark.parametrize(
    ("spec", "field", "words"),
    [
        ("subscriber: http://h/", "spec.subscriber", "must be a mapping with uri or ref, not a string"),
        ("subscriber: {uri: 'h:8080/x'}", "spec.subscriber.uri", "write it in full, as http://HOST:PORT/PATH"),
        ("subscriber: {uri: h/x}", "spec.subscriber.uri", "write it in full, as http://HOST:PORT/PATH"),
        ("subscriber: {}", "spec.subscriber", "expected at least one, got none: ref, uri"),
        ("subscribers: {}", "spec.subscribers", "unknown field, did you mean 'subscriber'?"),
        ("delivery: {backoffDelay: 5s}", "spec.delivery.backoffDelay", "did you mean 'PT5S'?"),
        ("delivery: {timeout: 30}", "spec.delivery.timeout", "must be a string: an ISO 8601 duration such as PT30S"),
        ("delivery: {retry: three}", "spec.delivery.retry", "must be an integer, without quotes, not a string"),
        ("delivery: {retries: 3}", "spec.delivery.retries", "unknown field, did you mean 'retry'?"),
        ("delivery: {backoffPolicy: Linear}", "spec.delivery.backoffPolicy", "'Linear', must be 'linear' or 'exponential'"),
        ("filters: {exact: {type: a}}", "spec.filters", "must be a list, not a mapping"),
        ("filter: {type: a}", "spec.filter.type", "unknown field"),
    ],
)
def test_a_field_that_is_written_wrongly(refused: Refused, spec: str, field: str, words: str) -> None:
    lines = "broker: b\n" + ("" if spec.startswith("subscriber:") else "subscriber: {uri: 'http://h/'}\n") + spec + "\n"
    faults = [fault for fault in refused(trigger(lines)) if fault.field == field]
    assert [words in fault.reason for fault in faults] == [True], faults
