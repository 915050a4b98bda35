"""Over a restart: what the service manager keeps goes on in the next process as if nothing had been."""

import errno
import json
import os
import select
import signal
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from zlib import crc32

import pytest
from support.daemon import Daemon, ask, client

from netechod.client.operator.control import ask as ask_control
from netechod.process.unix import handover
from netechod.process.unix.handover import CONNECTION, STATE, Incoming, Outgoing, inherit
from netechod.process.unix.service_manager import Notifier

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


def say_until_nobody_takes_any_more(sock: socket.socket, data: bytes) -> int:
    """Send `data` and read no echo. Return how many bytes were taken."""
    sock.setblocking(False)
    sent = 0
    while sent < len(data) and select.select([], [sock], [], 0.5)[1]:
        sent += sock.send(data[sent:])
    sock.settimeout(20)
    return sent


def test_no_byte_of_what_a_slow_reader_is_owed_is_lost(daemon: Daemon) -> None:
    data = bytes(range(256)) * 200_000
    restart(daemon, "--set", "daemon.drain_timeout=0.2")
    with client(daemon.address("echo-tcp"), socket.SOCK_STREAM) as sock:
        sent = say_until_nobody_takes_any_more(sock, data)
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


def tamper(daemon: Daemon, change: Callable[[bytes], bytes]) -> None:
    """Stop the daemon, change the document that it has left, and start it again."""
    assert daemon.stop() == 0
    [state] = [descriptor for name, descriptor in daemon.manager.stored if name == "state"]
    before = os.pread(state, 1 << 20, 0)
    os.ftruncate(state, 0)
    os.pwrite(state, change(before), 0)
    restart_after_end(daemon)


