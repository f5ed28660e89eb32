"""A second evaluator, written from the specification's text and from nothing else: slow, plain, and without any part of ours.

An expression is nested tuples, such as `("=", ("attribute", "type"), ("literal", "a"))`. It is evaluated in the fail fast
mode (CloudEvents SQL 1.0, section 4.1): an error is an exception.
"""

from __future__ import annotations

import ctypes
import unicodedata
from collections.abc import Mapping
from typing import Any

Expression = tuple[Any, ...]
"""The first element says what it is: literal, attribute, exists, NOT, minus, AND, OR, XOR, a comparison, an arithmetic
operator, LIKE, IN, or call."""

INTEGER = {"minus", "+", "-", "*", "/", "%"}
RETURNS = {"LENGTH": int, "ABS": int, "INT": int, "BOOL": bool, "IS_INT": bool, "IS_BOOL": bool}
LONGEST = 65_536


class Wrong(Exception):
    """An error with its kind. ``value``: what the function returned all the same, where it is the whole expression."""

    def __init__(self, kind: str, value: Any = None) -> None:
        super().__init__(kind)
        self.kind, self.value = kind, value


def evaluate(expression: Expression, event: Mapping[str, Any]) -> tuple[Any, str | None]:
    """The value and the kind of the first error."""
    try:
        return value_of(expression, event), None
    except Wrong as wrong:
        if wrong.value is not None:
            return wrong.value, wrong.kind
        return zero(expression), wrong.kind


def zero(expression: Expression) -> Any:
    """The zero value of the type that the expression has."""
    what = expression[0]
    if what == "literal":
        return type(expression[1])()
    if what == "call":
        return False if not exists(expression[1], len(expression[2])) else RETURNS.get(expression[1], str)()
    return 0 if what in INTEGER else False


def value_of(expression: Expression, event: Mapping[str, Any]) -> Any:
    what, *rest = expression
    if what == "literal":
        return rest[0]
    if what == "attribute":
        if rest[0] not in event:
            raise Wrong("missingAttribute")
        return event[rest[0]]
    if what == "exists":
        return rest[0] in event
    if what in {"AND", "OR"}:
        first = boolean(inner(rest[0], event))
        if first == (what == "OR"):
            return first
        return boolean(inner(rest[1], event))
    if what == "XOR":
        return boolean(inner(rest[0], event)) is not boolean(inner(rest[1], event))
    if what == "IN":
        return within(rest[0], rest[1], event)
    if what == "call":
        return call(rest[0], rest[1], event)
    values = [inner(part, event) for part in rest if isinstance(part, tuple)]
    if what == "NOT":
        return not boolean(values[0])
    if what == "minus":
        return narrow(-integer(values[0]))
    if what == "LIKE":
        return like(string(values[0]), rest[1])
    if what in {"=", "!=", "<>"}:
        equal = to_type(values[0], type(values[1])) == values[1]
        return equal if what == "=" else not equal
    return of_integers(what, integer(values[0]), integer(values[1]))


def inner(expression: Expression, event: Mapping[str, Any]) -> Any:
    """An operand: what it gave beside its error is lost, as the evaluation ends with it."""
    try:
        return value_of(expression, event)
    except Wrong as wrong:
        raise Wrong(wrong.kind) from None


def of_integers(what: str, left: int, right: int) -> Any:
    if what in {"<", "<=", ">", ">="}:
        return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[what]
    if what in {"/", "%"} and right == 0:
        raise Wrong("math")
    if what == "+":
        return narrow(left + right)
    if what == "-":
        return narrow(left - right)
    if what == "*":
        return narrow(left * right)
    quotient = abs(left) // abs(right)
    if (left > 0) != (right > 0):
        quotient = -quotient
    return narrow(quotient) if what == "/" else narrow(left - quotient * right)


def within(left: Expression, elements: list[Expression], event: Mapping[str, Any]) -> bool:
    value = inner(left, event)
    return any(to_type(inner(element, event), type(value)) == value for element in elements)


def narrow(number: int) -> int:
    return ctypes.c_int32(number).value


def string(value: Any) -> str:
    if value is True:
        return "true"
    return "false" if value is False else f"{value}"


def integer(value: Any) -> int:
    if not isinstance(value, str):
        return 1 if value is True else 0 if value is False else value
    digits = value[1:] if value[:1] in {"+", "-"} else value
    if not digits or any(digit not in "0123456789" for digit in digits):
        raise Wrong("cast")
    number = 0
    for digit in digits:
        number = number * 10 + ord(digit) - ord("0")
    number = -number if value[0] == "-" else number
    if narrow(number) != number:
        raise Wrong("cast")
    return number


