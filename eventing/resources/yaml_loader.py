"""YAML text to documents with lines: strict, bounded, and with the types that Kubernetes gives scalars.

Kubernetes reads YAML 1.1, so an unquoted `on` or `yes` is a boolean. It is here too (`y` and `n` aren't), and a field that
wants text then says "quote it". Times and sexagesimal numbers stay text, as they do there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from eventing.resources.nodes import MAX_DEPTH, MAX_NODES, Document, Node, Unreadable, document

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_BOOL = {
    **dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"), False),
}
_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_INT = re.compile(r"[-+]?(0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_NO_NUMBER = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_TAG = "tag:yaml.org,2002:"


def documents(text: str) -> Iterator[Document]:
    """The documents of a YAML stream, one after the other, empty ones left out.

    Refused as `Unreadable`, after the documents before it were given out: syntax errors, duplicate keys, keys that aren't
    text, tags beyond the plain types, nesting deeper than `MAX_DEPTH`, more than `MAX_NODES` values.
    """
    composer = _Composer(text)
    try:
        yield from composer.documents()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = f"is no valid YAML: {error.problem or error.context}{_hint(text, error)}"
        raise Unreadable(reason, mark.line + 1 if mark else None) from None
    except yaml.YAMLError as error:
        raise Unreadable(f"is no valid YAML: {getattr(error, 'reason', None) or 'unreadable'}", None) from None


def _hint(text: str, error: yaml.MarkedYAMLError) -> str:
    """What the reader's words mean to somebody who wrote a manifest."""
    problem, mark = error.problem or "", error.problem_mark
    lines = text.split("\n")
    before, found = "", ""
    if mark is not None and mark.line < len(lines):
        before, found = lines[mark.line][: mark.column], lines[mark.line][mark.column : mark.column + 1]
    if found == "\t" or "tab character" in problem:
        return ": indent with spaces, not with tabs"
    if "cannot start any token" in problem:
        return f" ({found!r}): quote the value" if found.isprintable() else ""
    if "mapping values are not allowed" in problem:
        return ": check the indentation, and quote a value that holds ': '"
    if "expected" in problem and before.rstrip().endswith(("'", '"')):
        return ": there is more behind a closing quote; quote the whole value, or put it below '>'"
    if "expected <block end>" in problem or "did not find expected key" in problem or "'-' indicator" in problem:
        return ": check the indentation of this line and of those before it"
    return ": a quote isn't closed" if "quoted scalar" in (error.context or "") else ""


