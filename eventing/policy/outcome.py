"""What an answer from a subscriber means (Knative data-plane specification, "Event Acknowledgement and Delivery Retry")."""

from __future__ import annotations

from enum import Enum


class Outcome(Enum):
    """``DONE``: delivered. ``RETRY``: failed, another attempt may help. ``REFUSED``: failed, another attempt is of no use."""

    DONE = "done"
    RETRY = "retry"
    REFUSED = "refused"


_RETRIED = frozenset({404, 408, 409, 429})


def classify(status: int) -> Outcome:
    """The outcome of an HTTP status. Redirects are never followed, so 3xx is a refusal. Codes outside the table
    are retried; so is 0, which stands for no answer at all (`ports.records.Failure`)."""
    if 200 <= status < 300:
        return Outcome.DONE
    if status in _RETRIED or not 100 <= status < 500:
        return Outcome.RETRY
    return Outcome.REFUSED


def may_carry_reply(status: int) -> bool:
    """Whether the body of such an answer may be a reply event: with 200 only (same specification, "Derived (Reply) Events")."""
    return status == 200


def heeds_retry_after(status: int) -> bool:
    """Whether a Retry-After header is obeyed on such an answer: with 429 and 503 only."""
    return status in {429, 503}
