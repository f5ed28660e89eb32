"""Finds what is installed under the entry point groups `eventing.channels` and `eventing.sources`."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

from eventing.errors import InvalidSetting
from eventing.ports.channel import Channel, ChannelContext
from eventing.ports.source import SourcePlugin

CHANNELS = "eventing.channels"
SOURCES = "eventing.sources"


def source_plugins() -> dict[str, SourcePlugin]:
    """Every source plug-in by kind.

    Raises `InvalidSetting` for one that can't be imported or that two distributions bring under one name.
    """
    found: dict[str, SourcePlugin] = {}
    for point in entry_points(group=SOURCES):
        if point.name in found:
            raise InvalidSetting(f"two installed distributions bring a source plug-in {point.name}; uninstall one")
        found[point.name] = _load(point, "source")
    return found


def make_channel(url: str, context: ChannelContext) -> Channel:
    """The channel for a URL such as `sqlite`, `memory://` or `redis://HOST:PORT/DB`, not yet open.

    Raises `InvalidSetting` for a scheme that no installed plug-in serves and for a URL that the plug-in refuses.
    """
    scheme = url.partition(":")[0]
    points = {point.name: point for point in entry_points(group=CHANNELS)}
    if scheme not in points:
        known = ", ".join(sorted(points)) or "none"
        raise InvalidSetting(f"--channel {_without_secret(url)}: no channel is installed for {scheme[:40]!r}; installed: {known}")
    factory: Callable[[str, ChannelContext], Channel] = _load(points[scheme], "channel")
    return factory(url, context)


def _load(point: Any, what: str) -> Any:
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise InvalidSetting(f"the {what} plug-in {point.name} ({point.value}) can't be loaded: {error}") from error


def _without_secret(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"[:200]
