"""Where packets leave, and with which TTL and traffic class."""

import socket

import pytest

from netechod.client.errors import ClientError
from netechod.client.net import check_source
from netechod.client.sockets import SocketOptions

UDP, TCP = socket.SOCK_DGRAM, socket.SOCK_STREAM


@pytest.mark.parametrize("kind", [UDP, TCP])
@pytest.mark.parametrize(
    ("family", "source", "level", "ttl", "tos"),
    [
        (socket.AF_INET, "127.0.0.7", socket.IPPROTO_IP, socket.IP_TTL, socket.IP_TOS),
        (socket.AF_INET6, "::1", socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, socket.IPV6_TCLASS),
    ],
    ids=["IPv4", "IPv6"],
)
def test_a_socket_has_the_options_that_are_wanted(
    family: int, source: str, level: int, ttl: int, tos: int, kind: socket.SocketKind
) -> None:
    with SocketOptions(source=source, ttl=7, tos=0xB8).open(family, kind) as sock:
        assert sock.getsockname()[0] == source
        assert (sock.getsockopt(level, ttl), sock.getsockopt(level, tos)) == (7, 0xB8)
    with socket.socket(family, kind) as usual, SocketOptions().open(family, kind) as sock:
        assert sock.getsockname() == usual.getsockname()
        for option in (ttl, tos):
            assert sock.getsockopt(level, option) == usual.getsockopt(level, option)


def test_a_socket_is_bound_to_the_interface() -> None:
    with SocketOptions(interface="lo").open(socket.AF_INET, UDP) as sock:
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16).rstrip(b"\0") == b"lo"


def test_the_port_is_taken_with_and_without_an_address() -> None:
    with socket.socket(socket.AF_INET, UDP) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
    for options in (SocketOptions(source_port=port), SocketOptions("127.0.0.1", source_port=port)):
        with options.open(socket.AF_INET, UDP) as sock:
            assert sock.getsockname()[1] == port


@pytest.mark.parametrize(
    "options",
    [
        SocketOptions(source="192.0.2.1"),
        SocketOptions(source="2001:db8::1"),
        SocketOptions(interface="nosuch0"),
        SocketOptions(interface="a-name-that-is-too-long"),
    ],
    ids=lambda options: options.where,
)
def test_what_this_machine_does_not_have_is_told_with_what_it_has(options: SocketOptions) -> None:
    with pytest.raises(ClientError, match=f"cannot send from {options.where}: .") as caught:
        check_source(options)
    assert "lo" in caught.value.hint.rpartition(": ")[2].split(", ")
