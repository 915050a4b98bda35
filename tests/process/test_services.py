"""The services as they are wired, asked from outside: by the tutorials' own clients among others."""

import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import pytest
from support.daemon import PATIENCE, Daemon, any_port, ask, client

pytestmark = pytest.mark.system

NOT_ONLINE = "你还没有上线,请先上线,运行: online"
STACK_GARBAGE = bytes(range(0x80, 0x100))
LOOPBACKS = ["127.0.0.1", "::1"]


def tutorial_datagram(text: str) -> bytes:
    """What the tutorials' UDP clients send: `sizeof(message)`, 32 bytes, whatever the text."""
    return (text.encode() + b"\0" + STACK_GARBAGE)[:32]


@dataclass(frozen=True)
class Ports:
    """Where a daemon that binds a wildcard answers."""

    echo_tcp: int
    echo_udp: int
    dictionary: int
    chat: int

    @classmethod
    def of(cls, daemon: Daemon) -> "Ports":
        return cls(*(port for _, port in daemon.bound()))


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ports]:
    """A daemon on every address of both families, otherwise as installed."""
    with Daemon(tmp_path_factory.mktemp("wildcard"), "apple:苹果\nhello:你好\n") as daemon:
        yield Ports.of(daemon.start(*any_port("[::]")))


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(tmp_path) as daemon:
        yield daemon


def receive(sock: socket.socket, size: int) -> bytes:
    """Exactly so many bytes of a stream."""
    heard = bytearray()
    while len(heard) < size:
        data = sock.recv(size - len(heard))
        assert data, f"ended after {len(heard)} of {size} bytes"
        heard += data
    return bytes(heard)


def receive_rest(sock: socket.socket) -> bytes:
    """A stream to its end."""
    heard = bytearray()
    while data := sock.recv(65536):
        heard += data
    return bytes(heard)


def silent(sock: socket.socket) -> bool:
    """Whether nothing has come for `sock`."""
    sock.setblocking(False)
    try:
        sock.recv(65536)
    except BlockingIOError:
        return True
    finally:
        sock.settimeout(PATIENCE)
    return False


# TCP echo


@pytest.mark.parametrize("host", LOOPBACKS)
def test_tcp_echo_returns_every_byte_as_it_is(ports: Ports, host: str) -> None:
    with client((host, ports.echo_tcp), socket.SOCK_STREAM) as sock:
        sock.sendall(bytes(range(256)))
        assert receive(sock, 256) == bytes(range(256))


def test_tcp_echo_delivers_a_mebibyte_after_the_half_close(ports: Ports) -> None:
    data = bytes(range(256)) * 4096
    with client(("127.0.0.1", ports.echo_tcp), socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, len(data))
        sock.setblocking(False)
        sent, heard = 0, bytearray()
        while sent < len(data):  # as a client that keeps nobody waiting has to
            try:
                sent += sock.send(data[sent:])
            except BlockingIOError:
                sock.settimeout(PATIENCE)
                heard += sock.recv(65536)
                sock.setblocking(False)
        sock.settimeout(PATIENCE)
        sock.shutdown(socket.SHUT_WR)
        assert heard + receive_rest(sock) == data


def test_the_tutorials_tcp_client_is_answered_in_their_manner(daemon: Daemon) -> None:
    daemon.configure({"echo.tcp.mode": "tutorial"})
    daemon.start()
    with client(daemon.address("echo-tcp"), socket.SOCK_STREAM) as sock:
        sock.send(b"hello")
        assert receive(sock, 18) == b"hello[server echo]"
        whole_buffer = b"hi\n".ljust(1024, b"\0")  # write(sock, buf, sizeof(buf))
        sock.send(whole_buffer)
        expected = whole_buffer[:1023] + b"[server echo]" + whole_buffer[1023:] + b"[server echo]"
        assert receive(sock, len(expected)) == expected
        sock.send(b"tail")
        sock.shutdown(socket.SHUT_WR)
        assert receive_rest(sock) == b"tail[server echo]"


# UDP echo


@pytest.mark.parametrize("size", [0, 1, 32, 1472, 65507])
@pytest.mark.parametrize("host", LOOPBACKS)
def test_udp_echo_returns_the_datagram(ports: Ports, host: str, size: int) -> None:
    datagram = os.urandom(size)
    assert ask((host, ports.echo_udp), datagram) == datagram


@pytest.mark.parametrize("public", [False, True])
def test_udp_echo_is_for_the_trusted_unless_public(daemon: Daemon, public: bool) -> None:
    daemon.configure({"access.trusted": ["127.0.0.3"], "echo.udp.public": public})
    daemon.start()
    address = daemon.address("echo-udp")
    with client(address, source="127.0.0.2") as stranger:
        stranger.send(b"x")
        assert ask(address, b"y", "127.0.0.3") == b"y"
        if public:
            assert stranger.recv(64) == b"x"
        else:
            assert silent(stranger)
    assert ask(daemon.address("dictionary"), b"apple", "127.0.0.2"), "a stranger may look words up"


