"""Conditions: what an object says about itself (Knative common specification, "Error Signalling")."""

from __future__ import annotations

from typing import Literal

from eventing.kinds.base import KindModel


class Condition(KindModel):
    """``severity``: empty for those that decide Ready, else `Warning` or `Info`. ``last_transition_time``: RFC 3339 in UTC,
    when ``status`` last changed."""

    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str = ""
    message: str = ""
    severity: Literal["", "Warning", "Info"] = ""
    last_transition_time: str = ""
