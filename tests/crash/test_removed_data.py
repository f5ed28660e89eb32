"""The data folder goes away while the program runs: no event is answered 202 that a next start would not find."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from tests.support.events import binary
from tests.support.fixtures import Listen, Make
from tests.support.load import Load
from tests.support.manifest import broker, trigger
from tests.support.subscriber import Gate

pytestmark = [pytest.mark.crash, pytest.mark.timeout(120)]


async def test_a_removed_folder_ends_the_process_and_takes_no_event(
    make: Make, listen: Listen, load: Callable[..., Load]
) -> None:
    gate = Gate()
    late, quick = await listen(gate.hold()), await listen()
    engine = make([broker(), trigger("late", late.url), trigger("quick", quick.url)])
    await engine.start()
    sender = load(engine.url())
    await sender.many(5)
    await quick.until_done(sender.accepted, 20)
    shutil.rmtree(engine.data_dir)
    statuses = []
    for number in range(3):
        try:
            statuses.append((await engine.post(binary(f"after-{number}"), b"{}")).status)
        except OSError:
            break  # it has ended already
    assert set(statuses) <= {503}, "what is answered 202 is in a file that is there"
    # By itself, and long before any drain time-out; what it owes can't be settled anywhere.
    assert await engine.wait(15) == 1
    assert "events.db was removed while it was in use, what it held is lost" in engine.stderr()
    gate.open()
    await engine.start()
    assert await sender.one(id_="new") == 202
    await quick.until_done(["new"], 20)
    assert await engine.terminate() == 0


async def test_a_removed_folder_is_noticed_without_any_event(make: Make) -> None:
    engine = make([broker()])
    await engine.start()
    shutil.rmtree(engine.data_dir)
    assert await engine.wait(20) == 1
    assert "was removed while it was in use" in engine.stderr()
