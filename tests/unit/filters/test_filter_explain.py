"""The line that a person reads."""

from __future__ import annotations

import pytest

from eventing.event import Event
from eventing.filters import compile_filter, explain

EVENT = Event({"specversion": "1.0", "id": "1", "source": "/s", "type": "a", "amount": 5}, b"secret payload")


@pytest.mark.parametrize(
    ("filters", "reason"),
    [
        ([{"exact": {"type": "b"}}], "type is 'a', not exactly 'b'"),
        ([{"exact": {"type": "a"}}, {"prefix": {"source": "/x"}}], "source is '/s', not starting with '/x'"),
        ([{"suffix": {"amount": "6"}}], "amount is '5', not ending with '6'"),
        ([{"exact": {"subject": "b"}}], "subject is missing"),
        ([{"not": {"exact": {"type": "a"}}}], "type is 'a', exactly 'a', excluded by `not`"),
        ([{"not": {"exact": {"type": "b"}}}], "type is 'a', not exactly 'b', wanted by `not`"),
        (
            [{"any": [{"exact": {"type": "b"}}, {"exact": {"subject": "c"}}]}],
            "none of 2 alternatives holds: type is 'a', not exactly 'b'; subject is missing",
        ),
        ([{"any": [{"exact": {"type": "b"}}, {"exact": {"type": "a"}}]}], "type is 'a', exactly 'a'"),
        (
            [{"exact": {"type": "a"}}, {"prefix": {"source": "/"}}],
            "type is 'a', exactly 'a' and source is '/s', starting with '/'",
        ),
    ],
)
def test_reason(filters: list[object], reason: str) -> None:
    assert explain(compile_filter(filters, None), EVENT).reason == reason


def test_legacy_and_none() -> None:
    assert explain(compile_filter(None, {"type": ""}), EVENT).reason == "type is there"
    assert explain(compile_filter(None, {"type": "b"}), EVENT).reason == "type is 'a', not exactly 'b'"
    assert explain(compile_filter(None, None), EVENT).reason == "there is no filter, every event matches"


def test_an_unknown_filter_is_named() -> None:
    class Odd:
        def matches(self, event: Event) -> bool:
            return False

    assert explain(Odd(), EVENT).reason == "the condition of Odd does not hold"


def test_reasons_are_short_one_line_and_without_payload() -> None:
    event = EVENT.replace(type="x" * 10_000 + "\n")
    filters: list[object] = [{"any": [{"exact": {"type": f"{number}\n" * 1000}} for number in range(200)]}]
    reason = explain(compile_filter(filters, None), event).reason
    assert len(reason) < 3000
    assert "\n" not in reason
    assert "secret" not in reason
    assert reason.endswith("195 more")
