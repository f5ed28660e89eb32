from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventing.ports.watermark import Watermark


@given(st.lists(st.integers(1, 4), max_size=12), st.lists(st.lists(st.integers(0, 14), max_size=4), max_size=12))
def test_the_cursor_is_the_highest_position_with_nothing_open_below(gaps: list[int], settlements: list[list[int]]) -> None:
    mark = Watermark(0)
    out: list[int] = []
    done: set[int] = set()
    for step in range(12):
        if step < len(gaps):
            out.append((out[-1] if out else 0) + gaps[step])
            assert mark.give(out[-1])
        # Some name positions that were never given out, or twice: these change nothing.
        ended = [out[at] if at < len(out) else 10**6 for at in (settlements[step] if step < len(settlements) else [])]
        known = done | (set(ended) & set(out))
        expected = max((p for p in out if all(q in known for q in out if q <= p)), default=0)
        before = mark.cursor
        assert mark.preview(ended) == expected
        assert mark.cursor == before, "a preview moves nothing"
        assert mark.apply(ended) == expected
        done = known
        assert mark.outstanding == len(set(out) - done)


@given(st.sets(st.integers(1, 10)), st.sets(st.integers(1, 10)), st.sets(st.integers(1, 10)))
def test_after_a_reopening_only_what_is_not_done_comes_again(before: set[int], between: set[int], after: set[int]) -> None:
    mark = Watermark(0)
    for position in range(1, 11):
        mark.give(position)
    mark.apply(before)
    mark.reopen()
    mark.apply(between)
    again = [p for p in range(mark.cursor + 1, 11) if mark.give(p)]
    assert set(again) == set(range(1, 11)) - before - between
    mark.apply(after)
    ended = before | between | after
    expected = 0
    while expected < 10 and expected + 1 in ended:
        expected += 1
    assert mark.cursor == expected


def test_positions_must_rise() -> None:
    mark = Watermark(5)
    with pytest.raises(ValueError, match="position 5"):
        mark.give(5)
