"""Guarantee 4: what can't be compiled is refused when it is applied, by name and reason. It never matches everything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import eventing
from tests.support.fixtures import Listen
from tests.support.manifest import broker, document, trigger

pytestmark = pytest.mark.acceptance

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown dialect": ({"filters": [{"regex": {"type": ".*"}}]}, "filters[0]"),
    "two dialects in one entry": ({"filters": [{"exact": {"type": "a"}, "suffix": {"type": "b"}}]}, "filters[0]"),
    "empty any": ({"filters": [{"any": []}]}, "filters[0].any"),
    "empty all": ({"filters": [{"all": []}]}, "filters[0].all"),
    "empty dialect": ({"filters": [{"exact": {}}]}, "filters[0].exact"),
    "empty value": ({"filters": [{"prefix": {"type": ""}}]}, "filters[0].prefix"),
    "value of another type": ({"filters": [{"exact": {"type": 5}}]}, "filters[0].exact"),
    "bad attribute name": ({"filters": [{"exact": {"Type": "a"}}]}, "filters[0].exact"),
    "nested": ({"filters": [{"not": {"any": [{"exact": {"type": "a"}}, {"like": {}}]}}]}, "filters[0].not.any[1]"),
    "bad expression": ({"filters": [{"cesql": "type = "}]}, "filters[0]"),
    "no entry": ({"filters": [{}]}, "filters[0]"),
    "not a list": ({"filters": {"exact": {"type": "a"}}}, "filters"),
    "legacy attribute name": ({"filter": {"attributes": {"my-type": "a"}}}, "filter.attributes"),
    "misspelt field": ({"filterz": [{"exact": {"type": "a"}}]}, "filterz"),
    "misspelt legacy field": ({"filter": {"attribute": {"type": "a"}}}, "filter"),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_a_filter_that_can_t_be_compiled(what: str, tmp_path: Path, listen: Listen) -> None:
    spec, place = REFUSED[what]
    subscriber = await listen()
    bad = trigger("bad", subscriber.url)
    bad["spec"] |= spec
    path = tmp_path / "manifest.yaml"
    path.write_text(document([broker(), trigger("good", subscriber.url), bad]))

    validated = await eventing("validate", str(path), cwd=tmp_path)
    options = ("--data-dir", str(tmp_path / "data"), "--port", "0", "--control-port", "0")
    served = await eventing("serve", str(path), *options, cwd=tmp_path, timeout=30)
    assert validated.code == served.code == 1
    assert validated.out == served.out == "", "no ready line"
    assert served.err == validated.err
    line = served.err.strip()
    assert line.startswith(f"{path}: Trigger/bad: "), line
    assert place in line
    assert line.endswith(")")
    assert "(line " in line
    assert not (tmp_path / "data").exists(), "nothing was started"
    assert not subscriber.attempts


async def test_what_is_well_is_not_refused_with_it(tmp_path: Path) -> None:
    """The same manifest without the fault is valid: the refusals above are about the filters."""
    path = tmp_path / "manifest.yaml"
    good = trigger(
        "good", "http://127.0.0.1:9/", filters=[{"not": {"any": [{"exact": {"type": "a"}}, {"prefix": {"type": "b"}}]}}]
    )
    path.write_text(document([broker(), good]))
    assert (await eventing("validate", str(path), cwd=tmp_path)).code == 0
    assert json.loads((await eventing("validate", "--json", str(path), cwd=tmp_path)).out) == []
