"""What this package needs of a log; `eventing.telemetry` has one that fits."""

from __future__ import annotations

from typing import Protocol


class Log(Protocol):
    """One line a call for the operator, never with a payload or a secret."""

    def warning(self, message: str, /, **fields: object) -> None: ...

    def error(self, message: str, /, **fields: object) -> None: ...
