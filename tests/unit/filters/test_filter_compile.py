"""What can't be compiled is refused, by place and rule (requirements T2 to T6, T9)."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventing.errors import InvalidFilter
from eventing.event import Event
from eventing.filters import DIALECTS, MAX_CONDITIONS, MAX_DEPTH, Everything, Filter, Place, compile_filter

GOOD = {"exact": {"type": "a"}}


def refused(filters: object, attributes: object = None) -> InvalidFilter:
    with pytest.raises(InvalidFilter) as caught:
        compile_filter(cast("list[object] | None", filters), cast("Mapping[str, str] | None", attributes))
    return caught.value


@pytest.mark.requirement("T2", "T4", "T5", "T6", "T7", "T9")
@pytest.mark.parametrize(
    ("filters", "path", "rule"),
    [
        ([{}], "filters[0]", "exactly one dialect, found none"),
        ([GOOD | {"suffix": {"type": "b"}}], "filters[0]", "exactly one dialect, found exact, suffix"),
        ([GOOD | {"any": None}], "filters[0]", "exactly one dialect"),
        ([GOOD, {"glob": {"type": "a"}}], "filters[1]", "unknown dialect 'glob'"),
        ([{"Exact": {"type": "a"}}], "filters[0]", "unknown dialect 'Exact'"),
        ([{True: {"type": "a"}}], "filters[0]", "unknown dialect True"),
        ([{"cesql": "type ="}], "filters[0].cesql", "expected a value, found the end, at character 7"),
        ([{"sql": "type ="}], "filters[0].sql", "expected a value, found the end, at character 7"),
        ([GOOD | {"cesql": "type = 'a'"}], "filters[0]", "exactly one dialect, found exact, cesql"),
        (["exact"], "filters[0]", "must be a mapping with one dialect, not a string"),
        ([None], "filters[0]", "not null"),
        ({"exact": {"type": "a"}}, "filters", "must be a list of filters, not a mapping"),
        ("exact", "filters", "must be a list of filters, not a string"),
        ([{"exact": None}], "filters[0].exact", "must be a mapping of attribute names to strings, not null"),
        ([{"exact": []}], "filters[0].exact", "not a list"),
        ([{"exact": {}}], "filters[0].exact", "at least one attribute"),
        ([{"prefix": {}}], "filters[0].prefix", "at least one attribute"),
        ([{"suffix": {}}], "filters[0].suffix", "at least one attribute"),
        ([{"exact": {"type": ""}}], "filters[0].exact.type", "must not be empty"),
        ([{"prefix": {"type": ""}}], "filters[0].prefix.type", "must not be empty"),
        ([{"suffix": {"type": ""}}], "filters[0].suffix.type", "must not be empty"),
        ([{"exact": {"amount": 5}}], "filters[0].exact.amount", "must be a string, not a number"),
        ([{"exact": {"urgent": True}}], "filters[0].exact.urgent", "must be a string, not a boolean"),
        ([{"exact": {"type": None}}], "filters[0].exact.type", "must be a string, not null"),
        ([{"exact": {"type": ["a"]}}], "filters[0].exact.type", "must be a string, not a list"),
        ([{"all": []}], "filters[0].all", "at least one element"),
        ([{"any": []}], "filters[0].any", "at least one element"),
        ([{"any": GOOD}], "filters[0].any", "must be a list of filters, not a mapping"),
        ([{"any": None}], "filters[0].any", "not null"),
        ([{"not": [GOOD]}], "filters[0].not", "not a list"),
        ([{"not": {}}], "filters[0].not", "exactly one dialect"),
        ([{"not": GOOD | {"prefix": {"id": "1"}}}], "filters[0].not", "exactly one dialect"),
        ([GOOD, {"any": [{"exact": {"Type": "a"}}]}], "filters[1].any[0].exact.Type", "no attribute name"),
        ([{"exact": {"data": "a"}}], "filters[0].exact.data", "'data' is no attribute"),
        ([{"not": {"prefix": {"data": "a"}}}], "filters[0].not.prefix.data", "'data' is no attribute"),
        ([{"all": [GOOD, {"not": {"prefix": {"type": ""}}}]}], "filters[0].all[1].not.prefix.type", "must not be empty"),
    ],
)
def test_what_can_not_be_compiled_is_refused_by_place_and_rule(filters: object, path: str, rule: str) -> None:
    error = refused(filters)
    assert error.path == path
    assert rule in error.reason
    assert str(error) == f"{path}: {error.reason}"


# The ten names that Knative's conformance test ControlPlaneTrigger_WithInvalidFilters wants refused, then others.
NAMES = ["SOURCE", "Source", "souRce", "s pace s", "s_pace_s", "s-pace-s", "123", "😊", "!@#$%^&*()-_=_`~+\\", "{}[];':\"<>,./?"]
NAMES += ["", "1type", "my.name", "naïve", "type\n", "ty/pe", "$", "ſource"]


@pytest.mark.requirement("T2", "T9")
@pytest.mark.parametrize("name", [*NAMES, 7, None])
@pytest.mark.parametrize("dialect", ["exact", "prefix", "suffix", "legacy"])
def test_a_name_that_no_attribute_can_have_is_refused_in_every_dialect(dialect: str, name: object) -> None:
    error = refused(None, {name: "x"}) if dialect == "legacy" else refused([{dialect: {name: "x"}}])
    assert "no attribute name" in error.reason
    assert "\n" not in str(error)


@pytest.mark.requirement("T1", "T9")
@pytest.mark.parametrize("attributes", [{"type": 5}, {"type": None}, {"type": {}}, ["type"], "type"])
def test_legacy_attributes_are_checked(attributes: object) -> None:
    assert refused(None, attributes).path.startswith("filter.attributes")


@pytest.mark.requirement("T3", "T9")
def test_attributes_that_filters_override_are_checked_too() -> None:
    assert refused([GOOD], {"Bad": "x"}).path == "filter.attributes.Bad"


def nested(depth: int, dialect: str = "not") -> object:
    entry: object = GOOD
    for _ in range(depth - 1):
        entry = {dialect: entry if dialect == "not" else [entry]}
    return entry


@pytest.mark.requirement("T9")
@pytest.mark.parametrize("dialect", ["not", "all", "any"])
def test_the_depth_of_nested_filters_is_bounded(dialect: str) -> None:
    compile_filter([nested(MAX_DEPTH, dialect)], None)
    assert f"at most {MAX_DEPTH} deep" in refused([nested(MAX_DEPTH + 1, dialect)]).reason


@pytest.mark.requirement("T9")
def test_aliases_can_not_make_a_filter_grow_or_loop_without_end() -> None:
    entry: object = GOOD
    for _ in range(MAX_DEPTH - 1):
        entry = {"all": [entry, entry]}
    assert f"at most {MAX_CONDITIONS} conditions" in refused([entry]).reason
    loop: dict[str, object] = {}
    loop["not"] = loop
    assert "deep" in refused([loop]).reason


@pytest.mark.requirement("T9")
def test_the_number_of_conditions_is_bounded() -> None:
    wide = {"exact": {f"a{number}": "x" for number in range(MAX_CONDITIONS)}}
    assert "conditions" in refused([wide]).reason
    del wide["exact"]["a0"]
    compile_filter([wide], None)


def test_other_dialects_are_passed_as_data() -> None:
    class Never:
        def matches(self, event: Event) -> bool:
            return False

    def never(value: object, place: Place) -> Filter:
        if value != "never":
            raise place.fault("must be never")
        return Never()

    dialects = {**DIALECTS, "cesql": never}
    event = Event({"specversion": "1.0", "id": "1", "source": "/", "type": "a"})
    assert not compile_filter([{"cesql": "never"}], None, dialects).matches(event)
    assert compile_filter([{"not": {"cesql": "never"}}], None, dialects).matches(event)
    with pytest.raises(InvalidFilter, match=r"^filters\[0\]\.any\[0\]\.cesql: must be never$"):
        compile_filter([{"any": [{"cesql": "x"}]}], None, dialects)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.just("type"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*DIALECTS, "type", "x y", ""]) | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


@pytest.mark.requirement("T9")
@settings(max_examples=1000, deadline=None)
@given(st.lists(JUNK, min_size=1, max_size=3))
def test_junk_is_refused_or_compiled_but_never_matches_everything(filters: list[object]) -> None:
    compiled: Filter | None = None
    with contextlib.suppress(InvalidFilter):
        compiled = compile_filter(filters, None)
    assert compiled != Everything()
