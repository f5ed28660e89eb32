"""From an expression's text to its tokens (CloudEvents SQL 1.0, sections 2.2 and 2.3).

Signs are tokens of their own, and the parser makes Integer literals of them: the specification's ANTLR grammar reads `4-1`
as two literals side by side, which is an error there, though its EBNF and everybody's expectation make it 3.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from eventing.errors import InvalidFilter

MAX_LENGTH = 32_768
"""How many characters an expression may have."""

_SHOWN = 40
_TOKEN = re.compile(
    r"(?P<space>[ \t\r\n]+)"
    r"|(?P<word>[A-Za-z0-9_]+)"
    r"""|(?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
    r"|(?P<symbol><>|<=|>=|!=|[=<>+*/%(),-])",
    re.DOTALL,
)


class Kind(Enum):
    WORD = "word"
    """A keyword, a name or digits."""
    STRING = "string"
    SYMBOL = "symbol"
    END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    """``text`` is as written, but a keyword's is in upper case."""

    kind: Kind
    text: str
    start: int
    end: int

    def __str__(self) -> str:
        return "the end" if self.kind is Kind.END else shown(self.text)


KEYWORDS = frozenset({"AND", "OR", "XOR", "NOT", "LIKE", "EXISTS", "IN", "TRUE", "FALSE"})


def tokens(text: str) -> list[Token]:
    """All tokens and one `Kind.END`. Raises `InvalidFilter` for what is no token."""
    if len(text) > MAX_LENGTH:
        raise InvalidFilter(f"an expression may have at most {MAX_LENGTH} characters")
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise fault(text, at, "the string is not closed" if text[at] in "'\"" else f"unexpected character {shown(text[at])}")
        if match.lastgroup == "string" and found and found[-1].kind is Kind.STRING and found[-1].end == at:
            # The EBNF has no doubled quotes. The ANTLR grammar has them, and the SDKs then keep both, where SQL means one.
            quote = text[at]
            raise fault(text, at, f"a {quote} within a string is written \\{quote}")
        if match.lastgroup != "space":
            word = match[0]
            written = word.upper() if match.lastgroup == "word" and word.upper() in KEYWORDS else word
            found.append(Token(Kind(match.lastgroup), written, at, match.end()))
        at = match.end()
    found.append(Token(Kind.END, "", at, at))
    return found


def fault(text: str, at: int, reason: str) -> InvalidFilter:
    """What is wrong, with its place: counted from 1, and with the line where there is more than one."""
    line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
    where = f"line {line} of the expression, character {column}" if "\n" in text.strip() else f"character {column}"
    return InvalidFilter(f"{reason}, at {where}")


def shown(text: str) -> str:
    """A piece of an expression for a message: one line, not too long."""
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")
