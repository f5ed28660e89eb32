"""Valid events of every kind, for property tests."""

from __future__ import annotations

import string

from hypothesis import strategies as st

from eventing.event import AttributeValue, Event, canonical

NONCHARACTERS = [chr(code) for code in range(0xFDD0, 0xFDF0)]
NONCHARACTERS += [chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF)]

texts = st.text(st.characters(exclude_categories=("Cc", "Cs"), exclude_characters=NONCHARACTERS), max_size=20)
names = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=20)
sources = st.text(string.ascii_letters + string.digits + "-._~!$&'()*+,;=@/", min_size=1, max_size=20).map(
    lambda text: f"/x{text}"
)
times = st.sampled_from(["2018-04-05T17:31:00Z", "2018-04-05t17:31:00.123456789-00:00", "2016-12-31T23:59:60+00:00"])
media_types = st.sampled_from(
    [
        "application/json",
        "Application/Vnd.X+JSON; charset=utf-8",
        "text/json",
        "text/plain",
        'text/xml; charset="UTF-8"',
        "application/atom+xml",
        "text/plain; charset=latin1",
        "application/octet-stream",
        "image/png",
    ]
)
json_data = st.sampled_from(
    [b"null", b"false", b"0", b'""', b'"x"', b'{"a": 1.50,  "a": 2}', b"[1e400, -0]", '"é\\u0000😀"'.encode()]
)
data = st.none() | json_data | st.binary(min_size=1, max_size=30) | texts.filter(bool).map(str.encode)

_CORE = frozenset(
    (
        "specversion",
        "id",
        "source",
        "type",
        "subject",
        "time",
        "datacontenttype",
        "dataschema",
        "schemaurl",
        "datacontentencoding",
        "data",
    )
)


@st.composite
def events(draw: st.DrawFn, version: str | None = None, values: st.SearchStrategy[AttributeValue] | None = None) -> Event:
    """``values``: what extensions hold, by default Strings, Integers and Booleans."""
    if values is None:
        values = texts | st.integers(-(2**31), 2**31 - 1) | st.booleans()
    attributes: dict[str, AttributeValue] = {
        "specversion": version or draw(st.sampled_from(["1.0", "0.3"])),
        "id": draw(texts.filter(bool)),
        "source": draw(sources),
        "type": draw(texts.filter(bool)),
    }
    optional = {"subject": texts.filter(bool), "time": times, "datacontenttype": media_types}
    for name, strategy in optional.items():
        if draw(st.booleans()):
            attributes[name] = draw(strategy)
    attributes |= draw(st.dictionaries(names.filter(lambda name: name not in _CORE), values, max_size=4))
    order = draw(st.permutations(list(attributes)))
    return Event({name: attributes[name] for name in order}, draw(data))


def as_texts(event: Event) -> Event:
    """The event as a binding without types shows it: every attribute in its canonical string form, empty data as none."""
    return Event({name: canonical(value) for name, value in event.items()}, event.data or None)
