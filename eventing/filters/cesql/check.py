"""What is refused when an expression becomes a filter, though it parses.

An expression that can never be true is a mistake, and within `not` it would match everything: a function that doesn't exist,
a result that is no Boolean, a part that always fails, a Boolean compared with what no Boolean is equal to (`NOT type LIKE 'a%'`
is `(NOT type) LIKE 'a%'`). CloudEvents SQL 1.0, section 3.3 asks for such checks at compile time. What looks at no attribute and
is plainly false, as `FALSE`, is taken for meant.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from eventing.errors import InvalidFilter
from eventing.event import Event
from eventing.filters.cesql.closures import build
from eventing.filters.cesql.functions import FUNCTIONS, find, usage
from eventing.filters.cesql.lexer import fault, shown
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
    children,
    result_type,
    walk,
)
from eventing.filters.cesql.values import ErrorKind, Failure, Type, cast

_STRINGS = frozenset({"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema"})
"""The attributes that are never Boolean, in whatever mode an event comes."""

_NOWHERE = Event({})
"""What constant parts are evaluated with: they look at nothing."""

_BOOLEANS = (Literal(0, 0, True), Literal(0, 0, False))


def check(text: str, root: Node) -> None:
    """Raises `InvalidFilter`, without a path, for an expression that can't be a filter."""
    for node, _ in walk(root):
        _check_names(text, node)
    wanted = result_type(root)
    if wanted not in (None, Type.BOOLEAN) or (isinstance(root, Identifier) and root.name in _STRINGS):
        kind = (wanted or Type.STRING).value
        raise InvalidFilter(f"the expression gives {'an' if kind == 'Integer' else 'a'} {kind}, a filter must be true or false")
    hopeless = _hopeless(root, None)
    if hopeless is not None:
        node, failure = hopeless
        piece = shown(text[node.start : node.end])
        raise fault(text, node.start, f"the expression never matches: {failure.text} in {piece}")


def _check_names(text: str, node: Node) -> None:
    match node:
        case Identifier(name="data") | Exists(name="data"):
            raise fault(text, node.start, "'data' is no attribute: filters look at attributes only, not at what an event carries")
        case Call(name=name, arguments=arguments) if find(name, len(arguments)) is None:
            if name in FUNCTIONS:
                raise fault(text, node.start, f"{name} {usage(name)}, not {len(arguments)}")
            raise fault(text, node.start, f"unknown function {shown(name)} (known: {', '.join(FUNCTIONS)})")


def _hopeless(node: Node, target: Type | None) -> tuple[Node, Failure] | None:
    """The part that prevents this node from ever being true, with its failure."""
    found = _failing(node, target) or _unequal(node)
    if found is None and isinstance(node, Logic) and node.operator is not Operator.XOR:
        each = [_hopeless(operand, Type.BOOLEAN) for operand in node.operands]
        if node.operator is Operator.AND or all(each):
            found = next(filter(None, each), None)
    return found


def _failing(node: Node, target: Type | None) -> tuple[Node, Failure] | None:
    """The part that makes this node fail on every event, or the node itself where it can never be cast to ``target``."""
    for child, needed in _strict(node):
        found = _failing(child, needed)
        if found is not None:
            return found
    if _looks(node):
        return None
    outcome = build(node)(_NOWHERE)
    if type(outcome) is not Failure and target is not None:
        outcome = cast(outcome, target)
    return (node, outcome) if type(outcome) is Failure else None


def _unequal(node: Node) -> tuple[Node, Failure] | None:
    """A comparison whose left side is a Boolean, and that holds neither for true nor for false."""
    match node:
        case Like(operand=left):
            trials: list[Node] = [replace(node, operand=value) for value in _BOOLEANS]
        case In(operand=left, elements=elements) if all(isinstance(element, Literal) for element in elements):
            trials = [replace(node, operand=value) for value in _BOOLEANS]
        case Equality(left=left, right=Literal()):
            trials = [replace(node, left=value) for value in _BOOLEANS]
        case _:
            return None
    if result_type(left) is not Type.BOOLEAN or not _looks(left) or any(build(trial)(_NOWHERE) is True for trial in trials):
        return None
    why = ", since NOT binds closer than what follows," if isinstance(left, Not) else ""
    return node, Failure(ErrorKind.GENERIC, f"the left side is true or false and nothing else{why}")


def _looks(node: Node) -> bool:
    """Whether it looks at an attribute."""
    return any(isinstance(part, Identifier | Exists) for part, _ in walk(node))


def _strict(node: Node) -> Iterator[tuple[Node, Type | None]]:
    """The operands that are evaluated for every event, with the type they are cast to."""
    match node:
        case Logic(operator=Operator.XOR, operands=operands):
            yield from ((operand, Type.BOOLEAN) for operand in operands)
        case Logic(operands=operands):
            yield operands[0], Type.BOOLEAN
        case Not(operand=operand):
            yield operand, Type.BOOLEAN
        case Negate() | Ordering() | Arithmetic():
            yield from ((operand, Type.INTEGER) for operand in children(node))
        case Call(name=name, arguments=arguments):
            function = find(name, len(arguments))
            if function is not None:
                yield from zip(arguments, function.casts(len(arguments)), strict=True)
        case In(operand=operand, elements=elements):
            yield operand, None
            yield elements[0], None
        case _:
            yield from ((operand, None) for operand in children(node))
