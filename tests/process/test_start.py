"""A start, seen by the one who started it: what it is told, what the log says, and that all of it is true."""

import hashlib
import itertools
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from support.daemon import (
    NETECHOD,
    SERVICES,
    WORDS,
    Daemon,
    any_port,
    ask,
    client,
    run_netechod,
    wait_for_end,
)

from netechod.process.unix.service_manager import send_datagram

pytestmark = pytest.mark.system

STATUS = "echo 0 connections, dictionary 3 words (generation 1), chat 0 online"


def echoed(address: tuple[str, int]) -> bytes:
    with client(address, socket.SOCK_STREAM) as sock:
        sock.sendall(b"echo")
        return sock.recv(65536)


def assert_serving(addresses: list[tuple[str, int]]) -> None:
    """Ask TCP echo, UDP echo, the dictionary and the chat, at these addresses."""
    echo_tcp, echo_udp, dictionary, chat = addresses
    assert echoed(echo_tcp) == b"echo"
    assert ask(echo_udp, b"echo") == b"echo"
    assert ask(dictionary, b"apple").decode() == "苹果"
    assert ask(chat, b"online").endswith(b"#online")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon in the foreground that binds everything itself."""
    with Daemon(tmp_path_factory.mktemp("served")) as daemon:
        yield daemon.start(*any_port())


def test_the_service_manager_is_told_when_everything_serves_and_not_before(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        daemon.start()
        assert_serving([daemon.address(service) for service in SERVICES])
        assert daemon.manager.messages == [f"READY=1\nSTATUS={STATUS}"]


def test_the_log_names_every_socket_and_the_dictionary(served: Daemon) -> None:
    addresses = served.bound()
    assert_serving(addresses)
    digest = hashlib.sha256(WORDS.encode()).hexdigest()[:12]
    tcp, *udp = [re.escape(f"{host}:{port}") for host, port in addresses]
    expected = [
        rf"netechod \S+ starts, configuration {re.escape(str(served.config))}",
        r"create socket success:\d+",
        f"bind socket success {tcp}",
        f"listen socket success {tcp}",
        *(line for one in udp for line in (r"create socket success:\d+", f"bind socket success {one}")),
        rf"dictionary loaded entries=3 skipped=0 sha256={digest} seconds=\d+\.\d+",
        f"ready: {re.escape(STATUS)}",
    ]
    lines = iter(served.log())
    for pattern in expected:
        assert any(re.fullmatch(pattern, line) for line in lines), pattern
    assert all(port > 0 for _, port in addresses), "port 0 is shown as the one really bound"


def test_lines_of_the_log_begin_with_level_time_and_pid(served: Daemon) -> None:
    assert served.process is not None
    first = (served.directory / "log" / "log.txt").read_text().splitlines()[0]
    assert re.fullmatch(rf"\[NORMAL\]\[\d{{10,}}\]\[pid:{served.process.pid}\]netechod .*", first)


def test_in_the_foreground_the_log_is_on_stderr_too(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        daemon.start()
        assert daemon.stop() == 0
        assert daemon.stderr() == (tmp_path / "log" / "log.txt").read_text(encoding="utf-8")
        assert daemon.log()[-1] == "stopped reason=SIGTERM"


def test_in_the_foreground_it_settles_in_as_well(served: Daemon) -> None:
    assert served.process is not None
    assert served.pidfile.read_text() == f"{served.process.pid}\n"
    assert Path(f"/proc/{served.process.pid}/cwd").readlink() == Path("/")
    assert "Umask:\t0027" in Path(f"/proc/{served.process.pid}/status").read_text()


ORDERS = list(itertools.permutations(["chat", "dictionary", "echo-tcp"]))


@pytest.mark.parametrize("names", ORDERS, ids="-".join)
def test_passed_sockets_go_by_name_whatever_their_order(tmp_path: Path, names: tuple[str, ...]) -> None:
    with Daemon(tmp_path) as daemon:
        daemon.bind(*names)
        daemon.start(*any_port("127.0.0.1", "echo-udp"))
        [echo_udp] = daemon.bound()
        assert_serving([daemon.address("echo-tcp"), echo_udp, *map(daemon.address, ["dictionary", "chat"])])
        adopted = [line for line in daemon.log() if line.startswith("adopt ")]
        assert adopted == [
            "adopt socket success {}:{}".format(*daemon.address(name))
            for name in ["echo-tcp", "dictionary", "chat"]
        ]


def udp() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def listening_tcp() -> socket.socket:
    sock = socket.socket(socket.AF_INET)
    sock.bind(("127.0.0.1", 0))
    sock.listen()
    return sock


def deaf_tcp() -> socket.socket:
    return socket.socket(socket.AF_INET)


def unix() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)


@pytest.mark.parametrize(
    ("name", "make", "expected"),
    [
        ("echo-tcp", udp, "a listening TCP socket"),
        ("echo-tcp", deaf_tcp, "a listening TCP socket"),
        ("echo-udp", listening_tcp, "a UDP socket"),
        ("dictionary", deaf_tcp, "a UDP socket"),
        ("chat", unix, "a UDP socket"),
    ],
)
def test_the_wrong_kind_of_socket_under_a_name_ends_the_start_with_2(
    tmp_path: Path, name: str, make: Callable[[], socket.socket], expected: str
) -> None:
    with Daemon(tmp_path) as daemon:
        daemon.hand_over(name, make())
        others = [service for service in SERVICES if service != name]
        daemon.spawn("--foreground", *any_port("127.0.0.1", *others))
        assert daemon.wait() == 2
        sentence = f"descriptor 3, passed as {name}, is not {expected}"
        assert daemon.stderr() == f"netechod: error: {sentence}\n"
        assert daemon.errors() == [f"start failed: {sentence}"]
        assert not daemon.pidfile.exists()


def test_a_socket_under_an_unknown_name_is_warned_of_and_not_used(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        daemon.bind()
        daemon.hand_over("finger", udp())
        daemon.start()
        warning = "socket passed as finger is not used: no such service is on"
        assert "[WARNING]" in daemon.said(warning)
        assert_serving([daemon.address(service) for service in SERVICES])


def test_relative_paths_mean_the_directory_that_it_was_started_in(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        files = {"dictionary.file": "dict.txt", "log.directory": "./log", "daemon.pidfile": "netechod.pid"}
        daemon.configure(files)
        daemon.bind()
        daemon.start("--config", daemon.config.name)
        daemon.dictionary.write_text("apple:apfel\n")
        assert daemon.reload().startswith("echo 0 connections, dictionary 1 words (generation 2)")
        assert ask(daemon.address("dictionary"), b"apple") == b"apfel"
        assert daemon.log()
        assert daemon.stop() == 0
        assert not daemon.pidfile.exists()


@pytest.mark.parametrize("closed", range(8), ids="{:03b}".format)
def test_any_of_the_standard_descriptors_may_be_closed(tmp_path: Path, closed: int) -> None:
    redirections = " ".join(f"{fd}>&-" for fd in range(3) if closed & 1 << fd)
    program = ["sh", "-c", f'exec "$@" {redirections}', "sh", *NETECHOD]
    with Daemon(tmp_path, program=program) as daemon:
        daemon.start(*any_port())
        assert daemon.process is not None
        for fd in range(3):
            if closed & 1 << fd:
                assert Path(f"/proc/{daemon.process.pid}/fd/{fd}").readlink() == Path("/dev/null")
        assert daemon.stop() == 0
        assert daemon.log()[-1] == "stopped reason=SIGTERM"
        assert daemon.errors() == []


def test_chinese_needs_no_locale(tmp_path: Path) -> None:
    directory = tmp_path / "词典"
    directory.mkdir()
    with Daemon(directory, "苹果:apple\n只有一半\n") as daemon:
        daemon.start(LC_ALL="POSIX", LANG=None, PYTHONUTF8=None)
        assert ask(daemon.address("dictionary"), "苹果".encode()) == b"apple"
        daemon.said(f"{daemon.dictionary}:2: no ':'; write it as key:value; the line is skipped")
        daemon.said("dictionary loaded entries=1 skipped=1 ")
        daemon.dictionary.unlink()
        assert str(daemon.dictionary) in daemon.reload()
        assert daemon.stop() == 0


def test_services_that_are_off_have_no_socket(tmp_path: Path) -> None:
    off = {f"{section}.enabled": False for section in ("echo.tcp", "echo.udp", "chat")}
    with Daemon(tmp_path) as daemon:
        daemon.configure(off)
        daemon.start(*any_port())
        [address] = daemon.bound()
        assert ask(address, b"apple").decode() == "苹果"
        assert daemon.manager.messages == ["READY=1\nSTATUS=dictionary 3 words (generation 1)"]
        assert daemon.stop() == 0
        assert daemon.log()[-1] == "stopped reason=SIGTERM"


def test_without_the_dictionary_no_file_is_needed(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        daemon.configure({"dictionary.enabled": False})
        daemon.dictionary.unlink()
        daemon.start(*any_port())
        echo_tcp, echo_udp, chat = daemon.bound()
        assert echoed(echo_tcp) == ask(echo_udp, b"echo") == b"echo"
        assert ask(chat, b"online").endswith(b"#online")
        assert daemon.reload() == "echo 0 connections, chat 1 online"


def test_more_time_is_asked_for_while_a_huge_dictionary_loads(tmp_path: Path) -> None:
    impatient = (
        "from netechod.process.unix import service_manager; service_manager.PATIENCE = 0.0;"
        "import netechod.__main__"
    )
    with Daemon(
        tmp_path, "".join(f"word{n}:{n}\n" for n in range(50_000)), [sys.executable, "-c", impatient]
    ) as daemon:
        daemon.start()
        *asked, ready = daemon.manager.messages
        assert set(asked) == {"EXTEND_TIMEOUT_USEC=0"}
        assert ready.startswith("READY=1\n")


def test_the_environment_may_be_empty(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        daemon.spawn("--foreground", *any_port(), **dict.fromkeys(os.environ), NOTIFY_SOCKET=None)
        assert_serving(daemon.bound())
        assert daemon.stop() == 0
        assert daemon.manager.messages == []


def test_a_watchdog_is_fed_for_as_long_as_the_loop_turns(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        daemon.start(WATCHDOG_USEC="100000", WATCHDOG_PID=None)
        for _ in range(3):
            daemon.manager.wait_for("WATCHDOG=1")


def test_nobody_is_told_of_life_who_does_not_watch(served: Daemon) -> None:
    served.reload()
    assert not any("WATCHDOG" in message for message in served.manager.messages)


def test_a_defect_leaves_its_traceback_in_the_log(tmp_path: Path) -> None:
    broken = "import netechod.process.app as app; app.App.run = None; import netechod.__main__"
    with Daemon(tmp_path, program=[sys.executable, "-c", broken]) as daemon:
        daemon.spawn("--foreground", *any_port())
        assert daemon.wait() == 1
        [line] = daemon.errors()
        assert line.startswith(r"internal error, stopping\nTraceback (most recent call last)")
        assert not daemon.pidfile.exists()


def test_a_service_manager_that_does_not_read_costs_nobody_an_answer(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(str(tmp_path / "deaf"))
        daemon.bind()
        daemon.spawn(
            "--foreground",
            NOTIFY_SOCKET=str(tmp_path / "deaf"),
            WATCHDOG_USEC="2000",
            WATCHDOG_PID=None,
            FDSTORE="9",
        )
        daemon.said("ready: ")
        with suppress(BlockingIOError):
            while True:  # until the manager's socket is full, be it by the daemon or by us
                send_datagram(str(tmp_path / "deaf"), "FILL=1")
        for _ in range(200):
            assert ask(daemon.address("echo-udp"), b"echo") == b"echo"
        assert daemon.stop() == 0
        assert daemon.log()[-1] == "stopped reason=SIGTERM"


def test_a_full_pipe_as_stderr_costs_nobody_an_answer(tmp_path: Path) -> None:
    pipe = tmp_path / "stderr"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    with suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 512)
    full = ["sh", "-c", f'exec "$@" 2>{pipe}', "sh", *NETECHOD]
    with Daemon(tmp_path, program=full) as daemon:
        daemon.start()
        assert ask(daemon.address("dictionary"), b"apple").decode() == "苹果"
        daemon.reload()
        assert daemon.stop() == 0
        assert daemon.log()[-1] == "stopped reason=SIGTERM"
    os.close(reader)
    os.close(writer)


def test_blocked_and_ignored_signals_are_obeyed_all_the_same(tmp_path: Path) -> None:
    deaf = (
        "import os, signal, sys\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\n"
        "for name in ('SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGCHLD'):\n"
        "    signal.signal(getattr(signal, name), signal.SIG_IGN)\n"
        "os.execv(sys.executable, [sys.executable, '-m', 'netechod', *sys.argv[1:]])\n"
    )
    with Daemon(tmp_path, program=[sys.executable, "-c", deaf]) as daemon:
        daemon.start()
        daemon.dictionary.write_text("apple:apfel\n")
        assert "dictionary 1 words" in daemon.reload()
        assert daemon.stop() == 0


@pytest.mark.parametrize("options", [["--foreground"], []], ids=["foreground", "detached"])
def test_a_removed_working_directory_is_no_trouble(tmp_path: Path, options: list[str]) -> None:
    lost = ["sh", "-c", 'mkdir x && cd x && rmdir ../x && exec "$@"', "sh", *NETECHOD]
    with Daemon(tmp_path, program=lost) as daemon:
        daemon.bind()
        if options:
            daemon.start()
            assert daemon.stop() == 0
        else:
            daemon.detach()
            assert ask(daemon.address("dictionary"), b"apple").decode() == "苹果"
            assert daemon.end() == "stopped reason=SIGTERM"


@pytest.mark.parametrize("umask", ["000", "777"])
def test_any_umask_may_be_inherited(tmp_path: Path, umask: str) -> None:
    program = ["sh", "-c", f'umask {umask} && exec "$@"', "sh", *NETECHOD]
    with Daemon(tmp_path, program=program) as daemon:
        run = tmp_path / "a" / "b"
        daemon.configure({"daemon.pidfile": run / "n.pid", "daemon.control": run / "control.sock"})
        daemon.start()
        modes = [stat.S_IMODE(path.stat().st_mode) for path in (run.parent, run, run / "n.pid")]
        assert modes == [0o755, 0o755, 0o644]
        assert daemon.stop() == 0


def test_a_terminal_does_not_stop_a_daemon_that_writes_in_the_background(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        daemon.bind()
        master, terminal = os.openpty()
        flags = termios.tcgetattr(terminal)
        flags[3] |= termios.TOSTOP
        termios.tcsetattr(terminal, termios.TCSANOW, flags)
        shell = (
            "import os, subprocess, sys, fcntl, termios\n"
            "os.setsid()\n"
            "fcntl.ioctl(int(sys.argv[1]), termios.TIOCSCTTY, 0)\n"
            "job = subprocess.Popen(sys.argv[2:], stderr=int(sys.argv[1]), process_group=0)\n"
            "sys.exit(job.wait())\n"
        )
        command = [*NETECHOD, "-f", "-c", str(daemon.config), *any_port()]
        starter = subprocess.Popen(
            [sys.executable, "-c", shell, str(terminal), *command],
            pass_fds=[terminal],
            env=os.environ | {"NOTIFY_SOCKET": daemon.manager.address},
        )
        try:
            daemon.manager.wait_for("READY=1", 20)
        finally:
            os.kill(int(daemon.pidfile.read_text()), signal.SIGTERM)
        assert starter.wait(20) == 0
        for descriptor in (master, terminal):
            os.close(descriptor)


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ({"chat.max_members": 0}, "chat.max_members: must be at least 1 (got 0)"),
        ({"dictionary.file": "/nowhere/dict.txt"}, "dictionary.enabled = false goes without"),
    ],
)
def test_the_service_manager_is_told_why_there_is_no_start(
    tmp_path: Path, settings: dict[str, object], status: str
) -> None:
    with Daemon(tmp_path) as daemon:
        daemon.configure(settings)
        daemon.spawn("--foreground", *any_port())
        assert daemon.wait() != 0
        [told] = daemon.manager.messages
        assert told.startswith("STATUS=not running: ")
        assert told.endswith(status)


OFF = {"daemon.pidfile": "", "daemon.control": "", "log.directory": ""}


@pytest.mark.parametrize("by", ["file", "option"])
def test_pidfile_control_socket_and_log_files_can_be_switched_off(tmp_path: Path, by: str) -> None:
    with Daemon(tmp_path) as daemon:
        before = {path.name for path in tmp_path.iterdir()}
        options = [word for key in OFF for word in ("--set", f"{key}=")] if by == "option" else []
        if by == "file":
            daemon.configure(OFF)
        shown = run_netechod("-T", "--config", str(daemon.config), *options).stdout
        for key in OFF:
            assert re.search(rf'^{key.partition(".")[2]} = ""  # ', shown, re.M)
        daemon.start("--set", "log.level=DEBUG", *options)
        daemon.said("[NORMAL]")
        daemon.said("ready: ")
        daemon.dictionary.unlink()
        assert "FAILED" in daemon.reload()
        assert "[ERROR]" in daemon.said("dictionary reload failed, ")
        daemon.signal(signal.SIGUSR1)
        assert daemon.stop() == 0
        assert "stopped reason=SIGTERM" in daemon.stderr()
        daemon.dictionary.touch()
        assert {path.name for path in tmp_path.iterdir()} == before


def test_a_detached_daemon_needs_a_place_for_its_log(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        daemon.spawn("--set", "log.directory=", NOTIFY_SOCKET=None)
        assert daemon.wait() == 78
        assert "log.directory: is empty, and a detached daemon has no standard error" in daemon.stderr()


def test_without_a_pidfile_a_second_daemon_starts_and_both_can_detach(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        daemon.start("--set", "daemon.pidfile=")
        second = daemon.directory / "second"
        options = ["--set", "daemon.pidfile=", "--set", "daemon.control=", "--set", f"log.directory={second}"]
        ended = run_netechod("--config", str(daemon.config), *options, *any_port())
        assert ended.returncode == 0, ended.stderr
        pid = int(re.findall(r"\[pid:(\d+)\]", (second / "log.txt").read_text())[-1])
        os.kill(pid, signal.SIGTERM)
        wait_for_end(pid)
        assert not daemon.pidfile.exists()
