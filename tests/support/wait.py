"""Waiting for the state of another process: a condition, a deadline, and a word on what was seen last."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable

POLL = 0.02


async def eventually(condition: Callable[[], object | Awaitable[object]], timeout: float, what: str = "") -> object:
    """Ask until the answer is true and return it. Raises AssertionError with ``what`` and the last answer."""
    deadline = time.monotonic() + timeout
    while True:
        found = condition()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {what or condition}; last seen: {found!r}")
        await asyncio.sleep(POLL)
