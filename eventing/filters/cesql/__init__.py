"""CloudEvents SQL 1.0 (CESQL): parsed by hand, compiled once to closures, with the conditions that the index can use."""

from __future__ import annotations

from eventing.filters.cesql.expression import Expression, Result
from eventing.filters.cesql.filter import Cesql
from eventing.filters.cesql.functions import FUNCTIONS, MAX_TEXT
from eventing.filters.cesql.lexer import MAX_LENGTH
from eventing.filters.cesql.parser import MAX_DEPTH, MAX_NODES, parse
from eventing.filters.cesql.values import ErrorKind, Failure, Value

__all__ = [
    "FUNCTIONS",
    "MAX_DEPTH",
    "MAX_LENGTH",
    "MAX_NODES",
    "MAX_TEXT",
    "Cesql",
    "ErrorKind",
    "Expression",
    "Failure",
    "Result",
    "Value",
    "parse",
]
