"""From a trigger's `filter` and `filters` to one compiled filter, or an `InvalidFilter` that names the place and the rule.

Nothing is ever guessed: what can't be compiled is refused, because a filter that is silently ignored matches everything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from eventing.errors import InvalidFilter
from eventing.filters.base import Filter
from eventing.filters.cesql.filter import Cesql
from eventing.filters.dialects import All, Any, Attributes, Everything, Exact, Not, Pairs, Prefix, Suffix

MAX_DEPTH = 32
"""How deep entries may be nested; an entry of `filters` itself is at depth 1."""

MAX_CONDITIONS = 1024
"""How many entries and attribute conditions one trigger's filter may have in all; in CESQL every operator, function call,
attribute and literal counts as one. YAML aliases can make a small manifest grow without end; the depth alone doesn't bound
that."""

_NAME = re.compile(r"[a-z][a-z0-9]*")
_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(slots=True)
class _Count:
    conditions: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a filter the compiler stands. A dialect's compiler uses it to raise faults and to compile what it nests."""

    path: str
    dialects: Mapping[str, Compiler]
    depth: int = 0
    count: _Count = field(default_factory=_Count)

    def fault(self, reason: str) -> InvalidFilter:
        return InvalidFilter(reason, path=self.path)

    def at(self, step: str) -> Place:
        """The place one step further in: ``.name`` or ``[index]``."""
        return Place(self.path + step, self.dialects, self.depth, self.count)

    def add(self, conditions: int = 1) -> None:
        """Count so many more. Raises `InvalidFilter` beyond `MAX_CONDITIONS`."""
        self.count.conditions += conditions
        if self.count.conditions > MAX_CONDITIONS:
            raise self.fault(f"a filter may have at most {MAX_CONDITIONS} conditions")

    def entry(self, value: object) -> Filter:
        """Compile one entry: a mapping with exactly one dialect (Knative `hasMultipleDialects`). Raises `InvalidFilter`."""
        inner = Place(self.path, self.dialects, self.depth + 1, self.count)
        if inner.depth > MAX_DEPTH:
            raise self.fault(f"filters may be nested at most {MAX_DEPTH} deep")
        inner.add()
        if not isinstance(value, Mapping):
            raise self.fault(f"must be a mapping with one dialect, not {_kind(value)}")
        unknown = [name for name in value if name not in self.dialects]
        if unknown:
            raise self.fault(f"unknown dialect {_shown(unknown[0])} (known: {', '.join(self.dialects)})")
        if len(value) != 1:
            found = ", ".join(str(name) for name in value) or "none"
            raise self.fault(f"must have exactly one dialect, found {found}")
        [(dialect, body)] = value.items()
        return self.dialects[dialect](body, inner.at(f".{dialect}"))


Compiler: TypeAlias = Callable[[object, Place], Filter]
"""Compiles what stands under a dialect's name. Raises `InvalidFilter` through the place."""


def _pairs(value: object, place: Place, *, empty_values: bool = False) -> Pairs:
    if not isinstance(value, Mapping):
        raise place.fault(f"must be a mapping of attribute names to strings, not {_kind(value)}")
    pairs: list[tuple[str, str]] = []
    for name, wanted in value.items():
        at = place.at(f".{name}") if isinstance(name, str) and _PLAIN.fullmatch(name) else place
        at.add()
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise at.fault(f"{_shown(name)} is no attribute name (a lower-case letter, then lower-case letters and digits)")
        if name == "data":
            # Under `not` it would match everything (CloudEvents 1.0, "Naming Conventions": no attribute is called so).
            raise at.fault("'data' is no attribute: filters look at attributes only, not at what an event carries")
        if not isinstance(wanted, str):
            raise at.fault(f"the value must be a string, not {_kind(wanted)}; numbers and booleans need quotes")
        if not wanted and not empty_values:
            raise at.fault("the value must not be empty")
        pairs.append((name, wanted))
    return tuple(pairs)


def _conditions(value: object, place: Place) -> Pairs:
    pairs = _pairs(value, place)
    if not pairs:
        raise place.fault("must name at least one attribute")
    return pairs


def _entries(value: object, place: Place) -> tuple[Filter, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise place.fault(f"must be a list of filters, not {_kind(value)}")
    if not value:
        raise place.fault("must have at least one element")
    return tuple(place.at(f"[{number}]").entry(entry) for number, entry in enumerate(value))


def _exact(value: object, place: Place) -> Filter:
    return Exact(_conditions(value, place))


def _prefix(value: object, place: Place) -> Filter:
    return Prefix(_conditions(value, place))


def _suffix(value: object, place: Place) -> Filter:
    return Suffix(_conditions(value, place))


def _all(value: object, place: Place) -> Filter:
    return All(_entries(value, place))


def _any(value: object, place: Place) -> Filter:
    return Any(_entries(value, place))


def _not(value: object, place: Place) -> Filter:
    return Not(place.entry(value))


def _cesql(value: object, place: Place) -> Filter:
    if not isinstance(value, str):
        raise place.fault(f"must be a string with an expression, not {_kind(value)}; an expression such as TRUE needs quotes")
    if not value.strip():
        # Knative takes an empty expression for no filter, which matches everything.
        raise place.fault("the expression must not be empty")
    try:
        filter_ = Cesql.compile(value)
    except InvalidFilter as error:
        raise place.fault(error.reason) from error
    place.add(filter_.expression.size)
    return filter_


DIALECTS: Mapping[str, Compiler] = MappingProxyType(
    {
        "exact": _exact,
        "prefix": _prefix,
        "suffix": _suffix,
        "all": _all,
        "any": _any,
        "not": _not,
        "cesql": _cesql,
        "sql": _cesql,
    }
)
"""The dialects that `compile_filter` knows unless it is given others. `sql` is the Subscriptions API's word for `cesql`."""


def compile_filter(
    filters: Sequence[object] | None,
    attributes: Mapping[str, str] | None,
    dialects: Mapping[str, Compiler] = DIALECTS,
) -> Filter:
    """Compile a trigger's ``spec.filters`` and ``spec.filter.attributes``.

    Non-empty ``filters`` override ``attributes``, an empty list doesn't; both are checked all the same. The entries
    are ANDed. Neither given, or both empty: every event matches. Source: CloudEvents Subscriptions API 3.2.4, Knative
    control-plane specification (Trigger), knative/eventing trigger_validation.go.

    Raises `InvalidFilter` for the first fault, with a path such as ``filters[1].any[0].exact.type``.
    """
    legacy = _pairs({} if attributes is None else attributes, Place("filter.attributes", dialects), empty_values=True)
    if filters is not None:
        place = Place("filters", dialects)
        if not isinstance(filters, Sequence) or isinstance(filters, str | bytes):
            raise place.fault(f"must be a list of filters, not {_kind(filters)}")
        if filters:
            entries = _entries(filters, place)
            return entries[0] if len(entries) == 1 else All(entries)
    return Attributes(legacy) if legacy else Everything()


def _kind(value: object) -> str:
    """What a value is, in a manifest author's words; never the value itself."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, Sequence):
        return "a list"
    return f"a {type(value).__name__}"


def _shown(name: object) -> str:
    text = repr(name)
    return text if len(text) <= 66 else text[:60] + "...'"
