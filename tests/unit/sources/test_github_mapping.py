from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventing.bindings import rules
from eventing.bindings.syntax import URI_REFERENCE, is_timestamp
from eventing.event import Event
from eventing_sources.github import adapter, knative
from eventing_sources.github.attributes import MAX_LENGTH, as_text, timestamp, uri

EXAMPLES: dict[str, list[dict[str, Any]]] = json.loads(
    gzip.decompress((Path(__file__).parents[2] / "data/github/webhooks-examples-7.6.1.json.gz").read_bytes())
)
NOW = "2026-01-02T03:04:05Z"
USERS = "https://api.github.com/users"
API = "https://api.github.com/repos/Codertocat/Hello-World"

# The names in eventing-github's list of accepted events.
_KNATIVE = """
    check_run check_suite commit_comment create delete deployment deployment_status fork gollum installation
    installation_repositories integration_installation integration_installation_repositories issue_comment issues label member
    membership milestone organization org_block page_build ping project_card project_column project public pull_request
    pull_request_review_comment pull_request_review push release repository repository_vulnerability_alert security_advisory
    status team_add team watch
"""
KNATIVE_EVENTS = _KNATIVE.split()


def by_knative(event: str, payload: dict[str, Any]) -> dict[str, Any]:
    described = knative.describe(event, payload, "Codertocat/Hello-World", NOW)
    assert described.pop("type") == f"dev.knative.source.github.{event}"
    assert described.pop("source") == "https://github.com/Codertocat/Hello-World"
    assert described.pop("time") == NOW
    return dict(described)


def by_adapter(event: str, payload: dict[str, Any]) -> dict[str, Any]:
    return dict(adapter.describe(event, payload, "octo-org", NOW))


def test_every_event_that_knative_knows_has_its_rule() -> None:
    assert len(KNATIVE_EVENTS) == 39
    assert sorted([*knative.RULES, "gollum"]) == sorted(KNATIVE_EVENTS)


COMMON = {"owner": "Codertocat", "repository": "Hello-World", "sender": "Codertocat"}
COMMIT = "6113728f27ae82c7b1a177c8d03f9e96e0adf246"


@pytest.mark.parametrize(
    ("event", "index", "expected"),
    [
        ("check_run", 0, COMMON | {"subject": "128620228", "action": "created"}),
        ("commit_comment", 0, COMMON | {"subject": f"{COMMIT}#commitcomment-33548674", "action": "created"}),
        ("create", 0, COMMON | {"subject": "tag", "ref": "simple-tag"}),
        ("gollum", 0, COMMON | {"subject": "Home", "sender": "rachmari"}),
        ("installation", 0, {"subject": "2", "installation": "2", "sender": "octocat", "action": "deleted"}),
        ("issue_comment", 0, COMMON | {"subject": "1#issuecomment-492700400", "action": "created"}),
        ("issues", 1, COMMON | {"subject": "1", "action": "assigned", "assignee": "Codertocat"}),
        ("issues", 9, COMMON | {"subject": "1", "action": "labeled", "label": "bug"}),
        (
            "membership",
            0,
            {"subject": "21031067", "owner": "Octocoders", "scope": "team", "sender": "Codertocat", "action": "removed"},
        ),
        ("pull_request", 0, COMMON | {"subject": "2", "action": "opened", "number": 2}),
        (
            "pull_request",
            1,
            COMMON | {"subject": "2", "action": "assigned", "number": 2, "installation": "1", "assignee": "Codertocat"},
        ),
        ("pull_request_review", 0, COMMON | {"subject": "237895671", "action": "submitted", "review": "commented"}),
        (
            "push",
            3,
            COMMON
            | {
                "subject": "6113728f27ae...000000000000",
                "installation": "1",
                "pusher": "Codertocat",
                "ref": "refs/tags/simple-tag",
                "created": False,
                "deleted": True,
                "forced": False,
            },
        ),
        ("release", 0, COMMON | {"subject": "0.0.1", "action": "published"}),
        ("security_advisory", 0, {"subject": "GHSA-rf4j-j272-fj86", "action": "published"}),
        ("status", 0, COMMON | {"subject": COMMIT, "state": "success", "name": "Codertocat/Hello-World", "context": "default"}),
        ("team", 0, {"subject": "3253328", "sender": "Codertocat", "action": "added_to_repository"}),
        # Not known to Knative:
        ("star", 0, COMMON | {"action": "created"}),
        ("code_scanning_alert", 1, COMMON | {"action": "closed_by_user", "subject": "10"}),
        ("projects_v2_item", 0, {"owner": "github", "sender": "monalisa", "action": "created", "subject": "15"}),
        ("workflow_run", 0, COMMON | {"action": "completed", "subject": "1589141559"}),
    ],
)
def test_knative_s_subject_and_extensions(event: str, index: int, expected: dict[str, Any]) -> None:
    assert by_knative(event, EXAMPLES[event][index]) == expected


