"""Events that an SDK's receiver answers with: back into the broker, and to every SDK's receiver."""

from __future__ import annotations

import pytest

from tests.interop.broker_site import Site
from tests.interop.client import NAMES
from tests.interop.faults_sending import replied
from tests.interop.model import Seen
from tests.interop.plain import write
from tests.interop.samples import SAMPLES, Sample, fresh, sample
from tests.interop.sdks import Sdks

# What an SDK can't send as an event it can't reply with either.
REPLIES = [
    pytest.param(sdk, mode, reply, id=f"{sdk}-{mode}-{reply}")
    for sdk in NAMES
    for mode in ("binary", "structured")
    for reply in SAMPLES
    if isinstance(replied(sdk, mode, fresh(reply)), Seen)
]


@pytest.mark.requirement("R1", "R2", "R5")
@pytest.mark.parametrize(("sdk", "mode", "reply"), REPLIES)
def test_what_the_receiver_of_one_sdk_replies_every_sdk_receives(
    sdks: Sdks, site: Site, sdk: str, mode: str, reply: Sample
) -> None:
    client = sdks.get(sdk)
    answer = fresh(reply)
    assert client.reply_with(mode, answer.command()) == {"ready": True}
    question = fresh(sample("a question"), f"ask.{sdk}")
    assert site.post(*write(question, "binary")) == 202
    asked = client.next_received()
    assert (asked["path"], asked["attributes"]["id"]) == ("/reply", question.id)
    expected = replied(sdk, mode, answer)
    assert isinstance(expected, Seen)
    site.check(answer, expected, mode)
