"""Free ports that stay free while a process is restarted on them."""

from __future__ import annotations

import random
import socket
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


class ReservedPort:
    """A port that nothing else takes until `close`, though a server that sets SO_REUSEADDR may listen on it, again and again.

    It is below those that the system gives to outgoing connections: one of these could be taken between two runs of a server,
    or even connect to itself while a client tries again and again.
    """

    def __init__(self) -> None:
        try:
            below = int(_RANGE.read_text().split()[0])
        except OSError:
            below = 32768
        choice = random.SystemRandom()
        for _ in range(200):
            # Bound and never listening. Whoever looks for a port without SO_REUSEADDR, as here, finds it taken.
            self._holder = socket.socket()
            try:
                self._holder.bind(("127.0.0.1", choice.randrange(10_000, max(10_001, below))))
            except OSError:
                self._holder.close()
                continue
            self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.number: int = self._holder.getsockname()[1]
            return
        raise AssertionError("no free port was found")

    def close(self) -> None:
        self._holder.close()
