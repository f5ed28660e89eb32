"""From a tree to one nested closure, so that nothing about the expression is decided anew for each event.

A closure takes an event and returns a value or a `Failure`. A failure ends the evaluation (the fail fast mode of
CloudEvents SQL 1.0, section 4.1, which section 1.2 asks for in filters), except that what AND and OR never reach can't fail.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from eventing.event import REQUIRED, Event, canonical
from eventing.filters.cesql.arithmetic import ARITHMETIC, ORDER
from eventing.filters.cesql.functions import find
from eventing.filters.cesql.like import compile_pattern
from eventing.filters.cesql.tree import (
    Arithmetic,
    Call,
    Equality,
    Exists,
    Identifier,
    In,
    Like,
    Literal,
    Logic,
    Negate,
    Node,
    Not,
    Operator,
    Ordering,
)
from eventing.filters.cesql.values import (
    ErrorKind,
    Failure,
    Outcome,
    Type,
    Value,
    cast,
    to_boolean,
    to_integer,
    to_string,
    type_of,
    wrapped,
)

Run: TypeAlias = Callable[[Event], Outcome]


def build(node: Node) -> Run:
    """Compile a tree whose depth the parser has bounded."""
    match node:
        case Literal(value=value):
            return lambda event: value
        case Identifier(name=name):
            return _identifier(name)
        case Exists(name=name):
            return _exists(name)
        case Not(operand=operand):
            return _not(build(operand))
        case Negate(operand=operand):
            return _negate(build(operand))
        case Logic(operator=Operator.XOR, operands=operands):
            return _xor(tuple(map(build, operands)))
        case Logic(operator=which, operands=operands):
            return _short_circuit(tuple(map(build, operands)), which is Operator.OR)
        case Equality(left=Identifier(name=name), right=Literal(value=str(text)), negated=negated):
            return _equals_text(name, text, negated)
        case Equality(left=left, right=right, negated=negated):
            return _equality(build(left), build(right), negated)
        case Ordering(operator=which, left=left, right=right):
            return _integers(build(left), build(right), ORDER[which])
        case Arithmetic(operator=which, left=left, right=right):
            return _integers(build(left), build(right), ARITHMETIC[which])
        case Like(operand=operand, pattern=pattern):
            return _like(build(operand), pattern)
        case In(operand=operand, elements=elements):
            return _in(build(operand), elements)
        case Call():
            return _call(node)
        case _:
            raise TypeError(f"{type(node).__name__} is no node of an expression")


def missing(name: str) -> Failure:
    return Failure(ErrorKind.MISSING_ATTRIBUTE, f"{name} is missing")


def _identifier(name: str) -> Run:
    failure = missing(name)

    def run(event: Event) -> Outcome:
        value = event.get(name)
        return failure if value is None else value

    return run


def _exists(name: str) -> Run:
    if name in REQUIRED:
        return lambda event: True
    return lambda event: event.get(name) is not None


def _equals_text(name: str, text: str, negated: bool) -> Run:
    """The most common condition, without a call for each operand."""
    failure = missing(name)

    def run(event: Event) -> Outcome:
        value = event.get(name)
        if value is None:
            return failure
        return ((value if type(value) is str else canonical(value)) == text) is not negated

    return run


def _not(operand: Run) -> Run:
    def run(event: Event) -> Outcome:
        value = operand(event)
        if type(value) is not bool:
            value = value if type(value) is Failure else to_boolean(value)
            if type(value) is Failure:
                return value
        return not value

    return run


def _negate(operand: Run) -> Run:
    def run(event: Event) -> Outcome:
        value = operand(event)
        number = value if type(value) is Failure else to_integer(value)
        return number if type(number) is Failure else wrapped(-number)

    return run


def _short_circuit(operands: tuple[Run, ...], decisive: bool) -> Run:
    """AND, which False decides, or OR, which True decides: what stands behind the deciding operand isn't evaluated."""
    other = not decisive

    def run(event: Event) -> Outcome:
        for operand in operands:
            value = operand(event)
            if value is other:
                continue
            if value is decisive:
                return decisive
            if type(value) is Failure:
                return value
            value = to_boolean(value)
            if type(value) is Failure or value is decisive:
                return value
        return other

    return run


