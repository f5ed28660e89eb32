"""Answers that come again byte for byte are not parsed again, and mean the same."""

from __future__ import annotations

from eventing.http.known_answers import KnownAnswers
from eventing.http.limits import ClientLimits
from eventing.http.response_parser import ResponseParser

ANSWER = b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\nok"


def noted(*pieces: bytes, head: bool = False) -> KnownAnswers:
    """What is known after one answer came in these pieces."""
    answers, parser = KnownAnswers(), ResponseParser(ClientLimits())
    parser.expect(head=head)
    for piece in pieces:
        parser.feed(piece)
        if parser.response is not None:
            answers.note(piece, parser)
    return answers


def test_a_whole_answer_is_known_by_its_bytes() -> None:
    known = noted(ANSWER).get(ANSWER)
    assert known is not None
    assert (known.status, known.body) == (202, b"ok")
    assert noted(ANSWER).get(ANSWER[:-1]) is None


def test_an_answer_that_came_in_pieces_is_not_known_by_the_last_of_them() -> None:
    answers = noted(ANSWER[:20], ANSWER[20:])
    assert answers.get(ANSWER[20:]) is None
    assert answers.get(ANSWER) is None


def test_an_interim_answer_before_it_is_part_of_the_bytes() -> None:
    assert noted(b"HTTP/1.1 100 Continue\r\n\r\n", ANSWER).get(ANSWER) is None
    whole = b"HTTP/1.1 100 Continue\r\n\r\n" + ANSWER
    known = noted(whole).get(whole)
    assert known is not None
    assert known.status == 202


def test_what_ends_its_connection_is_not_known() -> None:
    closing = ANSWER.replace(b"content-length", b"connection: close\r\ncontent-length")
    assert noted(closing).get(closing) is None
    surplus = ANSWER + b"x"
    assert noted(surplus).get(surplus) is None


def test_the_answer_to_head_is_not_known_for_it_has_no_body_whatever_it_says() -> None:
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"
    assert noted(answer, head=True).get(answer) is None


def test_it_is_bounded_in_number_and_size() -> None:
    answers = KnownAnswers()
    for number in range(1000):
        parser = ResponseParser(ClientLimits())
        data = b"HTTP/1.1 204 No Content\r\nx: %d\r\n\r\n" % number
        parser.feed(data)
        answers.note(data, parser)
    assert len(answers) <= 256
    assert answers.get(data) is not None
    large = noted(b"HTTP/1.1 202 Accepted\r\nx: " + b"y" * 600 + b"\r\ncontent-length: 0\r\n\r\n")
    assert len(large) == 0
