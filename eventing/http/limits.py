"""How much either side of the data plane's HTTP holds, and how long it waits. Sizes in bytes, times in seconds."""

from __future__ import annotations

import resource
from dataclasses import dataclass, field

KIB = 1024
MIB = 1024 * KIB


def descriptor_limit() -> int:
    """How many files and sockets this process may have open (the soft RLIMIT_NOFILE)."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1_000_000 if soft == resource.RLIM_INFINITY else soft


def _ingress_share() -> int:
    return max(16, min(4096, descriptor_limit() * 3 // 8))


def _delivery_share() -> int:
    return max(16, min(8192, descriptor_limit() * 3 // 8))


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """``max_header`` is one header's name and value, ``max_headers`` all of them: an event of 64 KiB must pass though all of it
    were headers (CloudEvents 1.0, "Size Limits"), and pass again where another engine sends it on in binary mode: what was one
    octet of a JSON document may take three there, percent-encoded.

    ``max_pipelined``: requests read ahead of the one being answered. ``max_held``: bytes of requests, heads and bodies, that are
    being read or answered, over all connections; beyond it requests that have been arriving for longer than ``slow_after`` are
    broken off with 503, the slowest first, and where that is not enough the newest are.
    ``max_connections``: by default three eighths of the file limit, as many go to deliveries, the rest to the store.
    ``head_timeout`` and ``body_timeout`` count from the first byte of each, not from the last one that arrived.
    ``write_timeout``: how long a client may leave its answers unread. ``linger``: how long what a refused client still
    sends is read and thrown away, so that it gets to see the answer.
    """

    max_url: int = 8 * KIB
    max_header: int = 200 * KIB
    max_headers: int = 256 * KIB
    max_body: int = 1 * MIB
    max_pipelined: int = 8
    max_held: int = 256 * MIB
    max_connections: int = field(default_factory=_ingress_share)
    idle_timeout: float = 75.0
    head_timeout: float = 15.0
    body_timeout: float = 60.0
    slow_after: float = 5.0
    write_timeout: float = 30.0
    handshake_timeout: float = 10.0
    linger: float = 2.0
    retry_after: int = 1

    @property
    def max_lingering(self) -> int:
        """Connections that are only read empty come on top of ``max_connections``, so they are few: an eighth as many."""
        return max(16, self.max_connections // 8)


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """``max_connections`` is over all origins, by default three eighths of the file limit, so that ingress and the store
    keep theirs. ``idle_timeout``: how long an unused connection is kept. ``connect_timeout``: resolving, connecting and TLS.
    ``resend_within``: a kept connection that ends within so many seconds of a request is taken to have been closed before it;
    below 0 none is.
    """

    max_per_origin: int = 256
    max_connections: int = field(default_factory=_delivery_share)
    max_response: int = 256 * KIB
    max_response_headers: int = 64 * KIB
    idle_timeout: float = 30.0
    connect_timeout: float = 10.0
    resend_within: float = 1.0
    max_tls_contexts: int = 64
    max_urls: int = 4096
