"""Scripts of requests and replies, and their deadlines."""

from collections.abc import Iterator

import pytest
from support.looping import FakeClock, turn

from netechod.reactor.bus.dialogue import MAX_REPLY, PATIENCE, Dialogue, LinkError, Pause, Request, Script
from netechod.reactor.bus.resp import Reply
from netechod.reactor.loop import Loop


class Talk:
    """A script that writes down what it was told, and the dialogue that runs it."""

    def __init__(self, loop: Loop, *steps: Request | Pause, frugal: bool = False) -> None:
        self.told: list[list[Reply] | None] = []
        self.errors: list[LinkError] = []
        self.wakes = 0
        self.dialogue = Dialogue(loop, self._script(iter(steps)), self._wake, frugal=frugal)
        self.dialogue.on_failed = self.errors.append

    def _script(self, steps: Iterator[Request | Pause]) -> Script:
        for step in steps:
            self.told.append((yield step))
        raise LinkError("the end", "end")

    def _wake(self) -> None:
        self.wakes += 1

    def hear(self, data: bytes) -> bytes | None:
        """Receive, and return what is said next."""
        assert bytes(self.dialogue.data_received(memoryview(data))) == b""
        piece = self.dialogue.more()
        return None if piece is None else bytes(piece)


PING = Request([("PING",)])
PACKED = b"*1\r\n$4\r\nPING\r\n"


def test_a_script_gets_the_replies_to_its_request(loop: Loop) -> None:
    talk = Talk(loop, Request([("PING",), ("PING",)]), PING, PING)
    assert talk.dialogue.opened() == PACKED * 2
    assert talk.hear(b"+PO") is None
    assert talk.hear(b"NG\r\n:1\r\n") == PACKED
    assert talk.hear(b":2\r\n") == PACKED
    assert talk.told == [[b"PONG", 1], [2]]


def test_a_pause_ends_when_somebody_says_so(loop: Loop) -> None:
    talk = Talk(loop, Pause(), PING)
    assert talk.dialogue.opened() == b""
    assert talk.dialogue.more() is None
    talk.dialogue.go_on()
    talk.dialogue.go_on()
    assert talk.wakes == 1
    assert talk.dialogue.more() == PACKED


def test_a_pause_ends_after_its_time(loop: Loop, clock: FakeClock) -> None:
    talk = Talk(loop, Pause(10.0), PING)
    talk.dialogue.opened()
    clock.advance(PATIENCE)
    turn(loop)
    assert talk.wakes == 0
    clock.advance(10.0)
    turn(loop)
    assert talk.wakes == 1
    assert talk.dialogue.more() == PACKED


def test_a_pause_of_no_time_is_a_piece_of_work(loop: Loop) -> None:
    talk = Talk(loop, PING, Pause(0), PING)
    talk.dialogue.opened()
    assert talk.hear(b"+PONG\r\n") == b""
    assert talk.dialogue.more() == PACKED


def test_a_server_that_does_not_reply_in_time_is_given_up(loop: Loop, clock: FakeClock) -> None:
    talk = Talk(loop, Request([("PING",)], 1.0), PING)
    talk.dialogue.opened()
    clock.advance(0.9)
    turn(loop)
    talk.hear(b"$10\r\nslow")
    clock.advance(0.9)  # each piece that comes puts the deadline off
    turn(loop)
    assert not talk.errors
    clock.advance(0.2)
    turn(loop)
    assert [str(error) for error in talk.errors] == ["no reply in time"]


def test_a_connection_that_is_never_opened_is_given_up(loop: Loop, clock: FakeClock) -> None:
    talk = Talk(loop, PING)
    clock.advance(PATIENCE)
    turn(loop)
    assert [str(error) for error in talk.errors] == ["TLS: no handshake in time, the server may have no TLS"]


def test_a_reply_that_has_come_is_not_late(loop: Loop, clock: FakeClock) -> None:
    talk = Talk(loop, PING, PING)
    talk.dialogue.opened()
    talk.dialogue.data_received(memoryview(b"+PONG\r\n"))
    clock.advance(PATIENCE)
    turn(loop)
    assert not talk.errors
    assert talk.dialogue.more() == PACKED


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"HTTP/1.0 400\r\n", "no reply of Redis; if the server expects TLS, use rediss"),
        (b"$%d\r\n%b" % (2 * MAX_REPLY, b"x" * MAX_REPLY), "a reply of more than 8 MiB"),
        (b"+PONG\r\n", "the end"),
    ],
    ids=["no RESP", "too long", "the script's own"],
)
def test_a_failure_is_told_once(loop: Loop, data: bytes, reason: str) -> None:
    talk = Talk(loop, PING)
    talk.dialogue.opened()
    talk.hear(data)
    talk.dialogue.fail(LinkError("again", "again"))
    talk.dialogue.close()
    assert [str(error) for error in talk.errors] == [reason]
    assert talk.dialogue.more() is None


def test_a_reply_that_nobody_asked_for_is_a_failure(loop: Loop) -> None:
    talk = Talk(loop, Pause())
    talk.dialogue.opened()
    talk.hear(b"+PONG\r\n")
    assert [error.kind for error in talk.errors] == ["protocol"]


def test_the_end_of_the_stream_is_a_failure(loop: Loop) -> None:
    talk = Talk(loop, PING)
    talk.dialogue.opened()
    assert talk.dialogue.eof_received() == b""
    assert [str(error) for error in talk.errors] == ["closed by the server"]


def test_a_frugal_dialogue_reads_a_reply_of_any_length(loop: Loop) -> None:
    talk = Talk(loop, PING, PING, frugal=True)
    talk.dialogue.opened()
    size = 2 * MAX_REPLY
    assert talk.hear(b"$%d\r\n%b\r\n" % (size, b"x" * size)) == PACKED
    assert talk.told == [[None]]
