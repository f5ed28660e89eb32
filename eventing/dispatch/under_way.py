"""One delivery under way: sent, and waiting for its answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from eventing.http.client_connection import Answered, ClientConnection, ClosedUnanswered
from eventing.resources.plan import Target, TriggerPlan

if TYPE_CHECKING:
    from eventing.dispatch.deliver import Deliverer
    from eventing.dispatch.work import Work


class UnderWay:
    """``plan``, ``target``: as they were when it began; ``began``: on the loop's clock.

    The callback of an exchange runs in the client's protocol, where nobody would see what it raises: so that goes to the
    broker's tasks (`Deliverer.failed`), as what a task of its own raises does.
    """

    __slots__ = ("_connection", "_deliverer", "began", "plan", "target", "work")

    def __init__(self, deliverer: Deliverer, work: Work, plan: TriggerPlan, target: Target, began: float) -> None:
        self._deliverer = deliverer
        self._connection: ClientConnection | None = None
        self.work = work
        self.plan = plan
        self.target = target
        self.began = began

    def begin(self) -> bool:
        """Send it over a connection that is free. False: there is none."""
        self._connection = self._deliverer.begin(self)
        return self._connection is not None

    def answered(self, answered: Answered) -> None:
        """What came of it."""
        deliverer = self._deliverer
        self._connection = None
        try:
            if isinstance(answered, ClosedUnanswered):
                deliverer.spawn(self.attempt(self.began))
                return
            deliverer.answered(self, answered)
            deliverer.ended(self)
        except BaseException as error:  # noqa: BLE001 - told to the broker
            deliverer.failed(error)

    async def attempt(self, began: float | None = None) -> None:
        """Send it, over a new connection if need be; to its end. ``began``: see `Deliverer.attempt`."""
        if began is None:
            self.work.deadline = asyncio.get_running_loop().time() + self.plan.policy.timeout
        attempt = await self._deliverer.attempt(self, began)
        self._deliverer.attempted(self, attempt)
        self._deliverer.ended(self)

    async def attempt_leased(self) -> None:
        """The same for an entry whose lease may not last."""
        work, timeout = self.work, self.plan.policy.timeout
        if await self._deliverer.leased(work, timeout):
            await self.attempt()
        else:
            work.lane.gate.abandoned()
            self._deliverer.ended(self)

    def cancel(self) -> None:
        """Nobody waits for the answer any more."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.cancel(self.answered)
