"""Addresses, patience, and which answer belongs to which question."""

import errno
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fake_servers import Address, FakeUdpServer, Replies, echo_datagram, silence, unused_udp_port

from netechod.client.errors import ClientError
from netechod.client.net import Server, Target, bracket_hint, split_address

IMPATIENT = 0.05


def server(port: int, *, host: str = "127.0.0.1", retries: int = 0, timeout: float = 5.0) -> Server:
    return Server(Target(host, port, timeout=timeout, retries=retries), socket.SOCK_DGRAM)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("example.org", "example.org", 8080),
        ("example.org:7", "example.org", 7),
        ("192.0.2.1:65535", "192.0.2.1", 65535),
        ("::1", "::1", 8080),
        ("[::1]", "::1", 8080),
        ("[::1]:7", "::1", 7),
        ("fe80::1%eth0", "fe80::1%eth0", 8080),
    ],
)
def test_an_address_is_split(text: str, host: str, port: int) -> None:
    assert split_address(text, 8080) == (host, port)


@pytest.mark.parametrize(
    "text", ["", ":7", "h:", "h:0", "h:65536", "h:x", "h:+7", "h:٧", "h:000007", "[::1", "[::1]7", "[]:7"]
)
def test_a_bad_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no "):
        split_address(text, 8080)


@given(st.text())
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        host, port = split_address(text, 8080)
    except ValueError:
        return
    assert host
    assert 0 < port < 65536


def test_a_lost_datagram_is_sent_again() -> None:
    def deaf_at_first(payload: bytes, address: Address) -> Replies:
        return [(b"hello", address)] if len(fake.seen) > 1 else []

    with FakeUdpServer(deaf_at_first) as fake:
        answer = server(fake.port, timeout=IMPATIENT, retries=100).ask(b"hi")
    assert answer.payload == b"hello"
    assert answer.seconds > 0
    assert fake.seen[:2] == [b"hi", b"hi"]


def test_silence_is_told_after_the_last_try() -> None:
    with FakeUdpServer(silence) as fake:
        with pytest.raises(ClientError, match=f"unanswered: 127.0.0.1:{fake.port}/udp") as caught:
            server(fake.port, timeout=IMPATIENT, retries=2).ask(b"hi")
        assert len(fake.seen) == 3
    assert "--timeout" in caught.value.hint


def test_a_closed_port_is_told_at_once_and_not_retried() -> None:
    with pytest.raises(ClientError, match="connection refused"):
        server(unused_udp_port(), retries=1000).ask(b"hi")


