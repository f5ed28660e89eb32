"""CESQL's values, its casts and its errors (CloudEvents SQL 1.0, sections 3.1, 3.3 and 3.7)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import TypeAlias, final

from eventing.event import canonical

Value: TypeAlias = str | int | bool
"""A String, an Integer of 32 bits or a Boolean. URI, URI-reference, Timestamp and Binary are Strings."""

MIN_INTEGER, MAX_INTEGER = -(2**31), 2**31 - 1

_INTEGER = re.compile(r"([+-]?)([0-9]+)")
_DIGITS = len(str(MAX_INTEGER))


class Type(Enum):
    STRING = "String"
    INTEGER = "Integer"
    BOOLEAN = "Boolean"


ZERO: Mapping[Type, Value] = MappingProxyType({Type.STRING: "", Type.INTEGER: 0, Type.BOOLEAN: False})
"""The zero value of each type, which stands for what an error prevented (section 3.1)."""


class ErrorKind(Enum):
    """The error types that every engine must know (section 3.3), in the words of the conformance kit."""

    PARSE = "parse"
    MATH = "math"
    CAST = "cast"
    MISSING_ATTRIBUTE = "missingAttribute"
    MISSING_FUNCTION = "missingFunction"
    FUNCTION_EVALUATION = "functionEvaluation"
    GENERIC = "generic"


@final
@dataclass(frozen=True, slots=True, eq=False)
class Failure:
    """An error during evaluation. It is passed on as a value, since events without an attribute that a filter asks for are
    no exception but everyday traffic.

    ``text``: what is wrong, without any value of the event. ``value`` and ``source``: what the function itself returned
    beside its error, and the node that called it, for the few functions that return more than their type's zero value.
    """

    kind: ErrorKind
    text: str
    value: Value | None = None
    source: object = None


Outcome: TypeAlias = Value | Failure

NO_INTEGER = Failure(ErrorKind.CAST, "the text is no Integer of 32 bits")
NO_BOOLEAN = Failure(ErrorKind.CAST, "the text is neither true nor false")


def type_of(value: Value) -> Type:
    if type(value) is str:
        return Type.STRING
    return Type.BOOLEAN if type(value) is bool else Type.INTEGER


def to_string(value: Value) -> str:
    """Cast to String, which never fails (section 3.7)."""
    return value if type(value) is str else canonical(value)


def to_integer(value: Value) -> int | Failure:
    """Cast to Integer (section 3.7): a Boolean is 1 or 0; a text is an optional sign and ASCII digits, nothing else."""
    if type(value) is not str:
        return int(value)
    found = _INTEGER.fullmatch(value)
    if found is None:
        return NO_INTEGER
    # Python refuses to read thousands of digits, so their number is looked at first.
    digits = found[2].lstrip("0") or "0"
    if len(digits) > _DIGITS:
        return NO_INTEGER
    number = int(found[1] + digits)
    return number if MIN_INTEGER <= number <= MAX_INTEGER else NO_INTEGER


def to_boolean(value: Value) -> bool | Failure:
    """Cast to Boolean (section 3.7): 0 is false and other Integers are true; a text is `true` or `false` in any case."""
    if type(value) is not str:
        return bool(value)
    lowered = value.lower()
    if lowered == "true":
        return True
    return False if lowered == "false" else NO_BOOLEAN


def cast(value: Value, target: Type) -> Outcome:
    if target is Type.STRING:
        return to_string(value)
    return to_integer(value) if target is Type.INTEGER else to_boolean(value)


def wrapped(number: int) -> int:
    """The Integer that 32 bits keep of it, in two's complement. The specification is silent about overflow except for ABS;
    this is what sdk-go and sdk-java do."""
    return (number - MIN_INTEGER) % 2**32 + MIN_INTEGER