UNREADABLE: Mapping[str, Callable[[bytes], bytes]] = {
    "another version": lambda text: text.replace(b'"version": 1', b'"version": 2'),
    "no number as version": lambda text: text.replace(b'"version": 1', b'"version": true'),
    "half of it lost": lambda text: text[: len(text) // 2],
    "all of it lost": lambda text: b"",
    "zeros": lambda text: bytes(len(text)),
    "not UTF-8": lambda text: b"\xff" + text,
    "too deep": lambda text: b"[" * 100_000,
    "too many digits": lambda text: text[:-1] + b', "x": ' + b"1" * 5000 + b"}",
    "a list": lambda text: b"[1, 2]",
    "members are no list": lambda text: text[:-1].replace(b'"members"', b'"other"') + b', "members": 7}',
    "a name stands twice": lambda text: text[:-1] + b', "owed": {}}',
}


@pytest.mark.parametrize("change", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_without_a_readable_state_connections_are_reset_and_one_line_says_so(
    daemon: Daemon, change: Callable[[bytes], bytes]
) -> None:
    with (
        client(daemon.address("echo-tcp"), socket.SOCK_STREAM) as sock,
        client(daemon.address("chat")) as ann,
    ):
        sock.sendall(b"before")
        assert receive_exactly(sock, 6) == b"before"
        ann.send(b"online")
        assert ann.recv(100).endswith(b"#online")
        tamper(daemon, change)
        with pytest.raises(ConnectionResetError):
            sock.recv(10)
        assert ask(daemon.address("dictionary"), b"apple") == "苹果".encode()
        ask_control(daemon.directory / "control.sock", "reopen")  # its answer comes after the lines before it
        [line] = daemon.errors()
        assert line.startswith("the state of the process before us cannot be read (")
        assert line.endswith("): 1 connections are reset, all members of the chat are dropped")


READABLE: Mapping[str, Callable[[bytes], bytes]] = {
    "one more field": lambda text: text[:-1] + b', "more": {"nested": [1]}}',
    "a member with one more field": lambda text: text.replace(b"]]", b', "nick"]]'),
    "no version": lambda text: text.replace(b'"version": 1, ', b""),
    "spaces": lambda text: text + b"  \n",
}


@pytest.mark.parametrize("change", READABLE.values(), ids=READABLE.keys())
def test_a_state_that_differs_by_a_field_is_understood(
    daemon: Daemon, change: Callable[[bytes], bytes]
) -> None:
    with (
        client(daemon.address("echo-tcp"), socket.SOCK_STREAM) as sock,
        client(daemon.address("chat")) as ann,
    ):
        sock.sendall(b"before")
        assert receive_exactly(sock, 6) == b"before"
        ann.send(b"online")
        assert ann.recv(100).endswith(b"#online")
        tamper(daemon, change)
        sock.sendall(b"after")
        assert receive_exactly(sock, 5) == b"after"
        ann.send(b"still here")
        assert ann.recv(100).endswith(b"#still here")
        assert daemon.errors() == []


def test_a_state_without_members_keeps_the_connections(daemon: Daemon) -> None:
    with client(daemon.address("echo-tcp"), socket.SOCK_STREAM) as sock:
        sock.sendall(b"before")
        assert receive_exactly(sock, 6) == b"before"
        tamper(daemon, lambda text: b'{"version": 1, "owed": {}}')
        sock.sendall(b"after")
        assert receive_exactly(sock, 5) == b"after"
        assert daemon.errors() == []


def test_members_that_make_no_sense_are_dropped_and_the_others_stay(daemon: Daemon) -> None:
    nonsense = b"""
        ["0:ab", "a minute", 1], ["0:ab", -1, 2], ["0:ab", 1, NaN], ["0:ab", 1e999, 2], ["0:ab", true, 2],
        [7, 1, 2], ["0:ab", 1], {}, "ab", null, ["0:apple", 1, 2], ["apple", 1, 2], ["", 1, 2]"""
    with client(daemon.address("chat")) as ann:
        ann.send(b"online")
        assert ann.recv(100).endswith(b"#online")
        tamper(daemon, lambda text: text.replace(b'"members": [', b'"members": [' + nonsense + b","))
        ann.send(b"still here")
        assert ann.recv(100).endswith(b"#still here")
        ask_control(daemon.directory / "control.sock", "reopen")  # its answer comes after the lines before it
        assert daemon.errors() == [
            "the state of the process before us can be read in part only: "
            "0 connections are reset, 10 members of the chat are dropped",
            "3 members of the chat are dropped: their addresses fit none of our sockets",
        ]


# Without a daemon: what is made of the descriptors


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connection: our end, which may be handed over, and the peer's."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with client(listener.getsockname(), socket.SOCK_STREAM) as peer:
            ours, _ = listener.accept()
            with ours:
                yield ours, peer


def memfd(text: bytes) -> int:
    descriptor = os.memfd_create("test")
    os.write(descriptor, text)
    return descriptor


def left(ours: socket.socket, owed: str) -> bytes:
    return b'{"version": 1, "owed": {%s: %s}}' % (json.dumps(key_of(ours)).encode(), owed.encode())


def key_of(sock: socket.socket) -> str:
    return repr((sock.getsockname(), sock.getpeername()))


def is_reset(peer: socket.socket) -> bool:
    try:
        return peer.recv(1) == b"never"
    except ConnectionResetError:
        return True


def test_what_is_owed_comes_back(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, _ = pair
    incoming = inherit({CONNECTION: [os.dup(ours.fileno())], STATE: [memfd(left(ours, '"aGVsbG8="'))]})
    [(sock, owed)] = incoming.connections
    assert (owed, incoming.problem) == (b"hello", "")
    sock.close()


@pytest.mark.parametrize("owed", ['"aGVsbG8"', '"aGVs!G8="', '"é"', "7", "null", '["aGVsbG8="]'])
def test_a_connection_that_is_owed_nobody_knows_what_is_reset(
    pair: tuple[socket.socket, socket.socket], owed: str
) -> None:
    ours, peer = pair
    fd = os.dup(ours.fileno())
    document = memfd(left(ours, owed))
    ours.close()
    incoming = inherit({CONNECTION: [fd], STATE: [document]})
    assert incoming.connections == []
    assert "in part only: 1 connections are reset, 0 members" in incoming.problem
    assert is_reset(peer)


@pytest.mark.parametrize(
    ("owed", "sums"),
    [
        ('"aGVsbG8="', crc32(b"hallo")),  # another byte
        ('"aGVs"', crc32(b"hello")),  # the end is lost
        ('""', crc32(b"hello")),  # all of it is lost
        ('"aGVsbG8="', crc32(b"")),
        ('"aGVsbG8="', None),
    ],
)
def test_a_connection_that_is_owed_other_bytes_than_were_written_is_reset(
    pair: tuple[socket.socket, socket.socket], owed: str, sums: int | None
) -> None:
    ours, peer = pair
    fd = os.dup(ours.fileno())
    document = json.loads(left(ours, owed)) | {"sums": {key_of(ours): sums}}
    ours.close()
    legacy = inherit({CONNECTION: [fd], STATE: [memfd(json.dumps(document).encode())]})
    assert legacy.connections == []
    assert "in part only: 1 connections are reset, 0 members" in legacy.problem
    assert is_reset(peer)


@pytest.mark.parametrize("lost", ["owed", "sums"])
def test_a_connection_that_a_damaged_state_does_not_name_is_reset(daemon: Daemon, lost: str) -> None:
    def without(text: bytes) -> bytes:
        return json.dumps(json.loads(text) | {"owed": {}, lost: {}}).encode()

    restart(daemon, "--set", "daemon.drain_timeout=0.2")
    with client(daemon.address("echo-tcp"), socket.SOCK_STREAM) as sock:
        sent = say_until_nobody_takes_any_more(sock, bytes(50_000_000))
        tamper(daemon, without)
        with pytest.raises(ConnectionResetError):
            receive_exactly(sock, sent)


@pytest.mark.parametrize(
    "texts", [[], [b'{"owed": {}}', b'{"owed": {}}'], [b'{"version": 1}'], [b'{"owed": []}']]
)
def test_no_document_two_of_them_or_one_without_what_is_owed_resets_connections(
    pair: tuple[socket.socket, socket.socket], texts: list[bytes]
) -> None:
    ours, peer = pair
    fd = os.dup(ours.fileno())
    ours.close()
    adopted = {CONNECTION: [fd], STATE: [memfd(text) for text in texts]}
    incoming = inherit(adopted)
    assert (incoming.connections, adopted) == ([], {})
    assert "1 connections are reset" in incoming.problem
    assert is_reset(peer)


def test_a_document_that_is_too_long_or_no_file_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "MAX_DOCUMENT", 10)
    reader, writer = os.pipe()
    for descriptor in (memfd(b'{"owed": {}}'), reader):
        incoming = inherit({STATE: [descriptor]})
        assert incoming.problem.startswith("the state of the process before us cannot be read (")
    os.close(writer)


def test_what_is_no_connection_or_comes_twice_is_closed(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, peer = pair
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    fds = [os.dup(ours.fileno()), os.dup(ours.fileno()), memfd(b""), udp.detach()]
    incoming = inherit({CONNECTION: fds, STATE: [memfd(b'{"owed": {}}')]})
    [(sock, owed)] = incoming.connections
    assert (owed, incoming.problem) == (b"", "")
    sock.sendall(b"on")
    assert peer.recv(10) == b"on"
    sock.close()


BUS = {"node": "a", "nodes": [{"name": "b"}]}


def test_the_state_of_a_realm_goes_over_unchanged() -> None:
    documents: list[bytes] = []

    def send(_: str, message: str, fds: Sequence[int], patience: float) -> None:
        if f"FDNAME={STATE}" in message:
            documents.extend(os.pread(fd, 1 << 20, 0) for fd in fds)

    for bus in (BUS, None):
        os.environ["NOTIFY_SOCKET"] = "/nowhere"
        Outgoing(bus=bus).leave(Notifier(send))
    whole, alone = documents
    assert inherit({STATE: [memfd(whole)]}).bus == BUS
    assert inherit({STATE: [memfd(alone)]}).bus is None
    assert b"bus" not in alone, "what a process leaves that is alone is what it always was"


def test_nothing_passed_is_no_problem() -> None:
    assert inherit({"chat": [3]}) == Incoming()


def refusing(*refused: str) -> Notifier:
    """A manager that does not take messages with these words."""
    os.environ["NOTIFY_SOCKET"] = "/nowhere"

    def send(_: str, message: str, fds: Sequence[int], patience: float) -> None:
        if any(word in message for word in refused):
            raise TimeoutError

    return Notifier(send)


@pytest.mark.parametrize("refused", [CONNECTION, STATE])
def test_what_the_manager_does_not_take_is_reset_if_something_is_owed(
    pair: tuple[socket.socket, socket.socket], refused: str
) -> None:
    ours, peer = pair
    outgoing = Outgoing()
    outgoing.keep(ours, b"owed")
    outgoing.leave(refusing(refused, "BARRIER"))
    assert is_reset(peer)


def test_what_the_manager_does_not_take_ends_in_order_if_nothing_is_owed(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, peer = pair
    outgoing = Outgoing()
    outgoing.keep(ours, b"")
    outgoing.leave(refusing(CONNECTION, "BARRIER"))
    assert peer.recv(1) == b""


def test_a_connection_that_is_owed_more_than_there_is_room_for_is_reset(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "MAX_OWED", 3)
    ours, peer = pair
    Outgoing().keep(ours, b"owed")
    assert is_reset(peer)


def test_without_memory_for_the_state_nothing_is_handed_over(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str) -> int:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(os, "memfd_create", refuse)
    ours, peer = pair
    outgoing = Outgoing()
    outgoing.keep(ours, b"owed")
    outgoing.leave(refusing("BARRIER"))
    assert is_reset(peer)
