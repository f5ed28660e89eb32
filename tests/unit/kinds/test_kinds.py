"""Field types: what a manifest may say, and what is refused with which words."""

from __future__ import annotations

import socket
from typing import Any

import pytest
import trustme
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from eventing.http.url import parse_target
from eventing.kinds.base import KindModel
from eventing.kinds.delivery import DeliverySpec
from eventing.kinds.destination import Destination
from eventing.kinds.duration import MAX_DURATION, parse_duration
from eventing.kinds.metadata import ObjectMeta
from eventing.kinds.names import is_label, is_subdomain
from eventing.kinds.secret import KEY_RULE, SecretValueFromSource
from eventing.kinds.source import SourceSpec
from eventing.kinds.uri import split_uri


def refusal(model: type[KindModel], value: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(value, by_alias=True, by_name=False)
    return " | ".join(
        ".".join([*map(str, error["loc"]), *filter(None, [error.get("ctx", {}).get("field", "")])]) + ": " + error["msg"]
        for error in caught.value.errors()
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT0S", 0.0),
        ("PT0.2S", 0.2),
        ("PT0,2S", 0.2),
        ("PT30S", 30.0),
        ("PT1M30S", 90.0),
        ("PT1.5H", 5400.0),
        ("P1D", 86400.0),
        ("P1DT1H1M1S", 90061.0),
        ("P2W", 1209600.0),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    ["", "P", "PT", "30s", "30", "PT-1S", "-PT1S", "pt1s", "PT1S ", "P1M", "P1Y", "PT1S1M", "PT1e3S", "PT٣S", "P999999D"],
)
def test_bad_durations(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no ISO 8601|years or months|negative|366 days"):
        parse_duration(text)


@given(st.integers(0, 366 * 24), st.integers(0, 59), st.decimals(0, 59, places=3))
def test_duration_is_the_sum_of_its_parts(hours: int, minutes: int, seconds: Any) -> None:
    expected = hours * 3600 + minutes * 60 + float(seconds)
    if expected <= MAX_DURATION:
        assert parse_duration(f"PT{hours}H{minutes}M{seconds}S") == pytest.approx(expected)


@given(st.text())
def test_any_text_is_a_duration_or_a_value_error(text: str) -> None:
    try:
        seconds = parse_duration(text)
    except ValueError:
        return
    assert 0 <= seconds <= MAX_DURATION


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({}, "expected at least one, got none: ref, uri"),
        ({"uri": "/path"}, "uri: relative URI is not allowed when ref is absent"),
        ({"uri": "http:///x"}, "uri: relative URI is not allowed when ref is absent"),
        ({"uri": "ftp://h/"}, "uri: must be an http or https URL"),
        ({"uri": "http://h:99999/"}, "uri: is no valid URI"),
        ({"uri": "http://user:secret@h/"}, "uri: must hold no user name or password"),
        ({"uri": "http://h/a b"}, "uri: must be a URI of visible ASCII"),
        ({"uri": "http://h/#x"}, "uri: must have no fragment"),
        ({"uri": "http://@h/"}, "uri: must hold no user name or password"),
        ({"uri": "http://h:0/"}, "uri: must not have the port 0"),
        ({"uri": "http://h:x/"}, "uri: is no valid URI"),
        ({"uri": "http://h..x/"}, "uri: has no valid host name"),
        ({"uri": "http://.h/"}, "uri: has no valid host name"),
        ({"uri": "http://h../"}, "uri: has no valid host name"),
        ({"uri": "http://./"}, "uri: has no valid host name"),
        ({"uri": "http://" + "a" * 64 + "/"}, "uri: has no valid host name"),
        ({"uri": "http://" + ".".join(["a" * 63] * 4) + "/"}, "uri: has no valid host name"),
        ({"uri": "http://-h.x/"}, "uri: has no valid host name"),
        ({"uri": "http://x.h-/"}, "uri: has no valid host name"),
        ({"uri": "http://a%20b/"}, "uri: has no valid host name"),
        ({"uri": "http://256.1.1.1/"}, "uri: has no valid IPv4 address"),
        ({"uri": "http://1.2.3.4.5/"}, "uri: has no valid IPv4 address"),
        ({"uri": "http://1.2.3.4./"}, "uri: has no valid IPv4 address"),
        ({"uri": "http://127.1/"}, "uri: has no valid IPv4 address"),
        ({"uri": "http://2130706433/"}, "uri: has no valid IPv4 address"),
        ({"uri": "http://0x7f000001:80/"}, "uri: has no valid IPv4 address"),
        ({"uri": "http://127.0.0.0X1/"}, "uri: has no valid IPv4 address"),
        ({"uri": "http://127.0.0.01/"}, "uri: has no valid IPv4 address"),
        ({"uri": "http://host.0x/"}, "uri: has no valid IPv4 address"),
        ({"uri": "http://host.1/"}, "uri: has no valid IPv4 address"),
        ({"uri": "http://a*b/"}, "uri: has no valid host name"),
        ({"uri": "http://[::1]x/"}, "uri: is no valid URI"),
        ({"uri": "http://[127.0.0.1]/"}, "uri: is no valid URI"),
        ({"uri": "http://[::zz]/"}, "uri: is no valid URI"),
        ({"uri": "http://[fe80::1%25eth0]/"}, "uri: must have no zone in its IPv6 address"),
        ({"uri": "http://h/%zz"}, "uri: is no valid URI: after '%'"),
        ({"uri": "http://h/?a=%2"}, "uri: is no valid URI: after '%'"),
        ({"uri": "http://h\\x/"}, "uri: must hold no backslash"),
        ({"uri": "\\x", "ref": {"apiVersion": "v1", "kind": "Service", "name": "a"}}, "uri: must hold no backslash"),
        ({"uri": "/%", "ref": {"apiVersion": "v1", "kind": "Service", "name": "a"}}, "uri: is no valid URI: after '%'"),
        ({"uri": "http://h", "ref": {"apiVersion": "v1", "kind": "Service", "name": "a"}}, "uri: absolute URI is not allowed"),
        ({"uri": "//h/x", "ref": {"apiVersion": "v1", "kind": "Service", "name": "a"}}, "uri: must not name a host"),
        ({"ref": {"kind": "Service", "name": "a"}}, "ref.api_version: missing field(s)"),
        ({"ref": {"apiVersion": "v1", "group": "g", "kind": "Service", "name": "a"}}, "they refer to different API groups"),
        ({"ref": {"apiVersion": "v1", "kind": "Service"}}, "ref.name: Field required"),
        ({"ref": {"apiVersion": "v1", "kind": "Service", "name": "A_"}}, "must be a DNS subdomain"),
        (
            {"ref": {"apiVersion": "v1", "kind": "Service", "name": "a", "address": 3}},
            "ref.address: Input should be a valid string",
        ),
        ({"uri": "http://h/", "audience": "x"}, "audience: not supported yet"),
        ({"url": "http://h/"}, "url: Extra inputs"),
    ],
)
def test_destinations_refused(value: Any, words: str) -> None:
    refused = refusal(Destination, value)
    assert words in refused
    assert "secret" not in refused


