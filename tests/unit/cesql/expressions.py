"""Random expressions, as trees for the naive evaluator and as text for ours, and random events for both."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from eventing.event import AttributeValue, Event
from tests.unit.cesql.naive import Expression

# Few names and few values, so that expressions and events meet often; texts that other types' values can be made of.
NAMES = ["type", "source", "flag", "amount", "name", "1st"]
TEXTS = ["", "a", "ab", "b", "abab", "true", "TRUE", "false", "0", "1", "5", "05", "-1", "+5", "x y", " a\x1c", "%", "a_", "a\\b"]
TEXTS += ["2147483647", "-2147483648", "2147483648", "ß\u00a0", "it's", 'say "a"', "\U0001f600"]
INTEGERS = [0, 1, 2, 5, -1, 7, 2147483647, -2147483648]
PATTERNS = ["", "a", "a%", "%b", "%", "_", "a_", "%a%b%", "_%_", "a\\%", "\\_", "tr%", "5", "%5", "a%a%", "%_b", "%a_a%", "a\\b"]
FUNCTIONS = ["LENGTH", "CONCAT", "CONCAT_WS", "LOWER", "UPPER", "TRIM", "LEFT", "RIGHT", "SUBSTRING", "ABS", "INT", "BOOL"]
FUNCTIONS += ["STRING", "IS_INT", "IS_BOOL", "NO_SUCH"]
COMPARISONS = ["=", "!=", "<>", "<", "<=", ">", ">="]

VALUES: st.SearchStrategy[AttributeValue] = st.sampled_from(TEXTS) | st.sampled_from(INTEGERS) | st.booleans()
EVENTS = st.builds(
    lambda type_, source, extra: Event({"specversion": "1.0", "id": "1", "source": source, "type": type_, **extra}),
    st.sampled_from(TEXTS),
    st.sampled_from(TEXTS),
    st.dictionaries(st.sampled_from(NAMES[2:]), VALUES, max_size=4),
)

_ATTRIBUTES: st.SearchStrategy[Expression] = st.tuples(st.just("attribute"), st.sampled_from([*NAMES, "missing"]))
# No literal can end with a lone backslash; none of these texts does.
_LITERALS: st.SearchStrategy[Expression] = st.tuples(st.just("literal"), VALUES)
_LEAVES = _ATTRIBUTES | _LITERALS | st.tuples(st.just("exists"), st.sampled_from([*NAMES, "missing"]))


def _larger(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    lists = st.lists(inner, min_size=1, max_size=3)
    condition: st.SearchStrategy[Expression] = st.one_of(
        st.tuples(st.sampled_from(COMPARISONS), inner, inner),
        st.tuples(st.just("="), _ATTRIBUTES, _LITERALS),
        st.tuples(st.just("LIKE"), inner, st.sampled_from(PATTERNS)),
        st.tuples(st.just("IN"), inner, lists),
        st.tuples(st.just("IN"), inner, st.lists(_LITERALS, min_size=1, max_size=4)),
    )
    return st.one_of(
        condition,
        st.tuples(st.just("NOT"), condition | inner),
        st.tuples(st.sampled_from(["AND", "OR", "XOR"]), condition | inner, condition | inner),
        st.tuples(st.just("minus"), inner),
        st.tuples(st.sampled_from(["+", "-", "*", "/", "%"]), inner, inner),
        st.tuples(st.just("call"), st.sampled_from(FUNCTIONS), st.lists(inner, max_size=3)),
    )


EXPRESSIONS = st.recursive(_LEAVES, _larger, max_leaves=8)

_LEVELS = {"OR": 1, "AND": 1, "XOR": 1, **dict.fromkeys(COMPARISONS, 2), "+": 3, "-": 3, "*": 4, "/": 4, "%": 4}
_POSTFIX, _UNARY, _PRIMARY = 5, 6, 7


def written(expression: Expression) -> str:
    """The text, with as few parentheses as the precedence of section 3.6 allows."""
    return _written(expression)[0]


def _written(expression: Expression) -> tuple[str, int]:
    what, *rest = expression
    if what == "literal":
        return _literal(rest[0]), _PRIMARY
    if what == "attribute":
        return rest[0], _PRIMARY
    if what == "exists":
        return f"EXISTS {rest[0]}", _PRIMARY
    if what == "call":
        return f"{rest[0]}({', '.join(map(written, rest[1]))})", _PRIMARY
    if what in {"NOT", "minus"}:
        return f"{'NOT' if what == 'NOT' else '-'} {_within(rest[0], _UNARY)}", _UNARY
    if what == "LIKE":
        return f"{_within(rest[0], _POSTFIX)} LIKE {_literal(rest[1])}", _POSTFIX
    if what == "IN":
        return f"{_within(rest[0], _POSTFIX)} IN ({', '.join(map(written, rest[1]))})", _POSTFIX
    level = _LEVELS[what]
    right_first = level == 1
    left, right = _within(rest[0], level + right_first), _within(rest[1], level + (not right_first))
    return f"{left} {what} {right}", level


def _within(expression: Expression, lowest: int) -> str:
    text, level = _written(expression)
    return text if level >= lowest else f"({text})"


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return "True" if value else "false"
    if isinstance(value, int):
        return str(value)
    return "'" + value.replace("'", "\\'") + "'" if '"' in value else f'"{value}"'
