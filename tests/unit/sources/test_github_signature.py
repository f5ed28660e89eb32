from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventing.ports.http import Request
from eventing_sources.github.signature import Verdict, check

SECRET = b"It's a Secret to Everybody"


def request(body: bytes, *headers: tuple[bytes, bytes]) -> Request:
    return Request("POST", "/", "", headers, body)


def signature(body: bytes, secret: bytes = SECRET, algorithm: str = "sha256") -> bytes:
    return algorithm.encode() + b"=" + hmac.new(secret, body, getattr(hashlib, algorithm)).hexdigest().encode()


def test_the_example_of_github_s_documentation() -> None:
    given_ = b"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert check(request(b"Hello, World!", (b"x-hub-signature-256", given_)), SECRET) is Verdict.GENUINE


def test_no_signature() -> None:
    assert check(request(b"{}"), SECRET) is Verdict.MISSING


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"sha256=",
        b"sha256",
        b"sha256=zz",
        "sha256=é".encode(),
        b"sha256=\xff\xfe",
        signature(b"{}")[:-1],
        signature(b"{}") + b"0",
        signature(b"{}")[len(b"sha256=") :],
        signature(b"{}", algorithm="sha1"),
        b"sha1=" + signature(b"{}")[len(b"sha256=") :],
        signature(b"{} "),
        signature(b"{}", b"another secret"),
        signature(b"{}", b" "),
    ],
)
def test_a_wrong_or_malformed_signature(value: bytes) -> None:
    assert check(request(b"{}", (b"x-hub-signature-256", value)), SECRET) is Verdict.WRONG


def test_sha1_alone_needs_the_opt_in() -> None:
    delivery = request(b"{}", (b"x-hub-signature", signature(b"{}", algorithm="sha1")))
    assert check(delivery, SECRET) is Verdict.ONLY_SHA1
    assert check(delivery, SECRET, allow_sha1=True) is Verdict.GENUINE
    assert check(delivery, b"another", allow_sha1=True) is Verdict.WRONG


def test_a_right_sha1_does_not_help_a_wrong_sha256() -> None:
    right = (b"x-hub-signature", signature(b"{}", algorithm="sha1"))
    wrong = (b"x-hub-signature-256", signature(b"{}", b"another"))
    for headers in ((right, wrong), (wrong, right)):
        assert check(request(b"{}", *headers), SECRET, allow_sha1=True) is Verdict.WRONG


def test_an_empty_secret_is_an_error_and_no_open_door() -> None:
    with pytest.raises(ValueError, match="empty secret"):
        check(request(b"{}", (b"x-hub-signature-256", signature(b"{}", b""))), b"")


@given(body=st.binary(max_size=200), secret=st.binary(min_size=1, max_size=80), flip=st.integers(min_value=0))
def test_any_changed_bit_of_the_body_is_noticed(body: bytes, secret: bytes, flip: int) -> None:
    header = (b"x-hub-signature-256", signature(body, secret))
    assert check(request(body, header), secret) is Verdict.GENUINE
    changed = bytearray(body or b"\0")
    changed[flip // 8 % len(changed)] ^= 1 << flip % 8
    assert check(request(bytes(changed), header), secret) is Verdict.WRONG
