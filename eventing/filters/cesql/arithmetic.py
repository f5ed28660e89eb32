"""CESQL's operators on Integers (CloudEvents SQL 1.0, section 3.4.2)."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping

from eventing.filters.cesql.tree import Operator
from eventing.filters.cesql.values import ErrorKind, Failure, Outcome, wrapped

ORDER: Mapping[Operator, Callable[[int, int], bool]] = {
    Operator.LESS: operator.lt,
    Operator.LESS_OR_EQUAL: operator.le,
    Operator.GREATER: operator.gt,
    Operator.GREATER_OR_EQUAL: operator.ge,
}
_BY_ZERO = Failure(ErrorKind.MATH, "division by zero")


def _divide(left: int, right: int) -> Outcome:
    """Rounds towards zero."""
    if right == 0:
        return _BY_ZERO
    quotient = abs(left) // abs(right)
    return wrapped(quotient if (left < 0) is (right < 0) else -quotient)


def _remainder(left: int, right: int) -> Outcome:
    """Has the sign of the dividend."""
    if right == 0:
        return _BY_ZERO
    rest = abs(left) % abs(right)
    return -rest if left < 0 else rest


ARITHMETIC: Mapping[Operator, Callable[[int, int], Outcome]] = {
    Operator.ADD: lambda left, right: wrapped(left + right),
    Operator.SUBTRACT: lambda left, right: wrapped(left - right),
    Operator.MULTIPLY: lambda left, right: wrapped(left * right),
    Operator.DIVIDE: _divide,
    Operator.REMAINDER: _remainder,
}
