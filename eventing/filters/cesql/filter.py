"""CESQL as a dialect of filters."""

from __future__ import annotations

from dataclasses import dataclass, field

from eventing.event import Event
from eventing.filters.base import Filter
from eventing.filters.cesql.check import check
from eventing.filters.cesql.closures import Run
from eventing.filters.cesql.expression import Expression
from eventing.filters.cesql.necessary import necessary


@dataclass(frozen=True, slots=True)
class Cesql:
    """Matches where the expression is the Boolean true and nothing failed (CloudEvents SQL 1.0, section 1.2).

    ``necessary``: what must hold for an event before the expression can, for the index.
    """

    expression: Expression
    necessary: Filter | None
    _run: Run = field(repr=False, compare=False)

    @classmethod
    def compile(cls, text: str) -> Cesql:
        """Raises `InvalidFilter`, without a path, for what can't be parsed or can never match."""
        expression = Expression.compile(text)
        check(text, expression.root)
        return cls(expression, necessary(expression.root), expression.run)

    def matches(self, event: Event) -> bool:
        return self._run(event) is True
