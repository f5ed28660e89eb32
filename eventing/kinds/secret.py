"""References to secrets; the values themselves are no part of any model but Secret's."""

from __future__ import annotations

from pydantic import Field

from eventing.kinds.base import KindModel
from eventing.kinds.names import Subdomain


class SecretKeySelector(KindModel):
    """One key of a Secret in the object's own namespace."""

    name: Subdomain
    key: str = Field(pattern=r"^[-._a-zA-Z0-9]{1,253}$")


class SecretValueFromSource(KindModel):
    """A value that is read from a secret whenever it is needed."""

    secret_key_ref: SecretKeySelector