# The dictionary


@pytest.mark.parametrize("host", LOOPBACKS)
@pytest.mark.parametrize(
    ("query", "answer"),
    [
        (b"apple", "苹果"),
        (b"apple\n", "苹果"),
        (b"APPLE \r\n", "苹果"),
        (tutorial_datagram("apple"), "苹果"),
        (tutorial_datagram("hello"), "你好"),
        (tutorial_datagram("a word too long for the thirty-two bytes"), "unknown"),
        (b"pear", "unknown"),
        (b"\xff\xfe", "unknown"),
    ],
)
def test_the_dictionary_answers_the_bytes_and_nothing_more(
    ports: Ports, host: str, query: bytes, answer: str
) -> None:
    assert ask((host, ports.dictionary), query) == answer.encode()


@pytest.mark.parametrize("query", [b"", b"\0apple", b"\r\n", b"   ", b"unknown"])
def test_nothing_is_answered_to_nothing_nor_to_a_miss(ports: Ports, query: bytes) -> None:
    with client(("127.0.0.1", ports.dictionary)) as sock:
        sock.send(query)
        sock.send(b"apple")
        assert sock.recv(64).decode() == "苹果"
        assert silent(sock)


# The chat


def name_of(sock: socket.socket) -> str:
    """`ip--port`, as the chat shows it."""
    return "{}--{}".format(*sock.getsockname())


def hears(sock: socket.socket, *lines: str) -> bool:
    """Whether these lines come next, in this order, and no other before them."""
    return [sock.recv(2048).decode() for _ in lines] == list(lines)


def test_the_chat_of_the_tutorials_clients(ports: Ports) -> None:
    address = ("127.0.0.1", ports.chat)
    with (
        client(address) as ann,
        client(address, source="127.0.0.2") as bob,
        client(("::1", ports.chat)) as cyd,
    ):
        first, second, third = map(name_of, (ann, bob, cyd))
        ann.send(tutorial_datagram("hello"))
        assert hears(ann, NOT_ONLINE)
        ann.send(tutorial_datagram("online"))
        assert hears(ann, f"{first}#online")
        bob.send(b"online\n")
        assert all(map(hears, (ann, bob), repeat(f"{second}#online")))
        cyd.send(b"online")
        assert all(map(hears, (ann, bob, cyd), repeat(f"{third}#online")))
        assert third.startswith("::1--"), "without brackets"
        bob.send(tutorial_datagram("online"))
        bob.send(tutorial_datagram("大家好"))
        assert all(map(hears, (ann, bob, cyd), repeat(f"{second}#大家好")))
        ann.send(b"\x1b[2J")
        assert hears(ann, "message refused: control character U+001B")
        ann.send(tutorial_datagram("offline"))
        assert all(map(hears, (ann, bob, cyd), repeat(f"{first}#offline")))
        cyd.send(b"offline")
        assert all(map(hears, (bob, cyd), repeat(f"{third}#offline")))
        ann.send(b"still there?")
        bob.send(b"offline")
        assert hears(bob, f"{second}#offline")
        assert silent(cyd)
        assert silent(ann), "the prompt comes once in five seconds"


def test_one_room_has_as_many_doors_as_there_are_addresses(daemon: Daemon) -> None:
    daemon.configure({"chat.listen": ["127.0.0.1:0", "[::1]:0", "127.0.0.2:0"]})
    daemon.bind("echo-tcp", "echo-udp", "dictionary")
    daemon.spawn("--foreground")
    doors = daemon.bound()
    assert [host for host, _ in doors] == ["127.0.0.1", "::1", "127.0.0.2"]
    members = [client(door) for door in doors]
    for number, member in enumerate(members):
        member.send(b"online")
        assert all(map(hears, members[: number + 1], repeat(f"{name_of(member)}#online")))
    for member in members:
        member.send("你好".encode())
        assert all(map(hears, members, repeat(f"{name_of(member)}#你好")))
    for number, member in enumerate(members):
        member.send(b"offline")
        assert all(map(hears, members[number:], repeat(f"{name_of(member)}#offline")))
        member.close()
    assert daemon.stop() == 0
    told = [line for line in daemon.log() if line.startswith("chat ")]
    assert told[:3] == [f"chat online {line.split()[2]}" for line in told[:3]]
    assert [line.partition(" reason=")[2] for line in told[3:]] == ["said"] * 3


