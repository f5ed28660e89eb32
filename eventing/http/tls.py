"""TLS contexts: for the server from files, for the client from the system's and given authorities."""

from __future__ import annotations

import ssl
from collections import OrderedDict
from pathlib import Path

from eventing.errors import ConnectFailed, InvalidSetting


def server_context(certificate: str | Path, key: str | Path) -> ssl.SSLContext:
    """TLS 1.2 and later with this certificate (chain) and key, both PEM; to ALPN it answers `http/1.1` (RFC 7301). Which name a
    client asks for (SNI) plays no part. Raises `InvalidSetting`."""
    for what, path in (("certificate", Path(certificate)), ("key", Path(key))):
        try:
            with path.open("rb"):
                pass
        except OSError as error:
            raise InvalidSetting(f"the TLS {what} {path} can't be read: {error.strerror}") from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except _Encrypted:
        raise InvalidSetting(f"the TLS key {key} is encrypted; give one without a passphrase") from None
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise InvalidSetting(f"the TLS key {key} does not belong to the certificate {certificate}") from None
        raise InvalidSetting(f"the TLS certificate {certificate} or key {key} is not valid PEM") from None
    except OSError as error:  # one of them went meanwhile
        raise InvalidSetting(f"the TLS certificate {certificate} or key {key} can't be read: {error.strerror}") from None
    return context


class ClientContexts:
    """Verifying contexts, one per set of authorities, the least recently used forgotten beyond ``limit``."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._contexts: OrderedDict[str | None, ssl.SSLContext] = OrderedDict()

    def get(self, ca_certs: str | None) -> ssl.SSLContext:
        """The system's authorities, and those in ``ca_certs`` (PEM) beside them, as Knative has it for a Destination's
        `CACerts`. Raises `ConnectFailed` where that is not PEM."""
        context = self._contexts.get(ca_certs)
        if context is not None:
            self._contexts.move_to_end(ca_certs)
            return context
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if ca_certs is not None:
            try:
                context.load_verify_locations(cadata=ca_certs)
            except (ssl.SSLError, ValueError):
                raise ConnectFailed("the destination's CA certificates are not valid PEM") from None
        if len(self._contexts) >= self._limit:
            self._contexts.popitem(last=False)
        self._contexts[ca_certs] = context
        return context


class _Encrypted(Exception):
    pass


def _no_password() -> str:
    """Without this, OpenSSL would ask at the terminal."""
    raise _Encrypted
