"""A process with a long backlog is killed, and is there again at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.fixtures import Listen, Make
from tests.support.load import Load
from tests.support.manifest import broker, trigger
from tests.support.wait import eventually

pytestmark = [pytest.mark.crash, pytest.mark.timeout(240)]

ENTRIES = 100_000
BATCH = 500
READY_SECONDS = 2.0
STARTS = 3


async def test_a_hundred_thousand_entries_don_t_delay_a_restart(make: Make, listen: Listen, load: Callable[..., Load]) -> None:
    subscriber = await listen(keep=False)
    paused = [broker(), trigger("late", subscriber.url, paused="true")]
    resumed = [broker(), trigger("late", subscriber.url)]
    engine = make(paused)
    await engine.start()
    sender = load(engine.url())
    await sender.batches(ENTRIES // BATCH, BATCH)

    async def all_parked() -> bool:
        return (await engine.metrics()).trigger("backlog_entries", "late") == ENTRIES

    await eventually(all_parked, 60, f"{ENTRIES} entries in the backlog")
    took, used = [], []
    for _ in range(STARTS):
        await engine.kill()
        took.append(await engine.start())
        used.append(engine.cpu())
        if took[-1] <= READY_SECONDS:
            break
    print(f"ready after {took} s, {used} processor seconds, with {ENTRIES} entries")
    # On a machine that is busy with something else the clock on the wall says nothing: then what a start costs must fit.
    assert min(took) <= READY_SECONDS or min(used) <= READY_SECONDS
    await eventually(all_parked, 10, f"all {ENTRIES} entries after the restart")
    assert not subscriber.attempts, "a paused trigger delivered"

    await engine.kill()
    engine.write(resumed)
    await engine.start()
    early = list(sender.accepted)[:5000]
    await subscriber.until_done(early, 60)
    assert subscriber.attempts.keys() <= sender.accepted.keys()
    assert subscriber.repeats == 0, "nothing was delivered before, so nothing may be repeated"
    assert await engine.terminate() == 0
