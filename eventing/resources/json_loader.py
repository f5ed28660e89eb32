"""JSON text to a document with lines (RFC 8259, read strictly).

JSON is not quite YAML (tabs, escaped surrogate pairs), and the standard library's reader knows no lines.
"""

from __future__ import annotations

import json
import re

from eventing.resources.nodes import MAX_DEPTH, MAX_NODES, Document, Node, Unreadable, document

_SPACE = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", re.ASCII)
_STRING = re.compile(r'"[^"\\\x00-\x1f]*(?:\\.[^"\\\x00-\x1f]*)*"')
_WORDS = {"true": True, "false": False, "null": None}


def json_document(text: str) -> Document:
    """The one value of a JSON text. Raises `Unreadable` for syntax, duplicate keys, unpaired surrogates, numbers of more than
    60 digits, nesting and size over the limits of `nodes`."""
    reader = _Reader(text)
    root = reader.value(0)
    reader.end()
    return document(root)


class _Reader:
    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._line, self._counted = 1, 0
        self._count = 0

    def _here(self) -> int:
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def _fail(self, reason: str) -> Unreadable:
        return Unreadable(f"is no valid JSON: {reason}", self._here())

    def _peek(self) -> str:
        match = _SPACE.match(self._text, self._at)
        self._at = match.end() if match else self._at
        return self._text[self._at : self._at + 1]

    def end(self) -> None:
        if self._peek():
            raise self._fail("there is more after the value")

    def value(self, depth: int) -> Node:
        first = self._peek()
        line = self._here()
        self._count += 1
        if self._count > MAX_NODES:
            raise Unreadable(f"holds more than {MAX_NODES} values", line)
        if depth > MAX_DEPTH:
            raise Unreadable(f"is nested deeper than {MAX_DEPTH} levels", line)
        if first == "{":
            return Node(self._object(depth), line)
        if first == "[":
            return Node(self._array(depth), line)
        if first == '"':
            return Node(self._string(), line)
        return Node(self._word(), line)

    def _object(self, depth: int) -> dict[str, Node]:
        children: dict[str, Node] = {}
        self._at += 1
        if self._peek() == "}":
            self._at += 1
            return children
        while True:
            if self._peek() != '"':
                raise self._fail("a key in double quotes is expected")
            key, line = self._string(), self._here()
            if self._peek() != ":":
                raise self._fail("':' is expected after a key")
            self._at += 1
            value = self.value(depth + 1)
            if key in children:
                raise Unreadable(f"the key {key[:80]!r} is given twice, first on line {children[key].line}", line)
            children[key] = value
            if self._separator("}"):
                return children

    def _array(self, depth: int) -> list[Node]:
        children: list[Node] = []
        self._at += 1
        if self._peek() == "]":
            self._at += 1
            return children
        while True:
            children.append(self.value(depth + 1))
            if self._separator("]"):
                return children

    def _separator(self, close: str) -> bool:
        char = self._peek()
        if char not in {",", close} or not char:
            raise self._fail(f"',' or '{close}' is expected")
        self._at += 1
        return char == close

    def _string(self) -> str:
        match = _STRING.match(self._text, self._at)
        if match is None:
            raise self._fail("a string isn't ended, or holds a control character")
        try:
            text = str(json.loads(match[0]))
        except json.JSONDecodeError:
            raise self._fail("a string holds an unknown escape") from None
        self._at = match.end()
        if any("\ud800" <= char <= "\udfff" for char in text):
            raise self._fail("a string holds an unpaired surrogate")
        return text

    def _word(self) -> int | float | bool | None:
        for word, value in _WORDS.items():
            if self._text.startswith(word, self._at):
                self._at += len(word)
                return value
        match = _NUMBER.match(self._text, self._at)
        if match is None or len(match[0]) > 60:
            raise self._fail("a value is expected" if match is None else "a number has more than 60 digits")
        self._at = match.end()
        if match[2] is None and match[3] is None:
            return int(match[0])
        number = float(match[0])
        if number in {float("inf"), float("-inf")}:
            raise self._fail("a number is too large")
        return number
