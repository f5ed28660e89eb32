"""`eventing validate` with the installed source plug-ins."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from eventing.runtime import plugins
from tests.unit.cli.conftest import Run

Cli = Callable[..., Run]

GOOD = """\
apiVersion: eventing.knative.dev/v1
kind: Broker
metadata: {name: default}
---
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {name: all}
spec:
  broker: default
  subscriber: {uri: "http://127.0.0.1:9000/"}
"""
BAD = GOOD.replace("  broker: default\n", "  brokr: default\n").replace("{name: all}", "{name: Not_A_Name}")


def test_good_manifests_are_silent(run: Cli, tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(GOOD)
    assert run("validate", str(tmp_path / "all.yaml"), "--json") == Run(0, "[]\n", "")
    assert run("validate", str(tmp_path)) == Run(0, "", "")


def test_every_fault_is_a_line_that_names_its_place(run: Cli, tmp_path: Path) -> None:
    path = tmp_path / "all.yaml"
    path.write_text(BAD)
    told = run("validate", str(path))
    assert told.code == 1
    assert told.out == ""
    lines = told.err.splitlines()
    assert len(lines) > 1
    assert all(line.startswith(f"{path}: Trigger/Not_A_Name: ") for line in lines)
    assert any("brokr" in line and line.endswith("(line 9)") for line in lines)


def test_faults_as_json(run: Cli, tmp_path: Path) -> None:
    path = tmp_path / "all.yaml"
    path.write_text(BAD)
    told = run("validate", str(path), "--json")
    assert (told.code, told.err) == (1, "")
    faults = json.loads(told.out)
    assert {fault["object"] for fault in faults} == {"Trigger/Not_A_Name"}
    assert {"file": str(path), "line": 9}.items() <= next(f for f in faults if "brokr" in f["field"] + f["reason"]).items()


def test_a_missing_file_is_named(run: Cli) -> None:
    told = run("validate", "/does/not/exist.yaml")
    assert told.code == 1
    assert "/does/not/exist.yaml" in told.err


def test_no_manifest_is_a_usage_error(run: Cli) -> None:
    assert run("validate").code == 2


def test_installed_sources_are_known() -> None:
    assert plugins.source_plugins()["GitHubSource"].kind == "GitHubSource"


def points(*values: tuple[str, str]) -> Callable[..., list[EntryPoint]]:
    return lambda group: [EntryPoint(name, value, group) for name, value in values]


def test_a_plug_in_that_cannot_be_loaded_is_named(run: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(GOOD)
    monkeypatch.setattr(plugins, "entry_points", points(("OddSource", "no_such_module:plugin")))
    told = run("validate", str(tmp_path / "all.yaml"))
    assert told.code == 1
    assert "OddSource (no_such_module:plugin) can't be loaded" in told.err


def test_two_plug_ins_of_one_name_are_refused(run: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(GOOD)
    monkeypatch.setattr(plugins, "entry_points", points(("A", "json:dumps"), ("A", "json:loads")))
    assert "two installed distributions bring a source plug-in A" in run("validate", str(tmp_path / "all.yaml")).err
