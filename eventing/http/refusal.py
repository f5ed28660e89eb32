"""A request that is refused before a handler sees it."""

from __future__ import annotations

from eventing.ports.http import Response


class Refusal(Exception):
    """Answered with ``status`` and one line of plain text; the connection is closed then, because where the next request
    begins is not known. ``reason``: a short stable word for metrics.

    ``status`` is 4xx for whatever the client did, also where RFC 9110 has a 5xx for it (501 for a method or a transfer coding,
    505 for a version): every sender of events takes a 5xx for something that passes, and tries again (Knative data plane,
    "Event Acknowledgement and Delivery Retry"), and this does not pass.
    """

    def __init__(
        self, status: int, reason: str, message: str, *, retry_after: int | None = None, allow: bytes | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message
        self.retry_after, self.allow = retry_after, allow

    def response(self) -> Response:
        headers = [(b"content-type", b"text/plain; charset=utf-8")]
        if self.retry_after is not None:
            headers.append((b"retry-after", b"%d" % self.retry_after))
        if self.allow is not None:
            headers.append((b"allow", self.allow))
        return Response(self.status, headers, self.message.encode() + b"\n")
