"""How full a broker's built-in dead-letter store is, as far as this process knows (DATAPATH 7)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable

from eventing.errors import ChannelUnavailable
from eventing.ports.channel import Channel
from eventing.ports.records import DeadLetter

EVERY = 30.0


class DeadLetterCount:
    """``max_bytes``: what the store may hold. Others take letters out, and age does: now and then the channel's word is taken."""

    def __init__(self, channel: Channel, broker: str, max_bytes: int) -> None:
        self._channel = channel
        self._broker = broker
        self._max_bytes = max_bytes
        self._bytes = self._coming = 0
        self._letters: dict[str, int] = {}
        self._doubtful = asyncio.Event()

    def has_room(self) -> bool:
        return self._bytes + self._coming < self._max_bytes

    def coming(self, letters: Iterable[DeadLetter]) -> None:
        """These are on their way into the store: until `stored` tells what became of them they take room already."""
        self._coming += sum(letter.size for letter in letters)

    def of(self, trigger: str) -> int:
        """Letters of one trigger."""
        return self._letters.get(trigger, 0)

    def stored(self, letter: DeadLetter, *, new: bool) -> None:
        """This letter is in the store. Not ``new``: an earlier settlement brought it, whose outcome may be unknown here, or its
        entry was someone else's by now."""
        self._coming -= letter.size
        if not new:
            self._doubtful.set()
            return
        self._bytes += letter.size
        self._letters[letter.trigger] = self._letters.get(letter.trigger, 0) + 1

    async def count(self) -> None:
        """Ask the channel. Raises `ChannelUnavailable`."""
        self._bytes = await self._channel.dead_letters.size(self._broker)
        self._letters = await self._channel.dead_letters.count(self._broker)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._doubtful.wait(), EVERY)
            self._doubtful.clear()
            with contextlib.suppress(ChannelUnavailable):  # asked again the next time
                await self.count()
