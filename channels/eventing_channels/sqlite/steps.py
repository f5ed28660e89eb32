"""The steps on the way to durability at which a crash test may end the process (`ChannelContext.fault`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from eventing_channels.sqlite.jobs import Job

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


def passed(fault: Callable[[str], None], step: str, jobs: Sequence[Job], of: type[Job]) -> None:
    """A step that is reached only by transactions with such a job."""
    if any(isinstance(job, of) for job in jobs):
        fault(step)