class _Composer:
    """Events to nodes. PyYAML's own composer recurses without a bound and lets duplicate keys pass."""

    def __init__(self, text: str) -> None:
        self._events: Iterator[Any] = yaml.parse(text, Loader=_Loader)
        self._anchors: dict[str, Node] = {}
        self._open: set[int] = set()
        self._count = 0

    def documents(self) -> Iterator[Document]:
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors = {}
                root = self._node(next(self._events), 0)
                if root.value is not None:
                    yield document(root)

    def _node(self, event: Any, depth: int) -> Node:
        line = event.start_mark.line + 1
        self._count += 1
        if self._count > MAX_NODES:
            raise Unreadable(f"holds more than {MAX_NODES} values", line)
        if depth > MAX_DEPTH:
            raise Unreadable(f"is nested deeper than {MAX_DEPTH} levels", line)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event.anchor, line)
        node = Node(None, line)
        if event.anchor:
            self._anchors[event.anchor] = node
        if isinstance(event, yaml.ScalarEvent):
            node.value = _scalar(event, line)
            return node
        self._open.add(id(node))
        if isinstance(event, yaml.SequenceStartEvent):
            _container_tag(event, "seq", line)
            node.value = [self._node(item, depth + 1) for item in self._until(yaml.SequenceEndEvent)]
        else:
            _container_tag(event, "map", line)
            node.value = self._mapping(depth)
        self._open.discard(id(node))
        return node

    def _until(self, end: type) -> Iterator[Any]:
        while not isinstance(event := next(self._events), end):
            yield event

    def _alias(self, name: str | None, line: int) -> Node:
        name = name or ""
        target = self._anchors.get(name)
        if target is None:
            raise Unreadable(f"the alias *{name[:40]} has no anchor; quote it if it is text", line)
        if id(target) in self._open:
            raise Unreadable(f"the alias *{name[:40]} refers to what it is part of", line)
        return target

    def _mapping(self, depth: int) -> dict[str, Node]:
        children: dict[str, Node] = {}
        merged: list[Node] = []
        for event in self._until(yaml.MappingEndEvent):
            line = event.start_mark.line + 1
            is_merge = isinstance(event, yaml.ScalarEvent) and event.value == "<<" and not event.style
            key = self._node(event, depth + 1).value
            value = self._node(next(self._events), depth + 1)
            if is_merge:
                merged += self._merge(value, line)
                if len(merged) > MAX_DEPTH:
                    raise Unreadable(f"more than {MAX_DEPTH} mappings are merged into one", line)
            elif not isinstance(key, str):
                written = event.value if isinstance(event, yaml.ScalarEvent) else ""
                template = "; a template, as {{ name }}, has to be filled in first" if isinstance(key, dict) else ""
                raise Unreadable(f"keys must be strings{f', quote {written[:40]!r}' if written else template}", line)
            elif key in children:
                objects = "; objects are separated by a line ---" if depth == 0 and key == "apiVersion" else ""
                raise Unreadable(f"the key {key[:80]!r} is given twice, first on line {children[key].line}{objects}", line)
            else:
                children[key] = value
        for source in merged:
            self._count += len(source.value)
            for key, value in source.value.items():
                children.setdefault(key, value)
        return children

    def _merge(self, value: Node, line: int) -> list[Node]:
        sources = value.value if isinstance(value.value, list) else [value]
        if not all(isinstance(source.value, dict) for source in sources):
            raise Unreadable("<< takes a mapping, or a list of mappings", line)
        return list(sources)


def _container_tag(event: Any, expected: str, line: int) -> None:
    if event.tag not in {None, "!", _TAG + expected}:
        raise Unreadable(f"the tag {event.tag[:60]!r} isn't allowed", line)


def _scalar(event: Any, line: int) -> str | int | float | bool | None:
    text: str = event.value
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise Unreadable("a string holds an unpaired surrogate", line)
    if event.tag in {None, "!"}:
        plain = event.implicit[0] and event.tag is None
        return _plain(text, line) if plain else text
    convert = _TAGGED.get(event.tag)
    if convert is None:
        raise Unreadable(f"the tag {event.tag[:60]!r} isn't allowed", line)
    value = text if convert is str else _plain(text, line)
    if convert is float and type(value) is int:
        value = float(value)
    if convert is not str and type(value) is not convert:
        raise Unreadable(f"the value doesn't fit its tag {event.tag.removeprefix(_TAG)!r}", line)
    return value


_TAGGED: dict[str, type] = {
    _TAG + "str": str,
    _TAG + "int": int,
    _TAG + "float": float,
    _TAG + "bool": bool,
    _TAG + "null": type(None),
}


def _plain(text: str, line: int) -> str | int | float | bool | None:
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if len(text) > 60:
        return text
    if _INT.fullmatch(text):
        return _number(_integer, text, line)
    if _NO_NUMBER.fullmatch(text):
        raise Unreadable("infinity and not-a-number have no meaning here; quote it if it is text", line)
    if _FLOAT.fullmatch(text):
        return _number(_float, text, line)
    return text


def _number(convert: Callable[[str], float], text: str, line: int) -> float:
    try:
        return convert(text)
    except (ValueError, OverflowError):
        raise Unreadable("is no number; quote it if it is text", line) from None


def _integer(text: str) -> int:
    sign, digits = (-1, text[1:]) if text[0] == "-" else (1, text.lstrip("+"))
    digits = digits.replace("_", "")
    if len(digits) > 1 and digits[0] == "0" and digits[1] not in "box":
        return sign * int(digits, 8)
    return sign * int(digits, 0)


def _float(text: str) -> float:
    number = float(text.replace("_", ""))
    if math.isinf(number):
        raise OverflowError
    return number
