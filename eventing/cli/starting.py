"""Signals that come while a command is still being loaded: the process ends at once, with one line and never a traceback."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, Final, NoReturn

_USUAL: Final[Mapping[signal.Signals, Callable[[int, FrameType | None], Any] | signal.Handlers]] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
}


def guard() -> None:
    """From now on SIGINT and SIGTERM end the process with 128 + their number, as they do in a shell. One that is ignored or has
    another handler is left alone, as is everything where this is not the main thread."""
    for number, usual in _USUAL.items():
        if signal.getsignal(number) is usual:
            try:
                signal.signal(number, _end)
            except ValueError:
                return  # not the main thread: signals are somebody else's


def release() -> None:
    """The command runs: signals are what they usually are. A no-op where `guard` isn't in force."""
    for number, usual in _USUAL.items():
        if signal.getsignal(number) is _end:
            signal.signal(number, usual)


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    # Nothing was opened yet that would have to be closed. An exception instead could be raised anywhere in an import, also
    # where it gets lost or turned into another one.
    line = f"eventing: {signal.Signals(number).name} came before anything had started\n"
    try:
        os.write(2, line.encode())
    finally:
        os._exit(128 + number)