def test_gollum_joins_the_pages() -> None:
    pages = [{"page_name": "Home"}, {"page_name": ""}, {}, "?", {"page_name": "Main"}]
    assert by_knative("gollum", {"pages": pages}) == {"subject": "Home,Main"}
    assert by_knative("gollum", {"pages": {}}) == {}


def test_an_address_that_ends_with_a_slash_has_no_last_segment() -> None:
    assert by_knative("push", {"compare": "https://github.com/a/b/compare/"}) == {}


@pytest.mark.parametrize(("number", "expected"), [(2, 2), (2**31 - 1, 2**31 - 1), (2**31, "2147483648"), ("2", "2"), (2.5, None)])
def test_a_number_is_an_integer_where_it_fits(number: object, expected: object) -> None:
    assert by_knative("pull_request", {"number": number}).get("number") == expected


@pytest.mark.parametrize(
    ("event", "index", "expected"),
    [
        ("check_run", 0, ("check_run.created", API, "128620228", "2019-05-15T15:21:12Z")),
        (
            "commit_comment",
            0,
            ("commit_comment.created", f"{API}/comments/33548674/{COMMIT}", "33548674", "2019-05-15T15:20:39Z"),
        ),
        ("create", 0, ("create.tag", API, "simple-tag", NOW)),
        ("deployment", 0, ("deployment", API, "145988746", "2019-05-15T15:20:53Z")),
        ("gollum", 0, ("gollum", API, None, NOW)),
        ("github_app_authorization", 0, ("github_app_authorization", f"{USERS}/octocat", None, NOW)),
        # Seconds since the epoch in the payload:
        ("installation", 0, ("installation.deleted", f"{USERS}/octocat", "2", "2018-04-30T17:38:19Z")),
        (
            "marketplace_purchase",
            0,
            ("marketplace_purchase.purchased", USERS, "username", "2017-10-25T00:00:00+00:00"),
        ),
        ("membership", 0, ("membership.team.removed", "https://api.github.com/teams/3253328", "Codertocat", NOW)),
        ("ping", 0, ("ping", "https://api.github.com/repos/Octocoders/Hello-World", None, NOW)),
        ("pull_request", 0, ("pull_request.opened", API, "2", "2019-05-15T15:20:33Z")),
        ("push", 0, ("push", "https://github.com/Codertocat/Hello-World", "refs/tags/simple-tag", NOW)),
        ("release", 0, ("release.published", API, "17372790", "2019-05-15T15:20:53Z")),
        ("repository", 0, ("repository.publicized", f"{USERS}/Codertocat", "Hello-World", "2019-05-15T15:21:03Z")),
        ("security_advisory", 0, ("security_advisory.published", "github.com", "GHSA-rf4j-j272-fj86", "2018-10-03T21:13:54Z")),
        ("status", 0, ("status.success", API, COMMIT, "2019-05-15T15:20:55+00:00")),
        ("team_add", 0, ("team_add", "https://api.github.com/repos/Octocoders/Hello-World", "3253328", NOW)),
    ],
)
def test_the_adapter_document(event: str, index: int, expected: tuple[str, ...]) -> None:
    described = by_adapter(event, EXAMPLES[event][index])
    assert described["type"].startswith("com.github.")
    assert (
        described["type"].removeprefix("com.github."),
        described["source"],
        described.get("subject"),
        described["time"],
    ) == expected
    assert not set(described) - {"type", "source", "subject", "time"}


