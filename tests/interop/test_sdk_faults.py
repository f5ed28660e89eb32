"""What each SDK does by itself, with no broker between: its faults are told from ours, and noticed when they are mended."""

from __future__ import annotations

import pytest

from tests.interop.broker_site import forwarded, seen
from tests.interop.client import MODES, NAMES
from tests.interop.faults_receiving import RECEIVERS, shown
from tests.interop.faults_sending import SENDERS, sent
from tests.interop.model import Refused, of_sample, of_told, same
from tests.interop.plain import PlainListener, post, read, write
from tests.interop.samples import SAMPLES, Sample, fresh
from tests.interop.sdks import Sdks
from tests.interop.traits import Trait


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
@pytest.mark.parametrize(("sdk", "mode"), MODES)
def test_an_sdk_sends_what_it_is_given_but_for_its_known_faults(
    sdks: Sdks, listener: PlainListener, sdk: str, mode: str, sample: Sample
) -> None:
    event = fresh(sample)
    expected = sent(sdk, mode, event)
    told = sdks.get(sdk).send(listener.url("/"), mode, event.command())
    if expected == Refused("sender"):
        assert "refused" in told
        return
    assert told == {"status": 204}
    message = listener.next_received()
    if isinstance(expected, Refused):
        with pytest.raises(ValueError, match=r"."):
            of_told(read(message), event)
        return
    same(of_told(read(message), event), forwarded(expected, mode, mode, implied=False))


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
@pytest.mark.parametrize("mode", ["binary", "structured"])
@pytest.mark.parametrize("sdk", NAMES)
def test_an_sdk_shows_what_it_receives_but_for_its_known_faults(sdks: Sdks, sdk: str, mode: str, sample: Sample) -> None:
    event = fresh(sample)
    client = sdks.get(sdk)
    status = post(client.url("/"), *write(event, mode))
    told = client.next_received()
    expected = shown(sdk, mode, forwarded(of_sample(event), mode, mode, implied=False), event)
    same(seen(told, event), expected)
    assert (status >= 400) == isinstance(expected, Refused)


def _named(trait: Trait) -> str:
    rule = f"against {trait.breaks.partition(':')[0]}" if trait.breaks else "which is allowed"
    return f"{', '.join(trait.sdks)} {trait.what}, {rule}"


@pytest.mark.parametrize("trait", [*SENDERS, *RECEIVERS], ids=_named)
def test_a_known_fault_shows_in_one_of_the_events(trait: Trait) -> None:
    assert any(trait.change(of_sample(event), event) != of_sample(event) for event in map(fresh, SAMPLES))
