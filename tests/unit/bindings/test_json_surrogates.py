"""Unpaired surrogates in JSON documents: refused, and told as what they are."""

from __future__ import annotations

import pytest

from eventing.bindings import json_format
from eventing.errors import InvalidEvent

EVENT = rb'{"specversion":"1.0","type":"t","source":"/s","id":"1","data":%b}'


@pytest.mark.requirement("I4")
@pytest.mark.parametrize(
    "data",
    [
        rb'"\ud800"',
        rb'"\uDBFF and more"',
        rb'["\ud83d\n"]',
        rb'{"\ud800":1}',
        rb'"\ud800\ud800"',
        rb'"\\\ud800"',
        rb'"\ud83d\u0041"',
    ],
)
def test_an_unpaired_surrogate_is_named_and_not_taken_for_a_document_cut_short(data: bytes) -> None:
    for decode, body in ((json_format.decode, EVENT % data), (json_format.decode_batch, b"[" + EVENT % data + b"]")):
        with pytest.raises(InvalidEvent, match="it has an unpaired surrogate"):
            decode(body)


@pytest.mark.parametrize("data", [rb'"\ud83d\ude00"', rb'"\\ud800"', rb'"\\\\ud800"'])
def test_pairs_and_escaped_backslashes_are_no_unpaired_surrogates(data: bytes) -> None:
    assert json_format.decode(EVENT % data).data == data
    with pytest.raises(InvalidEvent, match="truncated"):
        json_format.decode((EVENT % data)[:-1])
