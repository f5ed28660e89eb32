"""When a certificate ends, read without a library, compared with one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import trustme
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from eventing.http.x509 import not_after

CA = trustme.CA()
PEM = CA.issue_cert("a.example").cert_chain_pems[0].bytes()
DATES = [datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2049, 12, 31, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC)]


@pytest.mark.parametrize("date", [*DATES, datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)])
def test_the_end_of_a_certificate_is_read_as_a_library_reads_it(date: datetime) -> None:
    pem = CA.issue_cert("a.example", not_before=datetime(1990, 1, 1, tzinfo=UTC), not_after=date).cert_chain_pems[0].bytes()
    assert x509.load_pem_x509_certificate(pem).not_valid_after_utc == date
    assert not_after(pem) == date


def test_of_a_chain_the_first_certificate_counts_and_text_before_it_does_not() -> None:
    soon = CA.issue_cert("a.example", not_after=datetime(2031, 2, 3, tzinfo=UTC)).cert_chain_pems[0].bytes()
    assert not_after(b"subject=a.example\n" + soon + PEM + CA.cert_pem.bytes()) == datetime(2031, 2, 3, tzinfo=UTC)


@given(st.integers(0, len(PEM)), st.binary(max_size=40), st.integers(0, 40))
def test_a_damaged_certificate_has_an_end_or_none_and_no_failure(position: int, bytes_: bytes, cut: int) -> None:
    found = not_after(PEM[:position] + bytes_ + PEM[position + cut :])
    assert found is None or found.tzinfo is UTC


@pytest.mark.parametrize("pem", [b"", b"nonsense", PEM[:200], b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_has_no_end(pem: bytes) -> None:
    assert not_after(pem) is None
