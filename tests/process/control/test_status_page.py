"""The status as a page for people."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.daemon import Daemon, client

from netechod.process.control.status import Gauge, Outcome, Status
from netechod.process.control.status_page import StatusPage
from netechod.services.http import Request

ASKED = Request("GET", "/", "", "", keeps_alive=True)


def status(uptime: float, received: int, *, failed: str = "") -> Status:
    """A daemon that has answered so much."""
    return Status(
        version="1",
        pid=7,
        uptime=uptime,
        config="/etc/<x>.toml",
        listeners=[("chat", "[::]:8082")],
        counters={
            "chat": {"received": received, "sent": 3, "messages": 1, "refused": 4, "dropped_denied": 0}
        },
        reports={"members": 5, "nodes": [{"node": "a", "loaded": 0.0, "alone": True}]},
        gauges=[Gauge("chat_members", "Members online now.", 5)],
        summaries=(),
        log_lost=0,
        last_reload=Outcome(error=failed, when=0.0),
        complaints=["echo-tcp is <off>"],
    )


def rendered(*moments: Status) -> str:
    """The last of the pages of these moments."""
    left = iter(moments)
    page = StatusPage(lambda: next(left))
    return [page.render(ASKED).body.decode() for _ in moments][-1]


def test_the_page_has_what_an_operator_asks_for() -> None:
    text = rendered(status(100.0, 50))
    for part in (
        "netechod 1",
        "up 00:01:40",
        "[::]:8082",
        "<td>50</td>",
        "<td>0.5</td>",
        "Members online now.",
    ):
        assert part in text
    assert '<td class="text">refused</td><td>4</td>' in text
    assert "denied" not in text  # nothing was
    assert '<th class="text">node</th>' in text
    assert "http-equiv" in text
    assert "http:" not in text


def test_what_is_wrong_stands_out_and_no_text_is_markup() -> None:
    text = rendered(status(1.0, 0, failed="line 3: <no>"))
    assert '<p class="bad">echo-tcp is &lt;off&gt;</p>' in text
    assert "FAILED: line 3: &lt;no&gt;</p>" in text
    assert "<x>" not in text


def test_rates_are_those_since_an_earlier_page() -> None:
    text = rendered(status(100.0, 50), status(110.0, 150))
    assert "<td>150</td><td>10.0</td>" in text
    at_once = rendered(status(100.0, 50), status(110.0, 150), status(110.1, 160))
    assert "<td>160</td><td>10.9</td>" in at_once  # not over a tenth of a second


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(tmp_path) as daemon:
        yield daemon


def fetched(port: int, path: bytes, source: str = "127.0.0.1") -> bytes:
    with client(("127.0.0.1", port), socket.SOCK_STREAM, source) as sock:
        sock.sendall(b"GET %s HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n" % path)
        return b"".join(iter(lambda: sock.recv(65536), b""))


def is_refused(port: int, source: str) -> bool:
    """Return whether a source gets no byte: an end of stream, or a reset if it has already asked."""
    try:
        return not fetched(port, b"/", source)
    except (ConnectionResetError, BrokenPipeError):
        return True


@pytest.mark.system
def test_it_is_served_beside_the_metrics_to_those_who_may_see_them(daemon: Daemon) -> None:
    daemon.start("--set", "metrics.listen=127.0.0.1:0", "--set", "access.deny=127.0.0.3")
    port = int(daemon.said("serving metrics on ").rpartition(":")[2].partition("/")[0])
    page = fetched(port, b"/").decode()
    assert page.startswith("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n")
    assert "Content-Security-Policy: default-src 'none';" in page
    assert ">dictionary</td>" in page
    assert b"netechod_uptime_seconds" in fetched(port, b"/metrics")
    assert fetched(port, b"/status").startswith(b"HTTP/1.1 404 ")
    assert is_refused(port, "127.0.0.3")
