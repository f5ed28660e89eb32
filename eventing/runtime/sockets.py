"""Listening sockets, bound before anything else starts: a port in use is said at once, and port 0 is known early."""

from __future__ import annotations

import contextlib
import errno
import resource
import socket

from eventing.errors import InvalidSetting

DESCRIPTORS = 65536


def bind(host: str, port: int, option: str) -> socket.socket:
    """A bound socket that does not listen yet. ``option``: the option to name. Raises `InvalidSetting`."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except OSError as error:
        raise InvalidSetting(f"{option.replace('port', 'host')} {host}: no such address ({error.strerror or error})") from None
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1 if host != "::" else 0)
        listener.bind(address)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        why = "it is in use by another process" if error.errno == errno.EADDRINUSE else (error.strerror or str(error))
        raise InvalidSetting(f"{option} {port} on {host} can't be served: {why}; choose another with {option}") from None
    return listener


def base_url(host: str, port: int, *, tls: bool) -> str:
    """The URL under which this address is reached from here; a wildcard address becomes loopback."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104 - compared, not bound
    if ":" in shown:
        shown = f"[{shown}]"
    return f"{'https' if tls else 'http'}://{shown}:{port}"


def raise_descriptor_limit() -> None:
    """Use as many descriptors as the system grants: connections are what a broker is made of."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    with contextlib.suppress(ValueError, OSError):  # it stays as it is: the limits on connections follow it
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
