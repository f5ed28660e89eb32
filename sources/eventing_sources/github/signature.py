"""Whether a delivery was signed with the webhook's secret (GitHub, "Validating webhook deliveries")."""

from __future__ import annotations

import hashlib
import hmac
from enum import Enum

from eventing.ports.http import Request

SHA256_HEADER = b"x-hub-signature-256"
SHA1_HEADER = b"x-hub-signature"


class Verdict(Enum):
    """The value is the word that a refusal is counted under."""

    GENUINE = "genuine"
    MISSING = "missing_signature"
    WRONG = "bad_signature"
    ONLY_SHA1 = "sha1_signature"


def check(request: Request, secret: bytes, *, allow_sha1: bool = False) -> Verdict:
    """Judge the signature over the raw body.

    The SHA-256 signature alone decides where there is one, so a right SHA-1 beside a wrong SHA-256 helps nobody.
    The SHA-1 signature counts only with ``allow_sha1``. ``secret`` must not be empty: anyone can sign with nothing;
    raises `ValueError`.
    """
    if not secret:
        raise ValueError("an empty secret proves nothing")
    given = request.header(SHA256_HEADER)
    if given is not None:
        return _compare(b"sha256=" + hmac.new(secret, request.body, hashlib.sha256).hexdigest().encode(), given)
    given = request.header(SHA1_HEADER)
    if given is None:
        return Verdict.MISSING
    if not allow_sha1:
        return Verdict.ONLY_SHA1
    return _compare(b"sha1=" + hmac.new(secret, request.body, hashlib.sha1).hexdigest().encode(), given)


def _compare(expected: bytes, given: bytes) -> Verdict:
    # As bytes, never decoded first: what is no hexadecimal at all must take the same way and time as a near miss.
    return Verdict.GENUINE if hmac.compare_digest(expected, given) else Verdict.WRONG
