"""A fault or a remark is one line, whatever the manifest holds."""

from __future__ import annotations

import io
import json

import pytest

from eventing.errors import InvalidManifest
from eventing.resources.validate import validate

TRIGGER = 'apiVersion: {version}\nkind: {kind}\nmetadata: {{name: t}}\nspec: {{broker: b, {member}: x, subscriber: {{uri: "http://a.example/"}}}}\n'


@pytest.mark.parametrize(
    ("version", "member"),
    [
        ('"eventing.knative.dev\\nx/v1"', "labels"),
        ("eventing.knative.dev/v1", '"a\\nb"'),
        ('"eventing.knative.dev/v1\\t"', '"\\x1b[2J"'),
    ],
)
def test_a_fault_quotes_line_ends_and_control_characters_escaped(version: str, member: str) -> None:
    text = TRIGGER.format(version=version, kind="Trigger", member=member)
    with pytest.raises(InvalidManifest) as caught:
        validate(["-"], {}, stdin=lambda: io.BytesIO(text.encode()))
    assert str(caught.value).count("\n") == len(caught.value.faults) - 1
    assert all(str(fault).isprintable() for fault in caught.value.faults)


def test_a_remark_on_what_is_skipped_is_one_line_too() -> None:
    text = TRIGGER.format(version='"apps/v1"', kind='"Deploy\\nment"', member="labels")
    loaded = validate(["-"], {}, stdin=lambda: io.BytesIO(text.encode()))
    (skipped,) = loaded.skipped
    assert "Deploy\\nment" in str(skipped)
    assert str(skipped).isprintable()


@pytest.mark.requirement("T9")
def test_objects_on_one_line_are_each_told_what_is_wrong_with_their_filter() -> None:
    """A fault of one object must not hide the same fault of another."""
    spec = {"broker": "b", "filters": [{"cesql": "type ="}], "subscriber": {"uri": "http://a.example/"}}
    trigger = {"apiVersion": "eventing.knative.dev/v1", "kind": "Trigger", "spec": spec}
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": [trigger | {"metadata": {"name": name}} for name in "tu"]})
    with pytest.raises(InvalidManifest) as caught:
        validate(["-"], {}, stdin=lambda: io.BytesIO(text.encode()))
    assert [(fault.object, fault.field) for fault in caught.value.faults] == [
        ("Trigger/t", "spec.filters[0].cesql"),
        ("Trigger/u", "spec.filters[0].cesql"),
    ]
