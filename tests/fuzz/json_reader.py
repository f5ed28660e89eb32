"""The top level of a JSON document with the text of each member as it stands in it, on the standard library's scanner."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn

_SPACE = re.compile(r"[ \t\r\n]*")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(slots=True)
class Raw:
    """``text``: as it was written. ``value``: as Python has it; but a number is a `Number`, an object a list of pairs."""

    text: str
    value: Any


class Number:
    """Stands for a number: neither its size nor its exactness matter here."""

    __slots__ = ()


class Doubtful(Exception):
    """Not certain that a reader has to take it. ``members``: what it says if it does."""

    def __init__(self, why: str, members: dict[str, Raw]) -> None:
        super().__init__(why)
        self.members = members


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


def _number(_text: str) -> Number:
    return Number()


_decoder = json.JSONDecoder(parse_constant=_constant, parse_int=_number, parse_float=_number, object_pairs_hook=list, strict=True)


def read_object(document: str) -> dict[str, Raw]:
    """Raises ValueError; `Doubtful` where nesting is deeper than a reader has to bear."""
    members: dict[str, Raw] = {}
    place = _expect(document, 0, "{")
    if document[place : place + 1] == "}":
        _end(document, place + 1)
        return members
    while True:
        if document[place : place + 1] != '"':
            raise ValueError("no name")
        name, place = _value(document, place)
        if name.value in members:
            raise ValueError("a name that occurs twice")
        place = _expect(document, place, ":")
        members[name.value], place = _value(document, place)
        place = _space(document, place)
        if document[place : place + 1] == "}":
            break
        place = _expect(document, place, ",")
    _end(document, place + 1)
    if document.count("[") + document.count("{") > 200:
        raise Doubtful("deeply nested", members)
    return members


def read_array(document: str) -> list[str]:
    """The texts of its items. Raises ValueError."""
    items: list[str] = []
    place = _expect(document, 0, "[")
    if document[place : place + 1] == "]":
        _end(document, place + 1)
        return items
    while True:
        item, place = _value(document, place)
        items.append(item.text)
        place = _space(document, place)
        if document[place : place + 1] == "]":
            break
        place = _expect(document, place, ",")
    _end(document, place + 1)
    return items


def _space(document: str, place: int) -> int:
    match = _SPACE.match(document, place)
    assert match is not None
    return match.end()


def _expect(document: str, place: int, mark: str) -> int:
    place = _space(document, place)
    if document[place : place + 1] != mark:
        raise ValueError(f"no {mark}")
    return _space(document, place + 1)


def _end(document: str, place: int) -> None:
    if _space(document, place) != len(document):
        raise ValueError("text after the end")


def _value(document: str, place: int) -> tuple[Raw, int]:
    try:
        value, end = _decoder.raw_decode(document, place)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    text = document[place:end]
    if "\\u" in text and _unpaired(value):
        raise ValueError("an unpaired surrogate")
    return Raw(text, value), end


def _unpaired(value: Any) -> bool:
    if isinstance(value, str):
        return _SURROGATE.search(value) is not None
    return isinstance(value, list | tuple) and any(_unpaired(item) for item in value)
