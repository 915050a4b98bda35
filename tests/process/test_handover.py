"""Over a restart: what the service manager keeps goes on in the next process as if nothing had been."""

import os
import select
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.daemon import Daemon, ask, client

pytestmark = pytest.mark.system


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(tmp_path) as daemon:
        daemon.bind()
        restart(daemon)
        yield daemon


def restart(daemon: Daemon, *options: str) -> None:
    """Stop it, if it runs, and start it with what it has left, as systemd would."""
    if daemon.process is not None:
        assert daemon.stop() == 0
    daemon.spawn("--foreground", *options, FDSTORE="100")
    daemon.manager.wait_for("READY=1")
    daemon.manager.forget()


def receive_exactly(sock: socket.socket, size: int) -> bytes:
    received = bytearray()
    while len(received) < size:
        data = sock.recv(size - len(received))
        assert data, "the connection has ended"
        received += data
    return bytes(received)


def test_an_open_connection_goes_on(daemon: Daemon) -> None:
    with client(daemon.address("echo-tcp"), socket.SOCK_STREAM) as sock:
        sock.sendall(b"before")
        assert receive_exactly(sock, 6) == b"before"
        for number in range(3):
            restart(daemon)
            sock.sendall(b"after %d" % number)
            assert receive_exactly(sock, 7) == b"after %d" % number
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(10) == b""


def test_what_is_sent_while_nobody_is_there_is_answered_by_the_next(daemon: Daemon) -> None:
    with client(daemon.address("echo-tcp"), socket.SOCK_STREAM) as sock:
        sock.sendall(b"before")
        assert receive_exactly(sock, 6) == b"before"
        assert daemon.stop() == 0
        sock.sendall(b"in between")
        restart_after_end(daemon)
        assert receive_exactly(sock, 10) == b"in between"


def restart_after_end(daemon: Daemon) -> None:
    daemon.process = None
    restart(daemon)


def test_no_byte_of_what_a_slow_reader_is_owed_is_lost(daemon: Daemon) -> None:
    data = bytes(range(256)) * 200_000
    restart(daemon, "--set", "daemon.drain_timeout=0.2")
    with client(daemon.address("echo-tcp"), socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        sent = 0
        while sent < len(data) and select.select([], [sock], [], 0.5)[1]:  # until nobody takes any more
            sent += sock.send(data[sent:])
        sock.settimeout(20)
        restart(daemon)
        assert receive_exactly(sock, sent) == data[:sent]


def test_a_connection_that_ends_meanwhile_harms_nobody(daemon: Daemon) -> None:
    with client(daemon.address("echo-tcp"), socket.SOCK_STREAM) as sock:
        sock.sendall(b"hello")
        assert receive_exactly(sock, 5) == b"hello"
        assert daemon.stop() == 0
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    restart_after_end(daemon)
    assert ask(daemon.address("dictionary"), b"apple") == "苹果".encode()
    assert daemon.errors() == []


def test_members_stay_online_and_nobody_is_told_anything(daemon: Daemon) -> None:
    with client(daemon.address("chat")) as ann, client(daemon.address("chat")) as bob:
        for sock in (ann, bob):
            sock.send(b"online")
            assert sock.recv(100).endswith(b"#online")
        assert ann.recv(100).endswith(b"#online")
        restart(daemon)
        bob.send(b"still here")
        expected = "{}--{}#still here".format(*bob.getsockname()).encode()
        assert (ann.recv(100), bob.recv(100)) == (expected, expected)


def test_a_silent_members_lease_goes_on(daemon: Daemon) -> None:
    with client(daemon.address("chat")) as ann:
        ann.send(b"online")
        assert ann.recv(100).endswith(b"#online")
        restart(daemon, "--set", "chat.idle_timeout=0.2")
        assert ann.recv(100).endswith(b"#offline")


def test_an_interrupt_leaves_nothing(daemon: Daemon) -> None:
    with client(daemon.address("echo-tcp"), socket.SOCK_STREAM) as sock:
        sock.sendall(b"hello")
        assert receive_exactly(sock, 5) == b"hello"
        daemon.signal(signal.SIGINT)
        assert daemon.wait() == 0
        assert sock.recv(10) == b""
    assert daemon.manager.stored == []


@pytest.mark.parametrize(
    "document",
    [
        b'{"version": 0, "members": 7}',
        b"[" * 100_000,
        b'{"version": 1, "owed": ["YQ=="]}',
        b'{"version": 1, "members": [["0:ab", "a minute"]]}',
        b'{"version": 1, "members": [["0:apple", 1, 2], ["apple", 1, 2], ["", 1, 2]]}',
    ],
)
def test_a_state_that_is_damaged_or_another_versions_harms_nobody(daemon: Daemon, document: bytes) -> None:
    assert daemon.stop() == 0
    [state] = [descriptor for name, descriptor in daemon.manager.stored if name == "state"]
    os.ftruncate(state, 0)
    os.pwrite(state, document, 0)
    restart_after_end(daemon)
    assert ask(daemon.address("dictionary"), b"apple") == "苹果".encode()
    assert daemon.errors() == []
