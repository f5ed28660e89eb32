"""Events as Knative's GitHubSource describes them (eventing-github, pkg/common/events.go and pkg/common/handler.go).

Knative knows 39 events and answers 404 to others. Here every event passes: one that Knative does not know gets the
extensions that all events have, and the number or id of the object it is named after as its subject.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eventing.event import AttributeValue
from eventing_sources.github.attributes import as_text, find, text, without_empty

TYPE_PREFIX = "dev.knative.source.github"
SOURCE_PREFIX = "https://github.com"

_REPOSITORY = {"owner": "repository.owner.login", "repository": "repository.name", "sender": "sender.login"}
_ACTION = {**_REPOSITORY, "action": "action"}
_REVIEW = {**_ACTION, "installation": "installation.id"}
_INSTALLATION = {"installation": "installation.id", "sender": "sender.login", "action": "action"}
_ORGANIZATION = {"owner": "organization.login", "sender": "sender.login", "action": "action"}
_INT32 = 2**31


@dataclass(frozen=True, slots=True)
class Rule:
    """``subject``: a dotted path; ``last_segment``: only what follows the last slash of it. ``extensions``: name to path."""

    subject: str
    extensions: Mapping[str, str]
    last_segment: bool = False


RULES: Mapping[str, Rule] = {
    "check_run": Rule("check_run.id", _ACTION),
    "check_suite": Rule("check_suite.id", _ACTION),
    "commit_comment": Rule("comment.html_url", _ACTION, last_segment=True),
    "create": Rule("ref_type", {**_REPOSITORY, "ref": "ref"}),
    "delete": Rule("ref_type", {**_REPOSITORY, "ref": "ref"}),
    "deployment": Rule("deployment.id", _REPOSITORY),
    "deployment_status": Rule("deployment.id", _REPOSITORY),
    "fork": Rule("forkee.id", _REPOSITORY),
    "installation": Rule("installation.id", _INSTALLATION),
    "installation_repositories": Rule("installation.id", _INSTALLATION),
    "integration_installation": Rule("installation.id", _INSTALLATION),
    "integration_installation_repositories": Rule("installation.id", _INSTALLATION),
    "issue_comment": Rule("comment.html_url", _ACTION, last_segment=True),
    "issues": Rule("issue.number", {**_ACTION, "label": "label.name", "assignee": "assignee.login"}),
    "label": Rule("label.name", {**_ACTION, "label": "label.name"}),
    "member": Rule("member.id", _ACTION),
    "membership": Rule("member.id", {**_ORGANIZATION, "scope": "scope"}),
    "milestone": Rule("milestone.number", _ACTION),
    "org_block": Rule("action", _ORGANIZATION),
    "organization": Rule("action", _ORGANIZATION),
    "page_build": Rule("id", _REPOSITORY),
    "ping": Rule("hook_id", _REPOSITORY),
    "project": Rule("action", _ACTION),
    "project_card": Rule("action", _ACTION),
    "project_column": Rule("action", _ACTION),
    "public": Rule("repository.id", _REPOSITORY),
    "pull_request": Rule(
        "pull_request.number",
        {
            **_ACTION,
            "installation": "installation.id",
            "number": "number",
            "label": "label.name",
            "assignee": "assignee.login",
        },
    ),
    "pull_request_review": Rule("review.id", {**_REVIEW, "review": "review.state"}),
    "pull_request_review_comment": Rule("comment.id", _REVIEW),
    "push": Rule(
        "compare",
        {
            **_REPOSITORY,
            "installation": "installation.id",
            "pusher": "pusher.name",
            "ref": "ref",
            "created": "created",
            "deleted": "deleted",
            "forced": "forced",
        },
        last_segment=True,
    ),
    "release": Rule("release.tag_name", {**_ACTION, "installation": "installation.id", "release": "release.name"}),
    "repository": Rule("repository.id", _ACTION),
    "repository_vulnerability_alert": Rule("alert.id", {"action": "action"}),
    "security_advisory": Rule("security_advisory.ghsa_id", {"action": "action"}),
    "status": Rule("sha", {**_REPOSITORY, "state": "state", "name": "name", "context": "context"}),
    "team": Rule("team.id", {"sender": "sender.login", "action": "action"}),
    "team_add": Rule("repository.id", _REPOSITORY),
    "watch": Rule("repository.id", _ACTION),
}


def describe(event: str, payload: Mapping[str, Any], owner_and_repository: str, now: str) -> dict[str, AttributeValue]:
    """`type`, `source`, `subject`, `time` and extensions; what the payload does not have is left out."""
    rule = RULES.get(event)
    extensions: Mapping[str, str]
    if event == "gollum":
        subject, extensions = _pages(payload), _REPOSITORY
    elif rule is None:
        subject, extensions = _named_after(event, payload), _ACTION
    else:
        subject, extensions = text(payload, rule.subject), rule.extensions
        if rule.last_segment and subject is not None:
            subject = subject.rpartition("/")[2]
    attributes: dict[str, AttributeValue | None] = {
        "type": f"{TYPE_PREFIX}.{event}",
        "source": f"{SOURCE_PREFIX}/{owner_and_repository}",
        "subject": subject,
        "time": now,
    }
    attributes.update((name, _extension(name, find(payload, path))) for name, path in extensions.items())
    if rule is None and "repository" not in payload:
        attributes["owner"] = text(payload, "organization.login")
    return without_empty(attributes)


def _extension(name: str, value: Any) -> AttributeValue | None:
    if isinstance(value, bool):
        return value
    # A pull request's number is an Integer; ids at GitHub have 64 bits and an Integer has 32, so they are Strings always.
    if name == "number" and isinstance(value, int) and -_INT32 <= value < _INT32:
        return value
    return as_text(value)


def _pages(payload: Mapping[str, Any]) -> str | None:
    pages = payload.get("pages")
    if not isinstance(pages, list):
        return None
    names = (text(page, "page_name") for page in pages if isinstance(page, dict))
    return as_text(",".join(name for name in names if name))


def _named_after(event: str, payload: Mapping[str, Any]) -> str | None:
    kind = "alert" if event.endswith("_alert") else event
    return text(payload, f"{kind}.number") or text(payload, f"{kind}.id")
