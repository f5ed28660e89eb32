"""CESQL as a dialect of filters: what is accepted, what is refused at apply, what a filter says of an event."""

from __future__ import annotations

import inspect
import sys

import pytest

from eventing.errors import InvalidFilter
from eventing.event import AttributeValue
from eventing.filters import MAX_CONDITIONS, MAX_DEPTH, compile_filter
from tests.support.filters import happened


def matches(entry: object, **attributes: AttributeValue) -> bool:
    return compile_filter([entry], None).matches(happened(**attributes))


def refusal(entry: object) -> str:
    with pytest.raises(InvalidFilter) as caught:
        compile_filter([entry], None)
    return str(caught.value)


@pytest.mark.requirement("T6")
@pytest.mark.parametrize("dialect", ["cesql", "sql"])
def test_cesql_is_a_dialect_under_both_its_names(dialect: str) -> None:
    assert matches({dialect: "amount > 4"}, amount=5)
    assert not matches({dialect: "amount > 4"}, amount=4)
    assert matches({"all": [{dialect: "amount > 4"}, {"any": [{dialect: "flag"}, {"not": {dialect: "flag"}}]}]}, amount=5)
    assert refusal({"any": [{"not": {dialect: "amount >"}}]}) == (
        f"filters[0].any[0].not.{dialect}: expected a value, found the end, at character 9"
    )


@pytest.mark.requirement("T5", "T6")
def test_both_names_in_one_entry_are_two_dialects() -> None:
    assert "exactly one dialect, found cesql, sql" in refusal({"cesql": "true", "sql": "true"})


@pytest.mark.requirement("T7", "Q2")
def test_a_filter_is_false_where_the_result_is_false_no_boolean_or_an_error() -> None:
    assert matches({"cesql": "flag"}, flag=True)
    assert not matches({"cesql": "flag"}, flag=False)
    assert not matches({"cesql": "flag"}, flag="true")
    assert not matches({"cesql": "flag"}, flag=1)
    assert not matches({"cesql": "flag"})
    assert not matches({"cesql": "subject != 'x'"})
    assert not matches({"cesql": "subject = 'x' OR type = 't'"})
    assert not matches({"cesql": "10 / amount = 2"}, amount=0)
    assert not matches({"cesql": "amount > 1"}, amount="many")


@pytest.mark.requirement("T4", "T7")
def test_not_turns_a_false_filter_around_whatever_made_it_false() -> None:
    """Subscriptions API 3.2.4.1.1 and 3.2.4.1.2, and Knative: an error makes the inner filter false, and so `not` true."""
    around: dict[str, object] = {"not": {"cesql": "subject = 'x'"}}
    assert matches(around)
    assert matches(around, subject="y")
    assert not matches(around, subject="x")
    assert not matches({"cesql": "NOT (subject = 'x')"})
    assert matches({"not": {"exact": {"subject": "x"}}})


@pytest.mark.requirement("T9", "T7")
@pytest.mark.parametrize("empty", ["", " ", "\n\t"])
def test_an_empty_expression_is_refused_and_not_taken_for_no_filter(empty: str) -> None:
    assert refusal({"cesql": empty}) == "filters[0].cesql: the expression must not be empty"


@pytest.mark.requirement("T9", "Q10")
@pytest.mark.parametrize(
    ("value", "kind"), [(True, "a boolean"), (5, "a number"), (None, "null"), (["a"], "a list"), ({}, "a mapping")]
)
def test_an_expression_that_yaml_read_as_something_else_is_refused(value: object, kind: str) -> None:
    assert f"must be a string with an expression, not {kind}" in refusal({"cesql": value})


@pytest.mark.requirement("T9", "Q9")
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("NO_SUCH(type) = 'a'", "unknown function 'NO_SUCH' (known: ABS, BOOL, "),
        ("true OR no_such()", "unknown function 'NO_SUCH'"),
        ("LENGTH(type, 1) > 2", "LENGTH takes 1 argument, not 2, at character 1"),
        ("type = SUBSTRING('a')", "SUBSTRING takes 2 or 3 arguments, not 1, at character 8"),
        ("CONCAT_WS() = ''", "CONCAT_WS takes 1 or more arguments, not 0, at character 1"),
        ("data = 'x'", "'data' is no attribute"),
        ("NOT EXISTS Data", "'data' is no attribute"),
    ],
)
def test_a_name_that_means_nothing_is_refused_even_where_it_would_not_be_evaluated(text: str, reason: str) -> None:
    assert reason in refusal({"cesql": text})


