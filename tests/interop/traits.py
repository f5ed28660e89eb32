"""Where an SDK makes something else of an event: a fault, with the rule that it breaks, or a liberty that the rules leave.

HB is the CloudEvents HTTP binding, JF its JSON format, CE the specification itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from tests.interop.model import Refused, Seen
from tests.interop.samples import Sample

Change = Callable[[Seen, Sample], Seen | Refused]

BINARY = ("binary",)
STRUCTURED = ("structured",)
EVERY = ("binary", "structured", "batch")

NO_CODING = "HB 3.1.3.2: attributes are percent-encoded by senders and decoded by receivers"
NO_CODING_ISSUES = "cloudevents/spec#1397, sdk-go#1331, sdk-java#748"
SUFFIX_ISSUES = "cloudevents/sdk-go#797, sdk-go#1273"
TYPES = "CE, Type System: a value is written as the canonical string of its type, a timestamp as RFC 3339"
BODY = "HB 3.1.2: the body is the data, encoded as its content type says"
CONTENT_TYPE = "HB 3.1.1: the content type is datacontenttype and nothing else"
JSON_DATA = "JF 3.1.1: under a JSON media type, +json too, the member data is the JSON value"
JSON_FALSY = "JF 3.1.1: the member data holds any JSON value; only its absence means no data"
NOT_IN_IT = "CE, Context Attributes: time is optional, and this event has none"
PRECISION = "CE, Type System: a timestamp is any of RFC 3339, with as many digits as it has"


@dataclass(frozen=True, slots=True)
class Trait:
    """``modes``: of the message sent or received. ``breaks``: the rule, None for a liberty. ``change``: from what the event
    is to what becomes of it; must leave alone all that the trait isn't about. ``issues``: where the SDK's makers know of it."""

    sdks: tuple[str, ...]
    modes: tuple[str, ...]
    what: str
    breaks: str | None
    change: Change
    issues: str = ""


def apply(traits: Iterable[Trait], sdk: str, mode: str, event: Seen, sample: Sample) -> Seen | Refused:
    """The event after all traits of this SDK in this mode, in their order."""
    changed: Seen | Refused = event
    for trait in traits:
        if sdk in trait.sdks and mode in trait.modes and isinstance(changed, Seen):
            changed = trait.change(changed, sample)
    return changed


def each_text(change: Callable[[str], str]) -> Change:
    """For every attribute in a header of its own. Where ``change`` raises ValueError it is no event: the broker refuses it."""

    def changed(seen: Seen, _sample: Sample) -> Seen | Refused:
        kept = {"datacontenttype"}
        try:
            return replace(seen, attributes={n: text if n in kept else change(text) for n, text in seen.attributes.items()})
        except ValueError:
            return Refused("broker")

    return changed


def of_type(type_: str, change: Callable[[str], str]) -> Change:
    """For extensions of a type."""

    def changed(seen: Seen, sample: Sample) -> Seen | Refused:
        return seen.with_(**{n: change(one.text) for n, one in sample.attributes.items() if one.type == type_ and n != "time"})

    return changed


def cut_times(nanoseconds: int) -> Change:
    def changed(seen: Seen, sample: Sample) -> Seen | Refused:
        named = [n for n, one in sample.attributes.items() if one.type == "Timestamp" and seen.attributes[n].isdigit()]
        return seen.with_(**{n: str(int(seen.attributes[n]) // nanoseconds * nanoseconds) for n in named})

    return changed


def refused(by: str, when: Callable[[Seen, Sample], bool]) -> Change:
    return lambda seen, sample: Refused(by) if when(seen, sample) else seen
