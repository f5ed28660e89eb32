"""The program under fire, for as many cases as a minute holds: one seed that stays, so that a failure comes again, and a new one
every time, which is printed. `python -m tests.fuzz` does the same for hours."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from tests.fuzz.bounds import Bounds
from tests.fuzz.campaign import Campaign
from tests.fuzz.evil import EvilCampaign

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

FIXED = 20260101


def seeds() -> list[int]:
    """Known when the test runs, not when it is collected: the workers of a parallel run must collect the same tests."""
    return [FIXED, secrets.randbelow(2**32)]


@pytest.mark.requirement("I4", "I9", "I12", "I13", "I14", "I15", "I16", "I18", "I19", "F2", "F7", "B7", "T4")
async def test_any_bytes_are_answered_with_2xx_or_4xx_and_what_is_accepted_is_delivered_once_as_it_was_sent(
    tmp_path: Path,
) -> None:
    for seed, cases in zip(seeds(), (6_000, 4_000), strict=True):
        print(f"seed {seed}")
        summary = await Campaign(tmp_path / str(seed), seed, Bounds(cases), silent=False).run()
        print(summary.line())
        assert summary.findings == []
        assert summary.exit_code == 0
        assert summary.cases == cases
        assert summary.accepted > cases // 2, "most events are good, or the rest is never reached"
        assert summary.delivered > summary.accepted
        assert {status for status in summary.statuses if status >= 500} <= {503}


@pytest.mark.requirement("D1", "D2", "D3", "D4", "D11", "R1", "R4", "R5")
async def test_any_answer_of_a_subscriber_is_a_success_a_retry_or_a_refusal_and_never_more(tmp_path: Path) -> None:
    for seed, cases in zip(seeds(), (3_000, 2_000), strict=True):
        print(f"seed {seed}")
        campaign = EvilCampaign(tmp_path / str(seed), seed, Bounds(cases))
        summary = await campaign.run()
        print(summary.line(), dict(campaign.evil.outcomes))
        assert summary.findings == []
        assert summary.exit_code == 0
        assert summary.cases == cases
        assert all(campaign.evil.outcomes[outcome] > cases // 20 for outcome in ("done", "retry", "refused"))