def test_where_the_adapter_s_source_is_missing() -> None:
    assert by_adapter("push", {})["source"] == "https://github.com/octo-org"
    sender = {"sender": {"url": "https://api.github.com/users/a"}}
    organization = {"organization": {"url": "https://api.github.com/orgs/o"}}
    repository = {"repository": {"url": "https://api.github.com/repos/o/r"}}
    assert by_adapter("deployment_review", sender)["source"] == "https://api.github.com/users/a"
    assert by_adapter("deployment_review", sender | organization)["source"] == "https://api.github.com/orgs/o"
    assert by_adapter("deployment_review", sender | organization | repository)["source"] == "https://api.github.com/repos/o/r"
    assert by_adapter("push", {"repository": {"url": "no URI"}} | sender)["source"] == "https://api.github.com/users/a"


@pytest.mark.parametrize(
    ("action", "expected"),
    [("created", "2020-01-01T00:00:00Z"), ("released", "2020-01-02T00:00:00Z"), ("deleted", NOW), (None, NOW)],
)
def test_a_release_s_time_goes_by_its_action(action: str | None, expected: str) -> None:
    times = {"created_at": "2020-01-01T00:00:00Z", "published_at": "2020-01-02T00:00:00Z"}
    assert by_adapter("release", {"action": action, "release": times})["time"] == expected


@given(st.text())
def test_any_text_becomes_a_valid_string_or_nothing(value: str) -> None:
    made = as_text(value)
    if made is None:
        assert value == ""
    else:
        rules.check_text("x", made)
        assert len(made) == min(len(value), MAX_LENGTH)


def test_a_long_text_is_cut() -> None:
    assert as_text("é" * (MAX_LENGTH + 1)) == "é" * MAX_LENGTH


def test_what_a_string_must_not_hold_is_replaced() -> None:
    assert as_text("a\x00b\r\nc\x7f\x85\ud800\ufdd0\ufffe\U0010ffff é😀") == "a\ufffdb\ufffd\ufffdc" + "\ufffd" * 6 + " é😀"


@pytest.mark.parametrize(
    "value", [True, 2**33, -1, 1.5, "yesterday", "2019-02-30T00:00:00Z", "2019-05-15 15:20:55 UTC", None, {}]
)
def test_no_time(value: object) -> None:
    assert timestamp({"at": value}, "at") is None


@pytest.mark.parametrize("value", ["", "a b", "https://x/\n", "https://x/%zz", "é", "x" * 1025, 5, None])
def test_no_uri(value: object) -> None:
    assert uri({"url": value}, "url") is None


# Payloads that nobody at GitHub would send, built from the very names that the rules look for.
_NAMES = sorted(
    {name for rule in knative.RULES.values() for path in [rule.subject, *rule.extensions.values()] for name in path.split(".")}
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*_NAMES, "url", "pages", "page_name"]), inner),
    max_leaves=20,
)


@given(
    event=st.sampled_from(sorted({*knative.RULES, *adapter.RULES, "gollum", "x_alert"})),
    payload=st.dictionaries(st.sampled_from([*_NAMES, "pages", "url"]), _VALUES),
)
def test_whatever_the_payload_the_event_is_valid(event: str, payload: dict[str, Any]) -> None:
    for describe in (knative.describe, adapter.describe):
        described = describe(event, payload, "octo-org/octo-repo", NOW)
        rules.check(Event({"specversion": "1.0", "id": "1"} | described))
        assert URI_REFERENCE.fullmatch(str(described["source"]))
        assert is_timestamp(str(described["time"]))
