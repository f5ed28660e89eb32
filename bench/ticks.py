"""A beat every millisecond that comes on time: the loop's own timers are whole milliseconds late now and then, which an open
loop would count as the engine's delay."""

from __future__ import annotations

import asyncio
import ctypes
import os
from time import CLOCK_MONOTONIC, monotonic_ns
from types import TracebackType

_NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC
_ABSOLUTE = 1
_SECOND = 1_000_000_000


class _Interval(ctypes.Structure):
    _fields_ = [("every_s", ctypes.c_long), ("every_ns", ctypes.c_long), ("first_s", ctypes.c_long), ("first_ns", ctypes.c_long)]


class Ticks:
    """timerfd_create(2), which Python has since 3.13 only. ``start``, ``every``: nanoseconds on the monotonic clock."""

    def __init__(self, start: int, every: int) -> None:
        """Raises OSError where the system has no such timer."""
        self._file = -1
        self._waiting: asyncio.Future[None] | None = None
        libc = ctypes.CDLL(None, use_errno=True)
        self._file = libc.timerfd_create(CLOCK_MONOTONIC, _NONBLOCK_CLOEXEC)
        if self._file < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        interval = _Interval(*divmod(every, _SECOND), *divmod(start, _SECOND))
        if libc.timerfd_settime(self._file, _ABSOLUTE, ctypes.byref(interval), None) != 0:
            os.close(self._file)
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def __enter__(self) -> Ticks:
        asyncio.get_running_loop().add_reader(self._file, self._ticked)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        asyncio.get_running_loop().remove_reader(self._file)
        os.close(self._file)

    async def next(self) -> int:
        """Wait for the next beat; the time then."""
        self._waiting = asyncio.get_running_loop().create_future()
        await self._waiting
        return monotonic_ns()

    def _ticked(self) -> None:
        os.read(self._file, 8)
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
