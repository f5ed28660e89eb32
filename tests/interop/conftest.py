"""The SDK clients and the program, once for each process of pytest."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.interop.plain import PlainListener
from tests.interop.sdks import Sdks
from tests.interop.site import Site


@pytest.fixture(scope="session")
def sdks() -> Iterator[Sdks]:
    opened = Sdks()
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture(scope="session")
def listener() -> Iterator[PlainListener]:
    opened = PlainListener()
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture(scope="session")
def site(sdks: Sdks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    opened = Site(tmp_path_factory.mktemp("interop"), sdks.available())
    try:
        asyncio.run(opened.process.start())
        yield opened
    finally:
        opened.close()
