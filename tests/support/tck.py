"""The public conformance kit of CESQL: where it is, and its cases with the types that their authors meant.

It is looked for in the folder that `EVENTING_TEST_CESQL_TCK` names, such as `cesql/cesql_tck` of a checkout of
cloudevents/spec, then in the Go module that ships a copy, through `go`. Where there is neither, the tests are skipped, unless
`EVENTING_TEST_REQUIRE` names cesql-tck.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from eventing.event import Event

MODULE = "github.com/cloudevents/sdk-go/sql/v2@v2.16.2"
"""Its copy is that of cloudevents/spec, but for one case (`NOT 10`, which it has as the specification's text says)."""

_SECONDS = 60
_BASE = {"specversion": "1.0", "id": "1", "source": "/kit", "type": "com.example.kit"}


@dataclass(frozen=True)
class Case:
    """``error``: the kind of the error that is expected, None where there is none."""

    name: str
    expression: str
    event: Event
    result: str | int | bool | None
    error: str | None


def folder() -> Path:
    """Where the kit's files are. Skips or fails the test that asks where they can't be had."""
    named = os.environ.get("EVENTING_TEST_CESQL_TCK")
    if named:
        return Path(named)
    go = shutil.which("go")
    if go is None:
        return _absent(
            "install Go, or set EVENTING_TEST_CESQL_TCK to the folder cesql/cesql_tck of a checkout of cloudevents/spec"
        )
    command = [go, "mod", "download", "-json", MODULE]
    # Outside of any module, so that nobody's go.mod is looked at.
    with subprocess.Popen(command, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            output, error = process.communicate(timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return _absent(f"`go mod download {MODULE}` took longer than {_SECONDS} s")
    if process.returncode != 0:
        return _absent(f"`go mod download {MODULE}` failed: {error.strip() or output.strip()}")
    return Path(json.loads(output)["Dir"]) / "test" / "tck"


def _absent(reason: str) -> Path:
    if "cesql-tck" in os.environ.get("EVENTING_TEST_REQUIRE", "").split(","):
        pytest.fail(f"the CESQL conformance kit is missing: {reason}")
    pytest.skip(f"the CESQL conformance kit is missing: {reason}")


def cases(file: Path) -> Iterator[Case]:
    """The cases of one file."""
    root = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    for item in _mapping(root)["tests"].value:
        fields = _mapping(item)
        event = {**_BASE, **_plain(fields.get("event"), {}), **_plain(fields.get("eventOverrides"), {})}
        yield Case(
            name=fields["name"].value,
            # The text as written: YAML takes TRUE, 0 and -10 for other things than expressions.
            expression=fields["expression"].value,
            event=Event(event),
            result=_plain(fields.get("result")),
            error=_plain(fields.get("error")),
        )


def _mapping(node: yaml.Node | None) -> Mapping[str, yaml.Node]:
    assert isinstance(node, yaml.MappingNode)
    return {key.value: value for key, value in node.value}


def _plain(node: yaml.Node | None, default: Any = None) -> Any:
    """A value as JSON has it: YAML would make a date of a timestamp, which is a String in CloudEvents."""
    if node is None:
        return default
    if isinstance(node, yaml.MappingNode):
        return {key: _plain(value) for key, value in _mapping(node).items()}
    if node.tag == "tag:yaml.org,2002:bool":
        return node.value.lower() == "true"
    return int(node.value) if node.tag == "tag:yaml.org,2002:int" else str(node.value)
