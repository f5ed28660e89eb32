"""Types, casts, errors and operators (CloudEvents SQL 1.0, sections 3.1 to 3.4 and 3.7)."""

from __future__ import annotations

import pytest

from eventing.event import Event
from eventing.filters.cesql import Expression

EVENT = Event(
    {
        "specversion": "1.0",
        "id": "1",
        "source": "/s",
        "type": "com.example",
        "time": "2026-01-01T00:00:00.000000001+02:00",
        "amount": 5,
        "none": 0,
        "urgent": True,
        "calm": False,
        "digits": "05",
        "word": "TRUE",
        "empty": "",
    },
    b'{"amount": 1}',
)


def outcome(text: str) -> tuple[object, str | None]:
    result = Expression.compile(text).evaluate(EVENT)
    return result.value, result.error and result.error.kind.value


def check(text: str, value: object, error: str | None = None) -> None:
    found = outcome(text)
    assert found == (value, error)
    assert type(found[0]) is type(value)


@pytest.mark.requirement("Q1")
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("amount", 5),
        ("urgent", True),
        ("word", "TRUE"),
        ("empty", ""),
        ("source", "/s"),
        ("time", "2026-01-01T00:00:00.000000001+02:00"),
        ("specversion", "1.0"),
        ("EXISTS empty", True),
        ("EXISTS subject", False),
        ("EXISTS specversion AND EXISTS id AND EXISTS source AND EXISTS type", True),
    ],
)
def test_an_attribute_has_its_own_type_and_others_than_integers_and_booleans_are_strings(text: str, value: object) -> None:
    check(text, value)


@pytest.mark.requirement("Q1")
def test_the_data_of_an_event_is_out_of_reach() -> None:
    check("data", False, "missingAttribute")
    check("EXISTS data", False)


@pytest.mark.requirement("Q2")
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("missing", False),
        ("missing = 2", False),
        ("missing != 2", False),
        ("missing <> ''", False),
        ("'' = missing", False),
        ("missing < 2", False),
        ("missing * 5", 0),
        ("1 / missing", 0),
        ("missing % 0", 0),
        ("- missing", 0),
        ("NOT missing", False),
        ("NOT (missing = 'x')", False),
        ("missing LIKE '%'", False),
        ("missing NOT LIKE 'x'", False),
        ("missing IN ('x')", False),
        ("missing NOT IN ('x')", False),
        ("'x' IN ('y', missing)", False),
        ("LENGTH(missing)", 0),
        ("CONCAT('a', missing)", ""),
        ("BOOL(missing)", False),
        ("IS_INT(missing)", False),
        ("true AND missing", False),
        ("missing OR true", False),
        ("true XOR missing", False),
        ("STRING(LENGTH(missing))", ""),
        ("'x' + missing", 0),
    ],
)
def test_what_asks_for_a_missing_attribute_has_the_zero_value_of_its_own_type(text: str, value: object) -> None:
    check(text, value, "missingAttribute")


@pytest.mark.requirement("Q4")
@pytest.mark.parametrize(
    ("text", "value", "error"),
    [
        ("false AND missing", False, None),
        ("true OR missing", True, None),
        ("false AND 1 / 0 = 1", False, None),
        ("urgent OR NO_SUCH()", True, None),
        ("calm AND 'x'", False, None),
        ("none AND missing", False, None),
        ("amount OR missing", True, None),
        ("word OR missing", True, None),
        ("true AND true AND missing", False, "missingAttribute"),
        ("false OR 1 / 0 = 1", False, "math"),
        ("false XOR missing", False, "missingAttribute"),
        ("true AND false AND missing", False, None),
        ("false OR true OR missing", True, None),
        ("1 IN (1, missing)", True, None),
        ("1 IN (missing, 1)", False, "missingAttribute"),
        ("1 IN (1, 'x')", True, None),
        ("2 IN (1, 'x')", False, "cast"),
    ],
)
def test_what_is_decided_already_is_not_evaluated(text: str, value: object, error: str | None) -> None:
    check(text, value, error)


@pytest.mark.requirement("Q3")
@pytest.mark.parametrize(
    ("text", "value", "error"),
    [
        ("1 / 0", 0, "math"),
        ("ABS(-2147483648)", 2147483647, "math"),
        ("INT('x')", 0, "cast"),
        ("missing", False, "missingAttribute"),
        ("NO_SUCH(1)", False, "missingFunction"),
        ("LENGTH()", False, "missingFunction"),
        ("CONCAT_WS()", False, "missingFunction"),
        ("LEFT('abc', -1)", "abc", "functionEvaluation"),
        ("LENGTH(LEFT('abc', -1))", 0, "functionEvaluation"),
        ("ABS(-2147483648) = 2147483647", False, "math"),
        ("1 + NO_SUCH()", 0, "missingFunction"),
    ],
)
def test_an_error_comes_with_its_kind_and_a_value(text: str, value: object, error: str) -> None:
    check(text, value, error)


