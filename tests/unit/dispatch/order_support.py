"""What the tests of ordered triggers share."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from dispatch_rig import Subscriber, event

from eventing.event import Event
from eventing.policy.delivery import DeliveryPolicy
from eventing.policy.order import ordering_key
from eventing.ports.http import Response

FOR_EVER = DeliveryPolicy(retry=1000, delay=0.005, cap=0.01)


def keyed(number: int, key: str, type_: str = "a") -> Event:
    return event(number, type_, partitionkey=key)


def by_key(subscriber: Subscriber) -> dict[str, list[int]]:
    """Of each key the events in the order of their attempts, retries left out."""
    came: dict[str, list[int]] = defaultdict(list)
    for received, _ in subscriber.deliveries:
        key, number = ordering_key(received), int(received.id)
        if not came[key] or came[key][-1] != number:
            came[key].append(number)
    return came


class OneAtATime:
    """An answer that notes how many of one key were under way at once."""

    def __init__(self, subscriber: Subscriber) -> None:
        self._inner = subscriber.answer
        self.running: dict[str, int] = defaultdict(int)
        self.most = 0
        subscriber.answer = self

    async def __call__(self, received: Event, times: int) -> Response:
        key = ordering_key(received)
        self.running[key] += 1
        self.most = max(self.most, self.running[key])
        try:
            await asyncio.sleep(0)
            answer = self._inner(received, times)
            return answer if isinstance(answer, Response) else await answer
        finally:
            self.running[key] -= 1
