"""Every option of `eventing serve` in one place. The command line and the environment (`EVENTING_...`) fill it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from eventing.errors import InvalidSetting
from eventing.kinds.uri import split_uri

MIB = 1024 * 1024
MAX_EVENT_SIZE = 1024 * MIB
"""The most that `--max-event-size` may be: an event is held in memory as a whole."""
_SIZE = re.compile(r"(\d{1,15})\s*(B|KiB|MiB|GiB|TiB)?")
_UNITS = {None: 1, "B": 1, "KiB": 1024, "MiB": MIB, "GiB": 1024 * MIB, "TiB": 1024 * 1024 * MIB}
_SECONDS = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s*(ms|s|m|h|d)?")
_PERIODS = {None: 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_size(text: str, name: str) -> int:
    """Bytes from `1MiB`, `512KiB`, `1048576`. Raises `InvalidSetting` naming the option."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise InvalidSetting(f"{name}: {text[:40]!r} is no size; write it as 1MiB, 512KiB or a number of bytes")
    return int(match[1]) * _UNITS[match[2]]


def parse_seconds(text: str, name: str) -> float:
    """Seconds from `30s`, `500ms`, `1m`, `30`. Raises `InvalidSetting` naming the option."""
    match = _SECONDS.fullmatch(text.strip())
    if match is None:
        raise InvalidSetting(f"{name}: {text[:40]!r} is no time; write it as 30s, 500ms or 1m")
    return float(match[1]) * _PERIODS[match[2]]


def parse_folder(text: str, name: str) -> Path:
    """A path from what was given. Raises `InvalidSetting` naming the option where that is empty: it would be taken for the
    working directory."""
    if not text:
        raise InvalidSetting(f"{name}: must not be empty; the working directory is written as .")
    return Path(text)


@dataclass(frozen=True, slots=True)
class Settings:
    """Sizes in bytes, times in seconds. `check` says what can't be, before anything starts."""

    manifests: tuple[str, ...] = ()
    data_dir: Path = field(default_factory=lambda: Path(".eventing"))
    channel: str = "sqlite"
    host: str = "127.0.0.1"
    port: int = 8080
    public_url: str | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    control_host: str = "127.0.0.1"
    control_port: int = 8081
    insecure_control: bool = False
    max_event_size: int = MIB
    drain_timeout: float = 30.0
    workers: int = 1
    secrets_dir: Path | None = None
    fault: str = ""

    def check(self) -> None:
        """Raises `InvalidSetting`."""
        if (self.tls_cert is None) != (self.tls_key is None):
            raise InvalidSetting("--tls-cert and --tls-key go together: one of them is missing")
        if not self.insecure_control and not is_loopback(self.control_host):
            raise InvalidSetting(
                f"--control-host {self.control_host}: the control port has no authentication yet and is served on loopback only; "
                "--insecure-control serves it anyway, where a firewall or a proxy guards it"
            )
        for name, port in (("--port", self.port), ("--control-port", self.control_port)):
            if not 0 <= port <= 65535:
                raise InvalidSetting(f"{name} {port}: a port is a number from 0 to 65535")
        if self.port and self.port == self.control_port and self.host == self.control_host:
            raise InvalidSetting(f"--port and --control-port are both {self.port}: they need one each")
        if self.max_event_size < 64 * 1024:
            raise InvalidSetting("--max-event-size: CloudEvents asks for at least 64KiB (CloudEvents 1.0, Size Limits)")
        if self.max_event_size > MAX_EVENT_SIZE:
            raise InvalidSetting("--max-event-size: at most 1GiB")
        if self.secrets_dir is not None and not os.path.isdir(self.secrets_dir):
            raise InvalidSetting(f"--secrets-dir {self.secrets_dir}: is no folder")
        if self.public_url is not None:
            self._check_public_url(self.public_url)
        if self.workers < 1:
            raise InvalidSetting("--workers: at least 1")
        scheme = self.channel.partition(":")[0]
        if self.workers > 1 and scheme in {"sqlite", "memory"}:
            raise InvalidSetting(
                f"--workers {self.workers}: a {scheme} channel has one owner, so that order and limits stay whole; "
                "use --workers 1, or a channel that processes can share"
            )
        if self.workers > 1:
            raise InvalidSetting(f"--workers {self.workers}: not supported yet; run one process")

    @staticmethod
    def _check_public_url(url: str) -> None:
        # The URL is not repeated: it may hold a password.
        try:
            parts = split_uri(url)
        except ValueError as error:
            raise InvalidSetting(f"--public-url: {error}") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname or "?" in url or "#" in url:
            raise InvalidSetting("--public-url: must be http or https with a host, without query, as in https://events.example")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
