"""Requests that parsers in a row might read differently (RFC 9112, 11.2), by the name of what is wrong with them.

Behind each comes a complete request for `/smuggled`, which must be seen where the bytes before it are a request beyond doubt, and
never where they are refused. Where a product was found to read a form wrongly, its name stands beside it.
"""

from __future__ import annotations

SECOND = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked"


def request(*lines: bytes, start: bytes = b"POST / HTTP/1.1", host: bytes = b"Host: a", body: bytes = b"") -> bytes:
    return b"\r\n".join((start, *((host,) if host else ()), *lines, b"", body))


def _length(value: bytes) -> bytes:
    return request(b"Content-Length:" + value, body=b"hello")


def _coding(value: bytes) -> bytes:
    return request(b"Transfer-Encoding:" + value, body=b"5\r\nhello\r\n0\r\n\r\n")


def _chunks(chunks: bytes) -> bytes:
    return request(CHUNKED, body=chunks)


def _size(line: bytes) -> bytes:
    return _chunks(line + b"\r\nhello\r\n0\r\n\r\n")


def _target(target: bytes) -> bytes:
    return request(start=b"GET " + target + b" HTTP/1.1")


def _version(version: bytes) -> bytes:
    return request(start=b"GET / " + version)


_MALFORMED: dict[str, bytes] = {
    # two lengths
    "CL.TE": request(b"Content-Length: 5", CHUNKED, body=b"0\r\n\r\n"),
    "TE.CL": request(CHUNKED, b"Content-Length: 5", body=b"0\r\n\r\n"),
    "TE.CL of 0": request(CHUNKED, b"Content-Length: 0", body=b"0\r\n\r\n"),
    "CL.TE in an upgrade": request(b"Connection: Upgrade", b"Upgrade: h2c", b"Content-Length: 5", CHUNKED, body=b"0\r\n\r\n"),
    "CL.CL the same": request(b"Content-Length: 5", b"Content-Length: 5", body=b"hello"),
    "CL.CL different": request(b"Content-Length: 0", b"Content-Length: 5", body=b"hello"),
    "TE.TE the same": request(CHUNKED, CHUNKED, body=b"0\r\n\r\n"),
    "TE.TE identity last": request(CHUNKED, b"Transfer-Encoding: identity", body=b"0\r\n\r\n"),
    "chunked twice in one header": _coding(b" chunked, chunked"),
    "chunked not last": _coding(b" chunked, identity"),
    "chunked and an empty coding": _coding(b" chunked,"),
    # Content-Length
    "CL of nothing": _length(b""),
    "CL with a plus": _length(b" +5"),
    "CL with a minus": _length(b" -5"),
    "CL in hexadecimal": _length(b" 0x5"),
    "CL with an exponent": _length(b" 5e0"),
    "CL with a fraction": _length(b" 5.0"),
    "CL with an underscore": _length(b" 5_0"),
    "CL with a semicolon": _length(b" 5;"),
    "CL as a list of equals (RFC 9110, 8.6 allows to refuse)": _length(b" 5, 5"),
    "CL as a list": _length(b" 5,6"),
    "CL with a space within": _length(b" 0 5"),
    "CL with a vertical tab": _length(b" \x0b5"),
    "CL with a superscript digit": _length(" ²5".encode("latin-1")),
    "CL with a NUL": _length(b" 5\x00"),
    "CL beyond 64 bits": _length(b" 18446744073709551621"),
    "CL with a space before the colon": request(b"Content-Length : 5", body=b"hello"),
    # Transfer-Encoding
    "TE of nothing": _coding(b""),
    "TE with a space before the colon (Gunicorn)": request(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n"),
    "TE with a tab before the colon": request(b"Transfer-Encoding\t: chunked", body=b"0\r\n\r\n"),
    "TE with a NUL in its name": request(b"Transfer-Encoding\x00: chunked", body=b"0\r\n\r\n"),
    "TE with another alphabet's i": request("Transfer-Encod\u0131ng: chunked".encode(), body=b"0\r\n\r\n"),
    "TE with a vertical tab (Gunicorn)": _coding(b" \x0bchunked"),
    "TE with a form feed": _coding(b" \x0cchunked"),
    "TE with a tab at its end": _coding(b" chunked\t"),
    "TE with a NUL at its end": _coding(b" chunked\x00"),
    "TE behind a bare CR (Node.js)": request(b"X: \rTransfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "TE behind a bare LF": request(b"X: y\nTransfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "TE that begins with a CR": _coding(b"\rchunked"),
    "TE folded": _coding(b" chun\r\n ked"),
    "TE folded to its end": _coding(b" chunked\r\n "),
    "TE indented": request(b" Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    # chunk sizes
    "a chunk without a size": _size(b""),
    "a chunk size with a space before": _size(b" 5"),
    "a chunk size with a space behind": _size(b"5 "),
    "a chunk size with a tab behind": _size(b"5\t"),
    "a chunk size with 0x": _size(b"0x5"),
    "a chunk size with a plus": _size(b"+5"),
    "a chunk size with a minus": _size(b"-5"),
    "a chunk size with an underscore": _size(b"5_"),
    "a chunk size that overflows to the right one": _size(b"10000000000000005"),
    "a chunk size with two CRs": _size(b"5\r"),
    "a chunk size that ends with LF (Go, CVE-2025-22871)": _chunks(b"5\nhello\r\n0\r\n\r\n"),
    "a chunk size with CR alone": _chunks(b"5\rhello\r\n0\r\n\r\n"),
    "a chunk extension with LF (Kestrel, CVE-2025-55315; fasthttp)": _size(b"5;a\nb"),
    "a chunk extension with CR": _size(b"5;a\rb"),
    "a chunk extension with a line in quotes": _size(b'5;a="\r\nb"'),
    "a chunk extension with NUL": _size(b"5;a\x00b"),
    "a chunk extension without a name": _size(b"5;"),
    "a chunk extension behind a space": _size(b"5 ;a=b"),
    "chunk data that goes on past its size": _chunks(b"5\r\nhello!\r\n0\r\n\r\n"),
    "chunk data with any two bytes for its end": _chunks(b"5\r\nhelloXX0\r\n\r\n"),
    "chunk data that ends with LF": _chunks(b"5\r\nhello\n0\r\n\r\n"),
    "chunk data that ends with CR": _chunks(b"5\r\nhello\r0\r\n\r\n"),
    "the last chunk ends with LF": _chunks(b"5\r\nhello\r\n0\n\r\n"),
    "the body ends with LF": _chunks(b"5\r\nhello\r\n0\r\n\n"),
    "the body has no end (Gunicorn)": _chunks(b"5\r\nhello\r\n0\r\n"),
    # trailers
    "a trailer with a length": _chunks(b"5\r\nhello\r\n0\r\nContent-Length: 40\r\n\r\n"),
    "a trailer with a coding": _chunks(b"5\r\nhello\r\n0\r\nTransfer-Encoding: gzip\r\n\r\n"),
    "a trailer that ends with LF": _chunks(b"5\r\nhello\r\n0\r\nX: y\n\r\n"),
    "a folded trailer": _chunks(b"5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n"),
    "a trailer with a space before the colon": _chunks(b"5\r\nhello\r\n0\r\nX : y\r\n\r\n"),
    "a trailer with NUL": _chunks(b"5\r\nhello\r\n0\r\nX: \x00\r\n\r\n"),
    # lines and headers
    "lines that end with LF": b"POST / HTTP/1.1\nHost: a\n\n",
    "one line that ends with LF": b"POST / HTTP/1.1\r\nHost: a\n\r\n",
    "a head that ends with LF CR LF": b"POST / HTTP/1.1\r\nHost: a\r\n\n\r\n",
    "a header behind a bare CR": b"POST / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
    "a folded header": request(b"X: b\r\n c"),
    "a header folded with a tab": request(b"X: b\r\n\tc"),
    "an indented first header": b"POST / HTTP/1.1\r\n Host: a\r\n\r\n",
    "a NUL in a value": request(b"X: a\x00b"),
    "a control character in a value": request(b"X: a\x01b"),
    "a NUL in a name": request(b"X\x00: a"),
    "a space in a name": request(b"X Y: a"),
    "a byte above 127 in a name": request(b"X\xff: a"),
    "quotes in a name": request(b'"X": a'),
    "a name of nothing": request(b": a"),
    "no colon": request(b"X"),
    # versions and start lines
    "HTTP/1.2": _version(b"HTTP/1.2"),
    "HTTP/3.0": _version(b"HTTP/3.0"),
    "HTTP/1.10": _version(b"HTTP/1.10"),
    "HTTP/01.1": _version(b"HTTP/01.1"),
    "HTTP/1,1": _version(b"HTTP/1,1"),
    "http in small letters": _version(b"http/1.1"),
    "a space behind the version": _version(b"HTTP/1.1 "),
    "a NUL behind the version": _version(b"HTTP/1.1\x00"),
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a space in the target": _target(b"/a b"),
    "a CR for the space before the version": b"GET /\rHTTP/1.1\r\nHost: a\r\n\r\n",
    "a control character in the target": _target(b"/\x7f"),
    # absolute form
    "an absolute target with a user": _target(b"http://u@b/"),
    "an absolute target with user and password": _target(b"http://u:p@b/"),
    "an absolute target without a host": _target(b"http:///x"),
    "an absolute target that is a scheme": _target(b"http://"),
    "an absolute target with another scheme": _target(b"ftp://b/x"),
    "an absolute target with a port that is none": _target(b"http://b:x/"),
    "an absolute target with a comma": _target(b"http://b,c/"),
    "a target that is a host and port": _target(b"b:80"),
}

REFUSED: dict[str, tuple[bytes, int, str]] = {
    **{name: (wire, 400, "malformed") for name, wire in _MALFORMED.items()},
    "TE of an unknown coding": (_coding(b" cow"), 400, "transfer_encoding"),
    "TE of identity": (_coding(b" identity"), 400, "transfer_encoding"),
    "TE of gzip before chunked": (_coding(b" gzip, chunked"), 400, "transfer_encoding"),
    "TE of identity before chunked": (_coding(b" identity, chunked"), 400, "transfer_encoding"),
    "TE with an empty coding first": (_coding(b" ,chunked"), 400, "transfer_encoding"),
    "TE with a letter before": (_coding(b" xchunked"), 400, "transfer_encoding"),
    "TE with a parameter": (_coding(b" chunked;q=1"), 400, "transfer_encoding"),
    "TE in quotes": (_coding(b' "chunked"'), 400, "transfer_encoding"),
    "TE twice without a comma": (_coding(b" chunked chunked"), 400, "transfer_encoding"),
    "TE with a no-break space (Gunicorn)": (_coding(b" \xa0chunked"), 400, "transfer_encoding"),
    "TE in HTTP/1.0": (request(CHUNKED, start=b"POST / HTTP/1.0", body=b"0\r\n\r\n"), 400, "transfer_encoding"),
    "TE in HTTP/1.0 with keep-alive": (
        request(CHUNKED, b"Connection: keep-alive", start=b"POST / HTTP/1.0", body=b"0\r\n\r\n"),
        400,
        "transfer_encoding",
    ),
    "no Host": (request(host=b""), 400, "host"),
    "Host twice": (request(b"Host: b"), 400, "host"),
    "Host twice the same": (request(b"Host: a"), 400, "host"),
    "Host twice in HTTP/1.0": (request(b"Host: b", start=b"GET / HTTP/1.0"), 400, "host"),
    "Host twice beside an absolute target": (request(b"Host: b", start=b"GET http://a/ HTTP/1.1"), 400, "host"),
    "no Host beside an absolute target": (request(start=b"GET http://a/ HTTP/1.1", host=b""), 400, "host"),
    "Host with a comma": (request(host=b"Host: a,b"), 400, "host"),
    "Host with a comma and a space": (request(host=b"Host: a, b"), 400, "host"),
    "Host with a user": (request(host=b"Host: u@a"), 400, "host"),
    "Host with a path": (request(host=b"Host: a/b"), 400, "host"),
    "Host with a query": (request(host=b"Host: a?b"), 400, "host"),
    "Host with a fragment": (request(host=b"Host: a#b"), 400, "host"),
    "Host with a scheme": (request(host=b"Host: http://a"), 400, "host"),
    "Host with a backslash": (request(host=b"Host: a\\b"), 400, "host"),
    "Host with a tab": (request(host=b"Host: a\tb"), 400, "host"),
    "Host with a byte above 127": (request(host=b"Host: \xff"), 400, "host"),
    "Host with half an escape": (request(host=b"Host: a%z"), 400, "host"),
    "Host with a port that is none": (request(host=b"Host: a:b"), 400, "host"),
    "Host with a negative port": (request(host=b"Host: a:-1"), 400, "host"),
    "Host with a port of eight digits": (request(host=b"Host: a:99999999"), 400, "host"),
    "Host with half a bracket": (request(host=b"Host: [::1"), 400, "host"),
    "HTTP/0.9": (b"GET /\r\n\r\n", 400, "version"),
    "HTTP/0.9 by name": (_version(b"HTTP/0.9"), 400, "version"),
    "HTTP/2.0 by name": (_version(b"HTTP/2.0"), 400, "version"),
    "CONNECT": (request(start=b"CONNECT a:80 HTTP/1.1"), 405, "method"),
    "CONNECT with a length": (request(b"Content-Length: 5", start=b"CONNECT a:80 HTTP/1.1", body=b"hello"), 405, "method"),
    "a TLS hello on the plain port": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 405, "method"),
    "a space before the method": (request(start=b" GET / HTTP/1.1"), 405, "method"),
    "a tab behind the method": (request(start=b"GET\t/ HTTP/1.1"), 405, "method"),
    "an expectation that is none": (request(b"Expect: x", b"Content-Length: 5", body=b"hello"), 417, "expectation"),
    "a second expectation": (
        request(b"Expect: 100-continue, x", b"Content-Length: 5", body=b"hello"), 417, "expectation"
    ),
    "an early refusal of what asks to continue": (
        request(b"Expect: 100-continue", b"Content-Length: 99999999"), 413, "body_too_large"
    ),
}  # fmt: skip

ONE: dict[str, tuple[bytes, bytes]] = {
    "a GET with a length": (request(b"Content-Length: 5", start=b"GET / HTTP/1.1", body=b"hello"), b"hello"),
    "a GET in chunks": (request(CHUNKED, start=b"GET / HTTP/1.1", body=b"5\r\nhello\r\n0\r\n\r\n"), b"hello"),
    "a body that looks like a request": (request(b"Content-Length: %d" % len(SECOND), body=SECOND), SECOND),
    "a chunk that looks like a request": (
        _chunks(b"%x\r\n" % len(SECOND) + SECOND + b"\r\n0\r\n\r\n"), SECOND
    ),
    "an upgrade whose body looks like a request": (
        request(b"Connection: Upgrade", b"Upgrade: h2c", b"Content-Length: %d" % len(SECOND), body=SECOND), SECOND
    ),
    "an upgrade in chunks that look like a request": (
        request(
            b"Connection: Upgrade", b"Upgrade: h2c", CHUNKED, body=b"%x\r\n" % len(SECOND) + SECOND + b"\r\n0\r\n\r\n"
        ), SECOND
    ),
    "an upgrade without a body": (request(b"Connection: Upgrade", b"Upgrade: websocket", start=b"GET / HTTP/1.1"), b""),
    "Upgrade without Connection": (request(b"Upgrade: h2c", b"Content-Length: 5", body=b"hello"), b"hello"),
    "an upgrade by Proxy-Connection": (
        request(b"Proxy-Connection: upgrade", b"Upgrade: h2c", b"Content-Length: 5", body=b"hello"), b"hello"
    ),
    "Expect with a length of 0": (request(b"Expect: 100-continue", b"Content-Length: 0"), b""),
    "Expect twice": (
        request(b"Expect: 100-continue", b"Expect: 100-continue", b"Content-Length: 5", body=b"hello"), b"hello"
    ),
    "Transfer_Encoding with an underscore is another header": (
        request(b"Transfer_Encoding: chunked", b"Content-Length: 5", body=b"0\r\n\r\n"), b"0\r\n\r\n"
    ),
    "Content_Length with an underscore is another header": (request(b"Content_Length: 40"), b""),
    "Content-Length named by Connection counts all the same": (
        request(b"Connection: content-length", b"Content-Length: 5", body=b"hello"), b"hello"
    ),
    "TE in capitals": (_coding(b" CHUNKED"), b"hello"),
    "TE without a space": (_coding(b"chunked"), b"hello"),
    "TE behind a tab": (_coding(b"\tchunked"), b"hello"),
    "CL with zeros before": (_length(b" 0005"), b"hello"),
    "a chunk size with zeros before": (_size(b"0000000000000000000005"), b"hello"),
    "a chunk size in capitals": (_chunks(b"00A\r\nhellohello\r\n0\r\n\r\n"), b"hellohello"),
    "a last chunk of many zeros": (_chunks(b"5\r\nhello\r\n000\r\n\r\n"), b"hello"),
    "chunk extensions": (_chunks(b'5;a=b;c;d="e;f"\r\nhello\r\n0;x\r\n\r\n'), b"hello"),
    "trailers that name a host, an expectation and an upgrade": (
        _chunks(b"5\r\nhello\r\n0\r\nHost: b\r\nExpect: x\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n"), b"hello"
    ),
    "an absolute target of another host": (_target(b"http://b.example/"), b""),
    "an empty line before": (b"\r\n" + _target(b"/"), b""),
    "an empty line behind": (request(b"Content-Length: 5", body=b"hello\r\n"), b"hello"),
    "an empty Host": (request(host=b"Host:"), b""),
}  # fmt: skip
"""One request to `/` with this body, beyond doubt."""
