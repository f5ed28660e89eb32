"""Manifests from text, and objects from manifests."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from eventing.errors import Fault, InvalidManifest
from eventing.ports.source import SourcePlugin
from eventing.resources.validate import Loaded, validate
from eventing_sources.github import plugin as github

PLUGINS: dict[str, SourcePlugin] = {"GitHubSource": github}

Apply = Callable[..., Loaded]
Refused = Callable[..., list[Fault]]


@pytest.fixture
def apply(tmp_path: Path) -> Apply:
    """Validate texts as files `0.yaml`, `1.yaml` ... or under the names given."""

    def run(*texts: str, **named: str) -> Loaded:
        files = {f"{number}.yaml": text for number, text in enumerate(texts)}
        files |= {name.replace("_", "."): text for name, text in named.items()}
        for name, text in files.items():
            (tmp_path / name).write_text(textwrap.dedent(text), encoding="utf-8")
        return validate([str(tmp_path / name) for name in files], PLUGINS)

    return run


@pytest.fixture
def refused(apply: Apply) -> Refused:
    """The faults of texts that must not be accepted."""

    def run(*texts: str, **named: str) -> list[Fault]:
        with pytest.raises(InvalidManifest) as caught:
            apply(*texts, **named)
        return list(caught.value.faults)

    return run