@pytest.mark.parametrize(
    "value",
    [
        {"uri": "http://h"},
        {"uri": "https://[::1]:8443/a?b=c"},
        {"uri": "http://my_sink.Example./a%2Fb"},
        {"uri": "http://" + "a" * 63 + ":65535"},
        {"uri": "http://h:/"},
        {"uri": "http://255.0.10.1:80/"},
        {"uri": "http://1.example/"},
        {"uri": "http://127.0.0.1.example./"},
        {"uri": "http://host1/"},
        {"uri": "http://1a/"},
        {"uri": "http://h.0xg/"},
        {"uri": "http://h.x1/"},
        {"uri": "http://1-1/"},
        {"ref": {"apiVersion": "v1", "kind": "Service", "name": "a"}, "uri": "/path?x=1"},
        {"ref": {"group": "eventing.knative.dev", "kind": "Broker", "name": "a.b", "namespace": "n"}},
    ],
)
def test_destinations(value: Any) -> None:
    Destination.model_validate(value, by_alias=True, by_name=False)


CA = trustme.CA().cert_pem.bytes().decode()


def test_certificates() -> None:
    for pem in (CA, f"the test's authority\n{CA}\n{trustme.CA().cert_pem.bytes().decode()}"):
        value = Destination.model_validate({"uri": "https://h/", "CACerts": pem}, by_alias=True, by_name=False)
        assert value.ca_certs == pem


def test_certificates_refused() -> None:
    begin, _, rest = CA.partition("\n")
    broken = f"{begin}\n{rest[:40][::-1]}{rest[40:]}"
    key = trustme.CA().private_key_pem.bytes().decode()
    for pem in ("", "y", "PEM", "é" + CA, begin, broken, CA + broken, CA.replace("CERTIFICATE", "NEW THING"), key):
        refused = refusal(Destination, {"uri": "https://h/", "CACerts": pem})
        assert "CACerts: must be PEM with at least one certificate" in refused
        assert "BEGIN" not in refused


@given(st.from_regex(r"https?://[a-zA-Z0-9.:@%_\[\]\\-]{0,12}/?[!-~]{0,8}", fullmatch=True))
def test_what_is_accepted_can_be_connected_to(uri: str) -> None:
    try:
        Destination.model_validate({"uri": uri})
    except ValidationError:
        return
    parse_target(uri)


def accepts(host: str) -> bool:
    try:
        split_uri(f"http://{host}/")
    except ValueError:
        return False
    return True


