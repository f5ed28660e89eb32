from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from eventing.ports.source import SourcePlugin, WebhookReceiver
from eventing_sources.github import GitHubReceiver, GitHubSourceSpec, plugin

SPEC: dict[str, Any] = {
    "sink": {"ref": {"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "name": "default"}},
    "ownerAndRepository": "Codertocat/Hello-World",
    "secretToken": {"secretKeyRef": {"name": "github", "key": "secretToken"}},
}


def test_a_manifest_of_knative_is_taken_as_it_is() -> None:
    spec = GitHubSourceSpec.model_validate(
        SPEC
        | {
            "serviceAccountName": "default",
            "eventTypes": ["pull_request", "issues"],
            "accessToken": {"secretKeyRef": {"name": "github", "key": "accessToken"}},
            "githubAPIURL": "https://github.example.com/api/v3/",
            "secure": True,
            "ceOverrides": {"extensions": {"team": "a"}},
        }
    )
    assert spec.event_types == ("pull_request", "issues")
    assert spec.secret_token.secret_key_ref.key == "secretToken"
    assert (spec.mapping, spec.allow_sha1) == ("knative", False)


def test_our_own_fields() -> None:
    spec = GitHubSourceSpec.model_validate(SPEC | {"mapping": "adapter", "allowSHA1": True})
    assert (spec.mapping, spec.allow_sha1) == ("adapter", True)


@pytest.mark.parametrize("value", ["octo-org", "octo_emu", "a/b", "Codertocat/Hello-World", "a/.github", "a/x..y"])
def test_owner_and_repository(value: str) -> None:
    assert GitHubSourceSpec.model_validate(SPEC | {"ownerAndRepository": value}).owner_and_repository == value


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        *[
            ("ownerAndRepository", value, "neither an owner nor owner/repository")
            for value in ("", "/", "a/", "/b", "a/b/c", "a b", "a/..", "a/.", "https://github.com/a/b", "a/b\n", "ä/b")
        ],
        *[("eventTypes", [value], "no name of a GitHub event") for value in ("", "*", "Push", "pull-request", "push ", "push\n")],
        ("eventTypes", ["push", "issues", "push"], "duplicate value: 'push'"),
        ("eventTypes", "push", "tuple"),
        ("secretToken", None, "an unsigned webhook lets anyone in"),
        ("secretToken", {}, "secretKeyRef"),
        ("githubAPIURL", "api.github.com", "http or https URL"),
        ("githubAPIURL", "ftp://api.github.com", "http or https URL"),
        ("githubAPIURL", "https://user:x@api.github.com", "http or https URL"),
        ("githubAPIURL", "https://[::1", "is no URL"),
        ("mapping", "other", "'knative' or 'adapter'"),
        ("allowSHA1", "true", "boolean"),
        ("eventTypess", ["push"], "Extra inputs"),
    ],
)
def test_what_is_refused_and_where(field: str, value: object, reason: str) -> None:
    with pytest.raises(ValidationError) as caught:
        GitHubSourceSpec.model_validate(SPEC | {field: value})
    (fault,) = caught.value.errors()
    assert fault["loc"][0] == field
    assert reason in str(fault["msg"]) + str(fault["loc"])


def test_a_missing_secret_is_refused() -> None:
    with pytest.raises(ValidationError) as caught:
        GitHubSourceSpec.model_validate({name: value for name, value in SPEC.items() if name != "secretToken"})
    (fault,) = caught.value.errors()
    assert (fault["type"], fault["loc"]) == ("missing", ("secretToken",))


def test_the_plugin(context: Any) -> None:
    typed: SourcePlugin = plugin
    assert (typed.group, typed.version, typed.kind, typed.plural) == (
        "sources.knative.dev",
        "v1alpha1",
        "GitHubSource",
        "githubsources",
    )
    from eventing.ports.source import SourceName

    receiver = typed.create(SourceName("team-a", "octo", "uid-1"), typed.spec.model_validate(SPEC), context)
    assert isinstance(receiver, GitHubReceiver)
    assert isinstance(receiver, WebhookReceiver)
    reported = {entry[0] for entry in context.conditions}
    assert reported == set(typed.conditions)
