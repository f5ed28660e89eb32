"""The filter dialects of the CloudEvents Subscriptions API (3.2.4.1) and Knative's legacy attribute filter.

Each is an immutable value that says whether an event matches. All of them compare case-sensitively and by an
attribute's canonical text (`Event.text`), so that an integer attribute 5 equals "5" whatever mode the event came in;
an attribute that the event doesn't have makes its condition false.

The constructors don't validate: `eventing.filters.compile` does, once, where a filter enters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from eventing.event import Event
from eventing.filters.base import Filter

Pairs: TypeAlias = tuple[tuple[str, str], ...]
"""Attribute names with the text they are compared to, in the order written."""


@dataclass(frozen=True, slots=True)
class Everything:
    """Matches every event: a trigger without a filter."""

    def matches(self, event: Event) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Exact:
    """Every attribute has exactly this text."""

    pairs: Pairs

    def matches(self, event: Event) -> bool:
        for name, wanted in self.pairs:  # noqa: SIM110 (a generator costs twice as much on the hot path)
            if event.text(name) != wanted:
                return False
        return True


@dataclass(frozen=True, slots=True)
class Prefix:
    """Every attribute's text starts with this."""

    pairs: Pairs

    def matches(self, event: Event) -> bool:
        for name, wanted in self.pairs:
            text = event.text(name)
            if text is None or not text.startswith(wanted):
                return False
        return True


@dataclass(frozen=True, slots=True)
class Suffix:
    """Every attribute's text ends with this."""

    pairs: Pairs

    def matches(self, event: Event) -> bool:
        for name, wanted in self.pairs:
            text = event.text(name)
            if text is None or not text.endswith(wanted):
                return False
        return True


@dataclass(frozen=True, slots=True)
class Attributes:
    """The legacy `filter.attributes`: exact, but "" stands for any value of an attribute that must be there
    (Knative control-plane specification, TriggerFilter)."""

    pairs: Pairs

    def matches(self, event: Event) -> bool:
        for name, wanted in self.pairs:
            text = event.text(name)
            if text is None or (wanted and text != wanted):
                return False
        return True


@dataclass(frozen=True, slots=True)
class All:
    """Every one of the filters matches."""

    filters: tuple[Filter, ...]

    def matches(self, event: Event) -> bool:
        for filter_ in self.filters:  # noqa: SIM110 (as above)
            if not filter_.matches(event):
                return False
        return True


@dataclass(frozen=True, slots=True)
class Any:
    """At least one of the filters matches."""

    filters: tuple[Filter, ...]

    def matches(self, event: Event) -> bool:
        for filter_ in self.filters:  # noqa: SIM110 (as above)
            if filter_.matches(event):
                return True
        return False


@dataclass(frozen=True, slots=True)
class Not:
    """The filter doesn't match."""

    filter: Filter

    def matches(self, event: Event) -> bool:
        return not self.filter.matches(event)
