"""Accepting connections over TLS: counted from their first packet, each with the certificate that is in force then."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl

from eventing.http.connection import ServerConnection
from eventing.http.state import ServerState

_AT_ONCE = 64
"""Connections accepted before others on the loop get their turn."""
_PAUSE = 0.5
"""Seconds until it is tried again where the process has no file or memory left for a connection."""
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class TlsListener:
    """Lets a connection in once its handshake is done. A loop's own server would not know of a handshake before its end, so
    that clients who never finish theirs could take every file of the process.

    ``context`` may be replaced at any time and counts for the connections that are accepted from then on.
    """

    def __init__(self, state: ServerState, listener: socket.socket, context: ssl.SSLContext) -> None:
        """``listener`` listens already; it is closed with this."""
        listener.setblocking(False)
        self.context = context
        self.sockets = (listener,)
        self._state, self._listener = state, listener
        self._handshakes: dict[asyncio.Task[None], socket.socket | None] = {}  # those not begun with their sockets
        self._again: asyncio.TimerHandle | None = None
        self._open = True
        state.loop.add_reader(listener, self._accept)

    def close(self) -> None:
        """Accept no more; handshakes under way are broken off."""
        if not self._open:
            return
        self._open = False
        if self._again is not None:
            self._again.cancel()
        else:
            self._state.loop.remove_reader(self._listener)
        self._listener.close()
        for handshake in list(self._handshakes):
            handshake.cancel()

    async def wait_closed(self) -> None:
        """Until no handshake is left; after `close`."""
        await asyncio.gather(*self._handshakes, return_exceptions=True)  # each has told of its own failure

    def _accept(self) -> None:
        state = self._state
        for _ in range(_AT_ONCE):
            try:
                accepted, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionError):
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    state.loop.remove_reader(self._listener)
                    self._again = state.loop.call_later(_PAUSE, self._resume)
                    state.log.error("no connection can be accepted now", cause=error.strerror)
                    return
                raise
            # Those beyond the cap come as far as their 503, as long as there is room for connections that only linger.
            limits, count = state.limits, len(state.connections) + len(state.lingering) + len(self._handshakes)
            if count >= limits.max_connections + limits.max_lingering:
                accepted.close()
                state.refused("connections")
                continue
            accepted.setblocking(False)
            handshake = state.loop.create_task(self._shake_hands(accepted))
            self._handshakes[handshake] = accepted
            handshake.add_done_callback(self._ended)

    def _resume(self) -> None:
        self._again = None
        self._state.loop.add_reader(self._listener, self._accept)

    def _ended(self, handshake: asyncio.Task[None]) -> None:
        unused = self._handshakes.pop(handshake)
        if unused is not None:
            unused.close()

    async def _shake_hands(self, accepted: socket.socket) -> None:
        state, handshake = self._state, asyncio.current_task()
        assert handshake is not None
        self._handshakes[handshake] = None  # from here on the transport owns the socket
        try:
            await state.loop.connect_accepted_socket(
                lambda: ServerConnection(state),
                accepted,
                ssl=self.context,
                ssl_handshake_timeout=state.limits.handshake_timeout,
            )
        except OSError as error:  # TLS errors too
            error.__traceback__ = None  # asyncio's own leads round to the buffers, which would wait for the collector
            state.refused("tls")
        except Exception as error:  # noqa: BLE001 - one connection's fault must not pass unseen, nor end the others
            state.log.error("a TLS handshake failed here", error=type(error).__qualname__)
