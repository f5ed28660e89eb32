"""The steps on the way to durability at which a crash test may end the process (`ChannelContext.fault`)."""

from __future__ import annotations

FAULT_POINTS: tuple[str, ...] = (
    "append.begin",
    "append.written",
    "append.committed",
    "settle.begin",
    "settle.handovers",
    "settle.results",
    "settle.replies",
    "settle.dead",
    "settle.cursor",
    "settle.before_commit",
    "settle.committed",
)
"""In the order they are reached. A test compares them with the calls."""
