"""Destinations and references, case by case as Knative's webhooks take or refuse them (`ValidateDestination`,
`KReference.Validate`)."""

from __future__ import annotations

from typing import Any

import pytest
import trustme
from pydantic import ValidationError

from eventing.kinds.destination import Destination, KReference

REF = {"apiVersion": "v1", "kind": "Service", "name": "a"}


def destination(value: Any) -> Destination:
    return Destination.model_validate(value, by_alias=True, by_name=False)


def refusals(value: Any) -> dict[str, str]:
    """Reason by field, as a manifest spells it."""
    with pytest.raises(ValidationError) as caught:
        destination(value)
    found = {}
    for error in caught.value.errors():
        where = [str(step) for step in error["loc"]] + [error.get("ctx", {}).get("field", "")]
        found[".".join(filter(None, where)).replace("api_version", "apiVersion")] = error["msg"]
    return found


pytestmark = pytest.mark.requirement("O2")


def test_a_reference_alone_is_accepted() -> None:
    assert destination({"ref": REF}).ref == KReference(api_version="v1", kind="Service", name="a")


def test_an_absolute_uri_alone_is_accepted() -> None:
    assert destination({"uri": "http://host"}).uri == "http://host"


def test_a_relative_uri_beside_a_reference_is_accepted() -> None:
    assert destination({"ref": REF, "uri": "/handler"}).uri == "/handler"


def test_neither_uri_nor_reference_is_refused() -> None:
    for value in ({}, {"ref": None}, {"uri": None}, {"uri": ""}, {"CACerts": None}):
        assert refusals(value) == {"": "expected at least one, got none: ref, uri"}


def test_an_absolute_uri_beside_a_reference_is_refused() -> None:
    assert refusals({"ref": REF, "uri": "http://host"}) == {"uri": "absolute URI is not allowed when ref is present"}


@pytest.mark.parametrize(
    "uri", ["/path", "path", "?query", "host", "//host/path", "http:", "http:/path", "http:///path", "host:80/x"]
)
def test_a_uri_without_scheme_or_host_is_refused_where_no_reference_is(uri: str) -> None:
    [(field, reason)] = refusals({"uri": uri}).items()
    assert field == "uri"
    assert reason.startswith("relative URI is not allowed when ref is absent")


@pytest.mark.parametrize("missing", ["name", "kind", "apiVersion"])
@pytest.mark.parametrize("how", ["left out", "empty", "null"])
def test_a_reference_without_name_kind_or_api_version_is_refused(missing: str, how: str) -> None:
    ref: dict[str, Any] = {name: value for name, value in REF.items() if name != missing}
    if how != "left out":
        ref[missing] = "" if how == "empty" else None
    [(field, reason)] = refusals({"ref": ref}).items()
    assert field == f"ref.{missing}"
    assert reason in {"missing field(s)", "Field required"}


def test_every_missing_field_of_a_reference_is_named_at_once() -> None:
    assert refusals({"ref": {}}).keys() == {"ref.name", "ref.kind", "ref.apiVersion"}


def test_a_group_stands_for_the_api_version() -> None:
    ref = destination({"ref": {"group": "eventing.knative.dev", "kind": "Broker", "name": "b"}}).ref
    assert ref is not None
    assert ref.api_group == "eventing.knative.dev"


def test_a_group_beside_the_api_version_of_the_same_group_is_accepted() -> None:
    ref = destination({"ref": {"group": "g.example", "apiVersion": "g.example/v1", "kind": "K", "name": "a"}}).ref
    assert ref is not None
    assert ref.api_group == "g.example"


@pytest.mark.parametrize("version", ["v1", "other/v1", "g.example.com/v1", "g.exampl/v1"])
def test_a_group_beside_the_api_version_of_another_group_is_refused(version: str) -> None:
    refused = refusals({"ref": {"group": "g.example", "apiVersion": version, "kind": "K", "name": "a"}})
    assert refused == {"ref.apiVersion": "both apiVersion and group are specified and they refer to different API groups"}


def test_an_empty_optional_field_counts_as_left_out() -> None:
    value = {"ref": {**REF, "namespace": "", "group": "", "address": ""}, "uri": "", "audience": ""}
    assert destination(value) == destination({"ref": REF})


def test_a_reference_may_name_another_namespace() -> None:
    ref = destination({"ref": {**REF, "namespace": "other"}}).ref
    assert ref is not None
    assert ref.namespace == "other"


def test_a_name_that_no_object_can_have_is_refused() -> None:
    assert "DNS subdomain" in refusals({"ref": {**REF, "name": "subscriber_test"}})["ref.name"]
    assert "DNS label" in refusals({"ref": {**REF, "namespace": "a.b"}})["ref.namespace"]


def test_certificates_are_pem_whether_uri_or_reference_is_given() -> None:
    pem = trustme.CA().cert_pem.bytes().decode()
    for value in ({"ref": REF}, {"uri": "https://h/"}, {"ref": REF, "uri": "/handler"}):
        assert destination({**value, "CACerts": pem}).ca_certs == pem
        for bad in ("certificate", pem.replace("CERTIFICATE", "CERTIFICATE REQUEST"), ""):
            assert refusals({**value, "CACerts": bad}).keys() == {"CACerts"}


def test_an_audience_is_refused_since_no_token_is_sent() -> None:
    assert refusals({"uri": "http://h/", "audience": "x"}) == {
        "audience": "not supported yet: events are sent without OIDC tokens"
    }


def test_a_text_in_place_of_a_destination_is_told_what_is_wanted() -> None:
    assert refusals("http://h/") == {"": "must be a mapping with uri or ref, not a string"}


@pytest.mark.parametrize("field", ["url", "URI", "cacerts", "caCerts", "reference"])
def test_an_unknown_field_is_refused(field: str) -> None:
    assert field in refusals({"uri": "http://h/", field: "x"})
