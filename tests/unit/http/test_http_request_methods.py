"""Which methods are handed on, and which statuses a refusal may have."""

from __future__ import annotations

import pytest
from request_support import head, parse, refused

from eventing.http.refusal import Refusal


@pytest.mark.requirement("I2")
@pytest.mark.parametrize("method", [b"CONNECT", b"BREW", b"post", b"Post", b"POSTED", b"X-1", b"SUBSCRIB"])
def test_a_method_that_is_known_nowhere_is_answered_405_with_allow_and_ends_the_connection(method: bytes) -> None:
    for cut in (0, 1):
        with pytest.raises(Refusal) as caught:
            parse(head(b"Host: a", b"Content-Length: 0", start=method + b" /ns/b HTTP/1.1"), cut=cut)
        answer = caught.value.response()
        assert answer.status == 405
        assert answer.header(b"allow") == b"POST, OPTIONS"


@pytest.mark.requirement("I2")
@pytest.mark.parametrize("method", ["GET", "PUT", "TRACE", "MKCOL", "M-SEARCH", "QUERY"])
def test_another_registered_method_is_left_to_the_handler_with_its_body(method: str) -> None:
    (incoming,) = parse(head(b"Host: a", b"Content-Length: 2", start=method.encode() + b" /ns/b HTTP/1.1") + b"ok")
    assert (incoming.request.method, incoming.request.body) == (method, b"ok")
    assert incoming.keep_alive


@pytest.mark.requirement("I4")
def test_nothing_that_a_client_does_is_refused_as_a_fault_of_ours() -> None:
    """A 5xx is tried again by every sender of events (Knative data plane, "Event Acknowledgement and Delivery Retry")."""
    for wire in (
        head(b"Host: a", b"Transfer-Encoding: gzip"),
        head(b"Host: a", start=b"POST / HTTP/2.0"),
        head(b"Host: a", start=b"LOCK / HTTP/1.2"),
        b"\x16\x03\x01",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ):
        assert refused(wire)[0] < 500, wire
