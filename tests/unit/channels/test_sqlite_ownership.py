"""Who may use the file, and who may read it."""

# ruff: noqa: ASYNC240 (small local files)

from __future__ import annotations

from pathlib import Path

import pytest

from eventing.errors import ChannelBusy, InvalidSetting
from eventing.ports.channel import ChannelContext
from eventing.ports.records import NewRecord
from eventing.testing.channels.harness import event
from eventing_channels.sqlite import open_channel


async def test_an_owner_whose_lock_was_removed_writes_no_more(tmp_path: Path) -> None:
    first = open_channel(f"sqlite://{tmp_path}/events.db?min-free=0", ChannelContext(tmp_path))
    await first.open()
    await first.ensure_broker("a")
    await first.append("a", [NewRecord(event("1"))])
    (tmp_path / "events.db.lock").unlink()
    second = open_channel(f"sqlite://{tmp_path}/events.db?min-free=0", ChannelContext(tmp_path))
    await second.open()
    with pytest.raises(ChannelBusy, match=r"lock file of .* was removed"):
        await first.append("a", [NewRecord(event("2"))])
    assert not first.health().ready
    [position] = await second.append("a", [NewRecord(event("3"))])
    assert position
    await first.close()
    await second.close()


async def test_files_are_their_owners_alone(tmp_path: Path) -> None:
    channel = open_channel(f"sqlite://{tmp_path}/events.db?min-free=0", ChannelContext(tmp_path))
    await channel.open()
    await channel.ensure_broker("a")
    await channel.append("a", [NewRecord(event("1"))])
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    await channel.close()
    assert {"events.db", "events.db-wal", "events.db.ballast", "events.db.lock"} <= modes.keys()
    assert set(modes.values()) == {0o600}


async def test_a_file_that_is_no_channel_gets_no_lock_beside_it(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    channel = open_channel(f"sqlite://{tmp_path}/nope/../notes", ChannelContext(tmp_path))
    with pytest.raises(InvalidSetting, match="is not a file"):
        await channel.open()
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]
