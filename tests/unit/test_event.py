"""The event value: immutable, typed, silent about its payload."""

from __future__ import annotations

import copy
import pickle

import pytest

from eventing.event import Event, canonical

ATTRIBUTES = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "sequence": "01", "sampledrate": 3, "urgent": True}


def test_it_keeps_what_it_was_given_in_order() -> None:
    event = Event(ATTRIBUTES, b"x")
    assert list(event.items()) == list(ATTRIBUTES.items())
    assert (event.specversion, event.id, event.source, event.type, event.data) == ("1.0", "1", "/s", "t", b"x")
    assert (event.subject, event.time, event.datacontenttype, event.get("nothing")) == (None, None, None, None)


def test_it_can_not_be_changed() -> None:
    given = dict(ATTRIBUTES)
    event = Event(given, b"x")
    given["id"] = "2"
    assert event.id == "1"
    with pytest.raises(AttributeError, match="immutable"):
        event.data = b"y"
    with pytest.raises(AttributeError, match="immutable"):
        del event.data
    with pytest.raises(TypeError):
        event.attributes["id"] = "2"  # type: ignore[index]
    assert (event.id, event.data) == ("1", b"x")


@pytest.mark.parametrize(("value", "text"), [("a", "a"), (3, "3"), (-7, "-7"), (True, "true"), (False, "false")])
def test_text_is_the_canonical_form(value: str | int | bool, text: str) -> None:
    assert canonical(value) == text
    assert Event({"x": value}).text("x") == text


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (Event({"a": "1", "b": "2"}), Event({"b": "2", "a": "1"}), True),
        (Event({"a": 1}), Event({"a": True}), False),
        (Event({"a": 1}), Event({"a": "1"}), False),
        (Event({"a": "1"}, None), Event({"a": "1"}, b""), False),
        (Event({"a": "1"}, b"x"), Event({"a": "1"}, b"x"), True),
        (Event({"a": "1"}), "a", False),
    ],
)
def test_equality_knows_types_and_absence(one: Event, other: object, equal: bool) -> None:
    assert (one == other) is equal
    if equal:
        assert hash(one) == hash(other)


def test_replace_sets_and_removes_and_leaves_the_original() -> None:
    event = Event(ATTRIBUTES, b"x")
    changed = event.replace(subject="s", urgent=None, missing=None)
    assert changed.subject == "s"
    assert "urgent" not in changed.attributes
    assert changed.data is event.data
    assert event == Event(ATTRIBUTES, b"x")


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda event: pickle.loads(pickle.dumps(event))])
def test_it_can_be_copied_and_pickled(duplicate: object) -> None:
    event = Event(ATTRIBUTES, b"x")
    assert duplicate(event) == event  # type: ignore[operator]


def test_its_repr_shows_no_payload() -> None:
    assert repr(Event(ATTRIBUTES, b"secret")) == "Event(type='t', id='1')"


def test_size_counts_names_values_and_data() -> None:
    small, large = Event({"id": "1"}, None), Event({"id": "1"}, b"x" * 1000)
    assert large.size - small.size == 1000
    assert small.replace(subject="y" * 50).size >= small.size + 57
