"""The line that says why an expression held or didn't."""

from __future__ import annotations

import pytest

from eventing.event import Event
from eventing.filters import compile_filter, explain

EVENT = Event({"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "amount": 5, "flag": True}, b"secret payload")


@pytest.mark.requirement("T7")
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("type = 't'", "`type = 't'` holds: type is 't'"),
        ("type = 'u'", "`type = 'u'` does not hold: type is 't'"),
        ("amount > 4 AND flag = false AND type = 't'", "`flag = false` does not hold: flag is true"),
        ("amount > 9 OR flag", "`flag` holds: flag is true"),
        ("amount > 9 OR type = 'u'", "`amount > 9 OR type = 'u'` does not hold: amount is 5, type is 't'"),
        ("amount > 4 AND type = 't'", "`amount > 4 AND type = 't'` holds: amount is 5, type is 't'"),
        ("type = 't' AND (subject = 'x' OR flag)", "`subject = 'x'` fails, subject is missing (missingAttribute)"),
        ("type > 4", "`type > 4` fails, the text is no Integer of 32 bits (cast): type is 't'"),
        ("10 / (amount - 5) = 1", "`10 / (amount - 5) = 1` fails, division by zero (math): amount is 5"),
        ("NOT (amount = 5)", "`NOT (amount = 5)` does not hold: amount is 5"),
        ("(amount + 1) * 2 = 3", "`(amount + 1) * 2 = 3` does not hold: amount is 5"),
        ("flag AND type", "`flag AND type` fails, the text is neither true nor false (cast): flag is true, type is 't'"),
        ("amount", "`amount` is no Boolean but an Integer: amount is 5"),
        ("EXISTS subject", "`EXISTS subject` does not hold"),
        ("true", "`true` holds"),
        ("type\n  =\t'u'", "`type = 'u'` does not hold: type is 't'"),
    ],
)
def test_an_explanation_names_the_part_that_decided_and_what_it_looked_at(text: str, reason: str) -> None:
    filter_ = compile_filter([{"cesql": text}], None)
    verdict = explain(filter_, EVENT)
    assert verdict.reason == reason
    assert verdict.matched is filter_.matches(EVENT)


def test_an_explanation_within_other_dialects_says_so() -> None:
    filter_ = compile_filter([{"not": {"cesql": "subject = 'x'"}}], None)
    assert explain(filter_, EVENT).reason == "`subject = 'x'` fails, subject is missing (missingAttribute), wanted by `not`"
    both = compile_filter([{"exact": {"type": "t"}}, {"cesql": "amount = 6"}], None)
    assert explain(both, EVENT).reason == "`amount = 6` does not hold: amount is 5"


def test_an_explanation_is_one_short_line_without_payload() -> None:
    many = " AND ".join(f"a{number} = '\x1b[31m{'y' * 500}'" for number in range(20))
    event = EVENT.replace(**{f"a{number}": f"\x1b[31m{'y' * 500}" for number in range(20)})
    verdict = explain(compile_filter([{"cesql": many}], None), event)
    assert verdict.matched
    assert verdict.reason.isprintable()
    assert len(verdict.reason) < 600
    assert verdict.reason.endswith("15 more attributes")
    assert "secret" not in verdict.reason
