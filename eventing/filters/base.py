"""What a compiled filter is."""

from __future__ import annotations

from typing import Protocol

from eventing.event import Event


class Filter(Protocol):
    """A compiled filter."""

    def matches(self, event: Event) -> bool: ...
