"""Requirements D1, D3, D10 and R1."""

from __future__ import annotations

import pytest

from eventing.policy.outcome import Outcome, classify, heeds_retry_after, may_carry_reply


@pytest.mark.requirement("R1", "D10")
def test_only_200_carries_a_reply_and_429_and_503_a_retry_after() -> None:
    codes = range(-1, 1100)
    assert [status for status in codes if may_carry_reply(status)] == [200]
    assert [status for status in codes if heeds_retry_after(status)] == [429, 503]


@pytest.mark.requirement("D1", "D3")
def test_every_status_from_below_100_to_beyond_599_has_the_outcome_of_its_class() -> None:
    codes = range(-1, 1100)
    assert [status for status in codes if classify(status) is Outcome.DONE] == [*range(200, 300)]
    assert [status for status in codes if classify(status) is Outcome.RETRY] == [
        *range(-1, 100),
        404,
        408,
        409,
        429,
        *range(500, 1100),
    ]


@pytest.mark.requirement("D1")
@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (100, Outcome.REFUSED),
        (199, Outcome.REFUSED),
        (200, Outcome.DONE),
        (202, Outcome.DONE),
        (204, Outcome.DONE),
        (299, Outcome.DONE),
        (301, Outcome.REFUSED),
        (307, Outcome.REFUSED),
        (400, Outcome.REFUSED),
        (401, Outcome.REFUSED),
        (403, Outcome.REFUSED),
        (404, Outcome.RETRY),
        (408, Outcome.RETRY),
        (409, Outcome.RETRY),
        (410, Outcome.REFUSED),
        (413, Outcome.REFUSED),
        (429, Outcome.RETRY),
        (499, Outcome.REFUSED),
        (500, Outcome.RETRY),
        (503, Outcome.RETRY),
        (599, Outcome.RETRY),
        (600, Outcome.RETRY),
        (999, Outcome.RETRY),
        (99, Outcome.RETRY),
        (0, Outcome.RETRY),
    ],
)
def test_each_status_that_the_table_names_has_the_outcome_it_gives(status: int, outcome: Outcome) -> None:
    assert classify(status) is outcome
