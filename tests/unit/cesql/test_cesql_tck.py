"""The public conformance kit of CESQL, all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from eventing.errors import InvalidFilter
from eventing.filters.cesql import Expression
from tests.support import tck

FILES = (
    "binary_comparison_operators",
    "binary_logical_operators",
    "binary_math_operators",
    "case_sensitivity",
    "casting_functions",
    "context_attributes_access",
    "exists_expression",
    "in_expression",
    "integer_builtin_functions",
    "like_expression",
    "literals",
    "negate_operator",
    "not_operator",
    "parse_errors",
    "spec_examples",
    "string_builtin_functions",
    "sub_expression",
    "subscriptions_api_recreations",
)
CASES = 275


@pytest.fixture(scope="session")
def kit() -> Path:
    return tck.folder()


def outcome(case: tck.Case) -> tuple[object, str | None]:
    try:
        result = Expression.compile(case.expression).evaluate(case.event)
    except InvalidFilter:
        return False, "parse"
    return result.value, result.error and result.error.kind.value


def is_the_known_deviation(case: tck.Case) -> bool:
    """`NOT 10`: the specification's own copy of the kit wants a cast error, the specification's text (3.7) says that an
    Integer is cast to a Boolean and that 10 is true. sdk-go and sdk-java have the case as the text says."""
    return case.expression == "NOT 10"


@pytest.mark.requirement("Q10", "Q1", "Q2", "Q3", "Q4", "Q7", "Q8", "Q9")
@pytest.mark.parametrize("name", FILES)
def test_every_case_of_the_public_kit_passes(name: str, kit: Path) -> None:
    failed = []
    for case in tck.cases(kit / f"{name}.yaml"):
        expected = (False, None) if is_the_known_deviation(case) else (case.result, case.error)
        found = outcome(case)
        if case.error == "parse":
            expected = (False, "parse")
        if found != expected or type(found[0]) is not type(expected[0]):
            failed.append(f"{case.name}: {case.expression}: expected {expected}, found {found}")
    assert not failed


@pytest.mark.requirement("Q10")
def test_the_kit_is_read_whole_and_with_the_types_that_were_meant(kit: Path) -> None:
    assert {file.stem for file in kit.glob("*.yaml")} == set(FILES)
    found = {name: list(tck.cases(kit / f"{name}.yaml")) for name in FILES}
    assert sum(map(len, found.values())) == CASES
    every = [case for cases in found.values() for case in cases]
    assert {type(case.result) for case in every if case.error != "parse"} == {str, int, bool}
    assert {"TRUE", "0", "-10", "--10"} <= {case.expression for case in every}
    assert any(case.result == "2018-04-26T14:48:09+02:00" for case in every)


@pytest.mark.requirement("Q10", "Q11")
def test_the_one_case_that_contradicts_the_text_behaves_as_the_text_says(kit: Path) -> None:
    [case] = [case for case in tck.cases(kit / "not_operator.yaml") if is_the_known_deviation(case)]
    assert outcome(case) == (False, None)
    assert (case.result, case.error) in {(True, "cast"), (False, None)}
