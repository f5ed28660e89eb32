"""The clock of due times: wall time that never goes back (DATAPATH 13)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Clock:
    """Seconds since the epoch. Starts at the later of the wall clock and ``floor`` (the last time a former process stored),
    goes on with the monotonic clock, and follows the wall clock only forward. So a wall clock set back, at run time or
    between two runs, holds no due time; a suspended machine catches up at once.
    """

    def __init__(self, wall: Callable[[], float], floor: float = 0.0, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._lock = threading.Lock()
        self._at = max(wall(), floor)
        self._measured = monotonic()

    def now(self) -> float:
        """Never less than it was before, in any thread."""
        with self._lock:
            measured = self._monotonic()
            self._at = max(self._at + max(0.0, measured - self._measured), self._wall())
            self._measured = measured
            return self._at
