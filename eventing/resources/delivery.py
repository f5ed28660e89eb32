"""From `delivery` as written to the policy that holds."""

from __future__ import annotations

from eventing.kinds.delivery import DeliverySpec
from eventing.policy.delivery import DeliveryPolicy

CAP = 600.0
"""Seconds: no wait between attempts is longer."""


def effective(trigger: DeliverySpec | None, broker: DeliverySpec | None) -> DeliverySpec | None:
    """The Trigger's replaces the Broker's as a whole (Knative control plane, "Trigger Lifecycle")."""
    return trigger if trigger is not None else broker


def policy_of(spec: DeliverySpec | None) -> DeliveryPolicy:
    """The policy in numbers (DATAPATH 5): without any `delivery` retried until the event is old; with one exactly
    `retry` + 1 attempts, so one where it does not say."""
    if spec is None:
        return DeliveryPolicy(cap=CAP)
    default = DeliveryPolicy()
    return DeliveryPolicy(
        retry=spec.retry or 0,
        backoff=spec.backoff_policy or default.backoff,
        delay=default.delay if spec.backoff_delay is None else spec.backoff_delay,
        cap=CAP,
        timeout=default.timeout if spec.timeout is None else spec.timeout,
        retry_after_max=default.retry_after_max if spec.retry_after_max is None else spec.retry_after_max,
    )


def attempts_once(spec: DeliverySpec | None) -> bool:
    """`delivery` without `retry` means one attempt (DATAPATH 5): worth a warning."""
    return spec is not None and spec.retry is None
