"""What an expression is read as, and what is no expression."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventing.errors import InvalidFilter
from eventing.event import Event
from eventing.filters.cesql import MAX_DEPTH, MAX_LENGTH, MAX_NODES, Expression, parse

EVENT = Event({"specversion": "1.0", "id": "1", "source": "/s", "type": "com.example", "amount": 5, "1st": True, "in5": "x"})


def value(text: str) -> object:
    result = Expression.compile(text).evaluate(EVENT)
    assert result.error is None
    return result.value


def refusal(text: str) -> str:
    with pytest.raises(InvalidFilter) as caught:
        parse(text)
    assert caught.value.path == ""
    return caught.value.reason


@pytest.mark.requirement("Q4")
@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("1 + 2 * 3", "1 + (2 * 3)"),
        ("10 - 4 - 3", "(10 - 4) - 3"),
        ("100 / 5 * 2", "(100 / 5) * 2"),
        ("7 % 4 * 2", "(7 % 4) * 2"),
        ("1 + 1 = 2", "(1 + 1) = 2"),
        ("1 < 2 = true", "(1 < 2) = true"),
        ("2 = 2 AND 3 = 3", "(2 = 2) AND (3 = 3)"),
        ("- 2 + 3", "(- 2) + 3"),
        ("NOT false = false", "(NOT false) = false"),
        ("-1 LIKE '-1'", "(-1) LIKE '-1'"),
        ("- 1 LIKE '-1'", "(- 1) LIKE '-1'"),
        ("1 + 2 IN (2)", "1 + (2 IN (2))"),
        ("1 + 10 LIKE '1%'", "1 + (10 LIKE '1%')"),
        ("1 IN (1) LIKE 'true'", "(1 IN (1)) LIKE 'true'"),
        ("2 * LENGTH('a') IN (1)", "2 * (LENGTH('a') IN (1))"),
        ("NOT EXISTS amount = false", "(NOT (EXISTS amount)) = false"),
    ],
)
def test_operators_bind_in_the_specified_order_and_to_the_left(text: str, same: str) -> None:
    assert value(text) == value(same)


@pytest.mark.requirement("Q4")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("false AND false OR true", False),
        ("(false AND false) OR true", True),
        ("true OR true AND false", True),
        ("(true OR true) AND false", False),
        ("true XOR true AND false", True),
        ("true AND true XOR true", False),
    ],
)
def test_and_or_and_xor_have_one_precedence_and_are_grouped_from_the_right(text: str, expected: bool) -> None:
    assert value(text) is expected


@pytest.mark.requirement("Q5")
def test_not_binds_closer_than_like_and_in() -> None:
    expression = Expression.compile("NOT type LIKE 'com%'")
    result = expression.evaluate(EVENT)
    assert (result.value, result.error and result.error.kind.value) == (False, "cast")
    assert value("type NOT LIKE 'com%'") is False
    assert value("NOT (type LIKE 'com%')") is False
    assert value("NOT true LIKE 'fal%'") is True
    assert value("NOT true IN (false)") is True


@pytest.mark.requirement("Q1")
@pytest.mark.parametrize(
    "text",
    [
        "TYPE = 'com.example'",
        "Type LiKe 'com%'",
        "exists AMOUNT and NOT eXiSts nothing",
        "upper(type) = UPPER(Type)",
        "tRUE",
        "1ST",
    ],
)
def test_keywords_functions_and_names_are_read_in_any_case(text: str) -> None:
    assert value(text) is True


@pytest.mark.requirement("Q1")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("'a'", "a"),
        ('"a"', "a"),
        ("''", ""),
        (r"'it\'s'", "it's"),
        (r'"say \"a\""', 'say "a"'),
        (r"'a\"b'", r"a\"b"),
        (r"'a\nb\\'", r"a\nb\\"),
        ("'TRUE'", "TRUE"),
        ("'a\n\u00e9\U0001f600'", "a\n\u00e9\U0001f600"),
        ("0", 0),
        ("007", 7),
        ("+5", 5),
        ("-2147483648", -2147483648),
        ("2147483647", 2147483647),
        ("0000000000000000000001", 1),
        ("4-1", 3),
        ("4 -1", 3),
        ("4+1", 5),
        ("4--1", 5),
        ("--10", 10),
        ("- - -1", -1),
        ("\t1\r\n+ 1", 2),
        ("1st", True),
        ("in5", "x"),
        ("LENGTH ('abc')", 3),
    ],
)
def test_a_literal_a_sign_or_a_name_is_read_as_meant(text: str, expected: object) -> None:
    assert value(text) == expected
    assert type(value(text)) is type(expected)


@pytest.mark.requirement("Q3", "T9")
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "expected a value, found the end, at character 1"),
        ("   ", "expected a value, found the end, at character 4"),
        ("type =", "expected a value, found the end, at character 7"),
        ("type = = 'a'", "expected a value, found '=', at character 8"),
        ("type 'a'", "expected an operator, found \"'a'\", at character 6"),
        ("(type = 'a'", "expected ')', found the end, at character 12"),
        ("type = 'a')", "expected an operator, found ')', at character 11"),
        ("ABC(", "expected a value, found the end, at character 5"),
        ("LENGTH('a',)", "expected a value, found ')', at character 12"),
        ("LENGTH('a' 'b')", "expected ',' or ')', found \"'b'\", at character 12"),
        ("type = 'a", "the string is not closed, at character 8"),
        (r"type = 'a\'", "the string is not closed, at character 8"),
        ("type = 'it''s'", "a ' within a string is written \\', at character 12"),
        ('type = "a""b"', 'a " within a string is written \\", at character 11'),
        ("type LIKE amount", "expected a string literal as the pattern of LIKE, found 'amount', at character 11"),
        ("type LIKE 5", "expected a string literal as the pattern of LIKE, found '5', at character 11"),
        ("type LIKE ('a')", "expected a string literal as the pattern of LIKE, found '(', at character 11"),
        ("type NOT = 'a'", "expected LIKE or IN, found '=', at character 10"),
        ("type IN 'a'", "expected '(', found \"'a'\", at character 9"),
        ("type IN ()", "expected a value, found ')', at character 10"),
        ("EXISTS (type)", "expected the name of an attribute, found '(', at character 8"),
        ("EXISTS 'type'", "expected the name of an attribute, found \"'type'\", at character 8"),
        ("EXISTS true", "expected the name of an attribute, found 'TRUE', at character 8"),
        ("EXISTS 5", "'5' is no attribute name (letters and digits, with at least one letter), at character 8"),
        ("my_type = 'a'", "'my_type' is no attribute name (letters and digits, with at least one letter), at character 1"),
        ("LEFT2('a')", "'LEFT2' is no function name (letters and underscores), at character 1"),
        ("in = 'a'", "expected a value, found 'IN', at character 1"),
        ("AND", "expected a value, found 'AND', at character 1"),
        ("true()", "expected an operator, found '(', at character 5"),
        ("2147483648", "an Integer has 32 bits: -2147483648 to 2147483647, at character 1"),
        ("1 = -2147483649", "an Integer has 32 bits: -2147483648 to 2147483647, at character 5"),
        ("- 2147483648", "an Integer has 32 bits: -2147483648 to 2147483647, at character 3"),
        ("1 = " + "9" * 5000, "an Integer has 32 bits: -2147483648 to 2147483647, at character 5"),
        ("type == 'a'", "expected a value, found '=', at character 7"),
        ("type = 'a' && true", "unexpected character '&', at character 12"),
        ("type = 'a' # note", "unexpected character '#', at character 12"),
        ("type ! 'a'", "unexpected character '!', at character 6"),
        ("1.5 = 1", "unexpected character '.', at character 2"),
        ("type\u00a0= 'a'", "unexpected character '\\xa0', at character 5"),
        ("\u017fource = 'a'", "unexpected character '\u017f', at character 1"),
        ("type = 'a' AND\n  = 'b'", "expected a value, found '=', at line 2 of the expression, character 3"),
        ("type = ' a\n b", "the string is not closed, at line 1 of the expression, character 8"),
    ],
)
def test_what_is_no_expression_is_refused_with_its_place(text: str, reason: str) -> None:
    assert refusal(text) == reason


@pytest.mark.requirement("T9")
def test_the_depth_of_an_expression_is_bounded() -> None:
    deep = MAX_DEPTH - 1
    for shape in ("(" * deep + "1" + ")" * deep, "- " * deep + "1", "STRING(" * deep + "1" + ")" * deep, "1" + " + 1" * deep):
        assert type(Expression.compile(shape).evaluate(EVENT).value) in (int, str)
    for shape in ("(" * 51 + "1" + ")" * 51, "- " * 51 + "1", "LENGTH(" * 51 + "1" + ")" * 51, "1" + " + 1" * 51, "(" * 3000):
        assert refusal(shape) == f"an expression may be nested at most {MAX_DEPTH} deep"
    mixed = " AND amount = 5 OR amount = 6" * 30
    assert "deep" in refusal("amount = 5" + mixed)


@pytest.mark.requirement("T9")
def test_a_long_run_of_one_logical_operator_is_one_level() -> None:
    for operator, expected in (("OR", True), ("XOR", True), ("AND", False)):
        assert value(f" {operator} ".join(["amount = 5", *["amount = 6"] * 300])) is expected


@pytest.mark.requirement("T9")
def test_the_size_of_an_expression_is_bounded() -> None:
    assert value(f"amount IN ({', '.join(['1'] * (MAX_NODES - 2))})") is False
    assert f"at most {MAX_NODES} operators" in refusal(f"amount IN ({', '.join(['1'] * (MAX_NODES - 1))})")
    assert f"at most {MAX_NODES} operators" in refusal("NOT " * 8000 + "true")
    assert value("type = '" + "x" * (MAX_LENGTH - 9) + "'") is False
    assert refusal("type = '" + "x" * (MAX_LENGTH - 8) + "'") == f"an expression may have at most {MAX_LENGTH} characters"


PIECES = ["type", "x", "'a'", '"b"', "5", "-", "+", "(", ")", "NOT", "AND", "or", "XOR", "LIKE", "EXISTS", "IN", ",", "=", "!="]
PIECES += [
    "<>",
    "<",
    ">=",
    "true",
    "LENGTH(",
    "LEFT('a', ",
    "a_b",
    "*",
    "/",
    "%",
    " ",
    "\n",
    "\\",
    "'",
    '"',
    "\x00",
    "\ud800",
    "é",
]


@pytest.mark.requirement("T9")
@settings(max_examples=1500, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join) | st.lists(st.sampled_from(PIECES)).map("".join) | st.text())
def test_any_text_is_an_expression_or_refused_and_never_anything_else(text: str) -> None:
    with contextlib.suppress(InvalidFilter):
        result = Expression.compile(text).evaluate(EVENT)
        assert type(result.value) in (str, int, bool)
