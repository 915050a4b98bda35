"""The page over HTTP: dialogues, byte by byte."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netechod.services.http import MAX_HEAD, HttpSession, Page

GET = b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n"
PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n[*/*]"


def session() -> HttpSession:
    return HttpSession({"/metrics": lambda request: Page("text/plain", f"[{request.accept}]".encode())}.get)


def say(to: HttpSession, data: bytes) -> bytes:
    """Everything that comes back."""
    answers = [bytes(to.data_received(memoryview(data)))]
    while not to.ended and (piece := to.more()) is not None:
        answers.append(piece)
    return b"".join(answers)


def status(data: bytes) -> int:
    """The status of the answer to one request, after which the connection ends unless it is 200."""
    http = session()
    answer = say(http, data)
    assert http.ended == (b"\r\nConnection: close\r\n" in answer)
    return int(answer.split()[1])


def test_a_page_is_served_and_the_connection_stays() -> None:
    http = session()
    request = GET.replace(b"Host: here", b"Host: here\r\naccept: */*")
    assert http.opened() == b""
    assert say(http, request) == PAGE
    assert say(http, request) == PAGE
    assert (http.ended, http.waiting, http.eof_received()) == (False, False, b"")


def test_requests_that_come_together_are_answered_one_a_piece() -> None:
    http = session()
    http.data_received(memoryview(2 * GET))
    assert (http.more() or b"").startswith(b"HTTP/1.1 200 OK\r\n")
    assert (http.more() or b"").startswith(b"HTTP/1.1 200 OK\r\n")
    assert http.more() is None


@given(st.lists(st.integers(1, len(GET) * 2)))
def test_it_does_not_matter_how_a_request_is_cut(cuts: list[int]) -> None:
    http, whole = session(), b"\r\n" + GET + GET
    places = sorted({0, len(whole), *cuts})
    pieces = [whole[start:end] for start, end in pairwise(places)]
    assert b"".join(say(http, piece) for piece in pieces) == say(session(), whole)


def test_head_has_no_body() -> None:
    answer = say(session(), GET.replace(b"GET", b"HEAD"))
    assert answer.endswith(b"Content-Length: 2\r\n\r\n")
    assert say(session(), b"HEAD /elsewhere HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("request_head", "ends"),
    [
        (b"GET /metrics HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n", True),
        (b"GET /metrics HTTP/1.1\r\nHost: here\r\nConnection: x, Close\r\n\r\n", True),
        (b"GET /metrics HTTP/1.0\r\n\r\n", True),
        (b"GET /metrics HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", False),
        (b"GET /metrics HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n", False),
        (b"GET /metrics HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\n\r\n", True),
        (b"GET /metrics HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n", True),
    ],
)
def test_the_connection_ends_if_the_client_wants_it_or_sends_a_body(request_head: bytes, ends: bool) -> None:
    http = session()
    answer = say(http, request_head)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert http.ended is ends
    assert (b"\r\nConnection: close\r\n" in answer) is ends


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (GET.replace(b"/metrics", b"/metrics?name[]=up"), 200),
        (GET.replace(b"/metrics", b"http://here:9100/metrics"), 200),
        (GET.replace(b"\r\n", b"\n"), 200),
        (GET.replace(b"/metrics", b"/"), 404),
        (GET.replace(b"/metrics", b"*"), 404),
        (GET.replace(b"GET", b"POST"), 405),
        (GET.replace(b"GET", b"get"), 405),
        (GET.replace(b"Host: here\r\n", b""), 400),
        (GET.replace(b"Host: here", b"Host: here\r\nHost: there"), 400),
        (GET.replace(b"Host:", b"Host :"), 400),
        (GET.replace(b"here", b"here\r\n folded"), 400),
        (GET.replace(b"here", b"he\0re"), 400),
        (GET.replace(b" /metrics", b""), 400),
        (b"\x16\x03\x01\x02\0\x01\r\n\r\n", 400),
        (GET.replace(b"HTTP/1.1", b"HTTP/2.0"), 505),
        (b"x" * MAX_HEAD, 431),
        (GET[:-2] + b"x: " + b"y" * MAX_HEAD + b"\r\n\r\n", 431),
    ],
)
def test_whatever_is_wrong_has_its_status(data: bytes, expected: int) -> None:
    assert status(data) == expected


def test_a_refused_method_names_the_others() -> None:
    assert b"\r\nAllow: GET, HEAD\r\n" in say(session(), GET.replace(b"GET", b"PUT"))


def test_nothing_is_answered_after_the_end() -> None:
    http = session()
    assert say(http, GET.replace(b"/metrics", b"/") + GET).count(b"HTTP/1.1") == 1
