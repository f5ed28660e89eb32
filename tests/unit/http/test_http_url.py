"""URLs of subscribers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventing.errors import ConnectFailed
from eventing.http.limits import ServerLimits
from eventing.http.request_parser import Incoming, RequestParser
from eventing.http.url import parse_target


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port", "start"),
    [
        ("http://example.com", "http", "example.com", 80, b" / HTTP/1.1\r\nhost: example.com\r\n"),
        ("http://example.com:80/", "http", "example.com", 80, b" / HTTP/1.1\r\nhost: example.com\r\n"),
        ("HTTP://EXAMPLE.com:8080/A?b=C", "http", "example.com", 8080, b" /A?b=C HTTP/1.1\r\nhost: example.com:8080\r\n"),
        ("https://example.com/x", "https", "example.com", 443, b" /x HTTP/1.1\r\nhost: example.com\r\n"),
        ("https://example.com:80/x", "https", "example.com", 80, b" /x HTTP/1.1\r\nhost: example.com:80\r\n"),
        ("http://[::1]:8080/x", "http", "::1", 8080, b" /x HTTP/1.1\r\nhost: [::1]:8080\r\n"),
        ("http://[2001:DB8:0::1]", "http", "2001:db8::1", 80, b" / HTTP/1.1\r\nhost: [2001:db8::1]\r\n"),
        ("http://127.0.0.1:1?x", "http", "127.0.0.1", 1, b" /?x HTTP/1.1\r\nhost: 127.0.0.1:1\r\n"),
        ("http://b\u00fccher.example/\u00e4?\u00fc#frag", "http", "xn--bcher-kva.example", 80,
         b" /%C3%A4?%C3%BC HTTP/1.1\r\nhost: xn--bcher-kva.example\r\n"),
        ("http://a/%2F%20;p=1,2?q=%26&r=[1]{2}", "http", "a", 80, b" /%2F%20;p=1,2?q=%26&r=[1]%7B2%7D HTTP/1.1\r\nhost: a\r\n"),
        ("http://svc.ns.svc.cluster.local./", "http", "svc.ns.svc.cluster.local.", 80,
         b" / HTTP/1.1\r\nhost: svc.ns.svc.cluster.local.\r\n"),
    ],
)  # fmt: skip
def test_parts(url: str, scheme: str, host: str, port: int, start: bytes) -> None:
    target = parse_target(url)
    assert (target.scheme, target.host, target.port, target.start) == (scheme, host, port, start)
    assert target.label.endswith(f":{port}")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/path",
        "example.com",
        "ftp://example.com/",
        "http://",
        "http:///x",
        "http://user:hunter2@example.com/",
        "http://hunter2@example.com/",
        "http://example.com:0/",
        "http://example.com:65536/",
        "http://example.com:x/",
        "http://exa mple.com/",
        "http://example.com/\r\nX: hunter2",
        "http://example.com/hunter2\n",
        "http://example.com\\@hunter2/",
        "http://example.com/\x00hunter2",
        "http://[::1/",
        "http://[hunter2]/",
        "http://a..b/",
        "http://" + "a" * 64 + ".example/",
        "http://exa%6dple.com/",
        "http://a_b,c/",
    ],
)
def test_refused_without_repeating_the_url(url: str) -> None:
    with pytest.raises(ConnectFailed) as caught:
        parse_target(url)
    assert "hunter2" not in str(caught.value)


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_path_and_query_make_one_valid_request(path: str, query: str) -> None:
    try:
        target = parse_target(f"http://example.com/{path}?{query}")
    except ConnectFailed:
        return
    found: list[Incoming] = []
    RequestParser(ServerLimits(), found.append).feed(b"GET" + target.start + b"\r\n")
    assert len(found) == 1
    assert found[0].request.header(b"host") == b"example.com"
