"""Structured logs on standard error, written by a thread of their own so that a full pipe never stops the loop."""

from __future__ import annotations

import logging
import queue
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import TextIO

from eventing.telemetry.lines import Format, write_line
from eventing.telemetry.repeats import Repeats

LEVELS: Mapping[str, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
QUEUE_LINES = 10_000
_IDENTITY = ("broker", "trigger", "source", "object", "logger")


class Log:
    """Lines with a message and fields: ``log.warning("subscriber failed", trigger="ns/t", status=500)``.

    The message is a fixed text; what differs goes into fields. Lines of one message and one object (the fields `broker`,
    `trigger`, `source`, `object`, `logger`) are held back above 5 in 10 s and counted. Never waits: where standard error is
    closed or too slow, lines are lost and counted in ``lost``. `close` writes what waits.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        form: Format = "text",
        level: str = "info",
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``stream``: standard error unless given. Raises `KeyError` for a level that is not in `LEVELS`."""
        self._refused = 0  # no room in the queue, or closed; under the lock
        self._unwritten = 0  # the stream failed; the writer's alone
        self._stream = sys.stderr if stream is None else stream
        self._form: Format = form
        self._least = LEVELS[level]
        self._wall, self._monotonic = wall, monotonic
        self._repeats = Repeats()
        self._lock = threading.Lock()
        self._queue: queue.Queue[str | None] = queue.Queue(QUEUE_LINES)
        self._closed = False
        self._writer = threading.Thread(target=self._write_lines, name="log", daemon=True)
        self._writer.start()

    def debug(self, message: str, /, **fields: object) -> None:
        self.write("debug", message, fields)

    def info(self, message: str, /, **fields: object) -> None:
        self.write("info", message, fields)

    def warning(self, message: str, /, **fields: object) -> None:
        self.write("warning", message, fields)

    def error(self, message: str, /, **fields: object) -> None:
        self.write("error", message, fields)

    def write(self, level: str, message: str, fields: Mapping[str, object]) -> None:
        """One line, if its level is high enough and it didn't repeat too often. Any thread may call it."""
        if LEVELS[level] < self._least:
            return
        key = (level, message, *(str(fields.get(name, "")) for name in _IDENTITY))
        with self._lock:
            now = self._monotonic()
            self._tell_held_back(now)
            if self._repeats.admit(key, now):
                self._put(write_line(self._form, self._wall(), level, message, fields))

    def close(self, timeout: float = 2.0) -> None:
        """Write what waits, for at most ``timeout`` seconds; later lines are lost and counted. Idempotent."""
        with self._lock:
            if self._closed:
                return
            self._tell_held_back(self._monotonic(), everything=True)
            self._closed = True
        try:
            self._queue.put(None, timeout=timeout)
        except queue.Full:
            return
        self._writer.join(timeout)

    @property
    def lost(self) -> int:
        """Lines that were not written."""
        return self._refused + self._unwritten

    def handler(self) -> logging.Handler:
        """For the loggers of libraries: the composition root adds it to those it wants to hear."""
        return _Bridge(self)

    def _tell_held_back(self, now: float, *, everything: bool = False) -> None:
        for held in self._repeats.due(now, everything=everything):
            assert isinstance(held.key, tuple)
            level, message, *identity = held.key
            fields: dict[str, object] = {name: value for name, value in zip(_IDENTITY, identity, strict=True) if value}
            self._put(write_line(self._form, self._wall(), level, message, {**fields, "held_back": held.count}))

    def _put(self, line: str) -> None:
        if self._closed:
            self._refused += 1
            return
        try:
            self._queue.put_nowait(line)
        except queue.Full:
            self._refused += 1

    def _write_lines(self) -> None:
        told = 0
        while (line := self._queue.get()) is not None:
            lost = self.lost
            if lost > told and self._emit(write_line(self._form, self._wall(), "warning", "log lines were lost", {"lost": lost})):
                told = lost
            if not self._emit(line):
                self._unwritten += 1

    def _emit(self, line: str) -> bool:
        # Standard error may be closed, a broken pipe or a full disk: events matter more than lines about them.
        try:
            self._stream.write(line + "\n")
            if self._queue.empty():
                self._stream.flush()
        except (OSError, ValueError):
            return False
        return True


class _Bridge(logging.Handler):
    """Passes on records of the standard library's logging. Tracebacks are left out but for the exception's own line."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        level = next((name for name, number in reversed(list(LEVELS.items())) if record.levelno >= number), "debug")
        fields: dict[str, object] = {"logger": record.name}
        if record.exc_info and record.exc_info[1] is not None:
            fields["error"] = record.exc_info[1]
        try:
            message = record.getMessage()
        except (TypeError, ValueError):  # a library's format that doesn't fit its values must not end its caller
            message = str(record.msg)
        self._log.write(level, message, fields)
