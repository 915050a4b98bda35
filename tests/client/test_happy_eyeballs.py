"""Several addresses: a silent one costs 250 ms, a refusing one nothing."""

import math
import socket
import time
from collections.abc import Iterator

import pytest
from support.fake_servers import (
    FakeTcpServer,
    FakeUdpServer,
    echo_datagram,
    echo_stream,
    silence,
    unused_udp_port,
)

from netechod.client.happy_eyeballs import (
    ATTEMPT_DELAY,
    Answer,
    ConnectionAttempt,
    Question,
    Race,
    interleaved,
)
from netechod.client.resolver import Address
from netechod.client.sockets import connected_datagram_socket

PATIENT = 30.0  # seconds that one try may take: whoever waits for it is found out by the test's timeout


def at(port: int) -> Address:
    return socket.AF_INET, ("127.0.0.1", port)


def ask(
    *ports: int, timeout: float = PATIENT, tries: int = 3, until: float = math.inf
) -> tuple[Address, Answer]:
    def begin(address: Address) -> Question:
        return Question(connected_datagram_socket(address), b"hi", b"hi".__eq__, timeout, tries)

    return Race([at(port) for port in ports], begin, until).run()


def connect(*ports: int, until: float = math.inf) -> tuple[Address, socket.socket]:
    addresses = [at(port) for port in ports]
    return Race(addresses, lambda address: ConnectionAttempt(address, PATIENT), until).run()


@pytest.fixture
def swallowing() -> Iterator[int]:
    """A port that swallows connections: its queue is full (listen(2))."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port: int = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
        yield port
        for sock in waiting:
            sock.close()


def test_a_silent_first_address_costs_a_moment_over_udp() -> None:
    with FakeUdpServer(silence) as silent, FakeUdpServer(echo_datagram) as fake:
        begun = time.monotonic()
        address, answer = ask(silent.port, fake.port)
        assert time.monotonic() - begun >= ATTEMPT_DELAY
    assert (address, answer.payload) == (at(fake.port), b"hi")
    assert silent.seen == [b"hi"]


def test_a_silent_first_address_costs_a_moment_over_tcp(swallowing: int) -> None:
    with FakeTcpServer(echo_stream) as fake:
        address, sock = connect(swallowing, fake.port)
        sock.close()
    assert address == at(fake.port)


def test_a_quick_first_address_is_the_only_one_that_is_asked() -> None:
    with FakeUdpServer(echo_datagram) as fake, FakeUdpServer(echo_datagram) as other:
        assert ask(fake.port, other.port)[0] == at(fake.port)
    assert other.seen == []


def test_after_a_refusal_the_next_address_is_tried_at_once() -> None:
    with FakeUdpServer(echo_datagram) as datagrams, FakeTcpServer(echo_stream) as stream:
        assert ask(unused_udp_port(), datagrams.port)[0] == at(datagrams.port)
        address, sock = connect(unused_udp_port(), stream.port)
        sock.close()
        assert address == at(stream.port)


def test_a_refusal_says_more_than_silence() -> None:
    with FakeUdpServer(silence) as silent:
        with pytest.raises(ConnectionRefusedError):
            ask(unused_udp_port(), silent.port, timeout=0.01, tries=1)
        with pytest.raises(ConnectionRefusedError):
            ask(silent.port, unused_udp_port(), timeout=0.01, tries=1)
        with pytest.raises(TimeoutError):
            ask(silent.port, silent.port, timeout=0.01, tries=2)
    assert len(silent.seen) == 6


def test_the_race_ends_when_everything_ends(swallowing: int) -> None:
    with pytest.raises(TimeoutError):
        connect(swallowing, until=time.monotonic() + 0.05)
    with FakeUdpServer(silence) as silent, pytest.raises(TimeoutError):
        ask(silent.port, until=time.monotonic() + 0.05)


def test_the_families_take_turns() -> None:
    six = [(socket.AF_INET6, (f"2001:db8::{number}", 1, 0, 0)) for number in range(3)]
    four = [(socket.AF_INET, (f"192.0.2.{number}", 1)) for number in range(2)]
    assert interleaved([*six, *four]) == [six[0], four[0], six[1], four[1], six[2]]
    assert interleaved(four) == four
    assert interleaved([]) == []


def test_addresses_before_the_one_that_wins_are_named_with_what_became_of_them() -> None:
    with FakeUdpServer(silence) as silent, FakeUdpServer(echo_datagram) as fake:
        refusing = unused_udp_port()
        race = Race([at(refusing), at(silent.port), at(fake.port)], question_to)
        assert race.run()[0] == at(fake.port)
    assert [it.address for it in race.passed_over] == [at(refusing), at(silent.port)]
    assert [type(it.error) for it in race.passed_over] == [ConnectionRefusedError, TimeoutError]


def question_to(address: Address) -> Question:
    return Question(connected_datagram_socket(address), b"hi", b"hi".__eq__, PATIENT, 3)
