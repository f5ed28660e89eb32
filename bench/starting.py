"""How long the engine takes to start: until its data plane is open, and until every trigger is Ready."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

from bench.cases import Case
from bench.engine import START, Engine, EngineFailed
from bench.http import get
from bench.manifests import broker, others
from bench.ports import HeldPort
from bench.site import Place, Run

_EVERY = 0.005
_PORTS: tuple[tuple[str, Callable[[Engine], int], str], ...] = (
    ("open", lambda engine: engine.port, "/readyz"),
    ("ready", lambda engine: engine.control_port, "/readyz"),
)


async def starting(case: Case, place: Place, *, counts: tuple[int, ...]) -> Run:
    """``counts``: how many triggers, in turn."""
    run = Run(case.name)
    dead = HeldPort()
    try:
        for count in counts:
            async with place.engine([broker(), *others(count, dead.number)]) as engine:
                try:
                    await _one(engine, run, count)
                except EngineFailed as error:
                    run.failures.append(f"with {count} triggers: {error}")
    finally:
        dead.close()
    return run


async def _one(engine: Engine, run: Run, count: int) -> None:
    began = monotonic()
    await engine.spawn()
    for name, port, path in _PORTS:
        await _until_ok(engine, port(engine), path, began)
        run.figures[f"{name}_{count}_s"] = monotonic() - began
    await engine.ready()
    run.figures[f"cpu_{count}_s"] = engine.cpu()
    run.figures[f"rss_{count}_mb"] = engine.memory()[0] / 1e6


async def _until_ok(engine: Engine, port: int, path: str, began: float) -> None:
    """Ask until the answer is 200."""
    while monotonic() - began < START:
        try:
            if (await get(port, path, timeout=START))[0] == 200:
                return
        except (OSError, ValueError):
            pass  # nobody listens yet
        engine.check()
        await asyncio.sleep(_EVERY)
    raise EngineFailed(f"no 200 from {path} within {START:g} s: {engine.tail()}")
