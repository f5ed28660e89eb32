"""LIKE (CloudEvents SQL 1.0, section 3.4.3)."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eventing.event import Event
from eventing.filters.cesql import Expression
from eventing.filters.cesql.like import compile_pattern
from tests.unit.cesql.naive import like


@pytest.mark.requirement("Q7")
@pytest.mark.parametrize(
    ("pattern", "fits", "does_not"),
    [
        ("", [""], ["a"]),
        ("abc", ["abc"], ["ab", "abcd", "ABC", "xabc"]),
        ("%", ["", "abc", "a\nb"], []),
        ("%%", ["", "a"], []),
        ("_", ["a", "\n", "\U0001f600"], ["", "ab"]),
        ("__", ["ab"], ["a", "abc"]),
        ("abc%", ["abc", "abcd"], ["ab", "xabc"]),
        ("%abc", ["abc", "xabc"], ["abcx"]),
        ("a%c", ["ac", "abc", "abcc"], ["a", "c", "acb"]),
        ("a%a", ["aa", "aba"], ["a"]),
        ("%b%", ["b", "abc"], ["", "ac"]),
        ("%ab%bc%", ["abbc", "xabxbcx"], ["abc"]),
        ("_b*", ["ab*"], ["ab", "abc", "b*"]),
        ("%_", ["a", "ab"], [""]),
        ("_%_", ["ab", "abc"], ["a"]),
        ("%a_c%", ["abc", "aabc", "axabcx"], ["ac", "abdc"]),
        ("%a_a_b%", ["aaaaab", "axaxb", "aaaabab"], ["axxab", "aab"]),
        ("a_%_b", ["axxb", "axyzb"], ["axb"]),
        (r"a\%", ["a%"], ["ab", "a\\", "a\\b", "a\\%"]),
        (r"a\_c", ["a_c"], ["abc", r"a\_c"]),
        (r"%\%%", ["%", "50% off"], ["50"]),
        (r"a\b", [r"a\b"], ["ab"]),
        (r"a\\%", [r"a\%"], [r"a\b", "a%"]),
        ("a\\", ["a\\"], ["a"]),
        ("[a-z].+(", ["[a-z].+("], ["a.+("]),
    ],
)
def test_a_pattern_stands_for_exactly_these_texts(pattern: str, fits: list[str], does_not: list[str]) -> None:
    matches = compile_pattern(pattern).matches
    assert [text for text in fits if not matches(text)] == []
    assert [text for text in does_not if matches(text)] == []


@pytest.mark.requirement("Q7")
@settings(max_examples=2000, deadline=None)
@given(st.text("ab", max_size=8), st.text("ab%_\\", max_size=7))
@example("abab", "%a_%b")
def test_a_pattern_matches_what_trying_everything_matches(text: str, pattern: str) -> None:
    compiled = compile_pattern(pattern)
    matched = compiled.matches(text)
    assert matched is like(text, pattern)
    if matched:
        assert text.startswith(compiled.begin)
        assert text.endswith(compiled.end)


@pytest.mark.requirement("Q7")
@pytest.mark.parametrize(
    "pattern",
    ["%a" * 500 + "%b", "%" + "a_" * 500 + "b%", "%a_a_a_a%" * 100 + "b", "%" + "a" * 1000 + "b%", "_" * 999 + "%b"],
    ids=["many pieces", "a long piece", "many pieces with _", "a long run", "many _"],
)
def test_no_text_makes_a_pattern_try_many_ways(pattern: str) -> None:
    """Backtracking would take longer than the world is old."""
    assert compile_pattern(pattern).matches("a" * 65_536) is False
    assert compile_pattern(pattern).matches("a" * 65_536 + "b") is True


@pytest.mark.requirement("Q7")
def test_the_operand_of_like_may_be_any_expression() -> None:
    event = Event({"specversion": "1.0", "id": "1", "source": "/s", "type": "Com.Example", "amount": 57})
    for text in ("LOWER(type) LIKE 'com.%'", "amount LIKE '5_'", "(amount + 1) LIKE '58'", "(amount = 57) LIKE 'tr__'"):
        assert Expression.compile(text).evaluate(event).value is True
