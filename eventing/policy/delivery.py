"""The delivery policy of a trigger as plain numbers, whatever the manifest said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

WEEK = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class DeliveryPolicy:
    """Times in seconds.

    ``retry``: attempts after the first, None where no `delivery` says anything: then retried until the event is
    ``max_age`` old, behind a breaker (DATAPATH 5). ``timeout``: per attempt. ``retry_after_max``: the most a Retry-After
    may ask for; 0 turns it off. ``cap``: the longest wait between attempts.
    """

    retry: int | None = None
    backoff: Literal["linear", "exponential"] = "exponential"
    delay: float = 0.2
    cap: float = 600.0
    timeout: float = 30.0
    retry_after_max: float = 600.0
    max_age: float = WEEK
