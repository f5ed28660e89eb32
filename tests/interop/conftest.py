"""The SDK clients and the program: opened once for each process of pytest, without anything left of the test before."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.interop.broker_site import Site
from tests.interop.plain import PlainListener
from tests.interop.sdks import Sdks


@pytest.fixture(scope="session")
def opened_sdks() -> Iterator[Sdks]:
    opened = Sdks()
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture(scope="session")
def opened_listener() -> Iterator[PlainListener]:
    opened = PlainListener()
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture(scope="session")
def opened_site(opened_sdks: Sdks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    opened = Site(tmp_path_factory.mktemp("interop"), opened_sdks.available())
    try:
        asyncio.run(opened.process.start())
        yield opened
    finally:
        opened.close()


@pytest.fixture
def sdks(opened_sdks: Sdks) -> Sdks:
    opened_sdks.forget()
    return opened_sdks


@pytest.fixture
def listener(opened_listener: PlainListener) -> PlainListener:
    opened_listener.forget()
    return opened_listener


@pytest.fixture
def site(opened_site: Site) -> Site:
    opened_site.forget()
    return opened_site
