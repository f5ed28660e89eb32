"""A body that arrives in pieces."""

from __future__ import annotations

_FOLD = 256


class Pieces:
    """Takes piece after piece. An object of its own for each of half a million pieces of two bytes would take twenty times their
    size, so they are joined 256 at a time."""

    __slots__ = ("_joined", "_loose")

    def __init__(self, *pieces: bytes) -> None:
        self._joined: list[bytes] = []
        self._loose = list(pieces)

    def append(self, piece: bytes) -> None:
        loose = self._loose
        loose.append(piece)
        if len(loose) >= _FOLD:
            self._joined.append(b"".join(loose))
            loose.clear()

    def join(self) -> bytes:
        return b"".join([*self._joined, *self._loose])
