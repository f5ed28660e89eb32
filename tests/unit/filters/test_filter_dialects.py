"""What each dialect matches (requirements T1, T4, T8)."""

from __future__ import annotations

import pytest

from eventing.event import AttributeValue, Event
from eventing.filters import Everything, compile_filter, explain

EVENT = Event(
    {
        "specversion": "1.0",
        "id": "1",
        "source": "/orders/eu",
        "type": "com.example.order.created",
        "amount": 5,
        "urgent": True,
        "note": "",
    },
    b"secret payload",
)


def matches(entry: object, event: Event = EVENT) -> bool:
    compiled = compile_filter([entry], None)
    verdict = compiled.matches(event)
    assert explain(compiled, event).matched is verdict
    return verdict


@pytest.mark.requirement("T4", "T8")
@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"exact": {"type": "com.example.order.created"}}, True),
        ({"exact": {"type": "com.example.Order.created"}}, False),
        ({"exact": {"type": "com.example.order"}}, False),
        ({"exact": {"type": "com.example.order.created", "source": "/orders/eu"}}, True),
        ({"exact": {"type": "com.example.order.created", "source": "/orders/us"}}, False),
        ({"exact": {"subject": "x"}}, False),
        ({"prefix": {"type": "com.example."}}, True),
        ({"prefix": {"type": "example."}}, False),
        ({"prefix": {"type": "Com"}}, False),
        ({"prefix": {"type": "com", "source": "/orders"}}, True),
        ({"prefix": {"type": "com", "source": "orders"}}, False),
        ({"prefix": {"subject": "x"}}, False),
        ({"suffix": {"type": ".created"}}, True),
        ({"suffix": {"type": ".create"}}, False),
        ({"suffix": {"type": ".created", "source": "/us"}}, False),
        ({"suffix": {"subject": "x"}}, False),
        ({"all": [{"exact": {"id": "1"}}, {"prefix": {"type": "com"}}]}, True),
        ({"all": [{"exact": {"id": "1"}}, {"prefix": {"type": "org"}}]}, False),
        ({"any": [{"exact": {"id": "2"}}, {"prefix": {"type": "com"}}]}, True),
        ({"any": [{"exact": {"id": "2"}}, {"prefix": {"type": "org"}}]}, False),
        ({"not": {"exact": {"id": "2"}}}, True),
        ({"not": {"exact": {"id": "1"}}}, False),
        ({"not": {"exact": {"subject": "x"}}}, True),
        ({"not": {"not": {"exact": {"id": "1"}}}}, True),
        # Integers and booleans compare by their canonical text, in every dialect.
        ({"exact": {"amount": "5"}}, True),
        ({"exact": {"amount": "05"}}, False),
        ({"exact": {"urgent": "true"}}, True),
        ({"exact": {"urgent": "True"}}, False),
        ({"prefix": {"urgent": "tr"}}, True),
        ({"suffix": {"amount": "5"}}, True),
    ],
)
def test_a_dialect_matches_as_the_subscriptions_api_says(entry: object, expected: bool) -> None:
    assert matches(entry) is expected


@pytest.mark.requirement("T4")
def test_all_entries_of_filters_must_match() -> None:
    first, second, third = {"exact": {"id": "1"}}, {"prefix": {"type": "com"}}, {"exact": {"id": "2"}}
    assert compile_filter([first, second], None).matches(EVENT)
    assert not compile_filter([first, third], None).matches(EVENT)


@pytest.mark.requirement("T1", "T8")
@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"type": "com.example.order.created"}, True),
        ({"type": "com.example.order"}, False),
        ({"type": ""}, True),
        ({"note": ""}, True),
        ({"subject": ""}, False),
        ({"amount": "5", "urgent": "true"}, True),
        ({"type": "", "source": "/orders/us"}, False),
    ],
)
def test_filter_attributes_must_be_there_and_equal_and_an_empty_value_stands_for_any(
    attributes: dict[str, str], expected: bool
) -> None:
    compiled = compile_filter(None, attributes)
    assert compiled.matches(EVENT) is expected
    assert explain(compiled, EVENT).matched is expected


@pytest.mark.requirement("T3")
def test_filters_override_attributes_unless_they_are_empty() -> None:
    never, always = {"id": "none"}, {"id": "1"}
    assert compile_filter([{"exact": always}], never).matches(EVENT)
    assert not compile_filter([{"exact": never}], always).matches(EVENT)
    assert not compile_filter([], never).matches(EVENT)
    assert compile_filter([], always).matches(EVENT)


@pytest.mark.requirement("T3")
@pytest.mark.parametrize(("filters", "attributes"), [(None, None), ([], None), (None, {}), ([], {})])
def test_no_filter_matches_everything(filters: list[object] | None, attributes: dict[str, str] | None) -> None:
    assert compile_filter(filters, attributes) == Everything()


@pytest.mark.requirement("T1", "T8")
@pytest.mark.parametrize("value", ["text", 7, False])
def test_a_present_attribute_of_any_type_satisfies_the_empty_legacy_value(value: AttributeValue) -> None:
    assert compile_filter(None, {"extra": ""}).matches(EVENT.replace(extra=value))