def boolean(value: Any) -> bool:
    if not isinstance(value, str):
        return value is True or (value is not False and value != 0)
    if value.lower() not in {"true", "false"}:
        raise Wrong("cast")
    return value.lower() == "true"


def to_type(value: Any, target: type) -> Any:
    return {str: string, int: integer, bool: boolean}[target](value)


def like(text: str, pattern: str) -> bool:
    """By taking away one symbol of the pattern at a time, in every way there is."""
    if not pattern:
        return not text
    if pattern[:2] in {"\\%", "\\_"}:
        return text[:1] == pattern[1] and like(text[1:], pattern[2:])
    if pattern[0] == "%":
        return any(like(text[start:], pattern[1:]) for start in range(len(text) + 1))
    return bool(text) and pattern[0] in {"_", text[0]} and like(text[1:], pattern[1:])


def exists(name: str, count: int) -> bool:
    counts = {"LEFT": {2}, "RIGHT": {2}, "SUBSTRING": {2, 3}, "CONCAT": set(range(99)), "CONCAT_WS": set(range(1, 99))}
    one = {"LENGTH", "LOWER", "UPPER", "TRIM", "ABS", "INT", "BOOL", "STRING", "IS_INT", "IS_BOOL"}
    return count in counts.get(name, {1} if name in one else set())


def knows_all_functions(expression: Expression) -> bool:
    parts = [part for item in expression for part in (item if isinstance(item, list) else [item]) if isinstance(part, tuple)]
    known = expression[0] != "call" or exists(expression[1], len(expression[2]))
    return known and all(map(knows_all_functions, parts))


def call(name: str, arguments: list[Expression], event: Mapping[str, Any]) -> Any:
    if not exists(name, len(arguments)):
        raise Wrong("missingFunction")
    places: dict[str, list[Any]] = {
        "ABS": [integer],
        "LEFT": [string, integer],
        "RIGHT": [string, integer],
        "SUBSTRING": [string, integer, integer],
    }
    if name in {"INT", "BOOL", "STRING", "IS_INT", "IS_BOOL"}:
        value = inner(arguments[0], event)
        if name in {"IS_INT", "IS_BOOL"}:
            try:
                (integer if name == "IS_INT" else boolean)(value)
            except Wrong:
                return False
            return True
        return {"INT": integer, "BOOL": boolean, "STRING": string}[name](value)
    values: list[Any] = []
    for number, argument in enumerate(arguments):
        to = places[name][number] if name in places else string
        values.append(to(inner(argument, event)))
    if name == "ABS":
        if values[0] == -(2**31):
            raise Wrong("math", 2**31 - 1)
        return max(values[0], -values[0])
    return of_texts(name, *values)


def of_texts(name: str, *values: Any) -> Any:
    if name in {"CONCAT", "CONCAT_WS"}:
        between, texts = ("", list(values)) if name == "CONCAT" else (values[0], list(values[1:]))
        joined = between.join(texts)
        if len(joined) > LONGEST:
            raise Wrong("functionEvaluation", "")
        return joined
    text: str = values[0]
    if name == "LENGTH":
        return len([*text])
    if name in {"LOWER", "UPPER"}:
        return text.lower() if name == "LOWER" else text.upper()
    if name == "TRIM":
        while text and space(text[0]):
            text = text[1:]
        while text and space(text[-1]):
            text = text[:-1]
        return text
    if name in {"LEFT", "RIGHT"}:
        if values[1] < 0:
            raise Wrong("functionEvaluation", text)
        kept = [symbol for place, symbol in enumerate(text if name == "LEFT" else reversed(text)) if place < values[1]]
        return "".join(kept if name == "LEFT" else reversed(kept))
    return substring(text, *values[1:])


def substring(text: str, position: int, length: int | None = None) -> str:
    if position > len(text) or position < -len(text) or (length is not None and length < 0):
        raise Wrong("functionEvaluation", "")
    if position == 0:
        return ""
    first = position if position > 0 else len(text) + position + 1
    last = len(text) if length is None else first + length - 1
    return "".join(symbol for place, symbol in enumerate(text, 1) if first <= place <= last)


def space(symbol: str) -> bool:
    return unicodedata.category(symbol) in {"Zs", "Zl", "Zp"} or symbol in "\t\n\v\f\r\x85"
