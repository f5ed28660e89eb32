"""Certificates for a name, on disk as the tools that renew them leave them."""

from __future__ import annotations

import os
import socket
import ssl
from datetime import datetime
from pathlib import Path

import trustme

AUTHORITY = trustme.CA()
NAME = "svc.example"


def issue(expires: datetime | None = None) -> tuple[bytes, bytes]:
    """A new certificate chain and its key, both PEM."""
    made = AUTHORITY.issue_cert(NAME, not_after=expires)
    return b"".join(blob.bytes() for blob in made.cert_chain_pems), made.private_key_pem.bytes()


def replace(file: Path, content: bytes) -> None:
    """By renaming, as one step."""
    beside = file.with_suffix(".new")
    beside.write_bytes(content)
    os.replace(beside, file)


def turn(link: Path, target: Path) -> None:
    """Let the link point elsewhere, as one step."""
    beside = link.with_suffix(".new")
    beside.symlink_to(target)
    os.replace(beside, link)


def trusting() -> ssl.SSLContext:
    return ssl.create_default_context(cadata=AUTHORITY.cert_pem.bytes().decode())


def shown_as(pem: bytes) -> str:
    """What `presented` says of this one."""
    return ssl.PEM_cert_to_DER_cert(pem.decode().split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n").hex()


def presented(port: int) -> str:
    """The certificate that a new connection is shown, verified; blocks."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=20) as raw,
        trusting().wrap_socket(raw, server_hostname=NAME) as connection,
    ):
        shown = connection.getpeercert(binary_form=True)
        assert shown is not None
        return shown.hex()
