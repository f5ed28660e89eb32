"""Host names to addresses: cached, one look-up at a time per host, none of them able to block the others."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from math import inf
from time import monotonic
from typing import TypeAlias

from eventing.errors import NameNotResolved
from eventing.http.log import Log

AddressGuard: TypeAlias = Callable[[str, str], None]
"""Called with host and address before a connection is opened to that very address, literal ones included, so that no second
look-up can change it in between; raises `ConnectFailed` to forbid it. An IPv4 address within IPv6 (RFC 4291, 2.5.5.2) is told
as what it is, IPv4."""

Lookup: TypeAlias = Callable[[str], Sequence[str]]
"""Blocks, in a thread of its own; raises OSError (`socket.gaierror` with EAI_NONAME where the name does not exist)."""

_FILES_PAUSE = 0.05
_LOCALHOST = ("127.0.0.1", "::1")
_NO_SUCH_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


def plain_address(address: str) -> str:
    """An IPv4 address that is written as an IPv6 one in its own form, any other as it is."""
    mapped = getattr(ip_address(address), "ipv4_mapped", None)
    return str(mapped) if mapped is not None else address


def system_lookup(host: str) -> Sequence[str]:
    """The operating system's answer, in its order."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(frozen=True, slots=True)
class ResolverLimits:
    """Times in seconds. ``stale_after``: how long a host with an outdated answer waits for a new one before the outdated is
    used; ``stale_max``: how old it may be. ``threads``: look-ups at a time for hosts in good standing;
    ``suspect_threads``: for those whose last look-up failed or hung, so that dead names only block each other."""

    ttl: float = 30.0
    negative_ttl: float = 2.0
    timeout: float = 10.0
    stale_after: float = 1.0
    stale_max: float = 24 * 3600.0
    threads: int = 8
    suspect_threads: int = 2
    max_hosts: int = 4096
    max_queued: int = 4096


class _Host:
    """What is known of one name."""

    __slots__ = ("addresses", "error", "fresh_until", "pending", "resolved", "suspect")

    def __init__(self) -> None:
        self.addresses: tuple[str, ...] = ()
        self.resolved = -inf
        self.fresh_until = -inf
        self.error = ""
        self.pending: asyncio.Future[None] | None = None
        self.suspect = False


