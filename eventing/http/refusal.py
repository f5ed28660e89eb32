"""A request that is refused before a handler sees it."""

from __future__ import annotations

from eventing.ports.http import Response


class Refusal(Exception):
    """Answered with ``status`` and one line of plain text; the connection is closed then, because where the next request
    begins is not known. ``reason``: a short stable word for metrics."""

    def __init__(self, status: int, reason: str, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.reason, self.message, self.retry_after = status, reason, message, retry_after

    def response(self) -> Response:
        headers = [(b"content-type", b"text/plain; charset=utf-8")]
        if self.retry_after is not None:
            headers.append((b"retry-after", b"%d" % self.retry_after))
        return Response(self.status, headers, self.message.encode() + b"\n")