def _xor(operands: tuple[Run, ...]) -> Run:
    def run(event: Event) -> Outcome:
        odd = False
        for operand in operands:
            value = operand(event)
            if type(value) is not bool:
                value = value if type(value) is Failure else to_boolean(value)
                if type(value) is Failure:
                    return value
            odd = odd is not value
        return odd

    return run


def _equality(left: Run, right: Run, negated: bool) -> Run:
    """The right operand's type decides what the left one is cast to (section 3.7)."""

    def run(event: Event) -> Outcome:
        first = left(event)
        if type(first) is Failure:
            return first
        second = right(event)
        if type(second) is Failure:
            return second
        if type(first) is not type(second):
            first = cast(first, type_of(second))
            if type(first) is Failure:
                return first
        return (first == second) is not negated

    return run


def _integers(left: Run, right: Run, apply: Callable[[int, int], Outcome]) -> Run:
    """Both operands are evaluated before either is cast, so that a missing attribute is told before a failed cast."""

    def run(event: Event) -> Outcome:
        first = left(event)
        if type(first) is Failure:
            return first
        second = right(event)
        if type(second) is Failure:
            return second
        if type(first) is not int:
            first = to_integer(first)
            if type(first) is Failure:
                return first
        if type(second) is not int:
            second = to_integer(second)
            if type(second) is Failure:
                return second
        return apply(first, second)

    return run


def _like(operand: Run, pattern: str) -> Run:
    matches = compile_pattern(pattern).matches

    def run(event: Event) -> Outcome:
        value = operand(event)
        if type(value) is Failure:
            return value
        return matches(value if type(value) is str else to_string(value))

    return run


def _in(operand: Run, elements: tuple[Node, ...]) -> Run:
    """The left operand's type decides what the elements are cast to. As in sdk-go and sdk-java they are looked at in the
    order written, up to the first that is equal: what stands behind it can't fail."""
    values = [node.value for node in elements if isinstance(node, Literal)]
    if len(values) == len(elements):
        return _in_literals(operand, values)
    runs = tuple(map(build, elements))

    def run(event: Event) -> Outcome:
        value = operand(event)
        if type(value) is Failure:
            return value
        target = type_of(value)
        for element in runs:
            other = element(event)
            if type(other) is Failure:
                return other
            other = cast(other, target)
            if type(other) is Failure:
                return other
            if value == other:
                return True
        return False

    return run


def _in_literals(operand: Run, values: list[Value]) -> Run:
    """The elements are cast once for each type: the set of those before the first that can't be, and that one's failure."""
    sets: dict[type, tuple[frozenset[Value], Outcome]] = {}
    for python, target in ((str, Type.STRING), (int, Type.INTEGER), (bool, Type.BOOLEAN)):
        accepted: set[Value] = set()
        otherwise: Outcome = False
        for value in values:
            found = cast(value, target)
            if type(found) is Failure:
                otherwise = found
                break
            accepted.add(found)
        sets[python] = (frozenset(accepted), otherwise)

    def run(event: Event) -> Outcome:
        value = operand(event)
        if type(value) is Failure:
            return value
        accepted, otherwise = sets[type(value)]
        return True if value in accepted else otherwise

    return run


def _call(node: Call) -> Run:
    function = find(node.name, len(node.arguments))
    if function is None:
        failed = Failure(ErrorKind.MISSING_FUNCTION, f"there is no function {node.name} of {len(node.arguments)} arguments")
        return lambda event: failed
    arguments = tuple(zip(map(build, node.arguments), function.casts(len(node.arguments)), strict=True))
    apply = function.run

    def run(event: Event) -> Outcome:
        found: list[Outcome] = []
        for argument, target in arguments:
            value = argument(event)
            if type(value) is not Failure and target is not None:
                value = cast(value, target)
            if type(value) is Failure:
                return value
            found.append(value)
        result = apply(*found)
        return Failure(result.kind, result.text, result.value, node) if type(result) is Failure else result

    return run
