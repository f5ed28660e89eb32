"""One HTTP POST with the standard library, and its failures in words."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import urlsplit

import typer

from eventing import __version__
from eventing.cli.output import printable
from eventing.errors import AnswerMalformed, ConnectFailed, DeliveryFailed, DeliveryTimeout, NameNotResolved

MAX_ANSWER = 64 * 1024


@dataclass(frozen=True, slots=True)
class Address:
    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Answer:
    """``phrase``: the status in words."""

    status: int
    phrase: str


class Refused(DeliveryFailed):
    """Answered with a status other than 2xx."""

    reason = "refused"

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def parse_url(url: str) -> Address:
    """Raises `typer.BadParameter` unless it is an absolute http or https URL without credentials."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise typer.BadParameter("must be absolute and begin with http:// or https://", param_hint="URL")
    if parts.username is not None:
        raise typer.BadParameter("must not hold a user name or password", param_hint="URL")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not path.isascii() or not path.isprintable() or " " in path:
        raise typer.BadParameter("has characters that must be percent-encoded", param_hint="URL")
    return Address(parts.scheme, parts.hostname, port or (443 if parts.scheme == "https" else 80), path)


def post(address: Address, headers: Sequence[tuple[bytes, bytes]], body: bytes, timeout: float) -> Answer:
    """Send and wait. ``timeout``: seconds. TLS uses the system's certificates (`SSL_CERT_FILE` names others).

    Raises `NameNotResolved`, `ConnectFailed`, `DeliveryTimeout`, `AnswerMalformed`, `Refused`.
    """
    where = address.authority
    deadline = time.monotonic() + timeout
    connection = (
        HTTPSConnection(address.host, address.port, timeout=timeout, context=ssl.create_default_context())
        if address.scheme == "https"
        else HTTPConnection(address.host, address.port, timeout=timeout)
    )
    try:
        connection.putrequest("POST", address.path, skip_accept_encoding=True)
        connection.putheader("User-Agent", f"eventing/{__version__}")
        connection.putheader("Content-Length", str(len(body)))
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        if 200 <= answer.status < 300:
            return Answer(answer.status, printable(answer.reason.lower(), 80))
        reason = _reason(_read(answer, connection, deadline))
        status = f"{answer.status} {printable(answer.reason, 80)}".rstrip()
        raise Refused(f"refused with {status} by {where}" + (f": {reason}" if reason else ""), answer.status)
    except TimeoutError:
        raise DeliveryTimeout(f"no complete answer from {where} in {timeout:g} s") from None
    except ConnectionRefusedError:
        raise ConnectFailed(f"connection refused by {where}") from None
    except socket.gaierror as error:
        raise NameNotResolved(f"{address.host} has no address: {error.strerror}") from None
    except ssl.SSLError as error:
        raise ConnectFailed(f"TLS with {where} failed: {getattr(error, 'verify_message', '') or error.reason or error}") from None
    except UnicodeError:
        raise NameNotResolved(f"{printable(address.host)!r} can't be the name of a host") from None
    except HTTPException as error:
        raise AnswerMalformed(f"the answer from {where} is not HTTP or is cut short ({type(error).__name__})") from None
    except OSError as error:
        raise ConnectFailed(f"connection with {where} failed: {error.strerror or type(error).__name__}") from None
    finally:
        connection.close()


def _read(answer: HTTPResponse, connection: HTTPConnection, deadline: float) -> bytes:
    """The beginning of the body. The time-out of a socket starts anew with every byte, the deadline doesn't."""
    body = b""
    while len(body) < MAX_ANSWER:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        if connection.sock is not None:
            connection.sock.settimeout(remaining)
        piece = answer.read1(MAX_ANSWER - len(body))
        if not piece:
            break
        body += piece
    return body


def _reason(body: bytes) -> str:
    """The line that says why: the message of a JSON object, else the first line of text."""
    text = body.decode("utf-8", "replace")
    try:
        parsed = json.loads(text)
    except ValueError:
        parsed = None
    if isinstance(parsed, dict) and isinstance(parsed.get("message"), str):
        text = parsed["message"]
    return printable(next((line.strip() for line in text.splitlines() if line.strip()), ""))
