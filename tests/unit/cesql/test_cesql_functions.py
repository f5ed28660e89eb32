"""The functions (CloudEvents SQL 1.0, section 3.5)."""

from __future__ import annotations

import pytest

from eventing.event import Event
from eventing.filters.cesql import FUNCTIONS, MAX_TEXT, Expression

EVENT = Event({"specversion": "1.0", "id": "1", "source": "/s", "type": "t"})


def outcome(text: str, **attributes: str) -> tuple[object, str | None]:
    result = Expression.compile(text).evaluate(EVENT.replace(**attributes))
    return result.value, result.error and result.error.kind.value


@pytest.mark.requirement("Q9")
def test_every_function_of_the_specification_is_there_and_no_other_but_two_of_knatives() -> None:
    specified = "ABS BOOL CONCAT CONCAT_WS INT LEFT LENGTH LOWER RIGHT STRING SUBSTRING TRIM UPPER"
    assert set(FUNCTIONS) == {*specified.split(), "IS_INT", "IS_BOOL"}


@pytest.mark.requirement("Q9")
@pytest.mark.parametrize(
    ("text", "value", "error"),
    [
        ("LENGTH('')", 0, None),
        ("LENGTH('\u00e9\U0001f600')", 2, None),
        ("CONCAT()", "", None),
        ("CONCAT('a', 1, true)", "a1true", None),
        ("CONCAT_WS('-')", "", None),
        ("CONCAT_WS('-', 'a')", "a", None),
        ("CONCAT_WS('-', 'a', '', 'b')", "a--b", None),
        ("CONCAT_WS()", False, "missingFunction"),
        ("LOWER('\u00c4BC')", "\u00e4bc", None),
        ("UPPER('stra\u00dfe')", "STRASSE", None),
        ("TRIM(' \t\n\r\v\f\u00a0\u2003\u3000\u0085a b\u2028 ')", "a b", None),
        ("TRIM('\x1c a \x00')", "\x1c a \x00", None),
        ("TRIM('\u200b')", "\u200b", None),
        ("LEFT('abc', 2)", "ab", None),
        ("LEFT('abc', 0)", "", None),
        ("LEFT('abc', 3)", "abc", None),
        ("LEFT('abc', 4)", "abc", None),
        ("LEFT('abc', -1)", "abc", "functionEvaluation"),
        ("LEFT('\U0001f600b', 1)", "\U0001f600", None),
        ("RIGHT('abc', 2)", "bc", None),
        ("RIGHT('abc', 0)", "", None),
        ("RIGHT('abc', 3)", "abc", None),
        ("RIGHT('abc', 4)", "abc", None),
        ("RIGHT('abc', -1)", "abc", "functionEvaluation"),
        ("SUBSTRING('abc', 1)", "abc", None),
        ("SUBSTRING('abc', 3)", "c", None),
        ("SUBSTRING('abc', 4)", "", "functionEvaluation"),
        ("SUBSTRING('abc', 0)", "", None),
        ("SUBSTRING('', 0)", "", None),
        ("SUBSTRING('', 1)", "", "functionEvaluation"),
        ("SUBSTRING('abc', -3)", "abc", None),
        ("SUBSTRING('abc', -4)", "", "functionEvaluation"),
        ("SUBSTRING('abc', 2, 1)", "b", None),
        ("SUBSTRING('abc', 2, 0)", "", None),
        ("SUBSTRING('abc', 2, 2147483647)", "bc", None),
        ("SUBSTRING('abc', -2, 1)", "b", None),
        ("SUBSTRING('abc', 0, 2)", "", None),
        ("SUBSTRING('abc', 1, -1)", "", "functionEvaluation"),
        ("SUBSTRING('abc', 0, -1)", "", "functionEvaluation"),
        ("SUBSTRING('\U0001f600b', 2)", "b", None),
        ("ABS(-5)", 5, None),
        ("ABS(5)", 5, None),
        ("ABS(-2147483647)", 2147483647, None),
        ("ABS(-2147483648)", 2147483647, "math"),
        ("INT(true) + INT('-3')", -2, None),
        ("BOOL('TRUE')", True, None),
        ("STRING(-5)", "-5", None),
        ("STRING(FALSE)", "false", None),
        ("IS_INT(true) AND IS_INT('5') AND NOT IS_INT('x')", True, None),
        ("IS_BOOL(7) AND IS_BOOL('false') AND NOT IS_BOOL('x')", True, None),
    ],
)
def test_a_function_returns_what_the_specification_says(text: str, value: object, error: str | None) -> None:
    assert outcome(text) == (value, error)
    assert type(outcome(text)[0]) is type(value)


@pytest.mark.requirement("Q9")
def test_a_text_can_not_grow_without_end() -> None:
    half = "x" * (MAX_TEXT // 2)
    assert outcome("LENGTH(CONCAT(subject, subject))", subject=half) == (MAX_TEXT, None)
    assert outcome("CONCAT(subject, subject, 'y')", subject=half) == ("", "functionEvaluation")
    assert outcome("CONCAT_WS(subject, '', '', 'y')", subject=half) == ("", "functionEvaluation")
    nested = "'x'"
    for _ in range(20):
        nested = f"CONCAT_WS({nested}, {', '.join(['1'] * 30)})"
    assert outcome(nested) == ("", "functionEvaluation")
