"""For all tests of the dispatcher: no refresh comes to the rescue of a wake-up that was lost, but where a test asks for it."""

from __future__ import annotations

import pytest

from eventing.dispatch import backlog


@pytest.fixture(autouse=True)
def no_refresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "REFRESH", 1000.0)
