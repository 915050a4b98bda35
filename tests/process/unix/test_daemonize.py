"""Becoming a daemon: a starter that tells the truth, and a process that holds nothing it should not."""

import fcntl
import os
import re
import socket
import stat
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from support.daemon import NETECHOD, SERVICES, Daemon, any_port, ask, client, run_netechod, wait_for_end

from netechod.client.operator.control import ask as ask_control

pytestmark = pytest.mark.system

SIGPIPE_BIT = 1 << 12  # of the signal numbered 13 (proc(5), SigIgn)


def served(daemon: Daemon) -> str:
    """What the dictionary says, asked once and at once."""
    return ask(daemon.address("dictionary"), b"apple").decode()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daemon, int]]:
    """A detached daemon, started as systemd's Type=forking does, and its pid."""
    with Daemon(tmp_path_factory.mktemp("detached")) as daemon:
        daemon.bind()
        pid = daemon.detach(NOTIFY_SOCKET=None)
        assert served(daemon) == "苹果"
        yield daemon, pid


@pytest.fixture
def daemon(running: tuple[Daemon, int]) -> Daemon:
    return running[0]


@pytest.fixture
def proc(running: tuple[Daemon, int]) -> Path:
    """Where proc(5) describes it."""
    return Path("/proc", str(running[1]))


def of_status(proc: Path, key: str) -> str:
    return dict(line.split(":\t", 1) for line in (proc / "status").read_text().splitlines())[key].strip()


def test_it_belongs_to_nobody_who_started_it(daemon: Daemon, proc: Path) -> None:
    assert daemon.process is not None
    fields = (proc / "stat").read_text().rpartition(")")[2].split()
    parent, group, session, terminal = map(int, fields[1:5])
    assert parent not in {daemon.process.pid, os.getpid()} - {1}  # orphans are process 1's, even if we are it
    assert session not in (int(proc.name), os.getsid(0)), (
        "a session's leader could get a terminal (setsid(2))"
    )
    assert group == session
    assert terminal == 0


def test_it_keeps_no_directory_busy_and_hides_its_files(proc: Path) -> None:
    assert (proc / "cwd").readlink() == Path("/")
    assert of_status(proc, "Umask") == "0027"


def test_a_broken_pipe_is_no_reason_to_die(proc: Path) -> None:
    assert int(of_status(proc, "SigIgn"), 16) & SIGPIPE_BIT


@pytest.mark.parametrize("fd", [0, 1, 2])
def test_the_standard_descriptors_are_the_null_device_for_reading_and_writing(proc: Path, fd: int) -> None:
    assert (proc / "fd" / str(fd)).readlink() == Path("/dev/null")
    flags = re.search(r"flags:\t(\d+)", (proc / "fdinfo" / str(fd)).read_text())
    assert flags is not None
    assert int(flags[1], 8) & os.O_ACCMODE == os.O_RDWR


def test_it_has_no_stray_descriptor(daemon: Daemon, proc: Path) -> None:
    held = [str(entry.readlink()) for entry in (proc / "fd").iterdir()]
    assert Counter(re.sub(r":\[\d+\]", "", name) for name in held) == {
        "/dev/null": 3,
        "socket": len(SERVICES) + 1,  # and the control socket
        "anon_inode:[eventpoll]": 1,
        "pipe": 2,
        str(daemon.pidfile): 1,
        str(daemon.directory / "log" / "log.txt"): 1,
        str(daemon.directory / "log" / "log.error"): 1,
    }


def test_the_pidfile_has_its_pid_and_is_locked(daemon: Daemon, proc: Path) -> None:
    assert daemon.pidfile.read_text() == f"{proc.name}\n"
    assert stat.S_IMODE(daemon.pidfile.stat().st_mode) == 0o644
    with daemon.pidfile.open() as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_logs_are_for_owner_and_group(daemon: Daemon) -> None:
    files = list((daemon.directory / "log").iterdir())
    assert {file.name for file in files} == {"log.txt", "log.error"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o640}


def test_every_line_of_the_log_has_the_pid_of_the_one_that_stays(daemon: Daemon, proc: Path) -> None:
    lines = (daemon.directory / "log" / "log.txt").read_text(encoding="utf-8").splitlines()
    assert all(f"[pid:{proc.name}]" in line for line in lines)


def test_the_starter_has_nothing_to_say(daemon: Daemon) -> None:
    assert daemon.stderr() == ""


@pytest.mark.parametrize("ports", ["the same", "others"])
def test_a_second_instance_ends_with_75_and_harms_nothing(daemon: Daemon, proc: Path, ports: str) -> None:
    host, port = daemon.address("chat")
    options = [*any_port(), *(["--set", f"chat.listen={host}:{port}"] if ports == "the same" else [])]
    second = run_netechod("--config", str(daemon.config), *options)
    assert second.returncode == 75
    sentence = f"netechod: error: already running (pid {proc.name}): {daemon.pidfile} is locked\n"
    assert second.stderr.startswith(sentence)
    assert daemon.pidfile.read_text() == f"{proc.name}\n"
    log = (daemon.directory / "log" / "log.txt").read_text(encoding="utf-8")
    assert set(re.findall(r"\[pid:(\d+)\]", log)) <= {proc.name}  # nobody else has written to it
    assert daemon.errors() == []
    assert served(daemon) == "苹果"


