"""File systems of a test's own, to fill or only to read. Mounting takes root; without it the tests are skipped, unless
`EVENTING_TEST_REQUIRE` names tmpfs."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MIB = 1024 * 1024


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A tmpfs on a new folder. ``options``: those of `mount`, as `size=24m` or `ro`."""
    folder.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True, check=False)
    if mount.returncode != 0:
        reason = f"a tmpfs can't be mounted here, which takes root: {mount.stderr.strip()}"
        if "tmpfs" in os.environ.get("EVENTING_TEST_REQUIRE", "").split(","):
            pytest.fail(reason)
        pytest.skip(reason)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def room(folder: Path) -> int:
    """Bytes."""
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


def fill(folder: Path, leave: int = 0, name: str = "filler") -> Path:
    """A file of somebody else's that takes all room but ``leave`` bytes."""
    filler = folder / name
    left = room(folder) - leave
    with filler.open("wb", buffering=0) as file:
        try:
            while left > 0:
                left -= file.write(b"\0" * min(left, MIB))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
    return filler
