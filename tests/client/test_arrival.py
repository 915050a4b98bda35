"""When datagrams arrived."""

import select
import socket
import time
from collections.abc import Iterator

import pytest

from netechod.client import arrival
from netechod.client.arrival import ask_for_stamps, receive


@pytest.fixture
def sock() -> Iterator[socket.socket]:
    """A socket that hears itself."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.connect(sock.getsockname())
        yield sock


def test_a_datagram_arrived_before_it_is_read(sock: socket.socket) -> None:
    ask_for_stamps(sock)
    before = time.monotonic()
    sock.send(b"hi")
    assert select.select([sock], [], [], 10)[0]
    after = time.monotonic()
    payload, arrived = receive(sock, 10)
    assert payload == b"hi"
    assert before - 0.001 < arrived < after  # the wall clock, by which the kernel goes, is being slewed


def test_without_a_stamp_it_arrives_when_it_is_read(sock: socket.socket) -> None:
    sock.send(b"hi")
    before = time.monotonic()
    assert before <= receive(sock, 10)[1] <= time.monotonic()


def test_a_stamp_from_another_time_is_not_believed(
    sock: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask_for_stamps(sock)
    sock.send(b"hi")
    monkeypatch.setattr(arrival, "_OLDEST", 0.0)
    before = time.monotonic()
    assert before <= receive(sock, 10)[1] <= time.monotonic()


def test_a_kernel_that_gives_no_stamps_is_no_error(
    sock: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrival, "_SO_TIMESTAMPNS", 12345)
    ask_for_stamps(sock)
