"""A sender that knows exactly which of its events were accepted."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

from eventing.errors import DeliveryFailed
from eventing.http.client import HttpClient
from eventing.http.limits import ClientLimits
from eventing.http.resolver import Resolver
from tests.support.events import batch, binary_bytes
from tests.support.subscriber import Quiet

BETWEEN_TRIES = 0.05


class Load:
    """Sends events with ids `PREFIX-N`, over keep-alive connections. An id is never sent twice by this class.

    ``accepted``: answered with 202, in that order. ``unknown``: no answer came, so they may be stored. ``refused``: by status.
    """

    def __init__(self, url: str, prefix: str = "e", *, types: Callable[[int], str] = lambda _n: "test.happened") -> None:
        self.url = url
        self.accepted: dict[str, None] = {}
        self.unknown: set[str] = set()
        self.refused: dict[int, int] = {}
        self._prefix, self._types = prefix, types
        self._numbers = itertools.count()
        log = Quiet()
        self._client = HttpClient(limits=ClientLimits(max_per_origin=256), resolver=Resolver(log=log), log=log)
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._changed = asyncio.Event()

    async def one(self, body: bytes = b"{}", id_: str | None = None, **attributes: str) -> int:
        """Send one event; the status, or 0 where there was no answer."""
        number = next(self._numbers)
        name = id_ or f"{self._prefix}-{number}"
        type_ = attributes.pop("type", self._types(number))
        try:
            answer = await self._client.send(self.url, binary_bytes(name, type_, **attributes), body, timeout=30)
        except DeliveryFailed:
            self.unknown.add(name)
            return 0
        self._note(answer.status, [name])
        return answer.status

    async def many(self, count: int, *, body: bytes = b"{}", connections: int = 16) -> None:
        """Send so many, some at a time. Raises AssertionError unless all were accepted."""
        left = iter(range(count))

        async def work() -> None:
            for _ in left:
                status = await self.one(body)
                assert status == 202, status

        async with asyncio.TaskGroup() as tasks:
            for _ in range(connections):
                tasks.create_task(work())

    async def batches(self, count: int, size: int = 500, *, data: object = None) -> None:
        """Send so many batches. Raises AssertionError unless all were accepted."""
        for _ in range(count):
            names = [f"{self._prefix}-{next(self._numbers)}" for _ in range(size)]
            headers = [(b"content-type", b"application/cloudevents-batch+json")]
            answer = await self._client.send(self.url, headers, batch(names, data=data), timeout=30)
            assert answer.status == 202, answer
            self._note(answer.status, names)

    def _note(self, status: int, names: list[str]) -> None:
        if status == 202:
            self.accepted.update(dict.fromkeys(names))
        else:
            self.refused[status] = self.refused.get(status, 0) + len(names)
        self._changed.set()

    def run(self, connections: int = 16, *, body: bytes = b"{}", pause: float = 0.0) -> None:
        """Go on until `stop`, also while nobody listens. ``pause``: seconds of each connection between two events, so that
        the rate is known."""

        async def work() -> None:
            while not self._stop.is_set():
                status = await self.one(body)
                wait = pause if status == 202 else BETWEEN_TRIES
                if wait:
                    await asyncio.sleep(wait)

        self._stop.clear()
        self._tasks = [asyncio.create_task(work()) for _ in range(connections)]

    async def until(self, count: int, timeout: float = 30) -> None:
        """Wait until so many are accepted. Raises AssertionError."""
        try:
            async with asyncio.timeout(timeout):
                while len(self.accepted) < count:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"only {len(self.accepted)} of {count} accepted in {timeout:g} s: {self.refused}") from None

    async def stop(self) -> None:
        """No more events; what is under way is answered."""
        self._stop.set()
        tasks, self._tasks = self._tasks, []
        await asyncio.gather(*tasks)

    async def close(self) -> None:
        await self.stop()
        await self._client.close()
