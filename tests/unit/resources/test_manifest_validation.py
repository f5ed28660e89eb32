"""What `eventing validate` accepts, and the words and lines with which it refuses."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from reconcile_rig import GITHUB

from eventing.errors import Fault, InvalidManifest
from eventing.kinds.names import SUBDOMAIN_RULE
from eventing.kinds.secret import KEY_RULE
from eventing.policy.rate import Rate
from eventing.resources import loader
from eventing.resources.model import SecretValues, ServiceSpec, TriggerSpec
from eventing.resources.validate import Loaded, validate

Apply = Callable[..., Loaded]
Refused = Callable[..., list[Fault]]

TRIGGER = """\
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata:
  name: t
  annotations: {annotations}
spec:
  broker: b
  {more}
  subscriber: {subscriber}
"""


def trigger(more: str = "filter: null", annotations: str = "{}", subscriber: str = "{uri: 'http://h/'}") -> str:
    return TRIGGER.format(more=more, annotations=annotations, subscriber=subscriber)


def broker(metadata: str = "{name: b}", more: str = "") -> str:
    return f"apiVersion: eventing.knative.dev/v1\nkind: Broker\nmetadata: {metadata}\n{more}"


def service(spec: str) -> str:
    return f"apiVersion: v1\nkind: Service\nmetadata: {{name: s}}\nspec: {{type: ExternalName, {spec}}}\n"


def annotated(name: str) -> str:
    return f"metadata.annotations[{name}]"


def test_every_fault_in_one_go_with_file_line_and_field(refused: Refused, tmp_path: Path) -> None:
    faults = refused(
        """\
        apiVersion: eventing.knative.dev/v1
        kind: Broker
        metadata: {name: B}
        ---
        apiVersion: eventing.knative.dev/v1
        kind: Trigger
        metadata:
          name: t
        spec:
          broker: b
          filters:
            - exact: {type: a}
              prefix: {type: b}
          subscriber:
            url: http://h/
          delivery:
            retry: "3"
        """,
        "kind: Broker\nmetadata: {name: x}\n",
    )
    first, second = tmp_path / "0.yaml", tmp_path / "1.yaml"
    assert [str(fault) for fault in faults] == [
        f"{first}: Broker/B: metadata.name: invalid value: 'B', {SUBDOMAIN_RULE} (line 3)",
        f"{first}: Trigger/t: spec.filters[0]: must have exactly one dialect, found exact, prefix (line 12)",
        f"{first}: Trigger/t: spec.subscriber.url: must not set the field(s): unknown field, did you mean 'uri'? (line 15)",
        f"{first}: Trigger/t: spec.delivery.retry: must be an integer, without quotes, not a string (line 17)",
        f"{second}: Broker/x: apiVersion: missing field(s) (line 1)",
    ]


@pytest.mark.parametrize(
    ("text", "field", "line", "words"),
    [
        (trigger("filters: [{exact: {type: 3}}]"), "spec.filters[0].exact.type", 8, "must be a string"),
        (trigger("filters: [{exact: {type: on}}]"), "spec.filters[0].exact.type", 8, "need quotes"),
        (trigger("filters: [{exact: {type: {n: 1}}}]"), "spec.filters[0].exact.type", 8, "must be a string, not a mapping"),
        (trigger("filters: [{exact: {type: null}}]"), "spec.filters[0].exact.type", 8, "must be a string"),
        (trigger("filters: [{}]"), "spec.filters[0]", 8, "exactly one dialect, found none"),
        (trigger("filters: [{any: [{exakt: {type: a}}]}]"), "spec.filters[0].any[0]", 8, "unknown dialect 'exakt'"),
        (trigger("filters: {exact: {type: a}}"), "spec.filters", 8, "must be a list, not a mapping"),
        (trigger("filter: {attributes: {type: 1}}"), "spec.filter.attributes.type", 8, "not an integer; quote it"),
        (trigger("filter: {attributes: {Type: a}}"), "spec.filter.attributes.Type", 8, "no attribute name"),
        (trigger("filter: {type: a}"), "spec.filter.type", 8, "unknown field"),
        (trigger("brokerRef: {apiVersion: v1, kind: X, name: b}"), "spec.brokerRef.kind", 8, "kind Broker"),
        (trigger("delivery: {backofDelay: PT1S}"), "spec.delivery.backofDelay", 8, "did you mean 'backoffDelay'?"),
        (trigger("delivery: {dead_letter_sink: {uri: 'http://h'}}"), "spec.delivery.dead_letter_sink", 8, "'deadLetterSink'"),
        (trigger("delivery: {timeout: PT0S}"), "spec.delivery.timeout", 8, "longer than zero"),
        (trigger("delivery: {retry: -1}"), "spec.delivery.retry", 8, "invalid value: -1, must be at least 0"),
        (trigger("delivery: {retry: 1.5}"), "spec.delivery.retry", 8, "must be an integer"),
        (trigger("delivery: {backoffPolicy: cubic}"), "spec.delivery.backoffPolicy", 8, "'cubic', must be 'linear' or"),
        (trigger("delivery: {deadLetterSink: {}}"), "spec.delivery.deadLetterSink", 8, "expected at least one, got none"),
        (trigger("delivery: [1]"), "spec.delivery", 8, "must be a mapping, not a list"),
        (trigger(subscriber="{uri: /x}"), "spec.subscriber.uri", 9, "relative URI is not allowed"),
        (trigger(subscriber="{uri: 5}"), "spec.subscriber.uri", 9, "must be a string, not an integer; quote it"),
        (trigger(subscriber="null"), "spec.subscriber", 9, "expected at least one, got none: ref, uri"),
        (trigger(subscriber="{ref: {apiVersion: v1, kind: Service}}"), "spec.subscriber.ref.name", 9, "missing field(s)"),
        (trigger(annotations="{a: 1}"), "metadata.annotations.a", 5, "must be a string, not an integer; quote it"),
        (trigger(annotations="{eventing-engine.dev/paused: true}"), annotated("eventing-engine.dev/paused"), 5, "quote it"),
        (trigger() + "staus: {}\n", "staus", 10, "must not set the field(s): unknown field, did you mean 'status'?"),
        (trigger() + "data: {}\n", "data", 10, "unknown field"),
        ("apiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {name: t}\n", "spec", 1, "missing field(s)"),
        ("apiVersion: eventing.knative.dev/v1\nkind: Trigger\nspec: {}\n", "metadata", 1, "missing field(s)"),
        (broker("{name: b, namespace: a.b}"), "metadata.namespace", 3, "DNS label"),
        (broker(more="spec: {config: 3}"), "spec.config", 4, "must be a mapping"),
        ("apiVersion: eventing.knative.dev/v1\nkind: Brokr\n", "kind", 2, "'Brokr' is not known"),
        ("apiVersion: eventing.knative.dev/v1beta1\nkind: Broker\n", "apiVersion", 1, "Broker is known as"),
        ("apiVersion: kafka.eventing.knative.dev/v1\nkind: X\n", "kind", 2, "is not known in"),
        ("apiVersion: eventing-engine.dev/v1alpha1\nkind: X\n", "kind", 2, "is not known in"),
        ("apiVersion: sources.knative.dev/v1\nkind: PingSource\n", "kind", 2, "'PingSource' is not known in sources.knative.dev"),
        ("apiVersion: 1\nkind: [a]\n", "kind", 2, "must be a string, not a list"),
        (service("externalName: 'a b'"), "spec.externalName", 4, "DNS"),
        (service("ports: []"), "spec.externalName", 4, "missing field(s)"),
        (service("externalName: a, ports: [{port: 0}]"), "spec.ports[0].port", 4, "must be at least 1"),
        ("- a\n- b\n", "", 1, "an object must be a mapping, not a list"),
        ("apiVersion: v1\nkind: List\nitems: 3\n", "items", 3, "must be a list of objects"),
        ("apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: List}\n", "items[0]", 4, "a List within a List"),
    ],
)  # fmt: skip
def test_refused(refused: Refused, text: str, field: str, line: int, words: str) -> None:
    faults = [fault for fault in refused(text) if fault.field == field and words in fault.reason]
    assert faults, [str(fault) for fault in refused(text)]
    assert [fault.line for fault in faults] == [line]


@pytest.mark.parametrize(
    ("annotation", "value", "words"),
    [
        ("max-in-flight", "0", "from 1 to 10000"),
        ("max-in-flight", "10001", "from 1 to 10000"),
        ("max-in-flight", "+5", "from 1 to 10000"),
        ("max-in-flight", "٣", "from 1 to 10000"),
        ("paused", "yes", '"true" or "false"'),
        ("rate", "0/s", "invalid value: must be more than 0"),
        ("rate", "-5/s", "invalid value: must be a number of attempts and a unit"),
        ("rate", "5/d", "invalid value: unknown unit 'd', must be s, m or h"),
        ("rate", "1000000/s", "invalid value: must be from one a day (0.041667/h) to 100000/s"),
        ("raet", "5/s", "unknown annotation, did you mean 'eventing-engine.dev/rate'?"),
        ("order", "keys", 'must be "key"'),
        ("order", "unordered", 'must be "key"; without this annotation there is no order'),
        ("max-in-fligth", "5", "unknown annotation, did you mean 'eventing-engine.dev/max-in-flight'?"),
        ("zzz", "5", "unknown annotation"),
    ],
)
def test_our_annotations_are_strict(refused: Refused, annotation: str, value: str, words: str) -> None:
    [fault] = refused(trigger(annotations=f"{{eventing-engine.dev/{annotation}: '{value}'}}"))
    assert words in fault.reason
    assert fault.field == f"metadata.annotations[eventing-engine.dev/{annotation}]"
    assert fault.line == 5


def test_our_annotations_are_for_triggers_and_never_labels(refused: Refused) -> None:
    for annotation, value in (("paused", "true"), ("rate", "5/s")):
        [fault] = refused(broker(f"{{name: b, annotations: {{eventing-engine.dev/{annotation}: '{value}'}}}}"))
        assert fault.reason == "has no meaning on kind Broker"
    [fault] = refused(trigger().replace("annotations:", "labels: {eventing-engine.dev/paused: 'true'}\n  annotations:"))
    assert "must be an annotation" in fault.reason


def test_options_and_annotations_of_others(apply: Apply) -> None:
    ours = {"max-in-flight": "7", "paused": "true", "rate": "6/m"}
    written = ", ".join(f"eventing-engine.dev/{name}: '{value}'" for name, value in ours.items())
    text = trigger(annotations=f"{{{written}, other/x: y}}")
    [resource] = apply(text).objects
    assert (resource.options.max_in_flight, resource.options.paused, resource.options.rate) == (7, True, Rate(0.1))
    assert resource.meta.annotation("other/x") == "y"


def test_kafka_order_annotation(apply: Apply, refused: Refused) -> None:
    name = "kafka.eventing.knative.dev/delivery.order"
    assert not apply(trigger(annotations=f"{{{name}: unordered}}")).objects[0].options.ordered
    assert apply(trigger(annotations=f"{{{name}: ordered}}")).objects[0].options.ordered
    assert "invalid value" in refused(trigger(annotations=f"{{{name}: x}}"))[0].reason


def test_order_per_key_is_asked_for_by_our_annotation_or_knatives_and_they_may_not_contradict(
    apply: Apply, refused: Refused
) -> None:
    ours, knatives = "eventing-engine.dev/order: key", "kafka.eventing.knative.dev/delivery.order"
    assert not apply(trigger(annotations="{other/x: y}")).objects[0].options.ordered
    assert apply(trigger(annotations=f"{{{ours}}}")).objects[0].options.ordered
    assert apply(trigger(annotations=f"{{{ours}, {knatives}: ordered}}")).objects[0].options.ordered
    [fault] = refused(trigger(annotations=f"{{{ours}, {knatives}: unordered}}"))
    assert fault.field == "metadata.annotations[eventing-engine.dev/order]"
    assert fault.reason == f"contradicts {knatives}: unordered; remove one of them"
    [fault] = refused(broker("{name: b, annotations: {eventing-engine.dev/order: key}}"))
    assert fault.reason == "has no meaning on kind Broker"


@pytest.mark.parametrize(
    "value",
    [
        "nothing",
        "[1]",
        '{"kind": "A", "name": "a"}',
        '{"apiVersion": "v1", "kind": "A", "name": "a", "namespace": "other"}',
        "[" * 9999,
    ],
)
def test_dependency_annotation_is_checked(refused: Refused, value: str) -> None:
    [fault] = refused(trigger(annotations=f"{{knative.dev/dependency: '{value}'}}"))
    assert fault.field == "metadata.annotations[knative.dev/dependency]"


def test_no_namespace_is_default_and_status_is_ignored(apply: Apply) -> None:
    [resource] = apply(trigger() + "status: {conditions: []}\n").objects
    assert resource.meta.namespace == "default"
    assert "status" not in resource.raw
    assert resource.raw["metadata"]["labels"] == {"eventing.knative.dev/broker": "b"}


def test_duplicates_across_files(refused: Refused, apply: Apply, tmp_path: Path) -> None:
    text = broker()
    [fault] = refused(text, "# here\n" + text)
    assert fault.reason == f"is given twice in namespace default, first in {tmp_path / '0.yaml'} on line 1"
    assert (fault.object, fault.line) == ("Broker/b", 2)
    assert len(apply(text, broker("{name: b, namespace: other}")).objects) == 2


def test_broker_ref(apply: Apply, refused: Refused) -> None:
    text = trigger("brokerRef: {apiVersion: eventing.knative.dev/v1, kind: Broker, name: c}").replace("  broker: b\n", "")
    spec = apply(text).objects[0].spec
    assert isinstance(spec, TriggerSpec)
    assert spec.broker_name == "c"
    assert refused(text.replace("name: c", "name: c, namespace: n"))[0].field == "spec.brokerRef.namespace"
    assert refused(text.replace("kind: Broker", "kind: Channel"))[0].field == "spec.brokerRef.kind"
    assert refused(trigger().replace("  broker: b\n", ""))[0].field == "spec.broker"


def test_other_kinds_are_skipped_and_said_so(apply: Apply) -> None:
    loaded = apply(
        """\
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: d}
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: s}
        spec: {ports: [{port: 80}]}
        ---
        apiVersion: serving.knative.dev/v1
        kind: Service
        metadata: {name: k}
        """
    )
    assert loaded.objects == ()
    assert [(remark.object, remark.line) for remark in loaded.skipped] == [
        ("Deployment/d", 1),
        ("Service/s", 5),
        ("Service/k", 10),
    ]


def test_a_warning_for_one_attempt(apply: Apply) -> None:
    assert apply(trigger("delivery: {retry: 0}")).warnings == ()
    [warning] = apply(trigger("delivery: {deadLetterSink: {uri: 'http://h/'}}")).warnings
    assert "one attempt, then goes to the dead-letter sink" in str(warning)
    [warning] = apply(trigger("delivery: {timeout: PT1S}")).warnings
    assert (warning.object, warning.field, warning.line) == ("Trigger/t", "spec.delivery", 8)
    assert "one attempt" in str(warning)


def test_lists_json_and_folders(apply: Apply, tmp_path: Path) -> None:
    loaded = apply(
        a_json='{"apiVersion": "v1", "kind": "List", "items": [\n'
        '{"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "metadata": {"name": "one"}},\n'
        '{"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "metadata": {"name": "two"}}]}',
        b_yml="apiVersion: eventing.knative.dev/v1\nkind: Broker\nmetadata: {name: three}\n",
    )
    assert [(resource.meta.name, resource.line) for resource in loaded.objects] == [("one", 2), ("two", 3), ("three", 1)]
    (tmp_path / "notes.txt").write_text("no manifest")
    (tmp_path / "below").mkdir()
    assert [resource.meta.name for resource in validate([str(tmp_path)], {}).objects] == ["one", "two", "three"]


def _faults(paths: list[str], stdin: Callable[[], io.BytesIO] | None = None) -> list[str]:
    with pytest.raises(InvalidManifest) as caught:
        validate(paths, {}, stdin=stdin)
    return [str(fault) for fault in caught.value.faults]


def test_what_cant_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"a: 1\nb: \xe9\n")
    large = tmp_path / "large.yaml"
    large.write_text("#" * 200)
    monkeypatch.setattr(loader.load, "__defaults__", (100,))
    assert _faults([str(tmp_path / "none.yaml"), str(empty), str(latin), str(large)]) == [
        f"{tmp_path / 'none.yaml'}: can't be read: No such file or directory",
        f"{empty}: holds no manifests (*.yaml, *.yml, *.json)",
        f"{latin}: is not UTF-8 (line 2)",
        f"{large}: is larger than 100 bytes",
    ]


def test_standard_input() -> None:
    text = b"\xef\xbb\xbfapiVersion: eventing.knative.dev/v1\nkind: Broker\nmetadata: {name: b}\n"
    assert validate(["-"], {}, stdin=lambda: io.BytesIO(text)).objects[0].file == "-"
    assert _faults(["-", "-"], lambda: io.BytesIO(b"")) == ["-: standard input is given twice"]


def test_secrets_stay_out_of_everything_that_is_shown(apply: Apply, refused: Refused) -> None:
    text = """\
    apiVersion: v1
    kind: Secret
    metadata:
      name: s
      annotations:
        kubectl.kubernetes.io/last-applied-configuration: '{"stringData":{"a":"hunter2"}}'
        other: kept
    type: Opaque
    data: {b: aHVudGVy\nMg==, c: null}
    stringData: {a: hunter2, b: wins}
    """.replace("\nMg==", "Mg==")
    [resource] = apply(text).objects
    assert isinstance(resource.spec, SecretValues)
    assert (resource.spec.get("a"), resource.spec.get("b"), resource.spec.get("c")) == (b"hunter2", b"wins", b"")
    assert resource.spec.get("none") is None
    assert "hunter2" not in repr(resource.spec)
    assert "hunter2" not in str(resource.raw)
    assert resource.raw["data"] == {"a": "", "b": "", "c": ""}
    assert resource.raw["metadata"]["annotations"] == {"other": "kept"}

    bad = """\
    apiVersion: v1
    kind: Secret
    metadata: {name: s}
    data: {a: "hunter2!", ../b: eA==}
    stringData: {c: 12345678, d: [hunter2]}
    """
    faults = refused(bad)
    assert [fault.field for fault in faults] == ["data.a", "data[../b]", "stringData.c", "stringData.d"]
    assert not any("hunter2" in str(fault) or "12345678" in str(fault) for fault in faults)
    assert "base64" in faults[0].reason


def test_no_value_of_a_uri_with_a_password_is_shown(refused: Refused) -> None:
    faults = refused(trigger(subscriber="{uri: 'http://me:hunter2@h/'}"))
    assert "hunter2" not in str(faults[0])


@pytest.mark.parametrize(
    ("spec", "url"),
    [
        ("externalName: h.example", "http://h.example/"),
        ("externalName: h, ports: [{port: 80}]", "http://h/"),
        ("externalName: h, ports: [{port: 8080, name: web, protocol: TCP}, {port: 443}]", "http://h:8080/"),
        ("externalName: h, ports: [{port: 443}]", "https://h/"),
        ("externalName: h, ports: [{port: 8443, name: https}]", "https://h:8443/"),
    ],
)
def test_external_names(apply: Apply, spec: str, url: str) -> None:
    found = apply(service(f"sessionAffinity: None, {spec}")).objects[0].spec
    assert isinstance(found, ServiceSpec)
    assert found.url() == url


@pytest.mark.parametrize("name", ["256.1.1.1", "10.0.0.1.1", "127.1", "h.1"])
def test_an_external_name_that_is_no_host(name: str, refused: Refused) -> None:
    [fault] = refused(service(f"externalName: '{name}'"))
    assert fault.field == "spec.externalName"
    assert "IPv4" in fault.reason


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").mkdir()
    (tmp_path / "b.yaml").symlink_to("/dev/null")
    (tmp_path / "c.yaml").write_text(broker())
    (tmp_path / "d.yaml").symlink_to("c.yaml")
    with pytest.raises(InvalidManifest) as caught:
        validate([str(tmp_path), "/dev/null"], {})
    assert [(fault.file, fault.reason.partition(";")[0]) for fault in caught.value.faults[-1:]] == [
        ("/dev/null", "can't be read: it is no regular file")
    ]
    refused = [fault.file for fault in caught.value.faults if "no regular file" in fault.reason]
    assert refused == [str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml"), "/dev/null"]


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("anotations", "annotations"),
        ("lables", "labels"),
        ("label", "labels"),
        ("namspace", "namespace"),
        ("Namespace", "namespace"),
    ],
)
def test_a_slip_in_metadata_is_refused(refused: Refused, slip: str, meant: str) -> None:
    [fault] = refused(broker(f"{{name: b,\n  {slip}: x}}"))
    assert (fault.field, fault.line) == (f"metadata.{slip}", 4)
    assert fault.reason == f"must not set the field(s): unknown field, did you mean {meant!r}?"


@pytest.mark.parametrize(
    "name",
    [
        "uid",
        "generateName",
        "creationTimestamp",
        "resourceVersion",
        "ownerReferences",
        "finalizers",
        "managedFields",
        "clusterName",
        "deletionGracePeriodSeconds",
        "tags",
        "displayName",
        "owner",
    ],
)
def test_other_metadata_is_tolerated(apply: Apply, name: str) -> None:
    assert len(apply(broker(f"{{name: b, {name}: null}}")).objects) == 1


def test_filters_null_is_as_if_absent(apply: Apply) -> None:
    # As Kubernetes reads it: null is an empty list to Knative.
    spec = apply(trigger("filters: null")).objects[0].spec
    assert isinstance(spec, TriggerSpec)
    assert spec.filters is None


def test_keys_of_secrets_are_refused_in_plain_words(refused: Refused) -> None:
    [fault] = refused("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {..: x}\n")
    assert fault.field == "stringData[..]"
    assert fault.reason == f"invalid key name: {KEY_RULE}"


def test_sources_are_checked_by_their_own_model(apply: Apply, refused: Refused) -> None:
    assert apply(GITHUB).objects[0].kind.plural == "githubsources"
    [fault] = refused(GITHUB.replace("team: x", "type: x"))
    assert (fault.field, fault.line) == ("spec.ceOverrides.extensions.type", 9)
    assert "must not override" in fault.reason
    [fault] = refused(GITHUB.replace("key: token", "kei: token, key: a"))
    assert fault.field == "spec.secretToken.secretKeyRef.kei"
    assert "did you mean 'key'?" in fault.reason
    [fault] = refused(GITHUB.replace("key: token", "key: ../x"))
    assert (fault.field, fault.reason) == ("spec.secretToken.secretKeyRef.key", f"invalid key name: {KEY_RULE}")