@pytest.mark.requirement("T9", "T7")
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("type", "the expression gives a String, a filter must be true or false"),
        ("'true'", "the expression gives a String, a filter must be true or false"),
        ("amount + 1", "the expression gives an Integer, a filter must be true or false"),
        ("- amount", "the expression gives an Integer"),
        ("LENGTH(type)", "the expression gives an Integer"),
        ("LOWER(type)", "the expression gives a String"),
        ("1 / 0 = 1", "the expression never matches: division by zero in '1 / 0', at character 1"),
        ("amount > 'many'", "the text is no Integer of 32 bits in \"'many'\", at character 10"),
        ("type = 't' AND 'x'", "the text is neither true nor false in \"'x'\", at character 16"),
        ("type = 't' AND (amount = 1 AND 1 % 0 = 1)", "division by zero in '1 % 0', at character 32"),
        ("'a' OR type = 't'", "neither true nor false"),
        ("NOT 'x'", "neither true nor false"),
        ("flag XOR 'x'", "neither true nor false"),
        ("(1 % 0) IN (amount)", "division by zero"),
        ("(1 / 0 = 1 AND flag) OR amount < 'x'", "division by zero"),
        ("LEFT(type, 'x') = 't'", "no Integer"),
        ("LEFT('abc', -1) = type", "the number of characters is negative"),
    ],
)
def test_an_expression_that_can_never_be_true_is_refused(text: str, reason: str) -> None:
    assert reason in refusal({"cesql": text})
    assert reason in refusal({"not": {"cesql": text}})


@pytest.mark.requirement("T9", "Q5")
@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("NOT type LIKE 'com.%'", "\"NOT type LIKE 'com.%'\", at character 1"),
        ("NOT type IN ('a', 'b')", "\"NOT type IN ('a', 'b')\", at character 1"),
        ("NOT amount = 5", "'NOT amount = 5', at character 1"),
        ("flag AND NOT type = 'a'", "\"NOT type = 'a'\", at character 10"),
        ("flag AND (NOT type LIKE 'a%' OR NOT type LIKE 'b%')", "\"NOT type LIKE 'a%'\", at character 11"),
    ],
)
def test_a_not_that_binds_closer_than_its_comparison_and_so_never_matches_is_refused(text: str, where: str) -> None:
    why = "the left side is true or false and nothing else, since NOT binds closer than what follows,"
    assert refusal({"cesql": text}) == f"filters[0].cesql: the expression never matches: {why} in {where}"
    assert why in refusal({"not": {"cesql": text}})


@pytest.mark.requirement("T7", "Q8")
@pytest.mark.parametrize(
    ("text", "attributes"),
    [
        ("NOT flag LIKE 't%'", {"flag": False}),
        ("NOT flag LIKE '%e'", {"flag": True}),
        ("NOT flag IN (FALSE, 'x')", {"flag": True}),
        ("NOT amount = 1", {"amount": 0}),
        ("NOT flag = 'true'", {"flag": "false"}),
        ("NOT flag != 5", {"flag": True}),
        ("(EXISTS subject) = 'false'", {}),
    ],
)
def test_a_boolean_that_can_be_equal_to_the_right_side_is_compared(text: str, attributes: dict[str, AttributeValue]) -> None:
    assert matches({"cesql": text}, **attributes)


@pytest.mark.requirement("T7")
@pytest.mark.parametrize(
    "text", ["true", "false", "flag", "1 = 2", "type = 't' OR 'x'", "flag OR 1 / 0 = 1", "true OR 1 / 0 = 1"]
)
def test_an_expression_that_can_be_true_or_is_plainly_false_is_accepted(text: str) -> None:
    compile_filter([{"cesql": text}], None)


@pytest.mark.requirement("T9")
def test_an_expression_counts_towards_the_conditions_of_a_filter() -> None:
    entry = {"cesql": f"type IN ({', '.join(['1'] * 500)})"}
    compile_filter([entry, entry], None)
    with pytest.raises(InvalidFilter, match=f"at most {MAX_CONDITIONS} conditions"):
        compile_filter([entry, entry, entry], None)


@pytest.mark.requirement("T9")
def test_the_deepest_expression_in_the_deepest_filter_needs_a_moderate_stack() -> None:
    """The bounds exist so that no manifest ends in a RecursionError, wherever it is read from."""
    text = "amount"
    for _ in range(15):
        text = f"(5 = 0 + 1 * {text})"
    entry: object = {"cesql": f"{text} OR EXISTS amount"}
    for _ in range(MAX_DEPTH - 1):
        entry = {"not": entry}
    depth = len(inspect.stack())
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(depth + 400)
    try:
        compile_filter([entry], None)
    finally:
        sys.setrecursionlimit(before)
    assert "nested at most" in refusal({"cesql": "(5 = 0 + 1 * " * 51 + "amount" + ")" * 51})
