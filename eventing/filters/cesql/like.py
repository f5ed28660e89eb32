"""Patterns of LIKE (CloudEvents SQL 1.0, section 3.4.3).

`%` stands for any number of characters, `_` for one, `\\%` and `\\_` for themselves, and everything else, a lone backslash
included, for itself. A pattern covers the whole text.

A regular expression would try exponentially many ways on some texts, and whoever sends an event chooses the text. Here each
piece between two `%` is looked for once, from where the one before it ended: the first place found is always as good as any
other. The time is linear in the text's length.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

_ANY_ONE = None
"""Stands for `_` in a piece."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """``begin``: the characters before the first `%` or `_`. ``end``: those behind the last. ``exact``: there is no
    `%` and no `_`, so that ``begin`` is the whole text. ``matches``: whether a text is one that the pattern stands for."""

    begin: str
    end: str
    exact: bool
    matches: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class _Pieces:
    """What stands between the `%`, of which there are one less than pieces."""

    pieces: tuple[_Piece, ...]

    def match(self, text: str) -> bool:
        first, last = self.pieces[0], self.pieces[-1]
        if len(self.pieces) == 1:
            return len(text) == first.length and first.stands(text, 0)
        at, stop = first.length, len(text) - last.length
        if at > stop or not first.stands(text, 0) or not last.stands(text, stop):
            return False
        for piece in self.pieces[1:-1]:
            at = piece.find(text, at, stop)
            if at < 0:
                return False
            at += piece.length
        return True


class _Piece:
    """What stands between two `%`: characters and `_`."""

    __slots__ = ("_any", "_masks", "_runs", "length")

    def __init__(self, symbols: list[str | None]) -> None:
        self.length = len(symbols)
        self._runs = _runs(symbols)
        # For each character, at which places of the piece it may stand, as bits; every other character: at a `_` only.
        self._any = sum(1 << place for place, symbol in enumerate(symbols) if symbol is _ANY_ONE)
        self._masks: dict[str, int] = {}
        for place, symbol in enumerate(symbols):
            if symbol is not _ANY_ONE:
                self._masks[symbol] = self._masks.get(symbol, self._any) | 1 << place

    def stands(self, text: str, at: int) -> bool:
        """Whether it stands at this place, where the text is long enough for it."""
        for offset, run in self._runs:  # noqa: SIM110 (a generator costs twice as much on the hot path)
            if not text.startswith(run, at + offset):
                return False
        return True

    def find(self, text: str, start: int, stop: int) -> int:
        """The first place in this part of the text, or -1."""
        if not self._runs:
            return start if start + self.length <= stop else -1
        if len(self._runs) == 1:
            offset, run = self._runs[0]
            at = text.find(run, start + offset, stop - (self.length - offset - len(run)))
            return at - offset if at >= 0 else -1
        # All places are tried at once: bit n says that the piece's first n + 1 symbols end at this character.
        masks, any_one, found = self._masks, self._any, 1 << (self.length - 1)
        state = 0
        for place in range(start, stop):
            state = (state << 1 | 1) & masks.get(text[place], any_one)
            if state & found:
                return place - self.length + 1
        return -1


def compile_pattern(pattern: str) -> Pattern:
    pieces: list[list[str | None]] = [[]]
    at = 0
    while at < len(pattern):
        symbol = pattern[at]
        if symbol == "\\" and pattern[at + 1 : at + 2] in ("%", "_"):
            at += 1
            pieces[-1].append(pattern[at])
        elif symbol == "%":
            pieces.append([])
        else:
            pieces[-1].append(_ANY_ONE if symbol == "_" else symbol)
        at += 1
    begin = _literal(pieces[0])
    exact = len(pieces) == 1 and len(begin) == len(pieces[0])
    end = begin if exact else _literal(pieces[-1][::-1])[::-1]
    # Two `%` side by side mean as much as one.
    kept = [pieces[0], *(piece for piece in pieces[1:-1] if piece), *pieces[1:][-1:]]
    return Pattern(begin, end, exact, _matcher(kept, begin, end, exact))


def _matcher(pieces: list[list[str | None]], begin: str, end: str, exact: bool) -> Callable[[str], bool]:
    """The common patterns take one call: no wildcard, or one `%` at an end."""
    if exact:
        return lambda text: text == begin
    if len(pieces) == 2 and not pieces[1] and len(begin) == len(pieces[0]):
        return lambda text: text.startswith(begin)
    if len(pieces) == 2 and not pieces[0] and len(end) == len(pieces[1]):
        return lambda text: text.endswith(end)
    return _Pieces(tuple(map(_Piece, pieces))).match


def _literal(symbols: list[str | None]) -> str:
    """The characters up to the first `_`."""
    found: list[str] = []
    for symbol in symbols:
        if symbol is _ANY_ONE:
            break
        found.append(symbol)
    return "".join(found)


def _runs(symbols: list[str | None]) -> tuple[tuple[int, str], ...]:
    """The runs of characters with their places."""
    runs: list[tuple[int, str]] = []
    for place, symbol in enumerate(symbols):
        if symbol is _ANY_ONE:
            continue
        if runs and runs[-1][0] + len(runs[-1][1]) == place:
            runs[-1] = (runs[-1][0], runs[-1][1] + symbol)
        else:
            runs.append((place, symbol))
    return tuple(runs)
