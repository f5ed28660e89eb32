"""GitHubSource: GitHub's webhooks as CloudEvents (Knative's eventing-github, docs/sources/github.md)."""

from __future__ import annotations

from pydantic import BaseModel

from eventing.ports.source import SourceContext, SourceName, SourcePlugin
from eventing_sources.github.receiver import GitHubReceiver
from eventing_sources.github.spec import GitHubSourceSpec


class GitHubSourcePlugin:
    """Serves the kind GitHubSource; one receiver per object."""

    group = "sources.knative.dev"
    version = "v1alpha1"
    kind = "GitHubSource"
    plural = "githubsources"
    spec: type[BaseModel] = GitHubSourceSpec
    conditions: tuple[str, ...] = ("SecretsProvided", "WebhookConfigured")

    def create(self, name: SourceName, spec: GitHubSourceSpec, context: SourceContext) -> GitHubReceiver:
        return GitHubReceiver(name, spec, context)


plugin: SourcePlugin = GitHubSourcePlugin()

__all__ = ["GitHubReceiver", "GitHubSourcePlugin", "GitHubSourceSpec", "plugin"]
