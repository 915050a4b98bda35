"""Messages between processes, from one end of a socket pair to the other."""

import socket
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from support.looping import run_until, turn

from netechod.reactor.jobs.channel import Channel
from netechod.reactor.loop import Loop

MIB = 1 << 20


class End:
    """A channel, and what came out of it."""

    def __init__(self, loop: Loop, sock: socket.socket) -> None:
        self.heard: list[tuple[Mapping[str, Any], bytes]] = []
        self.ended = 0
        self.channel = Channel(loop, sock, lambda *message: self.heard.append(message), self._end)

    def _end(self) -> None:
        self.ended += 1


@pytest.fixture
def socks() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair()


@pytest.fixture
def ends(loop: Loop, socks: tuple[socket.socket, socket.socket]) -> Iterator[tuple[End, End]]:
    ends = End(loop, socks[0]), End(loop, socks[1])
    yield ends
    for sock, end in zip(socks, ends, strict=True):
        if sock.fileno() >= 0:
            end.channel.finish(0.0)


def test_messages_arrive_whole_and_in_order(loop: Loop, ends: tuple[End, End]) -> None:
    one, other = ends
    one.channel.send({"number": 1, "text": "端\0"}, b"\0\xff")
    one.channel.send({})
    other.channel.send({"number": 2})
    run_until(loop, lambda: len(other.heard) == 2 and one.heard)
    assert other.heard == [({"number": 1, "text": "端\0"}, b"\0\xff"), ({}, b"")]
    assert one.heard == [({"number": 2}, b"")]
    assert (one.ended, other.ended) == (0, 0)


def test_what_the_socket_does_not_take_waits(loop: Loop, ends: tuple[End, End]) -> None:
    one, other = ends
    for number in range(3):
        one.channel.send({"number": number}, bytes(MIB))
    run_until(loop, lambda: len(other.heard) == 3)
    assert [(message["number"], len(body)) for message, body in other.heard] == [(n, MIB) for n in range(3)]


def test_a_message_comes_together_out_of_pieces(
    loop: Loop, socks: tuple[socket.socket, socket.socket]
) -> None:
    end = End(loop, socks[0])
    for byte in b"\0\0\0\7" + b"\0\0\0\2" + b'{"a":1}' + b"hi" + b"\0\0\0\2\0\0\0\0{}":
        socks[1].send(bytes([byte]))
        turn(loop)
    assert end.heard == [({"a": 1}, b"hi"), ({}, b"")]
    socks[1].close()
    end.channel.finish(0.0)


def test_the_end_is_told_once_and_what_is_owed_is_still_sent(loop: Loop, ends: tuple[End, End]) -> None:
    one, other = ends
    other.channel.send({"number": 1}, bytes(MIB))
    one.channel._sock.shutdown(socket.SHUT_WR)
    run_until(loop, lambda: other.ended and one.heard)
    turn(loop, 3)
    assert other.ended == 1
    assert len(one.heard[0][1]) == MIB


def test_finish_delivers_the_last_words_and_hears_those_of_the_other(
    loop: Loop, socks: tuple[socket.socket, socket.socket]
) -> None:
    end = End(loop, socks[0])
    end.channel.send({"last": "words"})
    socks[1].sendall(b"\0\0\0\2\0\0\0\2{}hi")
    socks[1].shutdown(socket.SHUT_WR)
    end.channel.finish(10.0)
    assert end.heard == [({}, b"hi")]
    assert socks[1].recv(100) == b'\0\0\0\x11\0\0\0\0{"last": "words"}'
    assert socks[1].recv(100) == b""
    socks[1].close()


def test_finish_waits_no_longer_than_it_is_told(
    loop: Loop, socks: tuple[socket.socket, socket.socket]
) -> None:
    end = End(loop, socks[0])
    end.channel.finish(0.01)
    assert end.heard == []
    socks[1].close()


def test_a_dead_end_is_an_end(loop: Loop, socks: tuple[socket.socket, socket.socket]) -> None:
    end = End(loop, socks[0])
    end.channel.send({"unread": True})
    socks[1].close()  # with something unread: a reset, not an end of stream
    run_until(loop, lambda: end.ended)
    end.channel.send({"too": "late"})
    turn(loop)
    assert end.ended == 1
    end.channel.finish(0.0)
