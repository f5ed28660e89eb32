"""The soak for a few seconds, so that it works when it is needed; `python -m tests.soak` does the same for hours."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from tests.soak.run import Options, Soak

pytestmark = [pytest.mark.acceptance, pytest.mark.crash, pytest.mark.timeout(300)]

BRIEF = Options(seconds=10.0, calm=0.4, rate=80.0, idle=3, patience=90.0)


async def test_under_mixed_load_faults_and_restarts_everything_accepted_ends_and_nothing_is_left_open(tmp_path: Path) -> None:
    seed = secrets.randbelow(2**32)
    print(f"seed {seed}")
    soak = Soak(tmp_path, seed, BRIEF)
    summary = await soak.run()
    for line in soak.lines():
        print(line)
    assert summary.findings == []
    assert soak.ledger.accepted > 200, "hardly anything was sent"
    assert soak.ledger.open() == []
    assert {how for _, how in soak.ledger.ends} == {"delivered", "dead letter", "built-in store"}
    assert len(summary.crashes) + len(summary.stops) > 1, "it was never restarted under load"
    assert len(summary.memory) > 1
