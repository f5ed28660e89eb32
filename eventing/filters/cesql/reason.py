"""Why an expression holds for an event or doesn't: the part that decides, and the attributes it looks at."""

from __future__ import annotations

from eventing.errors import one_line
from eventing.event import Event
from eventing.filters.cesql.closures import build
from eventing.filters.cesql.expression import Expression
from eventing.filters.cesql.tree import Exists, Identifier, Logic, Node, Operator, walk
from eventing.filters.cesql.values import Failure, Value, to_boolean, to_string, type_of

_EXPRESSION = 120
_VALUE = 60
_ATTRIBUTES = 5


def reason(expression: Expression, event: Event) -> str:
    """One line. It quotes the expression and context attributes, shortened, and never the payload."""
    node = _deciding(expression.root, event)
    outcome = build(node)(event)
    piece = _piece(expression.text[node.start : node.end])
    if type(outcome) is Failure:
        said = f"fails, {outcome.text} ({outcome.kind.value})"
    elif type(outcome) is bool:
        said = "holds" if outcome else "does not hold"
    else:
        said = f"is no Boolean but {_article(type_of(outcome).value)}"
    looked = [(name, value) for name in dict.fromkeys(_names(node)) if (value := event.get(name)) is not None]
    shown = [f"{name} is {_value(value)}" for name, value in looked[:_ATTRIBUTES]]
    if len(looked) > _ATTRIBUTES:
        shown.append(f"{len(looked) - _ATTRIBUTES} more attributes")
    return f"`{piece}` {said}" + (f": {', '.join(shown)}" if shown else "")


def _deciding(node: Node, event: Event) -> Node:
    """The operand of AND or OR that decides, down to what is neither; the whole where all of them do."""
    while isinstance(node, Logic) and node.operator is not Operator.XOR:
        decisive = node.operator is Operator.OR
        for operand in node.operands:
            outcome = build(operand)(event)
            value = outcome if type(outcome) is Failure else to_boolean(outcome)
            if type(value) is Failure or value is decisive:
                break
        else:
            return node
        if type(value) is Failure and type(outcome) is not Failure:
            return node  # the operand itself is well, but no Boolean: only the whole shows what fails
        node = operand
    return node


def _names(node: Node) -> list[str]:
    return [part.name for part, _ in walk(node) if isinstance(part, Identifier | Exists)]


def _value(value: Value) -> str:
    return repr(value if len(value) <= _VALUE else value[:_VALUE] + "...") if type(value) is str else to_string(value)


def _article(name: str) -> str:
    return f"an {name}" if name[0] in "AEIOU" else f"a {name}"


def _piece(text: str) -> str:
    text = " ".join(text.split())
    return one_line(text if len(text) <= _EXPRESSION else text[:_EXPRESSION] + "...")
