"""Names of objects as Kubernetes allows them (RFC 1123 labels and subdomains)."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from eventing.kinds.base import refuse

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)

LABEL_RULE = (
    "must be a DNS label: lower case letters, digits and '-', beginning and ending with a letter or digit, at most 63 characters"
)
SUBDOMAIN_RULE = (
    "must be a DNS subdomain: lower case letters, digits, '-' and '.', each part beginning and ending with a letter or digit, "
    "at most 253 characters"
)


def is_label(text: str) -> bool:
    """Whether ``text`` is an RFC 1123 DNS label, as namespaces are."""
    return _LABEL.fullmatch(text) is not None


def is_subdomain(text: str) -> bool:
    """Whether ``text`` is an RFC 1123 DNS subdomain, as object names are."""
    return len(text) <= 253 and all(_LABEL.fullmatch(part) for part in text.split("."))


def _label(text: str) -> str:
    if not is_label(text):
        raise refuse(f"invalid value: {text[:80]!r}, {LABEL_RULE}")
    return text


def _subdomain(text: str) -> str:
    if not is_subdomain(text):
        raise refuse(f"invalid value: {text[:80]!r}, {SUBDOMAIN_RULE}")
    return text


Label = Annotated[str, AfterValidator(_label)]
Subdomain = Annotated[str, AfterValidator(_subdomain)]
