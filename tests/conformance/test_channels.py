"""The shipped suite against the channels of this repository that need no server."""

from __future__ import annotations

from pathlib import Path

import pytest

from eventing.testing.channels import ChannelSuite, Harness, excluded
from eventing.testing.channels.events import EventTests
from eventing_channels import memory, sqlite

# The suite is shipped, and its users' pytest knows no such mark.
pytest.mark.requirement("B7", "I20")(EventTests.test_any_valid_event_comes_back_from_log_backlog_and_dead_letters_as_it_went_in)
pytest.mark.requirement("D12")(EventTests.test_any_failure_comes_back_from_backlog_and_dead_letters_as_it_went_in)


class TestMemory(ChannelSuite):
    @pytest.fixture
    def channel_harness(self, tmp_path: Path) -> Harness:
        return Harness(tmp_path, lambda context: memory.open_channel("memory://", context))


class TestSqlite(ChannelSuite):
    @pytest.fixture
    def channel_harness(self, tmp_path: Path) -> Harness:
        return Harness(tmp_path, lambda context: sqlite.open_channel("sqlite", context))


class TestSqliteFromDisk(ChannelSuite):
    """A reader that holds one event in memory reads nearly everything back from disk."""

    @pytest.fixture
    def channel_harness(self, tmp_path: Path) -> Harness:
        from eventing_channels.sqlite.channel import SqliteChannel
        from eventing_channels.sqlite.settings import Settings

        return Harness(tmp_path, lambda context: SqliteChannel(Settings(tmp_path / "e.db", cache_records=1), context))


def test_only_what_the_capabilities_exclude_is_skipped(tmp_path: Path) -> None:
    harness = Harness(tmp_path, lambda context: sqlite.open_channel("sqlite", context))
    assert excluded(ChannelSuite, harness.capabilities()) == []
    volatile = Harness(tmp_path, lambda context: memory.open_channel("memory://", context))
    skipped = excluded(ChannelSuite, volatile.capabilities())
    assert "test_entries_survive_a_restart_and_leases_do_not" in skipped
    assert "test_due_order_then_position" not in skipped
