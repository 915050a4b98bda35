"""A member with a real socket."""

import select
import socket
import time
from collections.abc import Iterator

import pytest
from support.fake_servers import FakeRoom, FakeUdpServer, unused_udp_port

from netechod.client.chat.events import Event, Kind
from netechod.client.chat.states import State
from netechod.client.chat.transport import ChatSocket
from netechod.client.net import Target
from netechod.client.resolver import Address


@pytest.fixture
def room() -> FakeRoom:
    return FakeRoom()


@pytest.fixture
def server(room: FakeRoom) -> Iterator[FakeUdpServer]:
    with FakeUdpServer(room) as server:
        yield server


def present_from(address: str, server: FakeUdpServer) -> ChatSocket:
    """Somebody online whose socket has this address."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((address, 0))
    sock.connect((server.host, server.port))
    target = Target(server.host, server.port, timeout=1.0)
    return ChatSocket(sock, target, is_patient=True)


def run_until(chat_socket: ChatSocket, state: State) -> list[Event]:
    """Go on until the member is in a state; what happened until then."""
    events: list[Event] = []
    while chat_socket.member.state is not state:
        events += chat_socket.send()
        select.select([chat_socket.sock], [], [], max(0.0, chat_socket.member.deadline - time.monotonic()))
        events += chat_socket.receive()
        events += chat_socket.look_at_clock()
    return events


def wait_for(server: FakeUdpServer) -> None:
    """Wait until the server has handled everything that was sent before: it answers in order."""
    with socket.socket(server.socket.family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(10.0)
        sock.sendto(b"anybody?", (server.host, server.port))
        sock.recv(100)


def test_a_machine_that_has_another_address_now_returns_from_that(
    room: FakeRoom, server: FakeUdpServer
) -> None:
    with present_from("127.0.0.2", server) as chat_socket:
        before = chat_socket.member.name
        assert before.startswith("127.0.0.2--")
        descriptor = chat_socket.sock.fileno()
        chat_socket.member.unreachable("Invalid argument", time.monotonic())
        events = run_until(chat_socket, State.READY)
        assert [event.kind for event in events] == [Kind.JOIN, Kind.BACK]
        assert chat_socket.sock.fileno() == descriptor
        assert chat_socket.member.name == f"127.0.0.1--{chat_socket.sock.getsockname()[1]}"
        chat_socket.member.say(b"hi", time.monotonic())
        assert run_until(chat_socket, State.SAYING) == []
        assert run_until(chat_socket, State.READY)[0].own
    wait_for(server)
    assert room.heard == ["online", "online", "hi", "offline"]


def test_a_machine_that_has_its_address_still_returns_from_the_same_port(
    room: FakeRoom, server: FakeUdpServer
) -> None:
    with present_from("127.0.0.1", server) as chat_socket:
        before = chat_socket.sock.getsockname()
        room.members.clear()
        chat_socket.member.unreachable("No route to host", time.monotonic())
        run_until(chat_socket, State.READY)
        assert chat_socket.sock.getsockname() == before


def test_a_port_where_nobody_listens_is_told_as_what_it_is(server: FakeUdpServer) -> None:
    with present_from("127.0.0.1", server) as chat_socket:
        chat_socket.sock.connect(("127.0.0.1", unused_udp_port()))
        chat_socket.member.say(b"hi", time.monotonic())
        assert run_until(chat_socket, State.AWAY) == [Event(Kind.AWAY, text="Connection refused")]


def test_a_room_that_has_moved_is_found_again(server: FakeUdpServer) -> None:
    room = FakeRoom()
    with FakeUdpServer(room, "::1") as elsewhere:

        class Found:
            is_finished = True

            def addresses(self, patience: float) -> list[Address]:
                return [(socket.AF_INET6, ("::1", elsewhere.port, 0, 0))]

        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.connect((server.host, server.port))
        target = Target("room.example", server.port, timeout=0.2)
        with ChatSocket(sock, target, is_patient=True, resolve=Found) as chat_socket:  # type: ignore[arg-type]
            descriptor = chat_socket.sock.fileno()
            chat_socket.sock.connect(("127.0.0.1", unused_udp_port()))
            chat_socket.member.say(b"hi", time.monotonic())
            run_until(chat_socket, State.AWAY)
            run_until(chat_socket, State.READY)
            assert chat_socket.sock.fileno() == descriptor
            assert chat_socket.member.name == f"::1--{chat_socket.sock.getsockname()[1]}"
        wait_for(elsewhere)
    assert room.heard == ["online", "hi", "offline"]
