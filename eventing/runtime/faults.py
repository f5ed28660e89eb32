"""Ends the process at a named step: for crash tests only (`EVENTING_FAULT`, see CONTRIBUTING.md)."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from eventing.errors import InvalidSetting


def fault_points(text: str) -> Callable[[str], None]:
    """`STEP` or `STEP:N`: `kill -9` of this process when the step is reached, the N-th time. Empty: never.

    Raises `InvalidSetting`.
    """
    if not text:
        return lambda _step: None
    wanted, _, number = text.partition(":")
    if number and not number.isdecimal():
        raise InvalidSetting(f"EVENTING_FAULT: {text[:80]!r} is not STEP or STEP:N")
    left = int(number or 1)

    def reached(step: str) -> None:
        nonlocal left
        if step == wanted:
            left -= 1
            if left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return reached
