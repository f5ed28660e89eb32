"""Any valid event, and any record of one, as hypothesis strategies: for round trips through a store or a binding."""

from __future__ import annotations

import string

from hypothesis import strategies as st

from eventing.event import AttributeValue, Event
from eventing.ports.records import MAX_HOPS, NewRecord

_NONCHARACTERS = [chr(code) for code in range(0xFDD0, 0xFDF0)]
_NONCHARACTERS += [chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF)]

texts = st.text(st.characters(exclude_categories=("Cc", "Cs"), exclude_characters=_NONCHARACTERS), max_size=30)
"""CloudEvents Strings: no control character, noncharacter or unpaired surrogate (CloudEvents 1.0, "Type System")."""

_CORE = frozenset(("specversion", "id", "source", "type", "subject", "time", "data", "datacontenttype", "dataschema"))
_CORE |= {"schemaurl", "datacontentencoding"}  # of 0.3
_names = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=20).filter(lambda name: name not in _CORE)
_values = texts | st.integers(-(2**31), 2**31 - 1) | st.booleans()
_data = st.none() | st.binary(max_size=200) | texts.map(str.encode)
_header = st.tuples(st.sampled_from([b"x-request-id", b"traceparent", b"knative-a"]), st.binary(max_size=40))


@st.composite
def valid_events(draw: st.DrawFn) -> Event:
    """Of both versions, with attributes of every type in any order, and data of every kind, absent and empty ones too."""
    attributes: dict[str, AttributeValue] = {
        "specversion": draw(st.sampled_from(["1.0", "0.3"])),
        "id": draw(texts.filter(bool)),
        "source": draw(st.sampled_from(["/s", "urn:x:1", "https://example.com/a%20b?c=d#e", "../%E2%82%AC", "mailto:a@b"])),
        "type": draw(texts.filter(bool)),
        **draw(st.dictionaries(_names, _values, max_size=5)),
    }
    if draw(st.booleans()):
        attributes["subject"] = draw(texts.filter(bool))
    if draw(st.booleans()):
        attributes["time"] = draw(st.sampled_from(["2018-04-05T17:31:00Z", "2018-04-05t17:31:00.123456789-00:00"]))
    if draw(st.booleans()):
        attributes["datacontenttype"] = draw(st.sampled_from(["application/json", 'Text/XML; charset="UTF-8"', "image/png"]))
    order = draw(st.permutations(list(attributes)))
    return Event({name: attributes[name] for name in order}, draw(_data))


def records() -> st.SearchStrategy[NewRecord]:
    """Such an event with any hop count, with and without headers that go along."""
    return st.builds(NewRecord, valid_events(), st.integers(0, MAX_HOPS), st.lists(_header, max_size=3).map(tuple))
