"""Opening the file, on a full disk with the help of what was kept for that (docs/adr/0002)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from eventing.errors import ChannelUnavailable
from eventing_channels.sqlite import database
from eventing_channels.sqlite.space import Space


def open_writer(path: Path, space: Space, log: Callable[[str, dict[str, object]], None], *, fresh: bool) -> sqlite3.Connection:
    """Raises what `database.open_writer` raises."""
    try:
        return database.open_writer(path, fresh=fresh)
    except ChannelUnavailable:
        if not space.crowded():
            raise
    for give_up in (space.give_up_spare, space.give_up_ballast):
        if not give_up():
            continue
        log("disk full: a reserve is given up so that the file can be opened", {"path": str(path)})
        try:
            return database.open_writer(path, fresh=fresh, crowded=True)
        except ChannelUnavailable as error:
            log("the file can't be opened on the full disk", {"error": str(error)})
    return database.open_writer(path, fresh=fresh, crowded=True)
