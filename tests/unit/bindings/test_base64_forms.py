"""Base64 in the JSON format: RFC 4648 section 4 to the letter, which Python's strict mode isn't."""

from __future__ import annotations

import re
from itertools import product

import pytest

from eventing.bindings import json_format
from eventing.errors import InvalidEvent

FORM = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


def taken(text: str) -> bool:
    document = f'{{"specversion":"1.0","id":"1","source":"/s","type":"t","data_base64":"{text}"}}'
    try:
        json_format.decode(document.encode())
    except InvalidEvent:
        return False
    return True


@pytest.mark.requirement("F2")
def test_base64_is_groups_of_four_with_padding_only_in_the_last() -> None:
    texts = ["".join(letters) for length in range(9) for letters in product("A=" if length > 5 else "A=-_ ", repeat=length)]
    wrong = [text for text in texts if taken(text) != bool(FORM.fullmatch(text))]
    assert wrong == []
    assert not taken("AAAAAAAA=")
    assert not taken("8J+YgA==AAAA")