@given(st.lists(st.one_of(st.integers(0, 300).map(str), st.from_regex(r"(0[xX]?)?[0-9a-fA-F]{1,3}", fullmatch=True)), min_size=1))
@example(["127", "1"])
@example(["2130706433"])
@example(["0x"])
@example(["0177", "0", "0", "1"])
def test_a_host_that_the_system_reads_as_an_address_is_written_in_full(parts: list[str]) -> None:
    host = ".".join(parts)
    if len(host) > 240:
        return
    try:
        address = socket.inet_aton(host)  # as resolvers do: short forms, octal and hexadecimal ones too
    except OSError:
        if parts[-1].isdigit():
            assert not accepts(host), "neither an address nor a name"
    else:
        assert accepts(host) == (socket.inet_ntoa(address) == host)
    assert accepts(f"{host}.example"), "numbers before the end are a name's"


def test_api_group() -> None:
    def group(**more: str) -> str:
        return Destination.model_validate({"ref": {"kind": "K", "name": "a", **more}}).ref.api_group  # type: ignore[union-attr]

    assert group(apiVersion="v1") == ""
    assert group(apiVersion="eventing.knative.dev/v1") == "eventing.knative.dev"
    assert group(group="messaging.knative.dev") == "messaging.knative.dev"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"retry": -1}, "retry: Input should be greater than or equal to 0"),
        ({"retry": "3"}, "retry: Input should be a valid integer"),
        ({"retry": True}, "retry: Input should be a valid integer"),
        ({"timeout": "PT0S"}, "timeout: invalid value: must be longer than zero"),
        ({"timeout": 30}, "timeout: must be a string: an ISO 8601 duration"),
        ({"timeout": 30.5}, "timeout: must be a string: an ISO 8601 duration"),
        ({"backoffDelay": "1s"}, "backoffDelay: invalid value: '1s' is no ISO 8601 duration"),
        ({"backoffPolicy": "cubic"}, "backoffPolicy: Input should be 'linear' or 'exponential'"),
        ({"format": "xml"}, "format: Input should be 'json' or 'binary'"),
        ({"backoff_delay": "PT1S"}, "backoff_delay: Extra inputs"),
    ],
)
def test_delivery_refused(value: Any, words: str) -> None:
    assert words in refusal(DeliverySpec, value)


def test_delivery() -> None:
    spec = DeliverySpec.model_validate({"retry": 0, "retryAfterMax": "PT0S", "backoffDelay": "PT0.5S", "timeout": "PT1M"})
    assert (spec.retry, spec.retry_after_max, spec.backoff_delay, spec.timeout) == (0, 0.0, 0.5, 60.0)
    assert DeliverySpec().retry is None


def test_metadata_tolerates_what_kubectl_prints() -> None:
    meta = ObjectMeta.model_validate({"name": "a", "finalizers": ["x"], "generateName": "a-", "labels": None})
    assert (meta.namespace, meta.annotation("x")) == ("default", None)
    assert ObjectMeta.model_validate({"name": "a", "annotations": {"x": "y"}}).annotation("x") == "y"


@pytest.mark.parametrize(
    "value", [{"name": ""}, {"name": "-a"}, {"name": "a", "namespace": "a.b"}, {}, {"name": "a", "labels": {"a": 1}}]
)
def test_bad_metadata(value: Any) -> None:
    refusal(ObjectMeta, value)


def test_names() -> None:
    assert is_label("a" * 63)
    assert not is_label("a" * 64)
    assert is_subdomain("a.b-c.1")
    assert not is_subdomain("a..b")
    assert not is_subdomain(".".join(["a" * 62] * 5))
    assert not is_label("a\n")


@pytest.mark.parametrize("name", ["id", "type", "source", "specversion", "data", "time", "Upper", "a-b", ""])
def test_overrides_never_touch_a_context_attribute(name: str) -> None:
    refusal(SourceSpec, {"sink": {"uri": "http://h/"}, "ceOverrides": {"extensions": {name: "x"}}})


def test_source_spec() -> None:
    spec = SourceSpec.model_validate({"sink": {"uri": "http://h/"}, "ceOverrides": {"extensions": {"team": "a b"}}})
    assert spec.extensions == {"team": "a b"}
    assert refusal(SourceSpec, {}) == refusal(SourceSpec, {"sink": None}) == "sink: expected at least one, got none: ref, uri"
    assert "control characters" in refusal(
        SourceSpec, {"sink": {"uri": "http://h/"}, "ceOverrides": {"extensions": {"a": "x\r\ny"}}}
    )


def test_secret_reference() -> None:
    value = SecretValueFromSource.model_validate({"secretKeyRef": {"name": "a", "key": "token"}})
    assert (value.secret_key_ref.name, value.secret_key_ref.key) == ("a", "token")


@pytest.mark.parametrize("key", ["", "../b", ".", "..", "..a", "a/b", "a b", "a\n", "é", "a" * 254])
def test_secret_keys_refused(key: str) -> None:
    refused = refusal(SecretValueFromSource, {"secretKeyRef": {"name": "a", "key": key}})
    assert f"secretKeyRef.key: invalid key name: {KEY_RULE}" in refused


@pytest.mark.parametrize("key", [".a", "a..b", "-", "TLS_key.1", "a" * 253])
def test_secret_keys(key: str) -> None:
    SecretValueFromSource.model_validate({"secretKeyRef": {"name": "a", "key": key}})
