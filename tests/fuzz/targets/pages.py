"""The page over HTTP: whatever comes, each answer is whole and the connection ends after what is wrong."""

from fuzz.feed import Feed
from fuzz.target import target

from netechod.services.http import MAX_HEAD, HttpSession, Page

BODY = b"netechod_up 1\n"


@target(
    words=[
        *(b"GET ", b"HEAD ", b"POST ", b"/metrics", b" HTTP/1.1", b" HTTP/1.0", b"\r\n", b"\r\n\r\n"),
        *(b"Host: a\r\n", b"Accept: ", b"Connection: close\r\n", b"Content-Length: 9\r\n"),
    ],
    seeds=[b"GET /metrics HTTP/1.1\r\nHost: a\r\nAccept: text/plain\r\n\r\nHEAD / HTTP/1.0\r\n\r\n"],
)
def http(feed: Feed) -> None:
    """Requests in any pieces get whole answers, bounded memory, and nothing after the last one."""
    session = HttpSession({"/metrics": lambda request: Page("text/plain", BODY)}.get)
    answers: list[bytes] = []
    while feed and not session.ended:
        assert session.data_received(memoryview(feed.piece(255) if feed.number(3) else feed.rest())) == b""
        while not session.ended and (answer := session.more()) is not None:
            answers.append(answer)
        assert session.ended or len(session._received) <= MAX_HEAD
    for answer in answers[:-1]:
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"Connection: close" not in answer
    for answer in answers[-1:]:
        head, end, body = answer.partition(b"\r\n\r\n")
        assert end
        assert session.ended == (b"\r\nConnection: close" in head)
        status = int(head.split()[1])
        assert status in (200, 400, 404, 405, 431, 505)
        assert body in (b"", BODY) if status == 200 else body == b"" or body.startswith(b"%d " % status)
