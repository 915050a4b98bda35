"""What goes wrong around a daemon: descriptors, disks, clocks, signals. It serves on, or says why not."""

import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.daemon import NETECHOD, PATIENCE, SERVICES, Daemon, any_port, ask, client
from torture.starting import free_addresses
from torture.strace import started

from netechod.client.operator.control import ask as ask_control

pytestmark = pytest.mark.system

SMALL = 8192  # bytes of a kernel buffer that is soon full


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(tmp_path) as daemon:
        yield daemon


def look_up(daemon: Daemon, number: int = 0) -> str:
    """Ask for a word; the number, behind a NUL, makes each question another one."""
    return ask(daemon.address("dictionary"), b"apple\0%d" % number).decode()


def counter(daemon: Daemon, service: str, name: str) -> int:
    counters: dict[str, dict[str, int]] = ask_control(daemon.directory / "control.sock", "status")["counters"]
    return counters[service][name]


# Descriptors


def test_without_descriptors_newcomers_wait_and_the_loop_does_not_spin(daemon: Daemon) -> None:
    daemon.start()
    assert daemon.process is not None
    pid = daemon.process.pid
    used = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    before = resource.prlimit(
        pid, resource.RLIMIT_NOFILE, (used, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    )
    with client(daemon.address("echo-tcp"), socket.SOCK_STREAM) as newcomer:
        newcomer.sendall(b"hello")
        for number in range(2000):
            assert look_up(daemon, number) == "苹果"
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        assert newcomer.recv(64) == b"hello"
    assert counter(daemon, "echo-tcp", "accept_errors") < 200, "fewer than it had turns: it looked away"
    assert daemon.errors() == ["accept failed, new connections wait: Too many open files"]


# Connections that end as they should not


def test_a_reset_in_the_middle_of_an_answer_costs_nobody_else_anything(daemon: Daemon) -> None:
    daemon.configure({"echo.tcp.send_buffer": SMALL, "echo.tcp.receive_buffer": SMALL})
    daemon.start(*any_port())
    echo, _, dictionary, _ = daemon.bound()[:4]
    for number in range(20):
        with client(echo, socket.SOCK_STREAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
            sock.setblocking(False)
            sent = 0
            while sent < 20 * SMALL:
                try:
                    sent += sock.send(bytes(SMALL))
                except BlockingIOError:  # everything is full, and we read nothing
                    break
            linger = b"\1\0\0\0\0\0\0\0"  # struct linger: close() resets (socket(7))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        assert ask(dictionary, b"apple\0%d" % number).decode() == "苹果"
        assert daemon.said("close 127.0.0.1--").endswith(" reason=reset\n")
    assert daemon.stop() == 0
    assert daemon.errors() == []


# Logs


@pytest.mark.parametrize("name", ["log.txt", "log.error"])
def test_a_full_disk_takes_lines_and_nothing_else(daemon: Daemon, name: str) -> None:
    log = daemon.directory / "log" / name
    log.parent.mkdir()
    log.symlink_to("/dev/full")
    daemon.start()
    daemon.dictionary.unlink()
    for _ in range(3):
        assert "FAILED" in daemon.reload()
        daemon.said("dictionary reload failed, ")
        assert look_up(daemon) == "苹果"
    log.unlink()  # somebody makes room
    daemon.reload()
    daemon.signal(signal.SIGUSR2)
    daemon.said("status dictionary ")
    assert daemon.stop() == 0
    assert any(f" log lines lost: {name}: No space left on device" in line for line in daemon.log())
    assert daemon.errors()[-1].startswith("dictionary reload failed, ")
    assert "Traceback" not in daemon.stderr()


def test_a_fifo_without_a_reader_as_log_stops_nothing_and_has_lines_for_who_comes(daemon: Daemon) -> None:
    fifo = daemon.directory / "log" / "log.txt"
    fifo.parent.mkdir()
    os.mkfifo(fifo)
    daemon.start()
    for number in range(3):
        assert look_up(daemon, number) == "苹果"
        daemon.reload()
    early = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    daemon.signal(signal.SIGUSR2)
    with fifo.open() as reader:
        os.close(early)
        assert any("status up=" in line for line in iter(reader.readline, ""))
    assert look_up(daemon) == "苹果"
    assert daemon.stop() == 0


def test_logs_that_are_links_are_written_where_they_lead(daemon: Daemon) -> None:
    target = daemon.directory / "elsewhere.txt"
    link = daemon.directory / "log" / "log.txt"
    link.parent.mkdir()
    link.symlink_to(target)
    daemon.start()
    daemon.said("ready: ")
    assert daemon.log() == daemon.log("../elsewhere.txt")
    assert link.is_symlink()
    assert daemon.stop() == 0


# Standard descriptors

ODD = {
    "a full disk": "os.open('/dev/full', os.O_RDWR)",
    "a file for reading only": "os.open(os.devnull, os.O_RDONLY)",
    "a pipe that nobody reads": "(ends := os.pipe(), os.close(ends[0]))[0][1]",
    "a socket": "socket.socket().detach()",
}


UNREADABLE = ("a full disk", "a pipe that nobody reads")


def with_descriptors(odd: str) -> list[str]:
    """The program, with such a thing as its stdin, stdout and stderr."""
    redirect = f"import os, socket, sys; odd = {ODD[odd]}; [os.dup2(odd, number) for number in range(3)]"
    return [sys.executable, "-c", f"{redirect}; os.execv(sys.argv[1], sys.argv[1:])", *NETECHOD]


@pytest.mark.parametrize("odd", UNREADABLE)
@pytest.mark.parametrize(("option", "status"), [("-f", 5), ("-c=none", 78), ("--no", 64)])
def test_the_status_of_a_start_that_fails_needs_no_reader(
    daemon: Daemon, odd: str, option: str, status: int
) -> None:
    daemon.dictionary.unlink()
    command = [*with_descriptors(odd), f"--config={daemon.config}", *any_port(), option]
    assert subprocess.run(command, timeout=PATIENCE, check=False).returncode == status


@pytest.mark.parametrize("odd", UNREADABLE)
def test_the_starter_needs_none_either(daemon: Daemon, odd: str) -> None:
    daemon.dictionary.unlink()
    command = [*with_descriptors(odd), f"--config={daemon.config}", *any_port()]
    assert subprocess.run(command, timeout=PATIENCE, check=False).returncode == 5


@pytest.mark.parametrize("odd", ODD)
def test_it_serves_whatever_its_standard_descriptors_are(tmp_path: Path, odd: str) -> None:
    with Daemon(tmp_path, program=with_descriptors(odd)) as daemon:
        daemon.start()
        assert look_up(daemon) == "苹果"
        daemon.reload()
        assert daemon.stop() == 0
        assert daemon.log()[-1] == "stopped reason=SIGTERM"
        assert daemon.errors() == []


@pytest.mark.parametrize("odd", ODD)
def test_it_detaches_whatever_they_are(tmp_path: Path, odd: str) -> None:
    with Daemon(tmp_path, program=with_descriptors(odd)) as daemon:
        daemon.bind()
        daemon.detach()
        assert look_up(daemon) == "苹果"
        assert daemon.end() == "stopped reason=SIGTERM"


# Addresses


def test_a_kernel_without_ipv6_is_served_over_ipv4_and_that_is_told(tmp_path: Path) -> None:
    """Every other socket that it makes is the one of IPv6 which such a kernel refuses."""
    services = len(SERVICES)
    fault = f"--inject=socket:error=EAFNOSUPPORT:when=1..{2 * services - 1}+2"
    program = [*started(tmp_path / "trace", "--trace=socket", fault), *NETECHOD]
    with Daemon(tmp_path, program=program) as daemon:
        daemon.start(*any_port("[::]"))
        bound = daemon.bound()
        assert [host for host, _ in bound] == ["0.0.0.0"] * services
        assert ask(("127.0.0.1", bound[2][1]), b"apple").decode() == "苹果"
        told = [line for line in daemon.log() if line.startswith("no IPv6 on this machine (")]
        assert len(told) == services
        assert daemon.stop() == 0


# Signals, time, and a violent end


def test_what_comes_while_it_is_stopped_is_answered_when_it_goes_on(daemon: Daemon) -> None:
    daemon.start()
    assert daemon.process is not None
    with (
        client(daemon.address("chat")) as member,
        client(daemon.address("echo-tcp"), socket.SOCK_STREAM) as stream,
    ):
        member.send(b"online")
        assert member.recv(2048).endswith(b"#online")
        for number in range(3):
            daemon.signal(signal.SIGSTOP)
            os.waitid(os.P_PID, daemon.process.pid, os.WSTOPPED | os.WNOWAIT)
            member.send(b"%d" % number)
            stream.sendall(b"%d" % number)
            daemon.signal(signal.SIGCONT)
            assert member.recv(2048).endswith(b"#%d" % number)
            assert stream.recv(64) == b"%d" % number
    assert daemon.stop() == 0


@pytest.mark.parametrize("jump", ["+400d", "-400d"])
def test_the_wall_clock_may_jump(daemon: Daemon, jump: str) -> None:
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    clock = daemon.directory / "clock"
    clock.write_text("+0")
    daemon.start(
        LD_PRELOAD=str(library),
        FAKETIME_TIMESTAMP_FILE=str(clock),
        FAKETIME_NO_CACHE="1",
        FAKETIME_DONT_FAKE_MONOTONIC="1",
    )
    stamps = []
    with client(daemon.address("chat")) as member:
        member.send(b"online")
        assert member.recv(2048).endswith(b"#online")
        for offset in ("+0", jump):
            fresh = clock.with_suffix(".new")
            fresh.write_text(offset)
            fresh.rename(clock)  # libfaketime reads it at any time: it must never be empty
            daemon.signal(signal.SIGUSR2)
            line = daemon.said("status up=")
            assert "chat 1 online" in line
            stamps.append(int(line.split("[")[2].rstrip("]")))
            assert look_up(daemon) == "苹果"
            daemon.reload()
        member.send(b"still here")
        assert member.recv(2048).endswith(b"#still here"), "nobody has expired"
    assert abs(stamps[1] - stamps[0]) > 399 * 86400, "the log tells the time that it is"
    assert daemon.stop() == 0
    assert daemon.errors() == []


def test_after_kill_9_it_starts_at_once_on_the_same_ports(daemon: Daemon) -> None:
    addresses = dict(zip(SERVICES, free_addresses(), strict=True))
    options = [
        word
        for service, (host, port) in addresses.items()
        for word in ("--set", f"{SERVICES[service][0]}.listen={host}:{port}")
    ]
    for _ in range(3):
        daemon.start(*options)
        with client(addresses["echo-tcp"], socket.SOCK_STREAM) as stream:
            stream.sendall(b"hello")
            assert stream.recv(64) == b"hello"
            assert ask(addresses["dictionary"], b"apple").decode() == "苹果"
            daemon.signal(signal.SIGKILL)
            assert daemon.wait() == -signal.SIGKILL
            assert stream.recv(64) == b""  # its end of the connection lingers on (RFC 9293, 3.6)
    assert daemon.pidfile.exists()
    daemon.start(*options)
    assert daemon.process is not None
    assert daemon.pidfile.read_text() == f"{daemon.process.pid}\n"
    assert ask(addresses["dictionary"], b"apple").decode() == "苹果"
    assert ask_control(daemon.directory / "control.sock", "status")["pid"] == daemon.process.pid
    assert daemon.stop() == 0
