"""A restart brings a trigger with another broker: nothing it owed is lost, and the log says what becomes of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.fixtures import Listen, Make
from tests.support.load import Load
from tests.support.manifest import Object, broker, trigger
from tests.support.ports import ReservedPort
from tests.support.process import EventingProcess
from tests.support.wait import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.requirement("B4")]

MOVED = "a trigger went to another broker"


def told(engine: EventingProcess) -> list[str]:
    return [line for line in engine.stderr().splitlines() if MOVED in line]


@pytest.mark.parametrize("gone", [False, True], ids=["the first broker stays", "the first broker goes"])
async def test_what_a_trigger_owed_before_it_went_to_another_broker_waits_until_it_is_put_back(
    gone: bool, make: Make, load: Callable[..., Load], listen: Listen
) -> None:
    nobody = ReservedPort()
    refuses = f"http://127.0.0.1:{nobody.number}/"
    first: list[Object] = [broker("one"), broker("two"), trigger("t", refuses, broker="one")]
    engine = make(first)
    await engine.start()
    assert await load(engine.url("one")).one() == 202

    async def waits() -> bool:
        return (await engine.metrics()).trigger("backlog_entries", "t") == 1

    await eventually(waits, 20, "an entry of the backlog")
    assert await engine.terminate() == 0
    assert told(engine) == []

    engine.write([*([] if gone else [broker("one")]), broker("two"), trigger("t", refuses, broker="two")])
    for start in (1, 2):  # as long as something is owed, every start says so
        await engine.start()
        assert await engine.terminate() == 0
        lines = told(engine)
        assert len(lines) == start
    words = ("trigger=default/t", "field=spec.broker", "was=one", "now=two", "owed=1", "until=")
    assert all(word in lines[-1] for word in words), lines[-1]
    assert "only if the field is put back in time" in lines[-1]

    subscriber = await listen()
    engine.write([broker("one"), broker("two"), trigger("t", subscriber.url, broker="one")])
    await engine.start()
    await subscriber.until(lambda: subscriber.done.total() == 1, 30, "the event that was owed")
    nobody.close()


async def test_a_trigger_that_owes_nothing_is_told_of_once(make: Make) -> None:
    engine = make([broker("one"), broker("two"), trigger("t", "http://127.0.0.1:9/", broker="one")])
    await engine.start()
    await engine.kill()
    engine.write([broker("one"), broker("two"), trigger("t", "http://127.0.0.1:9/", broker="two")])
    for _ in range(2):
        await engine.start()
        await engine.kill()
    [line] = told(engine)
    assert "it owed nothing at the first" in line
    assert "was=one now=two owed=0" in line
