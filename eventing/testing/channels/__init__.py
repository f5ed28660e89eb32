"""The conformance suite for channels. A third party proves a backend with

    from eventing.testing.channels import ChannelSuite, Harness

    class TestMyChannel(ChannelSuite):
        @pytest.fixture
        def channel_harness(self, tmp_path):
            return Harness(tmp_path, lambda context: open_channel("mine://...", context))

and `asyncio_mode = auto` of pytest-asyncio. What a backend's declared capabilities exclude is skipped by name; `excluded`
lists those tests, for a table in the documentation.
"""

from eventing.testing.channels.harness import Harness, excluded, needs
from eventing.testing.channels.suite import ChannelSuite

__all__ = ["ChannelSuite", "Harness", "excluded", "needs"]
