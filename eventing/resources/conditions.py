"""Building the conditions of one status: in a fixed order, summed up as Ready, with times that only move on change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from eventing.kinds.conditions import Condition

READY = "Ready"
WAITING = frozenset(
    ("", "ChannelNotOpen", "BrokerNotConfigured", "DependencyNotConfigured", "SubscriptionNotConfigured", "NotReported")
)
"""Reasons of Unknown that say no more than "not yet"; any other is an answer."""

Status = Literal["True", "False", "Unknown"]


def status_of(value: bool | None) -> Status:
    """None is Unknown."""
    return "Unknown" if value is None else "True" if value else "False"


def timestamp(now: float) -> str:
    """RFC 3339 in UTC, to the second, as Kubernetes writes times."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Conditions:
    """``previous``: the object's last status, whose transition times stay where a status is the same as before.
    ``now``: seconds since the epoch."""

    def __init__(self, previous: Mapping[str, Any] | None, now: float) -> None:
        self._times: dict[str, tuple[str, str]] = {
            condition["type"]: (condition["status"], condition["lastTransitionTime"])
            for condition in (previous or {}).get("conditions", ())
        }
        self._now = timestamp(now)
        self._conditions: dict[str, Condition] = {}

    def mark(
        self,
        type_: str,
        status: bool | None,
        reason: str = "",
        message: str = "",
        *,
        severity: Literal["", "Warning", "Info"] = "",
    ) -> None:
        """Set a condition; None is Unknown. One with a severity has no say in Ready."""
        word = status_of(status)
        before = self._times.get(type_)
        since = before[1] if before is not None and before[0] == word else self._now
        self._conditions[type_] = Condition(
            type=type_, status=word, reason=reason, message=message, severity=severity, last_transition_time=since
        )

    def status(self, type_: str) -> str | None:
        found = self._conditions.get(type_)
        return found.status if found else None

    def finish(self) -> list[dict[str, str]]:
        """All conditions by type, Ready among them: False if one is, else Unknown if one is, else True, with the reason and
        message of the first such one in the order they were marked (Knative common specification, "Error Signalling")."""
        deciding = [condition for condition in self._conditions.values() if not condition.severity]
        blamed = next((c for word in ("False", "Unknown") for c in deciding if c.status == word), None)
        if blamed is None:
            self.mark(READY, True)
        else:
            self.mark(READY, False if blamed.status == "False" else None, blamed.reason, blamed.message)
        return [_written(self._conditions[type_]) for type_ in sorted(self._conditions)]


def find(status: Mapping[str, Any] | None, type_: str = READY) -> Mapping[str, str] | None:
    """The condition of that type in a written status."""
    conditions: Iterable[Mapping[str, str]] = (status or {}).get("conditions", ())
    return next((condition for condition in conditions if condition["type"] == type_), None)


def _written(condition: Condition) -> dict[str, str]:
    """As in a status: empty members are left out."""
    return {name: value for name, value in condition.model_dump(by_alias=True).items() if value}