def test_a_stopped_daemon_leaves_no_pidfile(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        daemon.bind()
        daemon.detach()
        assert daemon.end() == "stopped reason=SIGTERM"
        assert not daemon.pidfile.exists()


def test_a_stale_pidfile_is_taken_over(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        daemon.pidfile.write_text("1\nand much more")
        daemon.bind()
        assert daemon.detach() != 1
        assert daemon.end() == "stopped reason=SIGTERM"


def test_it_detaches_with_all_standard_descriptors_closed(tmp_path: Path) -> None:
    program = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *NETECHOD]
    with Daemon(tmp_path, program=program) as daemon:
        daemon.detach(*any_port())
        listeners = dict(ask_control(daemon.directory / "control.sock", "status")["listeners"])
        host, _, port = listeners["dictionary"].rpartition(":")
        assert ask((host, int(port)), b"apple").decode() == "苹果"
        assert daemon.end() == "stopped reason=SIGTERM"


def left_over(directory: Path) -> list[int]:
    """The processes that were started with a path under `directory`; a zombie has no arguments any more."""
    found = []
    for arguments in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if os.fsencode(directory) in arguments.read_bytes():
                found.append(int(arguments.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
    return found


def failure(daemon: Daemon, settings: Mapping[str, object], *options: str) -> tuple[int, str]:
    """How a start fails that detaches: exit status and stderr, when nothing is left of it."""
    daemon.configure(settings)
    status = daemon.spawn(*any_port(), *options).wait()
    said = daemon.stderr()
    for pid in left_over(daemon.directory):
        wait_for_end(pid)
    assert not daemon.pidfile.exists()
    assert not (daemon.directory / "control.sock").exists()
    return status, said


# By default only the service whose port is taken stays off.
STRICT = {"daemon.strict_start": True}


def test_a_taken_port_ends_the_start_with_3(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert failure(daemon, STRICT, "--set", f"chat.listen=127.0.0.1:{port}") == (
            3,
            f"netechod: error: cannot bind UDP 127.0.0.1:{port}: Address already in use\n"
            f"  hint: see who holds it: ss -lunp 'sport = :{port}'\n",
        )
        assert daemon.errors() == [f"start failed: cannot bind UDP 127.0.0.1:{port}: Address already in use"]


def test_a_port_on_which_somebody_listens_ends_the_start_with_3(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        place = "127.0.0.1:{1}".format(*taken.getsockname())
        status, said = failure(daemon, STRICT, "--set", f"echo.tcp.listen={place}")
        assert status == 3
        assert said.startswith(f"netechod: error: cannot bind TCP {place}: Address already in use\n")


def test_the_starter_passes_on_which_service_is_off(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        place = "127.0.0.1:{1}".format(*taken.getsockname())
        daemon.detach(*any_port(), "--set", f"chat.listen={place}")
        why = f"chat is off: cannot bind UDP {place}: Address already in use"
        assert daemon.stderr() == f"netechod: warning: {why}\n"
        assert daemon.end() == "stopped reason=SIGTERM"


def test_a_missing_dictionary_ends_the_start_with_5(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        why = (
            f"{tmp_path}/missing: No such file or directory; dictionary.file names the file, "
            "dictionary.enabled = false goes without"
        )
        missing = {"dictionary.file": tmp_path / "missing"}
        assert failure(daemon, missing) == (5, f"netechod: error: {why}\n")
        assert daemon.errors() == [f"start failed: {why}"]


def test_an_unwritable_log_directory_ends_the_start_with_77(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        status, said = failure(daemon, {"log.directory": daemon.dictionary / "log"})
        assert status == 77
        assert said.startswith(
            f"netechod: error: cannot write {daemon.dictionary}/log/log.txt: Not a directory"
        )


def test_an_unknown_user_ends_the_start_with_77(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        status, said = failure(daemon, {"daemon.user": "no-such-user"})
        assert status == 77
        assert said.startswith("netechod: error: ")
        assert "no-such-user" in said


def test_a_bad_configuration_ends_the_start_with_78(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        status, said = failure(daemon, {"chat.idle_timeot": 3})
        assert status == 78
        assert f"{daemon.config}:" in said
        assert "did you mean 'idle_timeout'?" in said


def test_a_wrong_command_line_ends_the_start_with_64(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        unknown = "netechod: error: unrecognized arguments: --bogus\nhint: see netechod --help\n"
        assert failure(daemon, {}, "--bogus") == (64, unknown)


def test_the_daemon_serves_tcp_when_its_starter_has_gone(daemon: Daemon) -> None:
    with client(daemon.address("echo-tcp"), socket.SOCK_STREAM) as sock:
        sock.sendall(b"echo")
        assert sock.recv(64) == b"echo"
