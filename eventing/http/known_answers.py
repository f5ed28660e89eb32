"""Answers that come again byte for byte: subscribers say little more than 202, and a Date that changes once a second."""

from __future__ import annotations

from eventing.http.response_parser import ResponseParser
from eventing.ports.http import Response

_LARGEST = 512
_MOST = 256


class KnownAnswers:
    """What a parser made of whole answers. Between two answers a parser has no memory of former ones, so the same bytes are the
    same answer. Bounded in number and size; an answer to HEAD is not kept, since it means something else there."""

    __slots__ = ("_answers", "get")

    def __init__(self) -> None:
        self._answers: dict[bytes, Response] = {}
        self.get = self._answers.get

    def __len__(self) -> int:
        return len(self._answers)

    def note(self, data: bytes, parser: ResponseParser) -> None:
        """``parser`` has just been fed ``data`` and has a response."""
        if len(data) <= _LARGEST and parser.is_whole(data):
            if len(self._answers) >= _MOST:
                self._answers.clear()
            response = parser.response
            assert response is not None
            self._answers[bytes(data)] = response
