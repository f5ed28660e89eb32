"""Building the conditions of one status: in a fixed order, summed up as Ready, with times that only move on change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

READY = "Ready"
WAITING = frozenset(
    ("", "ChannelNotOpen", "BrokerNotConfigured", "DependencyNotConfigured", "SubscriptionNotConfigured", "NotReported")
)
"""Reasons of Unknown that say no more than "not yet"; any other is an answer."""


def timestamp(now: float) -> str:
    """RFC 3339 in UTC, to the second, as Kubernetes writes times."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Conditions:
    """``previous``: the object's last status, whose transition times stay where a status is the same as before.
    ``now``: as `timestamp` writes it.

    Conditions are plain mappings in the form of `kinds.conditions.Condition`: there are six of them for each of thousands of
    triggers, and a model for each costs more than all the rest of reconciling.
    """

    def __init__(self, previous: Mapping[str, Any] | None, now: str) -> None:
        self._before: dict[str, Mapping[str, str]] = {
            condition["type"]: condition for condition in (previous or {}).get("conditions", ())
        }
        self._now = now
        self._conditions: dict[str, dict[str, str]] = {}

    def mark(
        self,
        type_: str,
        status: bool | None,
        reason: str = "",
        message: str = "",
        *,
        severity: Literal["", "Warning", "Info"] = "",
    ) -> None:
        """Set a condition; None is Unknown. One with a severity has no say in Ready. ``reason``: one word in CamelCase."""
        word = "Unknown" if status is None else "True" if status else "False"
        before = self._before.get(type_)
        since = before["lastTransitionTime"] if before is not None and before["status"] == word else self._now
        condition = {"type": type_, "status": word, "lastTransitionTime": since}
        said = (("reason", reason), ("message", message), ("severity", severity))
        condition |= {name: value for name, value in said if value}
        self._conditions[type_] = condition

    def finish(self) -> list[dict[str, str]]:
        """All conditions by type, Ready among them: False if one is, else Unknown if one is, else True, with the reason and
        message of the first such one in the order they were marked (Knative common specification, "Error Signalling")."""
        deciding = [condition for condition in self._conditions.values() if "severity" not in condition]
        blamed = next((c for word in ("False", "Unknown") for c in deciding if c["status"] == word), None)
        if blamed is None:
            self.mark(READY, True)
        else:
            status = False if blamed["status"] == "False" else None
            self.mark(READY, status, blamed.get("reason", ""), blamed.get("message", ""))
        return [self._conditions[type_] for type_ in sorted(self._conditions)]


def find(status: Mapping[str, Any] | None, type_: str = READY) -> Mapping[str, str] | None:
    """The condition of that type in a written status."""
    conditions: Iterable[Mapping[str, str]] = (status or {}).get("conditions", ())
    return next((condition for condition in conditions if condition["type"] == type_), None)
