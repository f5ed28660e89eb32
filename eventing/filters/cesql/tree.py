"""An expression as a tree of immutable nodes (CloudEvents SQL 1.0, section 2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from eventing.filters.cesql.functions import find
from eventing.filters.cesql.values import Type, Value, type_of


class Operator(Enum):
    AND = "AND"
    OR = "OR"
    XOR = "XOR"
    EQUAL = "="
    NOT_EQUAL = "!="
    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="
    ADD = "+"
    SUBTRACT = "-"
    MULTIPLY = "*"
    DIVIDE = "/"
    REMAINDER = "%"


@dataclass(frozen=True, slots=True)
class Node:
    """``start`` and ``end``: the characters of the expression that it was read from."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Literal(Node):
    value: Value


@dataclass(frozen=True, slots=True)
class Identifier(Node):
    """An attribute's value. ``name`` is in lower case, however it was written."""

    name: str


@dataclass(frozen=True, slots=True)
class Exists(Node):
    name: str


@dataclass(frozen=True, slots=True)
class Not(Node):
    operand: Node


@dataclass(frozen=True, slots=True)
class Negate(Node):
    operand: Node


@dataclass(frozen=True, slots=True)
class Logic(Node):
    """AND, OR or XOR of two or more operands. A run of one operator is one node: from the right or from the left, its
    operands are evaluated in the same order with the same result."""

    operator: Operator
    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Equality(Node):
    """`=`, or `!=` and `<>` where it is ``negated``."""

    left: Node
    right: Node
    negated: bool


@dataclass(frozen=True, slots=True)
class Ordering(Node):
    operator: Operator
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Arithmetic(Node):
    operator: Operator
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Like(Node):
    """``pattern`` is as written, but for the escaped quotes."""

    operand: Node
    pattern: str


@dataclass(frozen=True, slots=True)
class In(Node):
    operand: Node
    elements: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Call(Node):
    """``name`` is in upper case, however it was written."""

    name: str
    arguments: tuple[Node, ...]


def children(node: Node) -> tuple[Node, ...]:
    match node:
        case Not(operand=operand) | Negate(operand=operand) | Like(operand=operand):
            return (operand,)
        case Equality(left=left, right=right) | Ordering(left=left, right=right) | Arithmetic(left=left, right=right):
            return (left, right)
        case Logic(operands=operands):
            return operands
        case In(operand=operand, elements=elements):
            return (operand, *elements)
        case Call(arguments=arguments):
            return arguments
        case _:
            return ()


def walk(root: Node) -> Iterator[tuple[Node, int]]:
    """Every node with its depth, the root's being 1. Without recursion, so that it can measure any tree."""
    waiting = [(root, 1)]
    while waiting:
        node, depth = waiting.pop()
        yield node, depth
        waiting.extend((child, depth + 1) for child in reversed(children(node)))


def result_type(node: Node) -> Type | None:
    """The type of what it evaluates to; None where only the event decides, as for an attribute.

    A function that doesn't exist evaluates to false (section 3.5).
    """
    match node:
        case Literal(value=value):
            return type_of(value)
        case Identifier():
            return None
        case Negate() | Arithmetic():
            return Type.INTEGER
        case Call(name=name, arguments=arguments):
            function = find(name, len(arguments))
            return Type.BOOLEAN if function is None else function.returns
        case _:
            return Type.BOOLEAN
