"""Claimed entries that are not delivered here: back into the backlog, unattempted."""

from __future__ import annotations

from collections.abc import Sequence

from eventing.errors import ChannelUnavailable
from eventing.ports.channel import Channel
from eventing.ports.records import EntryKey
from eventing.telemetry.logs import Log


async def give_back(channel: Channel, uid: str, held: Sequence[tuple[EntryKey, str]], log: Log, **told: str) -> bool:
    """Release entries of the broker ``uid`` by key and token. False: the store is away; nothing is lost by it, but they wait for
    their leases to lapse. ``told``: whose they are, for the log."""
    if not held:
        return True
    try:
        await channel.backlog.release(uid, held)
    except ChannelUnavailable as error:
        log.warning("claimed entries could not be given back, they wait for their leases to lapse", **told, reason=str(error))
        return False
    return True
