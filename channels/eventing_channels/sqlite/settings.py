"""The URL of a SQLite channel: ``sqlite`` or ``sqlite:///abs/path.db?min-free=64MiB&retention=PT0S&max-bytes=1GiB``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from eventing.errors import InvalidSetting
from eventing_channels.options import duration, query_options, size

DEFAULT_FILE = "events.db"


@dataclass(frozen=True, slots=True)
class Settings:
    """``min_free``: bytes the disk keeps free, below which appends are refused; None: a share of the disk (docs/adr/0002).
    ``retention``: seconds an event is kept after nobody needs it. ``max_bytes``: of each broker's log.
    ``ballast``: bytes of the reserve file. ``queue_bytes``: of appends that wait. ``patience``: seconds an append may wait.
    ``cache_records``/``cache_bytes``: what a reader takes over from memory. ``checkpoint_bytes``/``wal_limit``: of the
    write-ahead log.
    """

    path: Path
    min_free: int | None = None
    retention: float = 0.0
    max_bytes: int | None = None
    ballast: int = 16 << 20
    queue_bytes: int = 32 << 20
    patience: float = 5.0
    cache_records: int = 4096
    cache_bytes: int = 16 << 20
    checkpoint_bytes: int = 4 << 20
    wal_limit: int = 64 << 20


def parse(url: str, data_dir: Path) -> Settings:
    """Read the URL. Raises `InvalidSetting` naming the part at fault."""
    if url in ("sqlite", "sqlite:", "sqlite://"):
        return Settings(path=data_dir / DEFAULT_FILE)
    parts = urlsplit(url)
    if parts.scheme != "sqlite":
        raise InvalidSetting(f"channel URL {url!r} is not sqlite")
    if parts.netloc:
        raise InvalidSetting(f"channel URL {url!r}: write sqlite:///absolute/path.db, with three slashes")
    if parts.fragment:
        raise InvalidSetting(f"channel URL {url!r}: a '#' in the path must be written %23")
    options = query_options(url, parts.query, ("min-free", "retention", "max-bytes"))
    path = Path(os.path.normpath(unquote(parts.path))) if parts.path not in ("", "/") else data_dir / DEFAULT_FILE
    if parts.path and str(path).startswith("//"):
        raise InvalidSetting(f"channel URL {url!r}: write sqlite:///absolute/path.db, with three slashes and not four")
    if "\0" in str(path):
        raise InvalidSetting(f"channel URL {url!r}: the path holds a NUL")
    return Settings(
        path=path,
        min_free=size("min-free", options["min-free"]) if "min-free" in options else None,
        retention=duration("retention", options["retention"]) if "retention" in options else 0.0,
        max_bytes=size("max-bytes", options["max-bytes"]) if "max-bytes" in options else None,
    )
