"""The whole suite for a channel."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from eventing.testing.channels.backlog import BacklogTests
from eventing.testing.channels.documents import DocumentTests
from eventing.testing.channels.events import EventTests
from eventing.testing.channels.harness import Harness
from eventing.testing.channels.leases import LeaseTests
from eventing.testing.channels.letters import DeadLetterTests
from eventing.testing.channels.lifecycle import LifecycleTests
from eventing.testing.channels.log import LogTests
from eventing.testing.channels.order import OrderTests
from eventing.testing.channels.retention import RetentionTests
from eventing.testing.channels.runs import RunTests
from eventing.testing.channels.settle import SettleTests


class ChannelSuite(
    LogTests,
    EventTests,
    SettleTests,
    BacklogTests,
    OrderTests,
    RunTests,
    DeadLetterTests,
    RetentionTests,
    DocumentTests,
    LeaseTests,
    LifecycleTests,
):
    """Subclass it as `Test...` and give it a `channel_harness` fixture."""

    @pytest.fixture
    def channel_harness(self) -> Harness:
        """The channel to test; a subclass must say it."""
        raise NotImplementedError("give the suite a channel_harness fixture")

    @pytest_asyncio.fixture(autouse=True)
    async def _channel(self, channel_harness: Harness) -> AsyncIterator[None]:
        self.harness = channel_harness
        self.channel = await channel_harness.open()
        await self.channel.ensure_broker("a")
        await self.channel.ensure_broker("b")
        yield
        await channel_harness.close()
