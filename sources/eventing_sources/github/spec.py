"""The `.spec` of a GitHubSource (Knative's eventing-github, sources.knative.dev/v1alpha1)."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from eventing.kinds.base import refuse
from eventing.kinds.secret import SecretValueFromSource
from eventing.kinds.source import SourceSpec

_OWNER_AND_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}(?:/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100})?", re.ASCII)
EVENT_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}", re.ASCII)


class GitHubSourceSpec(SourceSpec):
    """Fields as Knative has them, but for ``mapping`` and ``allow_sha1``, which are ours.

    ``event_types``: names of GitHub events; None or empty means all of them (Knative wants at least one).
    ``secret_token``: what the deliveries are signed with; required, since an unsigned webhook lets anyone in.
    ``access_token``, ``github_api_url``, ``secure``, ``service_account_name``: accepted, so that Knative's manifests
    apply; they serve to register the webhook at GitHub and to run a pod, and neither is done here.
    ``mapping``: how an event is described: as Knative does, or as the CloudEvents adapter document for GitHub does.
    ``allow_sha1``: accept a delivery with the SHA-1 signature alone, as very old GitHub Enterprise servers send it.
    """

    owner_and_repository: str
    event_types: tuple[str, ...] | None = Field(default=None, strict=False)
    secret_token: SecretValueFromSource
    access_token: SecretValueFromSource | None = None
    github_api_url: str | None = Field(default=None, alias="githubAPIURL")
    secure: bool | None = None
    service_account_name: str | None = None
    mapping: Literal["knative", "adapter"] = "knative"
    allow_sha1: bool = Field(default=False, alias="allowSHA1")

    @field_validator("owner_and_repository")
    @classmethod
    def _owner_and_repository(cls, value: str) -> str:
        if _OWNER_AND_REPOSITORY.fullmatch(value) is None:
            raise refuse(f"invalid value: {value[:80]!r} is neither an owner nor owner/repository as in a GitHub URL")
        return value

    @field_validator("event_types")
    @classmethod
    def _event_types(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        seen: set[str] = set()
        for name in value or ():
            if EVENT_NAME.fullmatch(name) is None:
                raise refuse(f"invalid value: {name[:80]!r} is no name of a GitHub event, such as pull_request")
            if name in seen:
                raise refuse(f"duplicate value: {name!r}")
            seen.add(name)
        return value

    @field_validator("secret_token", mode="before")
    @classmethod
    def _secret_token(cls, value: object) -> object:
        if value is None:
            raise refuse("must not be empty: an unsigned webhook lets anyone in")
        return value

    @field_validator("github_api_url")
    @classmethod
    def _github_api_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            parts = urlsplit(value)
        except ValueError:
            raise refuse("invalid value: is no URL") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
            raise refuse("invalid value: must be an http or https URL without user name, such as https://api.github.com")
        return value