@pytest.mark.parametrize("listen", [["[::]:0"], ["127.0.0.1:0", "127.0.0.2:0"]], ids=["one", "two"])
def test_a_member_whose_port_is_closed_goes_offline_and_the_others_lose_nothing(
    daemon: Daemon, listen: list[str]
) -> None:
    daemon.configure({"chat.listen": listen})
    daemon.bind("echo-tcp", "echo-udp", "dictionary")
    daemon.spawn("--foreground")
    doors = [("127.0.0.1" if host == "::" else host, port) for host, port in daemon.bound()]
    ann, bob, cyd = client(doors[0]), client(doors[-1]), client(doors[-1])
    name = name_of(bob)
    with ann, bob, cyd:
        members = [ann, bob, cyd]
        for number, member in enumerate(members):
            member.send(b"online")
            assert all(map(hears, members[: number + 1], repeat(f"{name_of(member)}#online")))
        bob.close()
        ann.send(b"anybody?")
        assert all(map(hears, (ann, cyd), repeat(f"{name_of(ann)}#anybody?"), repeat(f"{name}#offline")))
        ann.send(b"so it is")
        assert all(map(hears, (ann, cyd), repeat(f"{name_of(ann)}#so it is")))
    assert daemon.said(f"chat offline {name} reason=unreachable")


def test_the_other_services_have_several_addresses_too(daemon: Daemon) -> None:
    two = ["127.0.0.1:0", "[::1]:0"]
    sections = ("echo.tcp", "echo.udp", "dictionary")
    daemon.configure({f"{section}.listen": two for section in sections})
    daemon.bind("chat")
    daemon.spawn("--foreground")
    places = daemon.bound()
    for place in places[:2]:
        with client(place, socket.SOCK_STREAM) as sock:
            sock.sendall(b"x")
            assert receive(sock, 1) == b"x"
    assert [ask(place, b"apple").decode() for place in places[2:]] == ["apple", "apple", "苹果", "苹果"]


# All of them


def test_an_answer_leaves_from_the_address_that_was_asked(ports: Ports) -> None:
    for port, query in ((ports.echo_udp, b"x"), (ports.dictionary, b"apple"), (ports.chat, b"online")):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(PATIENCE)
            sock.bind(("127.0.0.1", 0))
            sock.sendto(query, ("127.0.0.2", port))
            assert sock.recvfrom(64)[1] == ("127.0.0.2", port)
            sock.sendto(b"offline", ("127.0.0.2", port))
            assert sock.recvfrom(64)[1] == ("127.0.0.2", port)


def bound_below(limit: int) -> socket.socket:
    """A UDP socket on the highest free port below `limit`."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for port in range(limit - 1, 0, -1):
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            continue  # taken
        break
    return sock


def test_source_ports_of_services_are_not_answered(daemon: Daemon) -> None:
    limit = 1024 if os.geteuid() == 0 else 30000  # which ports a test may use depends on who it is
    daemon.configure({} if limit == 1024 else {"access.min_source_port": limit})
    daemon.start()
    queries = {"echo-udp": b"x", "dictionary": b"apple", "chat": b"online"}
    with bound_below(limit) as low:
        for service, query in queries.items():
            low.sendto(query, daemon.address(service))
            assert ask(daemon.address(service), query)
        assert silent(low)
    daemon.signal(signal.SIGUSR2)
    for service in queries:
        assert "dropped_source-port=1" in daemon.said(f"status {service} ")


def test_every_silence_is_counted_with_its_reason(daemon: Daemon) -> None:
    daemon.start()
    for service, error in (("dictionary", b"unknown"), ("chat", NOT_ONLINE.encode())):
        with client(daemon.address(service)) as sock:
            for silenced in (b"", b"\n", error):
                sock.send(silenced)
            sock.send(b"online")
            assert sock.recv(100)
    daemon.signal(signal.SIGUSR2)
    for service in ("dictionary", "chat"):
        told = daemon.said(f"status {service} ").split()
        assert {"received=4", "sent=1", "dropped_empty=2", "dropped_error-text=1"} <= set(told)


@pytest.mark.parametrize("selector", ["epoll", "poll", "select"])
def test_every_selector_serves(daemon: Daemon, selector: str) -> None:
    daemon.configure({"daemon.selector": selector})
    daemon.start()
    with client(daemon.address("echo-tcp"), socket.SOCK_STREAM) as sock:
        sock.sendall(b"x" * 100_000)
        assert receive(sock, 100_000) == b"x" * 100_000
    assert ask(daemon.address("echo-udp"), b"x") == b"x"
    assert ask(daemon.address("dictionary"), b"apple").decode() == "苹果"
    assert ask(daemon.address("chat"), b"online").endswith(b"#online")
    assert daemon.reload().startswith("echo 0 connections")
    assert daemon.stop() == 0
    assert daemon.errors() == []
