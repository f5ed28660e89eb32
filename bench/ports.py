"""A port known before anybody listens on it: of a program about to start, or of a subscriber that is dead for now."""

from __future__ import annotations

import random
import socket
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


class HeldPort:
    """Connections to it are refused until somebody listens; nobody gets it by asking for a free one.

    It lies below the ports that the system gives to outgoing connections, where one could take it in between.
    """

    def __init__(self) -> None:
        """Raises OSError where none is found."""
        below = int(_RANGE.read_text().split()[0]) if _RANGE.exists() else 32768
        choice = random.SystemRandom()
        for _ in range(200):
            self._socket = socket.socket()
            try:
                self._socket.bind(("127.0.0.1", choice.randrange(10_000, max(10_001, below))))
            except OSError:
                self._socket.close()
                continue
            # Only now: it must not share a port with a holder of the same kind.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.number = int(self._socket.getsockname()[1])
            return
        raise OSError("no free port was found")

    def listener(self) -> socket.socket:
        """A socket on this port to listen on."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.number))
        listener.setblocking(False)
        return listener

    def close(self) -> None:
        self._socket.close()
