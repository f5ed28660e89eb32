"""How long the engine's health answers take while it works."""

from __future__ import annotations

import asyncio
from time import monotonic_ns

from bench.engine import Engine
from bench.figures import milliseconds
from bench.http import get

_EVERY = 0.05


class Health:
    """Asks `/healthz` of both ports in turn, connecting each time as a probe does."""

    def __init__(self, engine: Engine) -> None:
        self._ports = {"data": engine.port, "control": engine.control_port}
        self._times: dict[str, list[int]] = {name: [] for name in self._ports}
        self.faults: list[str] = []

    async def poll(self) -> None:
        """Until cancelled."""
        while True:
            for name, port in self._ports.items():
                began = monotonic_ns()
                try:
                    status, _ = await get(port, "/healthz", timeout=10)
                except (OSError, TimeoutError, ValueError) as error:
                    status = 0
                    self._fault(f"/healthz of the {name} port failed: {type(error).__name__}")
                if status not in {0, 200}:
                    self._fault(f"/healthz of the {name} port answered {status}")
                self._times[name].append(monotonic_ns() - began)
            await asyncio.sleep(_EVERY)

    def figures(self) -> dict[str, float]:
        return {
            f"health_{name}_{what}": value for name, times in self._times.items() for what, value in milliseconds(times).items()
        }

    def _fault(self, text: str) -> None:
        if len(self.faults) < 5:
            self.faults.append(text)
