"""Events from every SDK's sender through the broker to every SDK's receiver."""

from __future__ import annotations

import pytest

from tests.interop.client import MODES
from tests.interop.faults_receiving import shown
from tests.interop.faults_sending import sent
from tests.interop.model import Refused, Seen, of_told, same
from tests.interop.plain import read
from tests.interop.samples import SAMPLES, Sample, fresh
from tests.interop.sdks import Sdks
from tests.interop.site import FORMATS, Site, forwarded, seen


@pytest.mark.requirement("I1", "I9", "I12", "I13", "I14", "I17", "I18", "F1", "F2", "F3", "F5", "F6", "F7", "B2", "B7", "D13")
@pytest.mark.parametrize("sample", SAMPLES, ids=str)
@pytest.mark.parametrize(("sdk", "mode"), MODES)
def test_what_one_sdk_sends_every_sdk_receives_the_same(sdks: Sdks, site: Site, sdk: str, mode: str, sample: Sample) -> None:
    event = fresh(sample)
    expected = sent(sdk, mode, event)
    told = sdks.get(sdk).send(site.url, mode, event.command())
    if isinstance(expected, Refused):
        assert "refused" in told if expected.by == "sender" else told == {"status": 400}
        return
    assert told == {"status": 202}
    arrived(site, event, expected, mode)


def arrived(site: Site, event: Sample, sent: Seen, came: str) -> None:
    arrivals = site.arrivals(event.id)
    for goes in FORMATS:
        on_the_wire = forwarded(sent, came, goes)
        same(of_told(read(arrivals.wire[goes]), event), on_the_wire, f"the wire, {goes}")
        for name in site.clients:
            same(seen(arrivals.shown[name, goes], event), shown(name, goes, on_the_wire, event), f"{name}, {goes}")
