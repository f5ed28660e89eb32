from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventing.errors import InvalidSetting
from eventing_channels.clock import Clock
from eventing_channels.options import duration, query_options, size
from eventing_channels.sqlite.settings import parse
from eventing_channels.sqlite.space import default_min_free


@given(st.lists(st.tuples(st.integers(-1000, 1000), st.integers(0, 100))), st.integers(-500, 500))
def test_the_clock_never_goes_back_and_never_stands(steps: list[tuple[int, int]], floor: int) -> None:
    wall, monotonic = [0.0], [0.0]
    clock = Clock(lambda: wall[0], float(floor), lambda: monotonic[0])
    last = clock.now()
    assert last == max(0.0, floor)
    for jump, passed in steps:
        wall[0] += jump
        monotonic[0] += passed
        now = clock.now()
        assert now == max(last + passed, wall[0])
        last = now


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("64MiB", 64 << 20), ("1 GiB", 1 << 30), ("10kB", 10_000), ("5B", 5)])
def test_sizes(text: str, value: int) -> None:
    assert size("o", text) == value


@pytest.mark.parametrize("text", ["", "MiB", "-1", "1.5MiB", "1mib", "1e3", "99999999999TiB"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(InvalidSetting, match="'o'"):
        size("o", text)


@pytest.mark.parametrize(("text", "value"), [("PT0S", 0.0), ("PT1H", 3600.0), ("P1DT2H3M4.5S", 93784.5), ("P7D", 604800.0)])
def test_durations(text: str, value: float) -> None:
    assert duration("o", text) == value


@pytest.mark.parametrize("text", ["P", "PT", "P1DT", "5", "PT-1S", "P1Y", "1H"])
def test_no_durations(text: str) -> None:
    with pytest.raises(InvalidSetting, match="'o'"):
        duration("o", text)


def test_options_without_value_are_refused() -> None:
    with pytest.raises(InvalidSetting, match="no value"):
        query_options("u", "a=", ("a",))
    with pytest.raises(InvalidSetting, match="name=value"):
        query_options("u", "a", ("a",))


def test_the_default_file_is_in_the_data_directory(tmp_path: Path) -> None:
    assert parse("sqlite", tmp_path).path == tmp_path / "events.db"
    settings = parse("sqlite:///srv/my%20events.db?min-free=64MiB&retention=PT1H&max-bytes=1GiB", tmp_path)
    assert (str(settings.path), settings.min_free, settings.retention, settings.max_bytes) == (
        "/srv/my events.db", 64 << 20, 3600.0, 1 << 30,
    )  # fmt: skip


def test_the_default_soft_limit_is_capped() -> None:
    assert default_min_free(1 << 30) == 256 << 20
    assert default_min_free(10 << 30) == (10 << 30) // 20
    assert default_min_free(2 << 40) == 1 << 30