class Resolver:
    """Look-ups run in daemon threads, at most `ResolverLimits.threads` at once: a name server that does not answer can hold
    such a thread for a minute, and neither other hosts nor the end of the process may wait for it."""

    def __init__(self, *, limits: ResolverLimits | None = None, lookup: Lookup = system_lookup, log: Log) -> None:
        self._limits, self._lookup, self._log = limits or ResolverLimits(), lookup, log
        self._hosts: OrderedDict[str, _Host] = OrderedDict()
        self._lanes = (_Lane(self._limits.threads), _Lane(self._limits.suspect_threads))
        self._closed = threading.Event()

    async def resolve(self, host: str, timeout: float | None = None) -> tuple[str, ...]:
        """One address or more, best first. ``timeout`` shortens the resolver's own.

        Raises `NameNotResolved`: no such name, no answer in time, or the name server failed and nothing is known from before.
        """
        literal = _without_lookup(host)
        if literal is not None:
            return literal
        loop = asyncio.get_running_loop()
        now = loop.time()
        entry = self._entry(host)
        if now < entry.fresh_until:
            return self._known(host, entry)
        if entry.pending is None:
            self._start(host, entry, loop)
        usable = bool(entry.addresses) and now - entry.resolved < self._limits.stale_max
        wait = min(self._limits.timeout, timeout if timeout is not None else inf)
        if usable:
            wait = min(wait, self._limits.stale_after)
        if entry.pending is not None:
            _, unfinished = await asyncio.wait([entry.pending], timeout=wait)
            if unfinished and not usable:
                raise NameNotResolved(f"no answer from the name server for {host} within {wait:g} s")
        return self._known(host, entry)

    def close(self) -> None:
        """Look-ups under way are forgotten; who waits for one gets `NameNotResolved`."""
        self._closed.set()
        for lane in self._lanes:
            lane.queue.clear()
        for entry in self._hosts.values():
            if entry.pending is not None and not entry.pending.done():
                entry.error = "the resolver was closed"
                entry.pending.set_result(None)

    def _entry(self, host: str) -> _Host:
        entry = self._hosts.get(host)
        if entry is not None:
            self._hosts.move_to_end(host)
            return entry
        if len(self._hosts) >= self._limits.max_hosts:
            oldest = next((name for name, other in self._hosts.items() if other.pending is None), None)
            if oldest is None:
                raise NameNotResolved(f"{host} was not looked up: too many look-ups are under way")
            del self._hosts[oldest]
        entry = self._hosts[host] = _Host()
        return entry

    def _known(self, host: str, entry: _Host) -> tuple[str, ...]:
        if not entry.addresses:
            raise NameNotResolved(f"{host} has no address: {entry.error or 'no answer from the name server'}")
        return entry.addresses

    def _start(self, host: str, entry: _Host, loop: asyncio.AbstractEventLoop) -> None:
        lane = self._lanes[entry.suspect]
        if self._closed.is_set() or len(lane.queue) >= self._limits.max_queued:
            entry.error = "the resolver was closed" if self._closed.is_set() else "too many look-ups are waiting"
            return
        entry.pending = loop.create_future()
        entry.suspect = True  # until it answers
        lane.queue.append((host, entry))
        self._run(lane, loop)

    def _run(self, lane: _Lane, loop: asyncio.AbstractEventLoop) -> None:
        while lane.queue and lane.free:
            host, entry = lane.queue.popleft()
            lane.free -= 1
            thread = threading.Thread(target=self._look_up, args=(host, entry, lane, loop), name=f"resolve {host}", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the machine has no thread left
                loop.call_soon(self._finished, host, entry, lane, loop, OSError(errno.EAGAIN, "no thread for the look-up"))

    def _look_up(self, host: str, entry: _Host, lane: _Lane, loop: asyncio.AbstractEventLoop) -> None:
        """In a thread. Where the process has no file left, no answer is worth anything: the C library then knows no name at all.
        That is not the name's fault, so it is asked again, for as long as an answer may take."""
        until = monotonic() + self._limits.timeout
        while True:
            result = self._ask(host)
            if not isinstance(result, OSError) or not _no_file_left():
                break
            if monotonic() >= until or self._closed.wait(_FILES_PAUSE):
                result = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
                break
        try:
            loop.call_soon_threadsafe(self._finished, host, entry, lane, loop, result)
        except RuntimeError:
            if not loop.is_closed():
                raise

    def _ask(self, host: str) -> Sequence[str] | OSError:
        try:
            return self._lookup(host)
        except OSError as error:
            return error
        except UnicodeError:
            return socket.gaierror(socket.EAI_NONAME, "not a valid name")

    def _finished(
        self, host: str, entry: _Host, lane: _Lane, loop: asyncio.AbstractEventLoop, result: Sequence[str] | OSError
    ) -> None:
        lane.free += 1
        pending, entry.pending = entry.pending, None
        now = loop.time()
        if not isinstance(result, OSError) and result:
            entry.addresses, entry.error, entry.suspect = tuple(result), "", False
            entry.resolved, entry.fresh_until = now, now + self._limits.ttl
        else:
            entry.fresh_until = now + self._limits.negative_ttl
            gone = not isinstance(result, OSError) or result.errno in _NO_SUCH_NAME
            entry.error = "no such name" if gone else str(getattr(result, "strerror", "") or "the name server failed")
            if gone or now - entry.resolved >= self._limits.stale_max:
                entry.addresses = ()
            elif entry.addresses:
                self._log.warning("a name can't be resolved now, its last addresses are used", host=host, cause=entry.error)
        if pending is not None and not pending.done():
            pending.set_result(None)
        if not self._closed.is_set():
            self._run(lane, loop)


class _Lane:
    __slots__ = ("free", "queue")

    def __init__(self, threads: int) -> None:
        self.free = threads
        self.queue: deque[tuple[str, _Host]] = deque()


def _no_file_left() -> bool:
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno in {errno.EMFILE, errno.ENFILE}
    return False


def _without_lookup(host: str) -> tuple[str, ...] | None:
    """Addresses as they are, and localhost, which never leaves the machine (RFC 6761, 6.3)."""
    if host == "localhost" or host.endswith(".localhost"):
        return _LOCALHOST
    if host[-1:].isdigit() or ":" in host:
        try:
            return (str(ip_address(host)),)
        except ValueError:
            return None
    return None
