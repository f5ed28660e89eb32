"""Default ports under tests: a network namespace of its own for each document, or other numbers where that is not allowed."""

from __future__ import annotations

import dataclasses
import fcntl
import re
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

from tests.docs.blocks import Block

DEFAULT = ("8080", "8081")
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1
_PORT = re.compile(
    r"(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])[:\"', ]+(\d{4,5})\b"
    r"|--(?:control-)?port[= ](\d{4,5})\b"
    r"|http\.server (\d{4,5})\b"
)


@cache
def namespace_command() -> tuple[str, ...] | None:
    """What to put before a command so that it has a network of its own, or None where the system doesn't allow it."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return None
    for options in (("--net",), ("--map-root-user", "--net")):
        if subprocess.run([unshare, *options, "true"], check=False, capture_output=True, timeout=30).returncode == 0:
            return (unshare, *options)
    return None


def raise_loopback() -> None:
    """Turn on the loopback device of a fresh network namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(control, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))


def other_ports(found: Iterable[Block]) -> dict[str, str]:
    """A free port for each one that the blocks name, and for the defaults."""
    names = set(DEFAULT)
    for block in found:
        names.update(
            port
            for groups in _PORT.findall(block.text + " ".join((*block.expect, block.background or "")))
            for port in groups
            if port
        )
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in names]
    try:
        return {name: str(bound.getsockname()[1]) for name, bound in zip(sorted(names), sockets, strict=True)}
    finally:
        for bound in sockets:
            bound.close()


def rewrite(found: Sequence[Block], ports: Mapping[str, str]) -> list[Block]:
    """The same blocks with every port replaced, wherever it stands."""
    if not ports:
        return list(found)

    def renumber(text: str) -> str:
        return _renumber(text, ports)

    return [
        dataclasses.replace(
            block,
            text=renumber(block.text),
            expect=tuple(map(renumber, block.expect)),
            background=None if block.background is None else renumber(block.background),
        )
        for block in found
    ]


def rewrite_files(folder: Path, ports: Mapping[str, str]) -> None:
    """The same in the manifests and programs that lie in the folder before a page is read."""
    for path in folder.rglob("*"):
        if path.suffix in {".yaml", ".yml", ".py"} and path.is_file():
            path.write_text(_renumber(path.read_text(encoding="utf-8"), ports), encoding="utf-8")


def _renumber(text: str, ports: Mapping[str, str]) -> str:
    pattern = re.compile(rf"(?<![\d.])({'|'.join(ports)})(?![\d.]*\d)")
    return pattern.sub(lambda match: ports[match[1]], text)
