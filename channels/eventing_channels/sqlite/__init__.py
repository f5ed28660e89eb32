"""SQLite: the durable default, one file in the data directory."""

from __future__ import annotations

from eventing.ports.channel import Channel, ChannelContext
from eventing_channels.sqlite.channel import SqliteChannel
from eventing_channels.sqlite.settings import parse

__all__ = ["open_channel"]


def open_channel(url: str, context: ChannelContext) -> Channel:
    """The channel of a URL: ``sqlite`` (``events.db`` in the data directory) or ``sqlite:///abs/path.db?min-free=64MiB&...``.
    Raises `InvalidSetting`."""
    return SqliteChannel(parse(url, context.data_dir), context)
