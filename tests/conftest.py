from __future__ import annotations

import pytest

from tests.requirements.plugin import OPTION, ConformanceReport


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(OPTION, action="store_true", help="write docs/conformance.md from what this run of all tests shows")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(ConformanceReport(config))
