"""From the writer thread to the event loop: outcomes of jobs, and the events that were stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from eventing.errors import ChannelError
from eventing.ports.records import Record
from eventing_channels.sqlite.jobs import Job, JobQueue

Published = Mapping[str, Sequence[Record]]


class Outcomes:
    """Made on the event loop, used by the thread. ``publish``: on the event loop, after each commit and before its futures, the
    events by broker. ``queue``: closed where the event loop is gone."""

    def __init__(self, publish: Callable[[Published], None], queue: JobQueue) -> None:
        self._loop = asyncio.get_running_loop()
        self._publish, self._queue = publish, queue

    def tell(self, callback: Callable[..., None], *arguments: object) -> None:
        """Call it on the event loop."""
        try:
            self._loop.call_soon_threadsafe(callback, *arguments)
        except RuntimeError:
            # The event loop was closed without closing the channel: nobody waits any more.
            self._queue.close()

    def refuse(self, jobs: Sequence[Job], error: ChannelError) -> None:
        """End jobs with an error, each with its own."""
        for job in jobs:
            job.error = type(error)(str(error))
        self.hand_back(jobs)

    def hand_back(self, jobs: Sequence[Job], published: Published | None = None) -> None:
        """End jobs with the outcome or error they have."""
        if jobs or published:
            for job in jobs:
                job.handed_back = True
            self.tell(self._finish, jobs, published or {})

    def _finish(self, jobs: Sequence[Job], published: Published) -> None:
        self._publish(published)
        for job in jobs:
            job.finish()
