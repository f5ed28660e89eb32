"""What commands print: on standard output only what was asked for, never a raw control character from elsewhere."""

from __future__ import annotations

import json
import sys


def print_line(text: str) -> None:
    """One line on standard output."""
    print(text, file=sys.stdout, flush=True)  # noqa: T201


def print_json(value: object) -> None:
    """One JSON document on one line of standard output."""
    print_line(json.dumps(value))


def printable(text: str, limit: int = 500) -> str:
    """Text that came over the network, fit for a terminal: one line, cut, control characters escaped."""
    cut = text if len(text) <= limit else f"{text[:limit]}..."
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in cut)
