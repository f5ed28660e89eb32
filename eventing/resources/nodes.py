"""A parsed document: plain values, and the line of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from eventing.errors import EventingError

Path: TypeAlias = tuple[str | int, ...]

MAX_DEPTH = 100
"""Levels of nesting."""
MAX_NODES = 500_000
"""Values in one file, aliases counted as often as they are used."""


class Unreadable(EventingError):
    """The text is no acceptable YAML or JSON. ``line`` counts from 1."""

    def __init__(self, reason: str, line: int | None) -> None:
        super().__init__(reason)
        self.reason, self.line = reason, line


@dataclass(slots=True)
class Node:
    """A value with its line. ``value``: a scalar, a list of nodes, or a dict of nodes by key."""

    value: Any
    line: int


@dataclass(frozen=True, slots=True)
class Document:
    """``value``: plain Python values. ``root`` has the lines."""

    value: Any
    root: Node

    def line(self, path: Sequence[str | int]) -> int:
        """The line of the value at the path, or of the deepest part of it that exists."""
        node = self.root
        for step in path:
            children = node.value
            known = step in children if isinstance(children, dict) else isinstance(children, list) and isinstance(step, int)
            if not known or (isinstance(step, int) and step >= len(children)):
                break
            node = children[step]
        return node.line

    def at(self, path: Sequence[str | int]) -> Document:
        """The part at an existing path, as a document."""
        node, value = self.root, self.value
        for step in path:
            node, value = node.value[step], value[step]
        return Document(value, node)


def document(root: Node) -> Document:
    """Build plain values from nodes; shared nodes become separate values. Bounded by `MAX_NODES` and `MAX_DEPTH`, since
    aliases multiply both."""
    budget = [MAX_NODES]
    return Document(_plain(root, budget, 0), root)


def _plain(node: Node, budget: list[int], depth: int) -> Any:
    budget[0] -= 1
    if budget[0] < 0:
        raise Unreadable(f"holds more than {MAX_NODES} values once aliases are expanded", node.line)
    if depth > MAX_DEPTH:
        raise Unreadable(f"is nested deeper than {MAX_DEPTH} levels once aliases are expanded", node.line)
    value = node.value
    if isinstance(value, dict):
        return {key: _plain(child, budget, depth + 1) for key, child in value.items()}
    if isinstance(value, list):
        return [_plain(child, budget, depth + 1) for child in value]
    return value


def dotted(path: Sequence[str | int]) -> str:
    """`spec.filters[0].exact`; keys that aren't plain words stand in brackets, as in `metadata.annotations[a/b]`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step.replace("-", "").replace("_", "").isalnum():
            text += f".{step}" if text else step
        else:
            text += f"[{step[:80]}]"
    return text
