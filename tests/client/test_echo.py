"""`netecho echo`: streams, lines and datagrams."""

import os
import select
import socket
import struct
import subprocess
from collections.abc import Callable
from itertools import islice, repeat
from pathlib import Path

import pytest
from support.fake_servers import (
    Address,
    FakeTcpServer,
    FakeUdpServer,
    Replies,
    echo_datagram,
    echo_stream,
    silence,
    unused_udp_port,
)
from support.netecho import COMMAND, Terminal, environment, netecho, outcome, unread
from support.tmux import Tmux

from netechod.client.echo import Comparison, LineConnection, Output, Stream
from netechod.client.errors import ClientError
from netechod.services.wire import MAX_DATAGRAM

Handler = Callable[[socket.socket], None]

EVERY_BYTE = bytes(range(256))


def tutorial_stream(sock: socket.socket) -> None:
    while data := sock.recv(1023):
        sock.sendall(data + b"[server echo]")


def reset(sock: socket.socket) -> None:
    """Close with RST: SO_LINGER of no time (socket(7))."""
    sock.recv(1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_a_pipe_gets_exactly_the_bytes_back() -> None:
    with FakeTcpServer(echo_stream) as fake:
        run = netecho("echo", fake.address, stdin=EVERY_BYTE * 5)
    assert (run.returncode, run.stdout, run.stderr) == (0, EVERY_BYTE * 5, b"")


def test_nothing_comes_back_of_nothing() -> None:
    with FakeTcpServer(echo_stream) as fake:
        assert outcome(netecho("echo", fake.address)) == (0, "")


def test_a_file_is_streamed_too(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_bytes(EVERY_BYTE)
    with FakeTcpServer(echo_stream) as fake, file.open("rb") as stdin:
        run = subprocess.run(
            [*COMMAND, "echo", fake.address], stdin=stdin, capture_output=True, env=environment()
        )
    assert (run.returncode, run.stdout) == (0, EVERY_BYTE)


def test_a_hundred_megabytes_pass_without_a_deadlock() -> None:
    """The server reads only when it has written, so whoever sends all first waits for ever."""
    chunk, chunks = os.urandom(1 << 20), 100
    with FakeTcpServer(echo_stream) as fake:
        process = subprocess.Popen(
            [*COMMAND, "echo", fake.address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()
        )
        with process:
            assert process.stdin is not None
            assert process.stdout is not None
            os.set_blocking(process.stdin.fileno(), False)
            source = islice(repeat(chunk), chunks)
            unsent, received = memoryview(next(source)), 0
            while unsent:
                readable, writable, _ = select.select([process.stdout], [process.stdin], [])
                if writable:
                    unsent = unsent[os.write(process.stdin.fileno(), unsent) :] or memoryview(
                        next(source, b"")
                    )
                if readable:
                    received += len(os.read(process.stdout.fileno(), 1 << 20))
            process.stdin.close()
            while data := os.read(process.stdout.fileno(), 1 << 20):
                received += len(data)
        assert process.returncode == 0
    assert received == chunks * len(chunk)


def test_what_a_server_adds_is_shown() -> None:
    with FakeTcpServer(tutorial_stream) as fake:
        assert outcome(netecho("echo", fake.address, stdin=b"hi\n")) == (0, "hi\n[server echo]")


@pytest.mark.parametrize("server", [FakeTcpServer, FakeUdpServer])
def test_a_closed_port_ends_with_1(server: type) -> None:
    with socket.socket() as deaf:  # bound, but not listening
        deaf.bind(("127.0.0.1", 0))
        port = deaf.getsockname()[1] if server is FakeTcpServer else unused_udp_port()
        udp = ["-u"] if server is FakeUdpServer else []
        run = netecho("echo", *udp, f"127.0.0.1:{port}", stdin=b"hi\n")
    assert outcome(run) == (1, "")
    assert run.stderr.startswith(b"netecho: error: connection refused by 127.0.0.1:")
    assert b"\nhint: " in run.stderr


def test_a_silent_server_is_unanswered() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # the kernel connects, and nobody ever accepts
        address = f"127.0.0.1:{deaf.getsockname()[1]}"
        run = netecho("echo", "--timeout", "0.1", address, stdin=b"hi\n")
    assert outcome(run) == (1, "")
    assert b"unanswered" in run.stderr


def test_a_reset_ends_with_1() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"hi\n")  # and no end: only the reset ends it
    with FakeTcpServer(reset) as fake:
        run = subprocess.run(
            [*COMMAND, "echo", fake.address], stdin=reader, capture_output=True, env=environment()
        )
    os.close(reader)
    os.close(writer)
    assert run.returncode == 1
    assert b"reset by peer" in run.stderr


def test_an_early_end_is_told() -> None:
    ours, theirs = socket.socketpair()
    reader, writer = os.pipe()
    with ours, theirs:
        os.write(writer, b"hello")
        stream = Stream(ours, reader, Output())
        theirs.sendall(b"hel")
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(ClientError, match="closed the connection early"):
            stream.run(5.0)
    os.close(reader)
    os.close(writer)


def test_a_reader_who_leaves_is_no_error() -> None:
    with FakeTcpServer(echo_stream) as fake:
        assert unread("echo", fake.address, stdin=b"x\n") == (0, b"")


def test_a_full_disk_is_an_error() -> None:
    with FakeTcpServer(echo_stream) as fake, Path("/dev/full").open("wb") as full:
        run = subprocess.run(
            [*COMMAND, "echo", fake.address],
            input=b"x\n",
            stdout=full,
            stderr=subprocess.PIPE,
            env=environment(),
        )
    assert run.returncode == 1
    assert run.stderr == b"netecho: error: cannot write the output: No space left on device\n"


@pytest.mark.parametrize(
    ("language", "prompt", "answer"),
    [("en", "echo> ", "hello\n"), ("zh", "Please Enter#", "server 回显# hello\n")],
)
@pytest.mark.parametrize("udp", [False, True])
def test_a_person_echoes_line_by_line(language: str, prompt: str, answer: str, udp: bool) -> None:
    with (
        FakeUdpServer(echo_datagram) if udp else FakeTcpServer(echo_stream) as fake,
        Terminal(
            "echo", fake.address, *(["-u"] if udp else []), NETECHO_LANG=language, TERM="dumb"
        ) as terminal,
    ):
        for _ in range(2):
            terminal.read_until(prompt)
            terminal.type("hello\n")
            terminal.read_until("hello\n")
            terminal.read_until(answer)
        terminal.read_until(prompt)
        terminal.type("\x04")
        assert terminal.wait() == 0
        assert terminal.seen.endswith(prompt + "\n")


def test_what_a_terminal_would_obey_is_spelled_out() -> None:
    with (
        FakeTcpServer(lambda sock: sock.sendall(sock.recv(100) + b"\x1b[2J\xff")) as fake,
        Terminal("echo", fake.address, TERM="dumb") as terminal,
    ):
        terminal.read_until("echo> ")
        terminal.type("hello\n")
        terminal.read_until("hello\nhello\n\\x1b[2J\\xff\n")


def test_ctrl_c_drops_the_line_and_the_second_one_ends_with_130(tmp_path: Path) -> None:
    with FakeTcpServer(echo_stream) as fake, Tmux(tmp_path, "echo", fake.address) as terminal:
        terminal.wait_for("echo> ")
        terminal.type("half a li")
        terminal.wait_for("half a li")
        terminal.press("C-c")
        terminal.wait_for("echo> ", times=2)
        terminal.type("whole")
        terminal.press("Enter")
        terminal.wait_for("whole", times=2)
        terminal.wait_for("echo> ", times=3)
        terminal.press("C-c")
        terminal.wait_for("echo> ", times=4)
        terminal.press("C-c")
        assert terminal.status() == 130


def test_each_line_is_a_datagram_of_its_own() -> None:
    with FakeUdpServer(echo_datagram) as fake:
        run = netecho("echo", "-u", fake.address, stdin=b"one\n\n\xff\0two\r\nlast")
    assert (run.returncode, run.stdout) == (0, b"one\n\n\xff\0two\r\nlast")
    assert fake.seen == [b"one", b"", b"\xff\0two\r", b"last"]


def test_only_the_same_bytes_are_the_echo_of_a_datagram() -> None:
    def noisy(payload: bytes, address: Address) -> Replies:
        return [(b"late", address), (payload, address), (payload, address)]

    with FakeUdpServer(noisy) as fake:
        assert outcome(netecho("echo", "-u", fake.address, stdin=b"a\nb\n")) == (0, "a\nb\n")


@pytest.mark.parametrize("size", [MAX_DATAGRAM - 1, MAX_DATAGRAM, MAX_DATAGRAM + 1, 3 * MAX_DATAGRAM])
@pytest.mark.parametrize("end", [b"", b"\n", b"\n\n"])
def test_a_line_larger_than_a_datagram_goes_in_several(size: int, end: bytes) -> None:
    with FakeUdpServer(echo_datagram) as fake:
        run = netecho("echo", "-u", fake.address, stdin=b"x" * size + end)
    assert (run.returncode, run.stdout) == (0, b"x" * size + end)
    assert b"".join(fake.seen) == b"x" * size
    assert fake.seen.count(b"") == (end == b"\n\n")


def test_what_is_the_same_is_verified_in_silence() -> None:
    data = os.urandom(1 << 20)
    with FakeTcpServer(echo_stream) as fake:
        run = netecho("echo", "--verify", fake.address, stdin=data)
    assert (run.returncode, run.stdout, run.stderr) == (0, b"", b"")
    with FakeUdpServer(echo_datagram) as datagrams:
        run = netecho("echo", "--verify", "-u", datagrams.address, stdin=data)
    assert (run.returncode, run.stdout, run.stderr) == (0, b"", b"")


def alter(data: bytes) -> bytes:
    return data.replace(b"l", b"L")


@pytest.mark.parametrize(
    ("handler", "why"),
    [
        (lambda sock: sock.sendall(alter(sock.recv(100))), b"byte 3 was 0x6c and came back as 0x4c"),
        (tutorial_stream, b"6 bytes were sent and 19 came back"),
    ],
)
def test_what_is_not_the_same_over_tcp_is_told(handler: Handler, why: bytes) -> None:
    with FakeTcpServer(handler) as fake:
        run = netecho("echo", "--verify", fake.address, stdin=b"hello\n")
    assert (run.returncode, run.stdout) == (1, b"")
    assert run.stderr == b"netecho: error: not the same: " + why + b"\n"


def test_a_difference_far_into_a_stream_has_its_place() -> None:
    comparison = Comparison()
    for _ in range(3):
        comparison.sent(b"x" * 1000)
    comparison.received(b"x" * 2500)
    with pytest.raises(ClientError, match="byte 2502 was 0x78 and came back as 0x79"):
        comparison.received(b"xyx")


def test_what_is_not_the_same_over_udp_is_told() -> None:
    with FakeUdpServer(lambda payload, address: [(alter(payload), address)]) as fake:
        run = netecho("echo", "--verify", "-u", "--timeout", "0.05", fake.address, stdin=b"no\nhello\n")
    assert (run.returncode, run.stdout) == (1, b"")
    assert run.stderr.startswith(b"netecho: error: not the same: byte 3 was 0x6c and came back as 0x4c")


def test_a_silent_udp_server_is_unanswered() -> None:
    with FakeUdpServer(silence) as fake:
        run = netecho("echo", "-u", "--timeout", "0.05", "--retries", "1", fake.address, stdin=b"hi\n")
    assert outcome(run) == (1, "")
    assert b"unanswered" in run.stderr
    assert b"hint: UDP echo answers trusted networks alone" in run.stderr
    assert fake.seen == [b"hi", b"hi"]


def test_the_echo_of_a_line_that_was_interrupted_is_not_taken_for_that_of_the_next() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        lines = LineConnection(ours)
        ours.settimeout(0.01)
        with pytest.raises(TimeoutError):
            lines.echo(b"first")
        theirs.sendall(b"first\nsecond\n")
        assert lines.echo(b"second") == b"second"


def test_a_line_is_edited_at_the_prompt(tmp_path: Path) -> None:
    with FakeTcpServer(echo_stream) as fake, Tmux(tmp_path, "echo", fake.address) as terminal:
        terminal.wait_for("echo> ")
        terminal.type("你好世界")
        terminal.press("BSpace", "BSpace", "Left", "x", "Enter")
        terminal.wait_for("你x好", times=2)
        terminal.press("Up", "Enter")
        terminal.wait_for("你x好", times=4)
