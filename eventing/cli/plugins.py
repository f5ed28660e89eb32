"""Finds the source plug-ins that are installed."""

from __future__ import annotations

from importlib.metadata import entry_points

from eventing.errors import InvalidSetting
from eventing.ports.source import SourcePlugin

GROUP = "eventing.sources"


def source_plugins() -> dict[str, SourcePlugin]:
    """Every plug-in of the entry point group `eventing.sources`, by kind.

    Raises `InvalidSetting` for a plug-in that can't be imported or that two distributions bring under one name.
    """
    found: dict[str, SourcePlugin] = {}
    for point in entry_points(group=GROUP):
        if point.name in found:
            raise InvalidSetting(f"two installed distributions bring a source plug-in {point.name}; uninstall one")
        try:
            found[point.name] = point.load()
        except (ImportError, AttributeError) as error:
            raise InvalidSetting(f"the source plug-in {point.name} ({point.value}) can't be loaded: {error}") from error
    return found
