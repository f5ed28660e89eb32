"""What the mutations put into requests and answers: words that are just valid, just not, or forbidden."""

from __future__ import annotations

from tests.fuzz.grammar import BROKER

# fmt: off
METHODS = (
    b"GET", b"HEAD", b"PUT", b"OPTIONS", b"DELETE", b"PATCH", b"TRACE", b"CONNECT", b"PRI", b"post", b"BREW", b"", b"MKCOL",
    b"QUERY", b"POST\x00",
)

TARGETS = (
    b"/", b"*", b"//", BROKER + b"//", BROKER + b"/x", BROKER + b"/?x", b"/default", b"/default/none", b"/a/b/c/d",
    b"http://a.example" + BROKER, b"http://a.example", b"http://a.example?x", b"a.example:80", b"x://", b"relative", b"",
    b"/default/%66uzz", b"/default/fuzz%00", b"/default/fuzz%0d%0aX-Injected:1", b"/%64efault/fuz%7A/?", b"/default%2ffuzz",
    b"/a/%ff", b"/default/fuzz;a=b", b"/default/../default/fuzz", b"/default/fuzz#f", b"/\xc3\xa4", b"/healthz", b"/readyz",
    b"/metrics", b"/default/fuzz?" + b"a=b&" * 50, b"/" + b"x" * 7000, b"/" + b"x" * 9000, b"/\x7f", b"/%zz",
)

VERSIONS = (
    b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/0.9", b"http/1.1", b"HTTP/1.1 ", b"HTTP/11", b"", b"HTTP/1", b"HTTQ/1.1",
)

NAMES = (
    b"ce-", b"ce-data", b"ce-datacontenttype", b"ce-a_b", b"ce-A1", b"CE-ID", b"ce-specversion", b"ce-\xc3\xa4", b"ce-a.b",
    b"ce_id", b"", b" x", b"x ", b"x\t", b"x\x00", b"x(y)", b"\xff", b"ce-time", b"ce-dataschema", b"ce-schemaurl",
    b"ce-subject", b"ce-sequence", b"eventing-engine-hops", b"ce-datacontentencoding", b"ce-knativeerrordest", b"trailer",
    b"te", b"keep-alive", b"x" * 300, b"ce-knativebrokerttl",
)

VALUES = (
    b"", b"%", b"%4", b"%zz", b"%C0%A0", b"%ED%A0%80", b"%00", b"%0d%0aX-Injected:%201", b"%7f", b"%C2%80", b"%EF%BF%BE",
    b"%FF", b"%E2%82%ac", b"%41%42", b"%2541", b"%25", b"a%20b", b"%20", b"%22", b"a b", b"a\tb", b"  padded\t ", b"\xc3\xa4",
    b"\xff\xfe", b'"quoted"', b'"a \\"b\\" \\\\ c"', b'"%20"', b'"\\%41"', b'"', b'""', b'"open', b'"a"b', b'a"b"', b'"a\\"',
    b'"\xe2\x82\xac"', b"\x00", b"\x01", b"\x0b", b"\x7f", b"a\rb", b"a\nb", b"a\r\n b", b"a\r\nX-Injected: 1",
    b"\xf0\x9f\x98\x80", b"%F0%9F%98%80", b"1.0", b"0.3", b"1", b"1.1", b"2026-02-30T00:00:00Z", b"2026-01-01T00:00:00", b"/a",
    b"a:b", b"::", b"http://[::1]/", b"%2f", b"<>", b"0", b"-1", b"99999999999", b"255", b"256", b"true", b"x" * 5000,
    b"%20" * 3000, b"x" * 100_000, b"=?utf-8?b?eA==?=",
)

TYPES = (
    b"application/cloudevents", b"application/cloudevents+xml", b"application/cloudevents+avro",
    b"APPLICATION/CLOUDEVENTS+JSON", b"application/cloudevents-batch+json;x=y", b"application/cloudevents-batch",
    b"application/cloudevents-batch+xml", b"text/plain", b"application/cloudeventsx",
    b"application/cloudevents+json ; charset=utf-16", b"application/cloudevents+json;", b"/", b"json",
    b"application/cloudevents+json,application/json", b"text/plain;charset=latin1", b'text/plain; a="b;c"', b"a/b; \xc3\xa4",
    b"", b'"application/json"', b"application/json%20", b"application/json", b"multipart/form-data; boundary=x", b"*/*", b" ; ",
)

FRAMING = (
    *((b"Content-Length", value)
        for value in (b"0", b"1", b"00007", b"-1", b"+5", b"5, 5", b"0x5", b"5 5", b"", b"9" * 18, b"9" * 30)),
    *((b"Transfer-Encoding", value)
        for value in (b"chunked", b"Chunked", b"gzip, chunked", b"identity", b"chunked, chunked", b"", b"x")),
    *((b"Connection", value)
        for value in (b"close", b"keep-alive", b"upgrade", b"close, x", b"Close", b"", b"keep-alive, close", b"te")),
    *((b"Expect", value) for value in (b"100-continue", b"100-Continue", b"", b"the-worst", b"100-continue, x")),
    *((b"Host", value) for value in (b"", b"a b", b"a/b", b"user@a", b"[::1]:80", b"a:b", b"a,b", b"x" * 300, b"\xc3\xa4")),
    *((b"Upgrade", value) for value in (b"h2c", b"websocket", b"", b"h2c, x/1")),
    (b"HTTP2-Settings", b"AAMAAABkAAQCAAAAAAIAAAAA"), (b"TE", b"trailers"), (b"Trailer", b"ce-id"),
)

JSON_PARTS = (
    "null", "NaN", "Infinity", "-0", "1.0", "1e2", "2147483648", "-2147483649", "9" * 400, "[]", "{}", '"\\ud800"',
    '"\\udc00\\ud800"', '"\\u0000"', '"\\u000a"', '"\\ufffe"', '"\\u0085"', '"\x01"', '"\\x"', '"open', "'x'", "tru", "+1",
    "01", ".5", "/**/1", '""', '"x"', "true", "[" * 100 + "]" * 100, "[" * 100_000 + "]" * 100_000, '"' + "y" * 3000 + '"',
    '"=="', '"YQ"', '"YQ==\\n"', '"Y Q=="', '"-_-_"',
)

MEMBERS = (
    '"id":"again"', '"i\\u0064":"x"', '"ID":"x"', '"a_b":"x"', '"":"x"', '"data":{}', '"data":null', '"data_base64":"YQ=="',
    '"data_base64":null', '"datacontenttype":"text/plain"', '"datacontentencoding":"base64"', '"specversion":"0.3"',
    '"subject":""', '"time":"yesterday"', '"dataschema":"relative"', '"source":"a b"', '"x":1.5', '"x":{}', '"x":null',
    '"mark":5', '"mark":"5"',
)

JUNK = (
    b"\x00", b"\r", b"\n", b"\r\n", b"\r\n\r\n", b" ", b"\t", b":", b"\xff", b"0\r\n\r\n", b"GET / HTTP/1.1\r\n",
    b"\x16\x03\x01\x02\x00", b'"',
)
# fmt: on
