"""CESQL from the manifest to the delivery, and its refusal at apply."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import eventing
from tests.support.events import binary, structured
from tests.support.fixtures import Listen, Make
from tests.support.manifest import broker, document, trigger
from tests.support.wait import eventually

pytestmark = pytest.mark.acceptance

STRUCTURED = {"content-type": "application/cloudevents+json"}
TRIGGERS: dict[str, tuple[list[dict[str, Any]], set[str]]] = {
    "cesql": ([{"cesql": "type LIKE 'order.%' AND amount > 4"}], {"typed", "texts"}),
    "sql": ([{"sql": "type LIKE 'order.%' AND amount > 4"}], {"typed", "texts"}),
    "boolean": ([{"cesql": "urgent"}], {"typed"}),
    "cast": ([{"cesql": "urgent = TRUE"}], {"typed", "texts"}),
    "failing": ([{"cesql": "amount != 5"}], {"less"}),
    "around": ([{"not": {"cesql": "amount = 5"}}], {"less", "bare", "words"}),
    "mixed": ([{"prefix": {"type": "order."}}, {"cesql": "NOT EXISTS amount"}], {"bare"}),
}


@pytest.mark.requirement("T6", "T7", "Q1", "Q2", "Q8")
async def test_an_expression_decides_what_is_delivered(make: Make, listen: Listen) -> None:
    sinks = {name: await listen() for name in TRIGGERS}
    triggers = [trigger(name, sinks[name].url, filters=filters) for name, (filters, _) in TRIGGERS.items()]
    process = make([broker(), *triggers])
    await process.start()
    typed = json.dumps(structured("typed", "order.paid", amount=5, urgent=True)).encode()
    assert (await process.post(STRUCTURED, typed)).status == 202
    assert (await process.post(binary("texts", "order.paid", amount="5", urgent="true"))).status == 202
    assert (await process.post(binary("less", "order.paid", amount="4", urgent="no"))).status == 202
    assert (await process.post(binary("words", "order.paid", amount="many"))).status == 202
    assert (await process.post(binary("bare", "order.paid"))).status == 202

    async def settled() -> bool:
        page = await process.metrics()
        return all(
            page.trigger("events_matched_total", name) + page.trigger("events_filtered_total", name) == 5 for name in TRIGGERS
        )

    await eventually(settled, 20, "each event matched or filtered out, for each trigger")
    page = await process.metrics()
    for name, (_, expected) in TRIGGERS.items():
        assert page.trigger("events_matched_total", name) == len(expected), name
        await sinks[name].until_done(expected, 20, name)
        assert set(sinks[name].done) == expected, name


@pytest.mark.requirement("T7", "T9", "Q3")
async def test_an_expression_that_can_not_be_read_is_refused_with_file_field_place_and_line(tmp_path: Path) -> None:
    bad = trigger("bad", "http://127.0.0.1:9/", filters=[{"exact": {"type": "a"}}, {"cesql": "type = 'a' AND"}])
    (tmp_path / "m.yaml").write_text(document([broker(), bad]))
    run = await eventing("validate", "m.yaml", cwd=tmp_path)
    assert run.code == 1
    assert run.err.strip() == (
        "m.yaml: Trigger/bad: spec.filters[1].cesql: expected a value, found the end, at character 15 (line 3)"
    )
