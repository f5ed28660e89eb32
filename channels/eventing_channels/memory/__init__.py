"""Memory: nothing survives the process. For tests and trials, and the reference that other channels are compared with."""

from __future__ import annotations

from urllib.parse import urlsplit

from eventing.errors import InvalidSetting
from eventing.ports.channel import Channel, ChannelContext
from eventing_channels.memory.channel import MemoryChannel
from eventing_channels.options import duration, query_options, size

__all__ = ["open_channel"]

DEFAULT_BYTES = 256 << 20


def open_channel(url: str, context: ChannelContext) -> Channel:
    """The channel of a URL: ``memory`` or ``memory://?max-bytes=256MiB&retention=PT0S``. Raises `InvalidSetting`."""
    parts = urlsplit(url if ":" in url else f"{url}://")
    if parts.scheme != "memory" or parts.netloc or parts.path not in ("", "/") or parts.fragment:
        raise InvalidSetting(f"channel URL {url!r}: write memory://, with options as in memory://?max-bytes=256MiB")
    options = query_options(url, parts.query, ("max-bytes", "retention"))
    return MemoryChannel(
        context,
        size("max-bytes", options["max-bytes"]) if "max-bytes" in options else DEFAULT_BYTES,
        duration("retention", options["retention"]) if "retention" in options else 0.0,
    )
