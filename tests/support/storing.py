"""Appending to a channel that refuses for a while."""

from __future__ import annotations

from eventing.errors import ChannelError
from eventing.ports.channel import Channel
from eventing.ports.records import NewRecord, Position
from eventing.testing.channels.harness import event
from tests.support.wait import eventually


async def stored_at_last(channel: Channel, id_: str, refused: type[ChannelError], broker: str = "a") -> Position:
    """Append one event until it is taken; ``refused`` is the only error until then. The event's position."""
    taken: list[Position] = []

    async def once() -> bool:
        try:
            taken.extend(await channel.append(broker, [NewRecord(event(id_))]))
        except refused:
            return False
        return True

    await eventually(once, 20, f"event {id_} taken")
    return taken[0]
