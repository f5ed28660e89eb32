"""An expression that can be evaluated, as the specification and its conformance kit see it."""

from __future__ import annotations

from dataclasses import dataclass, field

from eventing.event import Event
from eventing.filters.cesql.closures import Run, build
from eventing.filters.cesql.parser import parse
from eventing.filters.cesql.tree import Node, result_type, walk
from eventing.filters.cesql.values import ZERO, Failure, Type, Value


@dataclass(frozen=True, slots=True)
class Result:
    """What an evaluation gives: always a value, and the error if there was one (CloudEvents SQL 1.0, section 1)."""

    value: Value
    error: Failure | None = None


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed and compiled expression. A function that doesn't exist is an error of its evaluation here, as section 3.5 has
    it; filters refuse it before (`eventing.filters.cesql.check`)."""

    text: str
    root: Node
    run: Run = field(repr=False, compare=False)

    @property
    def size(self) -> int:
        """How many operators, function calls, attributes and literals it has."""
        return sum(1 for _ in walk(self.root))

    @classmethod
    def compile(cls, text: str) -> Expression:
        """Raises `InvalidFilter`, without a path, for what can't be parsed."""
        root = parse(text)
        return cls(text, root, build(root))

    def evaluate(self, event: Event) -> Result:
        """The value and the first error, in the fail fast mode (section 4.1): what the error prevented has the zero value of
        its type. Where only the event could tell the type, that is Boolean (section 3.2)."""
        outcome = self.run(event)
        if type(outcome) is not Failure:
            return Result(outcome)
        if outcome.source is self.root and outcome.value is not None:
            return Result(outcome.value, outcome)
        return Result(ZERO[result_type(self.root) or Type.BOOLEAN], outcome)
