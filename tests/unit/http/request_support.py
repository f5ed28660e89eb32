"""Requests as bytes, for the tests of the request parser."""

from __future__ import annotations

import pytest

from eventing.http.limits import ServerLimits
from eventing.http.refusal import Refusal
from eventing.http.request_parser import Incoming, RequestParser

LIMITS = ServerLimits(max_url=100, max_header=300, max_headers=400, max_body=64)


def parse(data: bytes, *, cut: int = 0, limits: ServerLimits = LIMITS) -> list[Incoming]:
    """Everything at once, or in pieces of ``cut`` bytes."""
    found: list[Incoming] = []
    parser = RequestParser(limits, found.append)
    step = cut or len(data) or 1
    for start in range(0, len(data), step):
        parser.feed(data[start : start + step])
    assert parser.begun is False or not found or parser.ended is False
    return found


def refused(data: bytes, *, limits: ServerLimits = LIMITS) -> tuple[int, str]:
    """Status and reason, the same whether the bytes come at once or one by one."""
    answers = []
    for cut in (0, 1):
        with pytest.raises(Refusal) as caught:
            parse(data, cut=cut, limits=limits)
        answers.append((caught.value.status, caught.value.reason))
    assert answers[0] == answers[1]
    return answers[0]


def head(*lines: bytes, start: bytes = b"POST / HTTP/1.1") -> bytes:
    return b"\r\n".join((start, *lines, b"", b""))
