"""YAML and JSON to values with lines: strict and bounded."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from eventing.resources import yaml_loader
from eventing.resources.json_loader import json_document
from eventing.resources.nodes import MAX_DEPTH, Unreadable, dotted
from eventing.resources.yaml_loader import documents


def values(text: str) -> list[Any]:
    return [document.value for document in documents(text)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("text", "text"),
        ("'3'", "3"),
        ('"on"', "on"),
        ("3", 3),
        ("-3", -3),
        ("1_000", 1000),
        ("010", 8),
        ("0o10", 8),
        ("09", 9.0),
        ("0x1F", 31),
        ("0b11", 3),
        ("3.5", 3.5),
        ("1e3", 1000.0),
        ("on", True),
        ("No", False),
        ("y", "y"),
        ("n", "n"),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
        ("1.2.3", "1.2.3"),
        ("!!str 3", "3"),
        ("!!int '3'", 3),
        ("!!float 3", 3.0),
        ("! 3", "3"),
        ("|\n  a\n  b\n", "a\nb\n"),
        ("9" * 61, "9" * 61),
    ],
)
def test_scalars(text: str, value: object) -> None:
    [found] = values(f"k: {text}")
    assert found == {"k": value}
    assert type(found["k"]) is type(value)


@pytest.mark.parametrize("text", ["", "---\n", "# only a comment\n", "---\n---\n...\n", "~", "null\n---\n"])
def test_empty_documents_are_left_out(text: str) -> None:
    assert values(text) == []


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "the key 'a' is given twice, first on line 1"),
        ("x:\n  - {a: 1, a: 1}\n", 2, "given twice"),
        ("a: 1\non: 2\n", 2, "keys must be strings, quote 'on'"),
        ("1: 2\n", 1, "keys must be strings, quote '1'"),
        ("? [a]\n: 1\n", 1, "keys must be strings"),
        ("a: *x\n", 1, "the alias *x has no anchor"),
        ("a: &x\n  b: *x\n", 2, "refers to what it is part of"),
        ("a: !!python/object:os.system x\n", 1, "isn't allowed"),
        ("a: !!binary aGk=\n", 1, "isn't allowed"),
        ("a: !!set {x}\n", 1, "isn't allowed"),
        ("a: !!int x\n", 1, "doesn't fit its tag"),
        ("a: .inf\n", 1, "infinity"),
        ("a: -.Inf\n", 1, "infinity"),
        ("a: .nan\n", 1, "infinity"),
        ("a: 1e999\n", 1, "is no number"),
        ("a: [1\nb: 2\n", 2, "is no valid YAML"),
        ("a: b: c\n", 1, "is no valid YAML"),
        ("\ta: 1\n", 1, "is no valid YAML"),
        ("a: \x00\n", None, "is no valid YAML"),
        ("<<: 3\n", 1, "<< takes a mapping"),
    ],
)
def test_refused_yaml(text: str, line: int | None, words: str) -> None:
    with pytest.raises(Unreadable) as caught:
        values(text)
    assert words in caught.value.reason
    assert caught.value.line == line or line is None


def test_documents_before_a_fault_are_still_given() -> None:
    found = documents("a: 1\n---\nb: [\n")
    assert next(found).value == {"a": 1}
    with pytest.raises(Unreadable):
        next(found)


def test_anchors_and_merges() -> None:
    text = """
    base: &base {a: 1, b: 2}
    more: &more {b: 3, c: 4}
    same: *base
    one: {<<: *base, b: 5}
    two: {<<: [*base, *more], d: 6}
    """
    [found] = values(text)
    assert found["same"] == {"a": 1, "b": 2}
    assert found["one"] == {"a": 1, "b": 5}
    assert found["two"] == {"a": 1, "b": 2, "c": 4, "d": 6}


def test_a_bomb_of_aliases_is_bounded() -> None:
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    with pytest.raises(Unreadable, match="values once aliases are expanded"):
        values("\n".join(lines))


def test_a_chain_of_aliases_is_bounded() -> None:
    lines = ["a0: &a0 [x]"] + [f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 5000)]
    with pytest.raises(Unreadable, match="nested deeper"):
        values("\n".join(lines))


def test_merging_is_bounded() -> None:
    base = ", ".join(f"k{i}: 1" for i in range(2000))
    lines = [f"base: &b {{{base}}}"] + [f"m{i}: {{<<: *b}}" for i in range(2000)]
    with pytest.raises(Unreadable, match="more than"):
        values("\n".join(lines))


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 100_000, "- " * 100_000])
def test_nesting_is_bounded(text: str) -> None:
    with pytest.raises(Unreadable):
        values(text)


def test_lines_of_paths() -> None:
    [found] = documents("spec:\n  filters:\n    - exact:\n        type: a\n    - any: []\n")
    assert found.line(("spec", "filters", 0, "exact", "type")) == 4
    assert found.line(("spec", "filters", 1, "any", 3)) == 5
    assert found.line(("spec", "missing", "x")) == 2
    assert found.line((0, 1)) == 1
    assert found.at(("spec", "filters", 1)).line(("any",)) == 5


def test_both_yaml_parsers_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'a: [1, \'x\', on]\nb: &b {c: 2}\nd: *b\ne: {<<: *b, "<<": 3}\nf: "\\u00e9"\n'
    fast = [(found.value, found.line(("d", "c"))) for found in documents(text)]
    monkeypatch.setattr(yaml_loader, "_Loader", yaml.SafeLoader)
    assert [(found.value, found.line(("d", "c"))) for found in documents(text)] == fast
    with pytest.raises(Unreadable, match="surrogate"):
        values('a: "\\ud800"')


def test_dotted() -> None:
    assert dotted(("spec", "filters", 0, "exact", "type")) == "spec.filters[0].exact.type"
    assert dotted(("metadata", "annotations", "a.b/c")) == "metadata.annotations[a.b/c]"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=20,
)


@given(_JSON, st.sampled_from([None, 2, "\t"]), st.booleans())
def test_json_means_what_the_standard_library_reads(value: object, indent: Any, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    try:
        found = json_document(text).value
    except Unreadable as error:
        assert "surrogate" in error.reason  # noqa: PT017
        return
    assert json.dumps(found) == json.dumps(value)


@given(st.text(alphabet='{}[]:,"\\ \n01e.-truefalsn\t\x00é'))
def test_any_json_text_is_a_document_or_unreadable(text: str) -> None:
    try:
        found = json_document(text).value
    except Unreadable:
        return
    assert found == json.loads(text)


@given(st.text(alphabet="{}[]:,\"'&*!|>-? \n#%@`01e.~ab<=\t", max_size=60))
def test_any_yaml_text_is_documents_or_unreadable(text: str) -> None:
    try:
        found = values(text)
    except Unreadable as error:
        assert error.line is None or error.line >= 1  # noqa: PT017
        return
    assert None not in found


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('{"a": 1,\n"a": 2}', 2, "the key 'a' is given twice, first on line 1"),
        ('{"a": 1,}', 1, "a key in double quotes"),
        ('{"a" 1}', 1, "':' is expected"),
        ('{"a": 1} x', 1, "more after the value"),
        ('["a"', 1, "',' or ']' is expected"),
        ('{"a": NaN}', 1, "a value is expected"),
        ('{"a": 1e999}', 1, "too large"),
        ('{"a": "\\x"}', 1, "unknown escape"),
        ('{"a": "x\ny"}', 1, "control character"),
        ('{"a": "\\ud800"}', 1, "surrogate"),
        ("\n\n[" * (MAX_DEPTH + 5), 2 * MAX_DEPTH + 4, "nested deeper"),
        ('{"a": ' + "1" * 61 + "}", 1, "60 digits"),
    ],
)
def test_refused_json(text: str, line: int, words: str) -> None:
    with pytest.raises(Unreadable) as caught:
        json_document(text)
    assert words in caught.value.reason
    assert caught.value.line in {line, line + 1}


def test_json_lines() -> None:
    found = json_document('{\n  "spec": {\n\t"a": [1,\n2]}}')
    assert found.value == {"spec": {"a": [1, 2]}}
    assert [found.line(path) for path in ((), ("spec",), ("spec", "a", 1))] == [1, 2, 4]


def test_json_pairs_of_surrogates() -> None:
    assert json_document('"\\ud83d\\ude00"').value == "\U0001f600"