def test_the_next_address_is_tried_when_one_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeUdpServer(echo_datagram) as fake:
        addresses = [("127.0.0.1", unused_udp_port()), ("127.0.0.1", fake.port)]
        found = [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", address) for address in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)
        asked = server(fake.port)
        assert asked.ask(b"one").payload == b"one"
        assert asked.ask(b"two").payload == b"two"
    assert fake.seen == [b"one", b"two"]


def test_an_answer_that_is_none_is_passed_over() -> None:
    def stale_first(payload: bytes, address: Address) -> Replies:
        return [(b"an older one", address), (payload, address)]

    with FakeUdpServer(stale_first) as fake:
        assert server(fake.port).ask(b"now", b"now".__eq__).payload == b"now"


def test_a_late_answer_does_not_reach_the_next_question() -> None:
    ports: list[int] = []

    def late(payload: bytes, address: Address) -> Iterator[tuple[bytes, Address]]:
        """The second question is answered by what is owed to the first, to where that came from."""
        ports.append(address[1])
        yield payload, address
        yield b"late", (address[0], ports[0])

    with FakeUdpServer(late) as fake:
        asked = server(fake.port)
        assert asked.ask(b"one").payload == b"one"
        assert asked.ask(b"two").payload == b"two"
    assert len(set(ports)) == 2


def test_an_answer_from_another_address_is_ignored() -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as stranger:
        stranger.bind(("127.0.0.1", 0))

        def forge(payload: bytes, address: Address) -> Replies:
            stranger.sendto(b"forged", address)
            return [(b"true", address)]

        with FakeUdpServer(forge) as fake:
            assert server(fake.port).ask(b"hi").payload == b"true"


@pytest.mark.parametrize("host", ["no.such.host.invalid", "a..b"])
def test_a_name_that_does_not_resolve_is_told(host: str) -> None:
    with pytest.raises(ClientError, match="cannot resolve"):
        server(8081, host=host)


def test_an_ipv6_server_is_named_with_brackets() -> None:
    with FakeUdpServer(silence, host="::1") as fake, pytest.raises(ClientError, match=r"\[::1\]:\d+/udp"):
        server(fake.port, host="::1", timeout=IMPATIENT).ask(b"hi")


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
@pytest.mark.parametrize(
    ("host", "message", "hint"),
    [
        ("fe80::1", "fe80::1 is a link-local address: %interface is missing", "such as fe80::1%"),
        ("224.0.0.1", "224.0.0.1 is a multicast or broadcast address", "its own address"),
        ("ff02::1%lo", "ff02::1%lo is a multicast or broadcast address", "its own address"),
        ("255.255.255.255", "255.255.255.255 is a multicast or broadcast address", "its own address"),
        ("fe80::1%nosuch", "cannot resolve 'fe80::1%nosuch'", "is there an interface 'nosuch'?"),
    ],
)
def test_an_address_that_cannot_answer_is_told_at_once(
    kind: socket.SocketKind, host: str, message: str, hint: str
) -> None:
    with pytest.raises(ClientError) as caught:
        Server(Target(host, 8080), kind)
    assert message in str(caught.value)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("host", "hint"),
    [
        ("::1:9081", "[::1]:9081"),
        ("2001:db8::5:8080", "[2001:db8::5]:8080"),
        ("::1", ""),
        ("fe80::1%lo", ""),
        ("localhost", ""),
    ],
)
def test_a_port_behind_an_ipv6_address_needs_brackets(host: str, hint: str) -> None:
    assert bracket_hint(host).endswith(hint)
    assert bool(bracket_hint(host)) == bool(hint)


def test_a_broadcast_address_is_asked_about() -> None:
    error = server(8080).failed(PermissionError(errno.EACCES, "Permission denied"))
    assert str(error) == "127.0.0.1:8080/udp: Permission denied"
    assert "broadcast" in error.hint


def test_of_several_addresses_the_first_that_answers_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeUdpServer(silence) as silent, FakeUdpServer(echo_datagram) as fake:
        addresses = [("127.0.0.1", silent.port), ("127.0.0.1", fake.port)]
        found = [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", address) for address in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)
        asked = server(fake.port)
        asked.choose(b"are you there?")
        assert asked.address == (socket.AF_INET, ("127.0.0.1", fake.port))
        with asked.datagram_socket() as sock:
            assert sock.getpeername() == ("127.0.0.1", fake.port)


def test_of_one_address_nothing_is_asked() -> None:
    with FakeUdpServer(echo_datagram) as fake:
        server(fake.port).choose(b"are you there?")
        assert server(fake.port).ask(b"hi").payload == b"hi"
    assert fake.seen == [b"hi"]


def test_of_several_addresses_those_that_cannot_answer_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        (socket.AF_INET6, socket.SOCK_DGRAM, 17, "", ("fe80::1", 7, 0, 0)),
        (socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("192.0.2.1", 7)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)
    assert server(7).address == (socket.AF_INET, ("192.0.2.1", 7))


def test_after_a_failure_the_name_is_resolved_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeUdpServer(echo_datagram) as moved:
        places = [("127.0.0.1", unused_udp_port()), (moved.host, moved.port)]
        monkeypatch.setattr("netechod.client.net.resolve", lambda *_: [(socket.AF_INET, places.pop(0))])
        server = Server(Target("server.example", 1, timeout=0.2), socket.SOCK_DGRAM)
        with pytest.raises(ClientError):
            server.ask(b"hello")
        for _ in range(2):
            assert server.ask(b"hello").payload == b"hello"
        assert places == []
