"""TLS on both sides, with certificates made for the test."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from http_support import client, on_both_loops, serving

from eventing.errors import ConnectFailed, InvalidSetting
from eventing.http import ClientLimits, HttpClient, Resolver, ServerLimits, server_context
from eventing.http.tls import ClientContexts
from eventing.ports.http import Request, Response

CA, OTHER_CA = trustme.CA(), trustme.CA()
PEM, OTHER_PEM = (authority.cert_pem.bytes().decode() for authority in (CA, OTHER_CA))


def context(*names: str, **dates: datetime) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CA.issue_cert(*names, **dates).configure_cert(made)
    return made


def echo(request: Request) -> Response:
    return Response(200, (), request.body)


def resolver() -> Resolver:
    return Resolver(lookup=lambda host: ["127.0.0.1"], log=None)  # type: ignore[arg-type]


async def send(http: HttpClient, host: str, port: int, pem: str | None = PEM, body: bytes = b"hello") -> Response:
    return await http.send(f"https://{host}:{port}/", (), body, timeout=10, ca_certs=pem)


@on_both_loops
async def test_a_trusted_server_and_sni() -> None:
    asked: list[str | None] = []
    roomy = ClientLimits(max_response=1_000_000)
    server_side = context("svc.example", "127.0.0.1", "::1")
    server_side.sni_callback = lambda _, name, __: asked.append(name)  # type: ignore[assignment]
    async with serving(echo, ssl=server_side) as (server, port), client(roomy, resolver()) as http:
        for _ in range(3):
            assert (await send(http, "svc.example", port)).body == b"hello"
        assert server.connections == 1
        assert (await send(http, "svc.example", port, body=b"x" * 1_000_000)).body == b"x" * 1_000_000
        assert (await send(http, "127.0.0.1", port)).body == b"hello"
        assert asked[0] == "svc.example"


@on_both_loops
async def test_certificates_that_do_not_hold() -> None:
    async with serving(echo, ssl=context("svc.example")) as (_, port), client(resolver=resolver()) as http:
        with pytest.raises(
            ConnectFailed, match=f"can't connect to other.example:{port}: its certificate is not valid: Hostname mis"
        ):
            await send(http, "other.example", port)
        for pem in (None, OTHER_PEM):
            with pytest.raises(ConnectFailed, match=f"svc.example:{port}: its certificate is not valid: unable to get"):
                await send(http, "svc.example", port, pem)
        with pytest.raises(ConnectFailed, match="CA certificates are not valid PEM"):
            await send(http, "svc.example", port, "nonsense")
        assert (await send(http, "svc.example", port)).status == 200  # the failures poisoned nothing
        with pytest.raises(ConnectFailed, match="certificate"):
            await send(http, "svc.example", port, None)  # nor does the trusted connection serve who does not trust it


@on_both_loops
async def test_certificates_out_of_their_time_and_of_other_addresses() -> None:
    now = datetime.now(UTC)
    cases = [
        ("svc.example", context("svc.example", not_after=now - timedelta(days=1)), "certificate has expired"),
        ("svc.example", context("svc.example", not_before=now + timedelta(days=1)), "certificate is not yet valid"),
        ("127.0.0.1", context("svc.example", "127.0.0.2"), "IP address mismatch"),
        ("127.0.0.1", context("127.0.0.1.example"), "IP address mismatch"),
        ("svc.example", context("*.svc.example"), "Hostname mismatch"),
        ("a.b.svc.example", context("*.svc.example"), "Hostname mismatch"),
    ]
    for host, server_side, reason in cases:
        async with serving(echo, ssl=server_side) as (_, port), client(resolver=resolver()) as http:
            with pytest.raises(ConnectFailed, match=f"{host}:{port}: its certificate is not valid: {reason}"):
                await send(http, host, port)
    for host, server_side in [("a.svc.example", context("*.svc.example")), ("a.example.", context("a.example"))]:
        async with serving(echo, ssl=server_side) as (_, port), client(resolver=resolver()) as http:
            assert (await send(http, host, port)).status == 200


@on_both_loops
async def test_a_self_signed_certificate_is_refused_and_trusted_where_it_is_its_own_authority() -> None:
    """What `CACerts` of a Destination is for."""
    async with serving(echo, ssl=context("svc.example")) as (_, port), client(resolver=resolver()) as http:
        with pytest.raises(ConnectFailed, match="its certificate is not valid"):
            await send(http, "svc.example", port, None)
        assert (await send(http, "svc.example", port, PEM)).status == 200


async def test_a_server_speaks_http_1_1_by_alpn_and_heeds_no_name(files: tuple[Path, Path]) -> None:
    careless = ssl.create_default_context()
    careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE
    names: list[str | None] = ["svc.example", "other.example", "x" * 63 + ".example", None]
    offers: list[tuple[list[str], str | None]] = [(["h2", "http/1.1"], "http/1.1"), (["http/1.1"], "http/1.1"), (["h2"], None)]
    async with serving(echo, ssl=server_context(*files)) as (_, port):
        for offered, chosen in offers:
            careless.set_alpn_protocols(offered)
            for name in names:
                reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=careless, server_hostname=name or "")
                assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == chosen
                writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
                writer.close()


@on_both_loops
async def test_plain_http_on_either_side_fails_in_plain_words() -> None:
    async with serving(echo) as (_, port), client(resolver=resolver()) as http:
        with pytest.raises(ConnectFailed, match=f"can't connect to svc.example:{port}: TLS failed"):
            await send(http, "svc.example", port)
    async with serving(echo, ServerLimits(handshake_timeout=5), ssl=context("svc.example")) as (server, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"HTTP/1.1 200" not in await reader.read()
        writer.close()
        assert server.connections == 0


@on_both_loops
async def test_a_refused_request_and_drain_over_tls() -> None:
    trusting = ssl.create_default_context(cadata=PEM)
    async with serving(echo, ServerLimits(linger=0.1), ssl=context("svc.example")) as (server, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting, server_hostname="svc.example")
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n" + b"x" * 100_000)
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 413 ")
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting, server_hostname="svc.example")
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        await server.drain(10)
        assert await reader.read() == b""
        writer.close()


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    issued = CA.issue_cert("svc.example")
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    return certificate, key


async def test_a_server_context_from_files(files: tuple[Path, Path]) -> None:
    async with serving(echo, ssl=server_context(*files)) as (_, port), client(resolver=resolver()) as http:
        assert (await send(http, "svc.example", port)).status == 200


def test_files_that_can_not_be_used(files: tuple[Path, Path], tmp_path: Path) -> None:
    certificate, key = files
    missing = tmp_path / "missing.pem"
    with pytest.raises(InvalidSetting, match=r"the TLS certificate .*missing\.pem can't be read: No such file"):
        server_context(missing, key)
    with pytest.raises(InvalidSetting, match=r"the TLS key .*missing\.pem can't be read: No such file"):
        server_context(certificate, missing)
    other = tmp_path / "other.key"
    other.write_bytes(CA.issue_cert("other.example").private_key_pem.bytes())
    with pytest.raises(InvalidSetting, match="does not belong to the certificate"):
        server_context(certificate, other)
    other.write_text("nonsense")
    with pytest.raises(InvalidSetting, match="not valid PEM"):
        server_context(certificate, other)


def test_an_encrypted_key_is_refused_rather_than_asked_for(files: tuple[Path, Path]) -> None:
    from cryptography.hazmat.primitives import serialization as pem

    certificate, key = files
    private = pem.load_pem_private_key(key.read_bytes(), None)
    secret = pem.BestAvailableEncryption(b"hunter2")
    key.write_bytes(private.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, secret))
    with pytest.raises(InvalidSetting, match="is encrypted"):
        server_context(certificate, key)


def test_client_contexts_are_kept_and_bounded() -> None:
    contexts = ClientContexts(2)
    first = contexts.get(PEM)
    assert contexts.get(PEM) is first
    assert first.verify_mode is ssl.CERT_REQUIRED
    assert first.check_hostname
    contexts.get(None)
    contexts.get(OTHER_PEM)
    assert contexts.get(PEM) is not first
