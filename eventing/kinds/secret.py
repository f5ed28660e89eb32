"""References to secrets; the values themselves are no part of any model but Secret's."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from eventing.kinds.base import KindModel, refuse
from eventing.kinds.names import Subdomain

_KEY = re.compile(r"(?!\.\.)[-._a-zA-Z0-9]{1,253}", re.ASCII)

KEY_RULE = "letters, digits, '-', '_' and '.' are allowed, at most 253 of them, and not '..' at the beginning"


def is_secret_key(text: str) -> bool:
    """Whether ``text`` may be a key of a Secret, as Kubernetes has it (`IsConfigMapKey`). It is the name of a file, too."""
    return _KEY.fullmatch(text) is not None and text != "."


def _secret_key(text: str) -> str:
    if not is_secret_key(text):
        raise refuse(f"invalid key name: {KEY_RULE}")
    return text


class SecretKeySelector(KindModel):
    """One key of a Secret in the object's own namespace."""

    name: Subdomain
    key: Annotated[str, AfterValidator(_secret_key)]


class SecretValueFromSource(KindModel):
    """A value that is read from a secret whenever it is needed."""

    secret_key_ref: SecretKeySelector