@pytest.mark.requirement("Q3")
def test_the_text_of_an_error_holds_nothing_of_the_event() -> None:
    event = EVENT.replace(word="secret")
    for text in ("word + 1", "NOT word", "INT(word)", "SUBSTRING(word, 99)", "LEFT(word, -1)"):
        error = Expression.compile(text).evaluate(event).error
        assert error is not None
        assert "secret" not in error.text


@pytest.mark.requirement("Q6")
@pytest.mark.parametrize(
    ("text", "value", "error"),
    [
        ("7 / 2", 3, None),
        ("-7 / 2", -3, None),
        ("7 / -2", -3, None),
        ("-7 / -2", 3, None),
        ("7 % 3", 1, None),
        ("-7 % 3", -1, None),
        ("7 % -3", 1, None),
        ("-7 % -3", -1, None),
        ("5 / 0", 0, "math"),
        ("5 % 0", 0, "math"),
        ("2147483647 + 1", -2147483648, None),
        ("-2147483648 - 1", 2147483647, None),
        ("65536 * 65536", 0, None),
        ("2147483647 * 2", -2, None),
        ("-2147483648 / -1", -2147483648, None),
        ("-2147483648 % -1", 0, None),
        ("- (-2147483648)", -2147483648, None),
    ],
)
def test_arithmetic_keeps_to_32_bits_and_division_truncates(text: str, value: object, error: str | None) -> None:
    check(text, value, error)


@pytest.mark.requirement("Q8")
@pytest.mark.parametrize(
    ("text", "value", "error"),
    [
        ("digits = 5", True, None),
        ("5 = digits", False, None),
        ("'5' = amount", True, None),
        ("amount = '05'", False, None),
        ("amount = '5'", True, None),
        ("word = true", True, None),
        ("true = word", False, None),
        ("urgent = 'true'", True, None),
        ("urgent = 1", True, None),
        ("2 = urgent", True, None),
        ("urgent = 2", False, None),
        ("none = false", True, None),
        ("type = 5", False, "cast"),
        ("type != 5", False, "cast"),
        ("type = true", False, "cast"),
        ("amount = type", False, None),
        ("type = amount", False, "cast"),
        ("amount IN ('05')", True, None),
        ("digits IN (5)", False, None),
        ("digits IN ('05')", True, None),
        ("urgent IN ('TRUE')", True, None),
        ("word IN (true)", False, None),
        ("amount IN (digits)", True, None),
        ("digits IN (amount)", False, None),
        ("amount IN ('x', 5)", False, "cast"),
        ("urgent IN (7)", True, None),
        ("'10' > 9", True, None),
        ("'b' > 'a'", False, "cast"),
        ("digits < '6'", True, None),
        ("urgent >= none", True, None),
        ("digits + urgent", 6, None),
        ("'5' + '3'", 8, None),
        ("- digits", -5, None),
        ("amount LIKE '5'", True, None),
        ("urgent LIKE 't%'", True, None),
        ("LENGTH(amount)", 1, None),
        ("LEFT(urgent, '2')", "tr", None),
        ("type AND true", False, "cast"),
        ("'true' AND 1", True, None),
    ],
)
def test_operands_are_cast_as_the_operator_or_the_other_operand_wants(text: str, value: object, error: str | None) -> None:
    check(text, value, error)


@pytest.mark.requirement("Q11")
@pytest.mark.parametrize(("number", "value"), [("0", False), ("1", True), ("10", True), ("-1", True), ("-2147483648", True)])
def test_an_integer_is_false_where_it_is_zero_and_true_else(number: str, value: bool) -> None:
    check(f"BOOL({number})", value)
    check(f"NOT {number}", not value)
    check(f"{number} AND true", value)


@pytest.mark.requirement("Q8", "Q9")
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("-0", 0),
        ("+7", 7),
        ("007", 7),
        ("-2147483648", -2147483648),
        ("0" * 60_000 + "1", 1),
        ("2147483648", None),
        ("", None),
        ("+", None),
        ("+-1", None),
        (" 1", None),
        ("1 ", None),
        ("1_0", None),
        ("1.0", None),
        ("0x1", None),
        ("\u0665", None),
        ("9" * 60_000, None),
        ("0" * 60_000 + "x", None),
    ],
)
def test_a_text_is_an_integer_only_as_a_sign_and_ascii_digits_within_32_bits(text: str, value: int | None) -> None:
    result = Expression.compile("INT(word)").evaluate(EVENT.replace(word=text))
    expected = (0, "cast") if value is None else (value, None)
    assert (result.value, result.error and result.error.kind.value) == expected
    assert Expression.compile("IS_INT(word)").evaluate(EVENT.replace(word=text)).value is (value is not None)


@pytest.mark.requirement("Q8", "Q9")
@pytest.mark.parametrize(
    ("text", "value"), [("True", True), ("FALSE", False), ("1", None), ("", None), ("true ", None), ("yes", None)]
)
def test_a_text_is_a_boolean_only_as_true_or_false_in_any_case(text: str, value: bool | None) -> None:
    check(f"BOOL('{text}')", bool(value), "cast" if value is None else None)
    check(f"IS_BOOL('{text}')", value is not None)
