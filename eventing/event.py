"""The CloudEvent as a value: what was received, byte for byte, and nothing made up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TypeAlias

AttributeValue: TypeAlias = str | int | bool
"""CloudEvents types as Python values. URI, URI-reference, Timestamp and Binary keep the text they
arrived in (CloudEvents 1.0, "Type System"), so that what is delivered is what was sent."""

REQUIRED: tuple[str, ...] = ("specversion", "id", "source", "type")


class Event:
    """An immutable CloudEvent, already validated by the binding that made it.

    ``attributes`` holds every context attribute and extension in the order received, `specversion`
    and `datacontenttype` included. ``data`` is the payload exactly as received (JSON is never parsed
    and written again), or None when the event has no data; an empty payload is ``b""``.

    The constructor does not validate: `eventing.bindings` does, once, where an event enters.
    """

    __slots__ = ("_attributes", "_size", "data")

    _attributes: dict[str, AttributeValue]
    _size: int
    data: bytes | None

    def __init__(self, attributes: Mapping[str, AttributeValue], data: bytes | None = None) -> None:
        _set_attributes(self, dict(attributes))
        _set_data(self, data)
        _set_size(self, 0)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"Event is immutable, {name!r} can't be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"Event is immutable, {name!r} can't be deleted")

    @property
    def attributes(self) -> Mapping[str, AttributeValue]:
        """Read-only view, in the order received."""
        return MappingProxyType(self._attributes)

    def get(self, name: str) -> AttributeValue | None:
        """The attribute's value, or None where the event does not have it."""
        return self._attributes.get(name)

    def text(self, name: str) -> str | None:
        """The attribute in its canonical string form, in which filters compare (CloudEvents 1.0, "Type System")."""
        value = self._attributes.get(name)
        return value if value is None or type(value) is str else canonical(value)

    def items(self) -> Iterator[tuple[str, AttributeValue]]:
        return iter(self._attributes.items())

    @property
    def specversion(self) -> str:
        return str(self._attributes["specversion"])

    @property
    def id(self) -> str:
        return str(self._attributes["id"])

    @property
    def source(self) -> str:
        return str(self._attributes["source"])

    @property
    def type(self) -> str:
        return str(self._attributes["type"])

    @property
    def subject(self) -> str | None:
        return self.text("subject")

    @property
    def time(self) -> str | None:
        """The original RFC 3339 text, nanoseconds and offset as sent."""
        return self.text("time")

    @property
    def datacontenttype(self) -> str | None:
        return self.text("datacontenttype")

    @property
    def size(self) -> int:
        """Approximate bytes this event holds in memory and on the wire: attributes and data."""
        total = self._size
        if not total:
            attributes = self._attributes
            total = 1 + sum(map(len, attributes)) + 8 * len(attributes)
            for value in attributes.values():
                total += len(value) if type(value) is str else 11
            if self.data is not None:
                total += len(self.data)
            _set_size(self, total)
        return total

    def replace(self, **changes: AttributeValue | None) -> Event:
        """A copy with attributes set, or removed where the new value is None; data is shared."""
        attributes = dict(self._attributes)
        for name, value in changes.items():
            if value is None:
                attributes.pop(name, None)
            else:
                attributes[name] = value
        return Event(attributes, self.data)

    def __eq__(self, other: object) -> bool:
        """Same data and same attributes in any order; the Integer 1, the Boolean true and the String `1` differ."""
        if not isinstance(other, Event):
            return NotImplemented
        if self.data != other.data or self._attributes != other._attributes:
            return False
        return all(type(value) is type(other._attributes[name]) for name, value in self._attributes.items())

    def __hash__(self) -> int:
        return hash((self._attributes.get("id"), self._attributes.get("source")))

    def __reduce__(self) -> tuple[object, ...]:
        # The default way of copy and pickle sets attributes, which is refused here.
        return Event, (self._attributes, self.data)

    def __repr__(self) -> str:
        # The payload may hold secrets and reprs end in logs.
        return f"Event(type={self._attributes.get('type')!r}, id={self._attributes.get('id')!r})"


# The slots' own setters: the class refuses assignment, and object.__setattr__ costs three times as much.
_set_attributes = Event.__dict__["_attributes"].__set__
_set_size = Event.__dict__["_size"].__set__
_set_data = Event.__dict__["data"].__set__


def canonical(value: AttributeValue) -> str:
    """The canonical string form of an attribute value (CloudEvents 1.0, "Type System")."""
    if type(value) is bool:
        return "true" if value else "false"
    return str(value)
