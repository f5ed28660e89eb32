"""A full disk: what can't be stored is refused, what was stored is delivered, and with room again all goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.disks import MIB, fill, mounted, room
from tests.support.events import binary
from tests.support.fixtures import Listen, Make
from tests.support.http import Answer
from tests.support.load import Load
from tests.support.manifest import broker, trigger
from tests.support.process import EventingProcess
from tests.support.subscriber import Gate
from tests.support.wait import eventually

pytestmark = [pytest.mark.crash, pytest.mark.timeout(120)]

BODY = b'"' + b"x" * (64 * 1024) + b'"'


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 MiB."""
    with mounted(tmp_path / "disk", "size=48m") as folder:
        yield folder


async def post_until(engine: EventingProcess, load: Load, status: int, timeout: float) -> Answer:
    """Send events until one is answered with ``status``. None is sent twice."""
    answers: list[Answer] = []

    async def answered() -> bool:
        id_ = f"probe-{len(answers)}-{status}"
        answer = await engine.post(binary(id_), BODY)
        answers.append(answer)
        assert answer.status in {202, 503}, answer
        if answer.status == 202:
            load.accepted[id_] = None
        return answer.status == status

    await eventually(answered, timeout, f"an answer {status}")
    return answers[-1]


@pytest.mark.parametrize(
    ("min_free", "leave"),
    [pytest.param("8MiB", 12 * MIB, id="soft limit"), pytest.param("0", 2 * MIB, id="no space left on device")],
)
async def test_a_full_disk(min_free: str, leave: int, disk: Path, make: Make, listen: Listen, load: Callable[..., Load]) -> None:
    gate = Gate()
    late = await listen(gate.hold())
    quick = await listen()
    channel = f"sqlite://{disk}/events.db?min-free={min_free}"
    engine = make([broker(), trigger("late", late.url), trigger("quick", quick.url)], "--channel", channel)
    await engine.start()
    sender = load(engine.url())
    await sender.many(20, body=BODY)
    await quick.until_done(sender.accepted, 20)
    assert (disk / "events.db.ballast").exists(), "there is a reserve"
    filler = fill(disk, leave)

    refused = await post_until(engine, sender, 503, 30)
    assert refused.headers["retry-after"].isdigit()
    assert "not stored" in refused.text
    assert (await engine.control("/healthz")).status == 200
    assert (await engine.metrics()).total("eventing_events_refused_total", broker="default/default") > 0
    if min_free != "0":
        assert (disk / "events.db.ballast").exists(), "refused at the limit, without touching the reserve"
        assert room(disk) > 4 * MIB
    # Now not a byte is left. What is stored is delivered and settled all the same: settling has a reserve.
    rest = fill(disk, name="rest")
    await quick.until_done(sender.accepted, 20)
    gate.open()
    await late.until_done(sender.accepted, 30)

    async def settled() -> bool:
        page = await engine.metrics()
        return page.total("eventing_backlog_entries") == page.total("eventing_window_events") == 0

    await eventually(settled, 30, "everything settled on the full disk")
    rest.unlink()
    filler.unlink()
    await post_until(engine, sender, 202, 30)
    await sender.many(20, body=BODY)
    for subscriber in (quick, late):
        await subscriber.until_done(sender.accepted, 30)
    assert "disk" in engine.stderr() or min_free != "0"
    assert await engine.terminate() == 0


async def test_a_kill_on_a_full_disk_loses_nothing(disk: Path, make: Make, listen: Listen, load: Callable[..., Load]) -> None:
    gate = Gate()
    late = await listen(gate.hold())
    engine = make([broker(), trigger("late", late.url)], "--channel", f"sqlite://{disk}/events.db?min-free=0")
    await engine.start()
    sender = load(engine.url())
    await sender.many(20, body=BODY)
    fill(disk, MIB)
    await post_until(engine, sender, 503, 30)
    await engine.kill()
    gate.open()
    # With not a byte to spare it starts, and delivers what it owes.
    await engine.start()
    await late.until_done(sender.accepted, 30)
    assert engine.alive
