"""Fenced blocks of a Markdown file, with the marks above them that say how they are checked.

Marks are HTML comments on the lines directly above a block:

    <!-- no-run: REASON -->        not run; the reason is listed by the tests
    <!-- file: NAME -->            written to this file in the working folder (relative), not run
    <!-- background: ready-line --> started and kept running; go on when it prints a JSON line with "ready": true
    <!-- background: wait-for=URL --> the same, go on when the URL answers with 2xx
    <!-- expect: TEXT -->          the output holds this text; may be repeated
    <!-- exit: N -->               ends with this code instead of 0
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, field
from pathlib import PurePosixPath

RUN = frozenset({"bash", "sh", "shell", "console", "shell-session"})
CHECKED = frozenset({"python", "yaml", "json"})
SHOWN = frozenset(
    {"", "text", "http", "promql", "diff", "mermaid", "toml", "ini", "dockerfile", "sql", "cesql", "xml", "csv", "log"}
)
"""Languages of blocks that are only read. Any other language is an error, so that no block escapes by a misspelling."""

_FENCE = re.compile(r"^(?P<indent>\s*)(?P<fence>`{3,}|~{3,})\s*(?P<language>[^\s`{]*)[^`]*$")
_MARK = re.compile(r"^\s*<!--\s*(?P<name>no-run|file|background|expect|exit)\s*(?::\s*(?P<value>.*?))?\s*-->\s*$")
_MARK_LIKE = re.compile(r"^\s*<!--\s*(?P<name>[\w-]+)\s*:.*-->\s*$")


class BadDocument(Exception):
    """A mark or block that can't be understood; names file and line."""


@dataclass(frozen=True)
class Block:
    """``line``: of its fence, from 1. ``exit``: the code it has to end with."""

    document: str
    line: int
    language: str
    text: str
    no_run: str | None = None
    file: str | None = None
    background: str | None = None
    expect: tuple[str, ...] = ()
    exit: int = 0

    @property
    def place(self) -> str:
        return f"{self.document}:{self.line}"


@dataclass
class _Marks:
    values: dict[str, list[str]] = field(default_factory=dict)
    line: int = 0


def blocks(document: str, text: str) -> list[Block]:
    """All fenced blocks in order. Raises `BadDocument`."""
    found: list[Block] = []
    marks = _Marks()
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if mark := _MARK.match(line):
            marks.values.setdefault(mark["name"], []).append(mark["value"] or "")
            marks.line = number
            continue
        fence = _FENCE.match(line)
        if fence is None:
            if marks.values:
                raise BadDocument(f"{document}:{marks.line}: a mark must stand directly above a block")
            if (odd := _MARK_LIKE.match(line)) and number < len(lines) and _FENCE.match(lines[number]):
                raise BadDocument(f"{document}:{number}: unknown mark {odd['name']!r}")
            continue
        start, body = number, []
        closing = re.compile(rf"^\s*{re.escape(fence['fence'][0])}{{{len(fence['fence'])},}}\s*$")
        while number < len(lines) and not closing.match(lines[number]):
            body.append(lines[number])
            number += 1
        if number == len(lines):
            raise BadDocument(f"{document}:{start}: the block has no end")
        number += 1
        found.append(_block(document, start, fence["language"].lower(), textwrap.dedent("\n".join(body)) + "\n", marks.values))
        marks = _Marks()
    if marks.values:
        raise BadDocument(f"{document}:{marks.line}: a mark must stand directly above a block")
    return found


def _block(document: str, line: int, language: str, text: str, marks: dict[str, list[str]]) -> Block:
    def bad(problem: str) -> BadDocument:
        return BadDocument(f"{document}:{line}: {problem}")

    if language not in RUN | CHECKED | SHOWN:
        raise bad(f"unknown language {language!r}")
    for name, values in marks.items():
        if len(values) > 1 and name != "expect":
            raise bad(f"the mark {name!r} stands twice")
        if not all(values):
            raise bad(f"the mark {name!r} needs a value")
    single = {name: values[0] for name, values in marks.items() if name != "expect"}
    if len({"no-run", "file", "background"} & single.keys()) > 1:
        raise bad("no-run, file and background exclude each other")
    if language not in RUN | {"python"} and {"background", "expect", "exit"} & marks.keys():
        raise bad(f"a block of {language or 'no language'} isn't run, so it can't be expected to do anything")
    background = single.get("background")
    if background is not None and background != "ready-line" and not background.startswith("wait-for=http"):
        raise bad("background is ready-line or wait-for=URL")
    file = single.get("file")
    if file is not None and (PurePosixPath(file).is_absolute() or ".." in PurePosixPath(file).parts):
        raise bad("a file lies within the working folder")
    if not single.get("exit", "0").isdigit():
        raise bad("exit is a number")
    return Block(
        document,
        line,
        language,
        text,
        no_run=single.get("no-run"),
        file=file,
        background=background,
        expect=tuple(marks.get("expect", ())),
        exit=int(single.get("exit", "0")),
    )


def commands(block: Block) -> str:
    """The script of a shell block; of a console session the lines after `$ `, with their continuations."""
    if block.language not in {"console", "shell-session"}:
        return block.text
    script: list[str] = []
    continued = False
    for line in block.text.splitlines():
        if line.startswith("$ ") or (continued and line.startswith("> ")):
            script.append(line[2:])
        elif continued:
            script.append(line)
        else:
            continue
        continued = script[-1].endswith("\\")
    if not script:
        raise BadDocument(f"{block.place}: a console block without a line that begins with '$ '")
    return "\n".join(script) + "\n"
