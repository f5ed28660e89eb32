"""Where events go: Knative's Destination and KReference."""

from __future__ import annotations

import ssl
from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from eventing.kinds.base import KindModel, given, or_none, refuse
from eventing.kinds.names import Label, Subdomain
from eventing.kinds.uri import split_uri

_IN_FULL = "; write it in full, as http://HOST:PORT/PATH"

OptionalText = Annotated[str | None, BeforeValidator(or_none)]


class KReference(KindModel):
    """A reference to an object by kind and name (Knative eventing control plane, "Destination"; `KReference.Validate`).

    ``namespace``: that of the referring object where None. ``group`` may stand in place of ``apiVersion``, as Knative's
    kreference-group feature has it. ``address``: the name of one of the object's addresses; the first where None.
    """

    kind: Annotated[str, BeforeValidator(given)]
    name: Annotated[Subdomain, BeforeValidator(given)]
    namespace: Annotated[Label | None, BeforeValidator(or_none)] = None
    group: OptionalText = None
    api_version: OptionalText = Field(default=None, validate_default=True)
    address: OptionalText = None

    @field_validator("api_version")
    @classmethod
    def _versioned(cls, value: str | None, info: ValidationInfo) -> str | None:
        group = info.data.get("group")
        if value is None and group is None:
            raise refuse("missing field(s)")
        if value is not None and group is not None and value.rpartition("/")[0] != group:
            raise refuse("both apiVersion and group are specified and they refer to different API groups")
        return value

    @property
    def api_group(self) -> str:
        """The API group, empty for core kinds."""
        if self.group is not None:
            return self.group
        version = self.api_version or ""
        return version.rpartition("/")[0]


class Destination(KindModel):
    """A URI, a reference, or a relative URI resolved against the reference's address (same source).

    ``ca_certs``: PEM certificates that the receiver's is verified with, at least one.
    """

    ref: KReference | None = None
    uri: Annotated[str | None, BeforeValidator(or_none)] = None
    ca_certs: str | None = Field(default=None, alias="CACerts")
    audience: OptionalText = None

    @model_validator(mode="before")
    @classmethod
    def _not_only_its_uri(cls, value: object) -> object:
        if isinstance(value, str):
            raise refuse("must be a mapping with uri or ref, not a string")
        return value

    @model_validator(mode="after")
    def _resolvable(self) -> Destination:
        if self.uri is None:
            if self.ref is None:
                raise refuse("expected at least one, got none: ref, uri")
            return self
        scheme, host = _parts(self.uri)
        if self.ref is not None:
            if scheme:
                raise refuse("absolute URI is not allowed when ref is present", field="uri")
            if host:
                raise refuse("must not name a host when ref is present", field="uri")
        elif not scheme or not host:
            raise refuse(f"relative URI is not allowed when ref is absent{_IN_FULL}", field="uri")
        elif scheme not in {"http", "https"}:
            raise refuse(f"must be an http or https URL, not {scheme[:20]!r}", field="uri")
        return self

    @field_validator("ca_certs")
    @classmethod
    def _loadable(cls, value: str | None) -> str | None:
        if value is not None and not _holds_certificates(value):
            raise refuse("must be PEM with at least one certificate, each of which can be read")
        return value

    @field_validator("audience")
    @classmethod
    def _unsupported(cls, value: str | None) -> str | None:
        if value is not None:
            raise refuse("not supported yet: events are sent without OIDC tokens")
        return value


def _or_empty(value: object) -> object:
    return {} if value is None else value


RequiredDestination = Annotated[Destination, BeforeValidator(_or_empty)]
"""A Destination that is missing is an empty one to Kubernetes, and is refused in the same words. Its field needs
`Field(default=None, validate_default=True)`."""


def _holds_certificates(pem: str) -> bool:
    if not pem.isascii():
        return False
    try:
        # The same call that the client makes for a connection.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError):
        return False
    return True


def _parts(uri: str) -> tuple[str, str]:
    """Scheme and host of a URI reference. Neither its text nor a password in it enters an error."""
    try:
        split = split_uri(uri)
    except ValueError as error:
        raise refuse(str(error), field="uri") from None
    if split.fragment:
        raise refuse("must have no fragment", field="uri")
    return split.scheme, split.hostname or ""
