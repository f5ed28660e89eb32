"""Request smuggling: what one parser might read as one request and another as two is refused, or read as HTTP says.

The cases by name are in `tests/support/smuggling.py`; the same go over real sockets in `tests/integration/test_smuggling.py`.
"""

from __future__ import annotations

import pytest
from request_support import parse

from eventing.http.limits import ServerLimits
from eventing.http.refusal import Refusal
from eventing.http.request_parser import Incoming, RequestParser
from tests.support.smuggling import ONE, REFUSED, SECOND

LIMITS = ServerLimits()


def first_refusal(wire: bytes, cut: int) -> tuple[list[Incoming], Refusal]:
    """What was taken before the refusal, with one cut at that place."""
    found: list[Incoming] = []
    parser = RequestParser(LIMITS, found.append)
    with pytest.raises(Refusal) as caught:  # noqa: PT012 - the second half counts only where the first was no reason yet
        parser.feed(wire[:cut])
        parser.feed(wire[cut:])
    return found, caught.value


@pytest.mark.parametrize("case", REFUSED)
def test_refused_wherever_it_is_cut_and_no_second_request_is_seen(case: str) -> None:
    wire, status, reason = REFUSED[case]
    for cut in range(len(wire) + 1):
        found, refusal = first_refusal(wire + SECOND, cut)
        assert (refusal.status, refusal.reason) == (status, reason), cut
        assert found == [], cut


@pytest.mark.parametrize("case", ONE)
def test_one_request_wherever_it_is_cut_and_then_the_second(case: str) -> None:
    wire, body = ONE[case]
    stream = wire + SECOND
    for cut in range(len(stream) + 1):
        found: list[Incoming] = []
        parser = RequestParser(LIMITS, found.append)
        parser.feed(stream[:cut])
        parser.feed(stream[cut:])
        assert [(one.request.path, one.request.body) for one in found] == [("/", body), ("/smuggled", b"")], cut
    assert len(parse(stream, cut=1, limits=LIMITS)) == 2


def test_headers_of_another_spelling_reach_the_handler_as_they_are() -> None:
    wire, _ = ONE["Transfer_Encoding with an underscore is another header"]
    (incoming,) = parse(wire, limits=LIMITS)
    assert incoming.request.header(b"transfer_encoding") == b"chunked"
    assert incoming.request.header(b"transfer-encoding") is None
