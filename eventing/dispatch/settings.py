"""What bounds the dispatcher."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class DispatchSettings:
    """Sizes in bytes, times in seconds.

    ``window``/``window_bytes``: events of a broker read and not yet settled; a crash repeats at most these.
    ``hand_over_after``: how long a delivery may hold its event in the window. ``memory_bytes``: events in memory for all
    deliveries together, ``largest`` the largest event among them. ``connections``: to all subscribers together.
    ``backlog_bytes``: what may be owed to one trigger's lane; ``dead_letter_bytes``: the built-in store of one broker.
    ``max_reply``: the largest reply event. ``trigger_grace``: how long what belongs to a deleted trigger or broker is kept;
    ``dead_letter_age``: how long a letter is.
    """

    window: int = 1024
    window_bytes: int = 64 * MIB
    hand_over_after: float = 0.25
    memory_bytes: int = 256 * MIB
    largest: int = 2 * MIB
    connections: int = 4096
    backlog_bytes: int = 4096 * MIB
    dead_letter_bytes: int = 1024 * MIB
    max_reply: int = MIB
    trigger_grace: float = 3600.0
    dead_letter_age: float = 30 * 24 * 3600.0
    wall: Callable[[], float] = time.time
