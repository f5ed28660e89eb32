"""The `delivery` of Brokers, Triggers and Channels as written."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from eventing.kinds.base import KindModel, refuse
from eventing.kinds.destination import Destination
from eventing.kinds.duration import Duration


class DeliverySpec(KindModel):
    """Knative's DeliverySpec. Times in seconds; None means not given.

    ``retry``: attempts after the first. ``timeout``: per attempt. ``retry_after_max``: the most that a Retry-After of the
    subscriber is obeyed for; 0 ignores it.
    """

    retry: int | None = Field(default=None, ge=0, le=2**31 - 1)
    backoff_policy: Literal["linear", "exponential"] | None = None
    backoff_delay: Duration | None = None
    timeout: Duration | None = None
    retry_after_max: Duration | None = None
    dead_letter_sink: Destination | None = None
    format: Literal["json", "binary"] | None = None

    @field_validator("timeout")
    @classmethod
    def _positive(cls, value: float | None) -> float | None:
        if value is not None and value <= 0:
            raise refuse("invalid value: must be longer than zero")
        return value
