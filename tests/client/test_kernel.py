"""What the kernel tells about datagrams."""

import errno
import socket
import struct
import time
from collections.abc import Iterator

import pytest
from support.fake_servers import unused_udp_port

from netechod import linux
from netechod.client import kernel


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two UDP sockets, each the other's peer; in the fixture's order."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two,
    ):
        for sock in (one, two):
            sock.bind(("127.0.0.1", 0))
        one.connect(two.getsockname())
        two.connect(one.getsockname())
        yield one, two


@pytest.mark.parametrize("age", [0.5, 40.0, 86400.0], ids=["busy", "stopped", "stopped for a day"])
def test_a_datagram_came_when_the_kernel_took_it_and_not_when_it_is_read(
    age: float, pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = pair
    receiver = kernel.TimedReceiver(two)
    before = time.monotonic()
    one.send(b"hi")
    after = time.monotonic()
    monotonic, wall = time.monotonic, time.clock_gettime
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + age)
    monkeypatch.setattr(time, "clock_gettime", lambda clock: wall(clock) + age)
    data, at, by_kernel = receiver.receive(100)
    assert (data, by_kernel) == (b"hi", True)
    assert before - 0.001 <= at <= after + 0.001


@pytest.mark.parametrize("step", [-3600.0, 3600.0])
def test_when_the_wall_clock_was_set_meanwhile_the_time_is_our_own(
    step: float, pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = pair
    receiver = kernel.TimedReceiver(two)
    one.send(b"hi")
    wall = time.clock_gettime
    monkeypatch.setattr(time, "clock_gettime", lambda clock: wall(clock) + step)
    before = time.monotonic()
    _, at, by_kernel = receiver.receive(100)
    assert not by_kernel
    assert before <= at <= time.monotonic()


def test_without_a_time_of_the_kernels_it_is_our_own(pair: tuple[socket.socket, socket.socket]) -> None:
    one, two = pair
    receiver = kernel.TimedReceiver(one)
    one.setsockopt(socket.SOL_SOCKET, linux.SO_TIMESTAMPNS, 0)
    two.send(b"hi")
    before = time.monotonic()
    _, at, by_kernel = receiver.receive(100)
    assert not by_kernel
    assert before <= at <= time.monotonic()


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_refusal_comes_with_the_payload_and_with_who_refuses(
    family: socket.AddressFamily, host: str
) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        kernel.ask_for_reports(sock)
        sock.connect((host, unused_udp_port()))
        sock.send(b"hello")
        assert list(kernel.reports(sock)) == [kernel.Report(b"hello", "refused", host, 0)]
        assert list(kernel.reports(sock)) == []


def error(number: int, offender: bytes, origin: int = 2, kind: int = 3) -> bytes:
    """A struct sock_extended_err, and the address behind it; by default out of an ICMP message."""
    return struct.pack("@IBBBBII", number, origin, kind, 1, 0, 1400, 0) + offender


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            error(errno.EMSGSIZE, struct.pack("@HH4s8x", socket.AF_INET, 0, socket.inet_aton("192.0.2.1"))),
            ("too long", "192.0.2.1", 1400),
        ),
        (
            error(
                errno.EHOSTUNREACH,
                struct.pack(
                    "@HHI16sI", socket.AF_INET6, 0, 0, socket.inet_pton(socket.AF_INET6, "2001:db8::1"), 0
                ),
            ),
            ("unreachable", "2001:db8::1", 0),
        ),
        (error(errno.EACCES, b""), ("prohibited", "", 0)),
        (error(errno.EHOSTUNREACH, b"", 2, 11), ("ttl exceeded", "", 0)),
        (error(errno.EHOSTUNREACH, b"", 3, 3), ("ttl exceeded", "", 0)),
        (error(errno.EHOSTUNREACH, b"", 3, 1), ("unreachable", "", 0)),
        (
            error(
                errno.EMSGSIZE, struct.pack("@HH4s8x", socket.AF_INET, 0, socket.inet_aton("192.0.2.1")), 1
            ),
            ("too long", "", 1400),  # the kernel itself will not send it; the address is the server's
        ),
        (error(errno.EPROTO, struct.pack("@HH12x", socket.AF_UNSPEC, 0)), ("protocol error", "", 0)),
    ],
)
def test_reports_are_read(content: bytes, expected: tuple[str, str, int]) -> None:
    assert kernel._report(b"", content)[1:] == expected


def test_reasons_are_the_same_in_all_languages() -> None:
    assert kernel.reason_of(ConnectionRefusedError(errno.ECONNREFUSED, "拒绝")) == "refused"
    assert (
        kernel.reason_of(OSError(errno.ENOBUFS, "No buffer space available")) == "no buffer space available"
    )
