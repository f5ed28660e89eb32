"""Opening a broker's log for reading, for as long as it takes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from eventing.errors import ChannelUnavailable
from eventing.ports.channel import Channel, Reader
from eventing.telemetry.logs import Log

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 5.0
"""Seconds between two tries, doubled each time."""


async def open_reader(channel: Channel, uid: str, name: str, first: Callable[[], Awaitable[None]], log: Log) -> Reader:
    """The reader of a broker's group, once ``first`` has gone well. Raises what `Channel.reader` raises, but for
    `ChannelUnavailable`: that is tried again."""
    pause = FIRST_PAUSE
    while True:
        try:
            await first()
            return await channel.reader(uid)
        except ChannelUnavailable as error:
            log.warning("the broker can't be read, trying again", broker=name, reason=str(error), pause=pause)
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
