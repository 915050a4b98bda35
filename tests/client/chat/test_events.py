"""What the datagrams of a room mean."""

import pytest
from support.recorder import Recorder

from netechod.client.chat.events import ENQUIRY, Event, Kind, event_of
from netechod.services.chat.room import ChatRoom
from netechod.services.wire import NOT_ONLINE

ANN = "192.0.2.2--6000"
COOKIE = b"0123456789abcdef"


def line(name: str, text: str) -> bytes:
    return f"{name}#{text}".encode()


@pytest.mark.parametrize(
    ("payload", "event"),
    [
        (line(ANN, "hi # there"), Event(Kind.MESSAGE, ANN, "hi # there")),
        (line("2001:db8::1--7", "x"), Event(Kind.MESSAGE, "2001:db8::1--7", "x")),
        (line(f"node-2.b/{ANN}", "x"), Event(Kind.MESSAGE, f"node-2.b/{ANN}", "x")),
        (line(ANN, "online") + b"\0rest", Event(Kind.JOIN, ANN, "online")),
        (line(ANN, "offline"), Event(Kind.LEAVE, ANN, "offline")),
        (line(ANN, "x--1#online"), Event(Kind.MESSAGE, ANN, "x--1#online")),
        (line(ANN, "/nick bob"), Event(Kind.NICK, ANN, "/nick bob", nick="bob")),
        (line(ANN, "/nick 小明"), Event(Kind.NICK, ANN, "/nick 小明", nick="小明")),
        (line(ANN, "/nick x--1"), Event(Kind.MESSAGE, ANN, "/nick x--1")),
        (line(ANN, "/nick a b"), Event(Kind.MESSAGE, ANN, "/nick a b")),
        (line(ANN, "/nickname"), Event(Kind.MESSAGE, ANN, "/nickname")),
        (line(f"said 7 s ago: {ANN}", "x--1#hi"), Event(Kind.EARLIER, ANN, "x--1#hi", seconds=7.0)),
        (
            line(f"said 7 s ago: {ANN}", "/nick bob"),
            Event(Kind.EARLIER, ANN, "/nick bob", seconds=7.0, nick="bob"),
        ),
        (line(ANN, f"said 7 s ago: {ANN}#x"), Event(Kind.MESSAGE, ANN, f"said 7 s ago: {ANN}#x")),
        (b"said 7 s ago: nobody", Event(Kind.NOTICE, text="said 7 s ago: nobody")),
        (b"message refused: not UTF-8", Event(Kind.REFUSED, text="message refused: not UTF-8")),
        (b"challenge " + COOKIE, Event(Kind.CHALLENGE, text=COOKIE.decode())),
        (b"challenge me", Event(Kind.NOTICE, text="challenge me")),
        (NOT_ONLINE, Event(Kind.STRANGER, text=NOT_ONLINE.decode())),
        (b"\xff", Event(Kind.NOTICE, text="\\xff")),
    ],
)
def test_datagrams_have_a_meaning(payload: bytes, event: Event) -> None:
    assert event_of(payload) == event


def test_a_room_answers_an_enquiry_to_the_enquirer_alone() -> None:
    out = Recorder()
    room = ChatRoom(
        address_of=lambda peer: ("192.0.2.1", int(str(peer))),
        on_online=lambda name: None,
        on_offline=lambda name, reason: None,
        secret=b"",
    )
    room.datagrams_received([(b"online", "1"), (b"online", "2")], now=0.0, out=out)
    out.clear()
    room.datagrams_received([(ENQUIRY, "1")], now=1.0, out=out)
    ((verb, payload, peer),) = out
    assert (verb, peer) == ("send", "1")
    assert event_of(payload).kind is Kind.ANSWER
