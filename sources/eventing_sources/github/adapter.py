"""Events as the CloudEvents adapter document for GitHub describes them (cloudevents/spec, cloudevents/adapters/github.md).

Where that document can't be followed to the letter:

- a `source` that the payload does not have (events of an organization have no `repository.url`) is the first it has of
  `repository.url`, `organization.url` and `sender.url`, else the address of what `ownerAndRepository` names;
- a `time` that the payload does not have is the time of receipt, as the document has it for events without one, and
  seconds since the epoch become RFC 3339;
- for `status` it ends the type with a dot and a question: here the state follows; for `repository_dispatch` and
  `repository_ruleset` it forgets the dot before the action;
- an event without a section gets `com.github.<event>[.<action>]` and `repository.url`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eventing.event import AttributeValue
from eventing_sources.github.attributes import text, timestamp, uri, without_empty

TYPE_PREFIX = "com.github"


@dataclass(frozen=True, slots=True)
class Rule:
    """Dotted paths. ``time``: the first that holds one counts. ``suffixes``: end the type, where present."""

    subject: str | None = None
    time: tuple[str, ...] = ()
    source: str = "repository.url"
    suffixes: tuple[str, ...] = ("action",)


_OWNER = "repository.owner.url"
_DEFAULT = Rule()
_FALLBACKS = ("repository.url", "organization.url", "sender.url")

RULES: Mapping[str, Rule] = {
    "branch_protection_configuration": Rule(),
    "branch_protection_rule": Rule("rule.id", ("rule.updated_at",)),
    "check_run": Rule("check_run.id", ("check_run.completed_at", "check_run.started_at")),
    "check_suite": Rule("check_suite.id", ("check_suite.updated_at",)),
    "code_scanning_alert": Rule("alert.number"),
    "commit_comment": Rule("comment.id", ("comment.updated_at",)),
    "content_reference": Rule("content_reference.id"),
    "create": Rule("ref", suffixes=("ref_type",)),
    "custom_property": Rule("definition.property_name"),
    "custom_property_values": Rule(),
    "delete": Rule("ref", suffixes=("ref_type",)),
    "dependabot_alert": Rule("alert.id"),
    "deploy_key": Rule("key.id", ("key.deleted_at", "key.created_at")),
    "deployment": Rule("deployment.id", ("deployment.updated_at",), suffixes=()),
    "deployment_protection_rule": Rule("deployment.id", source="deployment.url"),
    "deployment_review": Rule("workflow_run.id", source="deployment.url"),
    "deployment_status": Rule(
        "deployment_status.url", ("deployment_status.updated_at",), "deployment.url", ("deployment_status.state",)
    ),
    "discussion": Rule("discussion.id"),
    "discussion_comment": Rule("discussion.id", ("comment.updated_at",)),
    "fork": Rule("forkee.url", ("forkee.created_at",), suffixes=()),
    "github_app_authorization": Rule(source="sender.url", suffixes=()),
    "gollum": Rule(suffixes=()),
    "installation": Rule("installation.id", ("installation.updated_at",), "installation.account.url"),
    "installation_repositories": Rule("installation.id", ("installation.updated_at",), "installation.account.url"),
    "installation_target": Rule("installation.id", source="installation.account.url"),
    "issue_comment": Rule("comment.id", ("comment.updated_at",), "issue.url"),
    "issues": Rule("issue.number", ("issue.updated_at",)),
    "label": Rule("label.name"),
    "marketplace_purchase": Rule("marketplace_purchase.account.login", ("effective_date",), "sender.url"),
    "member": Rule("member.login"),
    "membership": Rule("member.login", source="team.url", suffixes=("scope", "action")),
    "merge_group": Rule("merge_group.head_ref"),
    "meta": Rule("hook_id", ("hook.updated_at",)),
    "milestone": Rule("milestone.number", ("milestone.updated_at",)),
    "org_block": Rule("blocked_user.login", source="organization.url"),
    "organization": Rule("membership.user.login", source="organization.url"),
    "package": Rule("package.id", ("package.updated_at", "package.created_at")),
    "page_build": Rule("build.url", ("pusher.updated_at",), suffixes=()),
    "project": Rule("project.id", ("project.updated_at",)),
    "project_card": Rule("project_card.id", ("project_card.updated_at",)),
    "project_column": Rule("project_column.id", ("project_column.updated_at",)),
    "projects_v2": Rule("projects_v2.id", ("projects_v2.updated_at",)),
    "projects_v2_item": Rule("projects_v2_item.id", ("projects_v2_item.updated_at",)),
    "projects_v2_status_update": Rule("projects_v2_status_update.id", ("projects_v2_status_update.updated_at",)),
    "public": Rule("repository.name", ("repository.updated_at",), _OWNER, ()),
    "pull_request": Rule("number", ("pull_request.updated_at",)),
    "pull_request_review": Rule("review.id", ("review.submitted_at",), "pull_request.url"),
    "pull_request_review_comment": Rule("comment.id", ("pull_request.updated_at",), "pull_request.url"),
    "pull_request_review_thread": Rule("pull_request.id", source="pull_request.url"),
    "push": Rule("ref", suffixes=()),
    "registry_package": Rule("registry_package.html_url", ("registry_package.updated_at",)),
    "release": Rule("release.id"),
    "repository": Rule("repository.name", ("repository.updated_at",), _OWNER),
    "repository_advisory": Rule("repository_advisory.ghsa_id", ("repository_advisory.updated_at",)),
    "repository_dispatch": Rule(source=_OWNER),
    "repository_import": Rule("repository.name", ("repository.updated_at",), _OWNER, ()),
    "repository_ruleset": Rule("repository.name", ("repository.updated_at",), _OWNER),
    "repository_vulnerability_alert": Rule("alert.id"),
    "secret_scanning_alert": Rule("alert.number", ("alert.updated_at", "alert.created_at")),
    "secret_scanning_alert_location": Rule("alert.number", ("alert.updated_at", "alert.created_at")),
    "security_advisory": Rule("security_advisory.ghsa_id", ("security_advisory.updated_at",)),
    "security_and_analysis": Rule(suffixes=()),
    "sponsorship": Rule("sponsorship.sponsor.login"),
    "star": Rule(time=("starred_at",)),
    "status": Rule("sha", ("updated_at",), suffixes=("state",)),
    "team": Rule("team.id", ("updated_at",)),
    "team_add": Rule("team.id"),
    "watch": Rule(),
    "workflow_dispatch": Rule("workflow", suffixes=()),
    "workflow_job": Rule("workflow_job.name"),
    "workflow_run": Rule("workflow.name"),
}


def describe(event: str, payload: Mapping[str, Any], owner_and_repository: str, now: str) -> dict[str, AttributeValue]:
    """`type`, `source`, `subject` and `time`; this mapping has no extensions."""
    rule = RULES.get(event, _DEFAULT)
    suffixes = (text(payload, path) for path in rule.suffixes)
    times = (timestamp(payload, path) for path in (_release_times(payload) if event == "release" else rule.time))
    return without_empty(
        {
            "type": ".".join([TYPE_PREFIX, event, *(suffix for suffix in suffixes if suffix)]),
            "source": _source(event, rule, payload) or f"https://github.com/{owner_and_repository}",
            "subject": text(payload, rule.subject) if rule.subject else None,
            "time": next((time for time in times if time), now),
        }
    )


def _source(event: str, rule: Rule, payload: Mapping[str, Any]) -> str | None:
    if event == "security_advisory":
        return "github.com"
    if event == "commit_comment":
        comment, commit = uri(payload, "comment.url"), uri(payload, "comment.commit_id")
        if comment and commit:
            return f"{comment}/{commit}"
    source = uri(payload, rule.source)
    if event == "marketplace_purchase" and source:
        return source.rpartition("/")[0]
    return source or next((found for path in _FALLBACKS if (found := uri(payload, path))), None)


def _release_times(payload: Mapping[str, Any]) -> tuple[str, ...]:
    # "release.*_at based on action": a release has two such times, and the other actions have none.
    match payload.get("action"):
        case "created":
            return ("release.created_at",)
        case "published" | "released" | "prereleased":
            return ("release.published_at",)
    return ()
