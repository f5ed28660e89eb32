"""CESQL's functions (CloudEvents SQL 1.0, section 3.5).

IS_INT and IS_BOOL were in the draft and left the specification before 1.0; Knative still has them, so they are here too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from eventing.filters.cesql.values import (
    MAX_INTEGER,
    MIN_INTEGER,
    ErrorKind,
    Failure,
    Outcome,
    Type,
    to_boolean,
    to_integer,
    to_string,
)

MAX_TEXT = 65_536
"""How many characters CONCAT and CONCAT_WS may produce. Nested, they could make a short expression's text grow without end."""

# The characters with the Unicode property White_Space. `str.strip` also takes the separators U+001C to U+001F, which don't
# have it.
_SPACES = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)


@dataclass(frozen=True, slots=True)
class Function:
    """``parameters``: the types that arguments are cast to, None for any. ``rest``: that of all further arguments, where
    there may be some. ``run`` takes the cast arguments and returns a value of type ``returns``, or a `Failure` with it."""

    name: str
    parameters: tuple[Type | None, ...]
    returns: Type
    run: Callable[..., Outcome]
    rest: Type | None = None

    def takes(self, count: int) -> bool:
        return count == len(self.parameters) or (self.rest is not None and count > len(self.parameters))

    def casts(self, count: int) -> tuple[Type | None, ...]:
        """The types that so many arguments are cast to."""
        return self.parameters + (self.rest,) * (count - len(self.parameters))


def _failed(text: str, value: str) -> Failure:
    return Failure(ErrorKind.FUNCTION_EVALUATION, text, value)


def _concat(*texts: str) -> Outcome:
    return _joined("", texts)


def _concat_ws(delimiter: str, *texts: str) -> Outcome:
    return _joined(delimiter, texts)


def _joined(delimiter: str, texts: Sequence[str]) -> Outcome:
    if sum(map(len, texts)) + len(delimiter) * max(len(texts) - 1, 0) > MAX_TEXT:
        return _failed(f"the text would be longer than {MAX_TEXT} characters", "")
    return delimiter.join(texts)


def _left(text: str, count: int) -> Outcome:
    return text[:count] if count >= 0 else _failed("the number of characters is negative", text)


def _right(text: str, count: int) -> Outcome:
    if count < 0:
        return _failed("the number of characters is negative", text)
    return text[max(len(text) - count, 0) :]


def _substring(text: str, position: int, length: int = MAX_INTEGER) -> Outcome:
    if length < 0:
        return _failed("the length is negative", "")
    if not -len(text) <= position <= len(text):
        return _failed("the position is outside the text", "")
    if position == 0:
        return ""
    begin = position - 1 if position > 0 else len(text) + position
    return text[begin : begin + length]


def _abs(number: int) -> Outcome:
    if number == MIN_INTEGER:
        return Failure(ErrorKind.MATH, f"the absolute value of {MIN_INTEGER} is no Integer of 32 bits", MAX_INTEGER)
    return abs(number)


_STRING, _INTEGER = Type.STRING, Type.INTEGER
_FUNCTIONS = (
    Function("LENGTH", (_STRING,), _INTEGER, len),
    Function("CONCAT", (), _STRING, _concat, rest=_STRING),
    Function("CONCAT_WS", (_STRING,), _STRING, _concat_ws, rest=_STRING),
    Function("LOWER", (_STRING,), _STRING, str.lower),
    Function("UPPER", (_STRING,), _STRING, str.upper),
    Function("TRIM", (_STRING,), _STRING, lambda text: text.strip(_SPACES)),
    Function("LEFT", (_STRING, _INTEGER), _STRING, _left),
    Function("RIGHT", (_STRING, _INTEGER), _STRING, _right),
    Function("SUBSTRING", (_STRING, _INTEGER), _STRING, _substring),
    Function("SUBSTRING", (_STRING, _INTEGER, _INTEGER), _STRING, _substring),
    Function("ABS", (_INTEGER,), _INTEGER, _abs),
    Function("INT", (None,), _INTEGER, to_integer),
    Function("BOOL", (None,), Type.BOOLEAN, to_boolean),
    Function("STRING", (None,), _STRING, to_string),
    Function("IS_INT", (None,), Type.BOOLEAN, lambda value: type(to_integer(value)) is not Failure),
    Function("IS_BOOL", (None,), Type.BOOLEAN, lambda value: type(to_boolean(value)) is not Failure),
)

FUNCTIONS: Mapping[str, tuple[Function, ...]] = MappingProxyType(
    {name: tuple(one for one in _FUNCTIONS if one.name == name) for name in sorted({one.name for one in _FUNCTIONS})}
)
"""All definitions by name; those of one name differ in the number of their parameters."""


def find(name: str, count: int) -> Function | None:
    """The function of this name, in upper case, that takes so many arguments."""
    return next((one for one in FUNCTIONS.get(name, ()) if one.takes(count)), None)


def usage(name: str) -> str:
    """How many arguments a known function takes, for a message: ``takes 2 or 3 arguments``."""
    counts = [f"{len(one.parameters)} or more" if one.rest is not None else f"{len(one.parameters)}" for one in FUNCTIONS[name]]
    return f"takes {' or '.join(counts)} argument{'' if counts == ['1'] else 's'}"
