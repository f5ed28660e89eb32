"""How often and when an event is tried again, as the store has it (Knative control plane, "DeliverySpec"; DATAPATH 5)."""

from __future__ import annotations

import time
from email.utils import formatdate
from pathlib import Path
from typing import Literal

import pytest
from dispatch_rig import Rig, event, eventually, rig, subscribers

from eventing.policy.delivery import DeliveryPolicy
from eventing.ports.http import Response
from eventing.resources.plan import Target

HOUR = 3600.0


@pytest.mark.requirement("D4")
@pytest.mark.parametrize("retry", [0, 1, 4])
async def test_there_are_retry_plus_one_attempts_at_the_subscriber_and_as_many_at_the_sink(tmp_path: Path, retry: int) -> None:
    async with subscribers(2) as (one, dead), rig(tmp_path) as engine:
        one.answer = dead.answer = lambda _event, _times: Response(500)
        policy = DeliveryPolicy(retry=retry, delay=0.001, timeout=5.0)
        engine.trigger("one", one.url, policy=policy, dead_letter=Target(dead.url))
        await engine.start()
        await engine.append(event(1))
        await dead.until(lambda: dead.ids()["1"] == retry + 1)
        await engine.idle()
        [stored] = await engine.channel.dead_letters.list("b", "one", 10)
    assert one.ids() == dead.ids() == {"1": retry + 1}
    assert stored.letter.why == "exhausted"


async def waits(engine: Rig, answered: list[float], attempts: int) -> list[float]:
    """Seconds from the end of each attempt to the next one's due time, as stored; the channel's clock leaps to the next."""
    found: list[float] = []
    for number in range(1, attempts + 1):

        async def stored(number: int = number) -> bool:
            views = await engine.channel.backlog.list("b", "one", 10)
            return bool(views) and views[0].attempts == number and not views[0].leased

        await eventually(stored)
        [view] = await engine.channel.backlog.list("b", "one", 10)
        found.append(view.due - answered[-1])
        engine.leap += found[-1] + 1
        await engine.apply()  # looks at every lane anew
    return found


@pytest.mark.requirement("D5")
@pytest.mark.parametrize(("backoff", "steps"), [("linear", (1, 2, 3, 4)), ("exponential", (1, 2, 4, 8))])
async def test_the_stored_waits_are_d_2d_3d_or_d_2d_4d_from_the_end_of_an_attempt(
    tmp_path: Path, backoff: Literal["linear", "exponential"], steps: tuple[int, ...]
) -> None:
    answered: list[float] = []
    async with subscribers(1) as (one,), rig(tmp_path) as engine:

        def answer(_event: object, _times: int) -> Response:
            answered.append(time.time() + engine.leap)
            return Response(500)

        one.answer = answer
        policy = DeliveryPolicy(retry=9, backoff=backoff, delay=HOUR, cap=100 * HOUR, timeout=5.0)
        engine.trigger("one", one.url, policy=policy)
        await engine.start()
        await engine.append(event(1))
        found = await waits(engine, answered, len(steps))
    # Between the answer and the look at the clock lies the answer's way back, of unknown length and never negative.
    assert [wait // HOUR for wait in found] == list(steps)


@pytest.mark.requirement("D6")
async def test_without_a_policy_an_event_is_retried_with_a_wait_and_never_given_up_at_once(tmp_path: Path) -> None:
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        one.answer = lambda _event, times: Response(500 if times < 4 else 204)
        engine.trigger("one", one.url)
        await engine.start()
        await engine.append(event(1))
        await one.until(lambda: one.ids()["1"] == 4)
        await engine.idle()
        assert await engine.channel.dead_letters.list("b", None, 10) == []
    assert engine.metrics.triggers["one"].retries == 3


async def due_after(tmp_path: Path, answer: Response, retry_after_max: float = HOUR) -> float:
    """Seconds until the next attempt after such an answer; the backoff is one second."""
    async with subscribers(1) as (one,), rig(tmp_path) as engine:
        one.answer = lambda _event, _times: answer
        engine.trigger("one", one.url, policy=DeliveryPolicy(retry=9, delay=100.0, retry_after_max=retry_after_max, timeout=5.0))
        await engine.start()
        before = time.time()
        await engine.append(event(1))

        async def stored() -> bool:
            return bool(await engine.channel.backlog.list("b", "one", 10))

        await eventually(stored)
        [view] = await engine.channel.backlog.list("b", "one", 10)
        return view.due - before


def asking(status: int, value: str) -> Response:
    return Response(status, [(b"retry-after", value.encode())])


@pytest.mark.requirement("D10", "I24")
@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_in_seconds_is_obeyed_on_429_and_503(tmp_path: Path, status: int) -> None:
    assert 1000 <= await due_after(tmp_path, asking(status, "1000")) < 1100


@pytest.mark.requirement("D10")
async def test_retry_after_as_a_date_is_obeyed(tmp_path: Path) -> None:
    date = formatdate(time.time() + 2000, usegmt=True)
    assert 1990 <= await due_after(tmp_path, asking(503, date)) < 2100


@pytest.mark.requirement("D10")
@pytest.mark.parametrize("status", [404, 408, 409, 500, 502, 504])
async def test_retry_after_on_other_answers_is_not_heeded(tmp_path: Path, status: int) -> None:
    assert 100 <= await due_after(tmp_path, asking(status, "1000")) < 200


@pytest.mark.requirement("D10")
@pytest.mark.parametrize(
    ("value", "maximum", "least"), [("1000", 500.0, 500), ("1000", 0.0, 100), ("5", HOUR, 100), ("soon", HOUR, 100)]
)
async def test_retry_after_is_bounded_turned_off_by_zero_and_never_shortens_the_backoff(
    tmp_path: Path, value: str, maximum: float, least: int
) -> None:
    assert least <= await due_after(tmp_path, asking(503, value), maximum) < least + 100
