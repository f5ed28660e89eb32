"""What must hold for an event before an expression can be true, in the dialects that the index knows.

Mind what makes a condition *not* necessary: casts (`amount = 5` is true for "05", `flag = true` for "TRUE"), the side that
decides the cast, and what AND and OR don't evaluate. A missing attribute is an error wherever it is evaluated, and an
expression with an error is never true: so every attribute that is surely evaluated must be there.
"""

from __future__ import annotations

from eventing.filters.base import Filter
from eventing.filters.cesql.like import compile_pattern
from eventing.filters.cesql.tree import (
    Equality,
    Exists,
    Identifier,
    In,
    Like,
    Literal,
    Logic,
    Node,
    Operator,
    children,
)
from eventing.filters.cesql.values import Failure, Type, Value, cast, to_string
from eventing.filters.dialects import All, Any, Attributes, Exact, Prefix, Suffix


def necessary(root: Node) -> Filter | None:
    """A filter that matches every event for which the whole expression is true. None: nothing is known."""
    if isinstance(root, Identifier):
        return Exact(((root.name, "true"),))
    return _necessary(root)


def _necessary(node: Node) -> Filter | None:
    """The same for a part of it that must be true, or castable to true."""
    match node:
        case Exists(name=name):
            return _present({name})
        case Logic(operator=Operator.AND, operands=operands):
            return _all([_necessary(operand) for operand in operands])
        case Logic(operator=Operator.OR, operands=operands):
            # The first operand is always evaluated, so its attributes must be there even where another one is true.
            return _all([_present(_evaluated(operands[0])), _any([_necessary(operand) for operand in operands])])
        case Equality(left=Identifier(name=name), right=Literal(value=str(text)), negated=False):
            return Exact(((name, text),))
        case Equality(left=Literal(value=value), right=Identifier(name=name), negated=False):
            return _one_of(name, [value])
        case Like(operand=Identifier(name=name), pattern=pattern):
            return _like(name, pattern)
        case In(operand=Identifier(name=name), elements=elements):
            values = [element.value for element in elements if isinstance(element, Literal)]
            return _one_of(name, values) if len(values) == len(elements) else _present({name})
        case _:
            return _present(_evaluated(node))


def _evaluated(node: Node) -> set[str]:
    """The attributes whose value is asked for on every event."""
    match node:
        case Identifier(name=name):
            return {name}
        case Logic(operator=Operator.AND | Operator.OR, operands=operands):
            return _evaluated(operands[0])
        case In(operand=operand, elements=elements):
            return _evaluated(operand) | _evaluated(elements[0])
        case _:
            return set[str]().union(*map(_evaluated, children(node)))


def _one_of(name: str, values: list[Value]) -> Filter:
    """The attribute's type decides what the values are cast to: its text is one of a value's forms."""
    texts: dict[str, None] = {}
    for value in values:
        for target in Type:
            form = cast(value, target)
            if type(form) is not Failure:
                texts[to_string(form)] = None
    return _any([Exact(((name, text),)) for text in texts]) or _present({name})  # type: ignore[return-value]


def _like(name: str, text: str) -> Filter | None:
    pattern = compile_pattern(text)
    if pattern.exact:
        return Exact(((name, pattern.begin),))
    found: list[Filter | None] = []
    if pattern.begin:
        found.append(Prefix(((name, pattern.begin),)))
    if pattern.end:
        found.append(Suffix(((name, pattern.end),)))
    return _all(found or [_present({name})])


def _present(names: set[str]) -> Filter | None:
    return Attributes(tuple((name, "") for name in sorted(names))) if names else None


def _all(filters: list[Filter | None]) -> Filter | None:
    """Of conditions that must all hold, those that are known."""
    known = tuple(one for one in filters if one is not None)
    return known[0] if len(known) == 1 else All(known) if known else None


def _any(filters: list[Filter | None]) -> Filter | None:
    """Of alternatives, each must be known."""
    known = tuple(one for one in filters if one is not None)
    return None if len(known) < len(filters) else known[0] if len(known) == 1 else Any(known)
