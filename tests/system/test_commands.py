"""Commands on the real daemon, by the real client; and what has been tried against command runners."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.commands import GUEST, SECRET, CommandDaemon, answer, signed
from support.netecho import netecho
from support.processes import alive, until_gone

pytestmark = pytest.mark.system

CTL = [sys.executable, "-m", "netechod.cli.netechoctl"]

COMMANDS: dict[str, dict[str, object]] = {
    "say": {"argv": ["/bin/echo", "--", "{1}"], "parameters": ["(?s).*"]},
    "login": {
        "argv": ["/bin/echo", "{1}", "{2}"],
        "parameters": ["[a-z]+", "[a-z]+"],
        "secret": [2],
        "keys": ["ops"],
    },
    "fail": {"argv": ["/bin/sh", "-c", "echo out; echo err >&2; exit 42"]},
    "flood": {"argv": ["/bin/sh", "-c", "yes | head -c 10000000; echo end"]},
    "flood-for-ever": {"argv": ["yes"], "timeout": 0.5},
    "hang": {"argv": ["sleep", "1000"], "timeout": 0.2},
    "environment": {"argv": ["env"]},
    "descriptors": {"argv": ["ls", "-l", "/proc/self/fd"]},
    "limits": {"argv": ["/bin/sh", "-c", "ulimit -c; ulimit -d; ulimit -f"]},
}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandDaemon]:
    with CommandDaemon(tmp_path_factory.mktemp("commands"), COMMANDS) as daemon:
        yield daemon.start()


@pytest.fixture
def mouth(tmp_path: Path) -> Path:
    """A pipe with a name, through which a command can say something before it ends."""
    os.mkfifo(tmp_path / "mouth")
    return tmp_path / "mouth"


def run(daemon: CommandDaemon, *arguments: str, key: str = "ops") -> subprocess.CompletedProcess[bytes]:
    """`netecho run` against the daemon."""
    host, port = daemon.address("command")
    options = ["--key-file", str(daemon.directory / "keys"), "--key", key]
    return netecho("run", f"{host}:{port}", *options, *arguments)


def all_gone(*pids: int) -> bool:
    """Whether these processes are no more, or are not once those that were killed have died."""
    for pid in pids:
        until_gone(pid)
    return not any(map(alive, pids))


# As it is meant.


def test_a_command_is_run_by_its_name(daemon: CommandDaemon) -> None:
    ended = run(daemon, "say", "hello world; id")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"-- hello world; id\n", b"")


def test_status_and_output_of_a_command_come_through(daemon: CommandDaemon) -> None:
    ended = run(daemon, "fail")
    assert (ended.returncode, ended.stdout, ended.stderr) == (42, b"out\nerr\n", b"")


def test_a_key_can_list_what_it_may_run(daemon: CommandDaemon) -> None:
    lines = run(daemon, "--list").stdout.decode().splitlines()
    assert [line.split("\t")[0] for line in lines] == sorted(COMMANDS)
    assert "login\t[a-z]+\t[a-z]+" in lines
    others = run(daemon, "--list", key="guest").stdout.decode().splitlines()
    assert set(lines) - set(others) == {"login\t[a-z]+\t[a-z]+"}


def test_a_long_output_is_cut_and_flagged(daemon: CommandDaemon) -> None:
    ended = run(daemon, "flood")
    assert (ended.returncode, ended.stdout) == (0, b"y\n" * 32768)
    assert b"the rest of it is lost" in ended.stderr


def test_a_command_that_takes_too_long_is_killed(daemon: CommandDaemon) -> None:
    ended = run(daemon, "hang")
    assert (ended.returncode, ended.stdout) == (124, b"")
    assert b"took too long" in ended.stderr


def test_what_a_key_may_not_run_is_refused_with_the_reason(daemon: CommandDaemon) -> None:
    ended = run(daemon, "login", "root", "sesame", key="guest")
    assert (ended.returncode, ended.stdout) == (126, b"")
    assert b"refused: no such command for this key" in ended.stderr


def test_a_command_has_nothing_of_the_daemon_s(daemon: CommandDaemon) -> None:
    status, _, output = daemon.asks("environment")
    assert (status, {line.split("=")[0] for line in output.decode().splitlines()}) == (0, {"PATH", "LANG"})
    links = daemon.asks("descriptors")[2].decode().splitlines()[1:]
    assert [link.split(" -> ")[0].split()[-1] for link in links] == ["0", "1", "2", "3"]  # the last is ls's
    assert links[0].endswith("/dev/null")
    assert daemon.asks("limits")[2].split() == [b"0", b"1048576", b"2097152"]  # KiB, and blocks of 512 bytes


def test_every_request_leaves_a_line_and_no_secret_in_it(daemon: CommandDaemon) -> None:
    daemon.asks("login", "root", "sesame")
    assert re.search(
        r"\[NORMAL\].*\]command login 127\.0\.0\.1--\d+ key=ops status=0 flags=- seconds=\d\.\d{3} bytes=12 "
        r'arguments=\["root", "\*\*\*"\]',
        daemon.said('arguments=["root", "***"]'),
    )
    daemon.asks("rm\n[FATAL]", "-rf", "/")
    assert re.search(
        r"\[WARNING\].*\]command rm\\n\[FATAL\] 127\.0\.0\.1--\d+ key=ops status=126 flags=denied",
        daemon.said("command rm"),
    )


def test_keys_are_in_no_log_no_status_and_no_command_line(daemon: CommandDaemon) -> None:
    daemon.asks("say", "x")
    control = str(daemon.directory / "control.sock")
    status = subprocess.run([*CTL, "-s", control, "status", "--json"], capture_output=True, check=True).stdout
    assert json.loads(status)["counters"]["command"]["ran"] > 0
    assert daemon.process is not None
    helper = Path(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children").read_text().split()
    shown = b"".join(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in (daemon.process.pid, *helper))
    assert b"netechod" in shown
    logs = b"".join(file.read_bytes() for file in (daemon.directory / "log").iterdir())
    for secret in (SECRET.encode(), GUEST.encode()):
        assert secret not in status + shown + logs


# Attacks without a key.


@pytest.mark.parametrize("later", [-3600.0, -40.0, 40.0, 3600.0])
def test_a_request_out_of_its_time_gets_silence(daemon: CommandDaemon, later: float) -> None:
    assert daemon.is_silent_to(signed("say", "x", later=later))


def test_a_request_from_before_the_start_gets_silence(tmp_path: Path) -> None:
    with CommandDaemon(tmp_path, COMMANDS) as daemon:
        early = signed("say", "early")
        daemon.start()
        assert daemon.is_silent_to(early)
        assert daemon.asks("say", "x")[0] == 0


def test_a_replay_gets_silence_wherever_it_comes_from(daemon: CommandDaemon) -> None:
    datagram = signed("say", "once")
    with closing(daemon.client()) as sock:
        sock.send(datagram)
        assert answer(sock)[2] == b"-- once\n"
    assert daemon.is_silent_to(datagram)
    assert daemon.is_silent_to(datagram, source="127.0.0.2")
    daemon.said("command no-such-command 127.0.0.2")
    assert len([line for line in daemon.log() if '["once"]' in line]) == 1


def test_what_a_process_before_us_has_taken_gets_silence(tmp_path: Path) -> None:
    with CommandDaemon(tmp_path, COMMANDS) as daemon:
        daemon.start()
        with closing(daemon.client()) as sock:
            sock.send(datagram := signed("say", "x"))
            assert answer(sock)[0] == 0
        assert daemon.stop() == 0
        daemon.start()
        assert daemon.is_silent_to(datagram)


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_flipped_bit_anywhere_gets_silence(daemon: CommandDaemon, data: st.DataObject) -> None:
    datagram = bytearray(signed("say", "flipped"))
    datagram[data.draw(st.integers(0, len(datagram) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert daemon.is_silent_to(bytes(datagram))


def test_whoever_has_the_wrong_key_gets_silence_and_a_warning(daemon: CommandDaemon) -> None:
    assert daemon.is_silent_to(signed("say", "x", secret="guessed"), source="127.0.0.9")
    assert daemon.is_silent_to(signed("say", "x", key="guest", secret=SECRET), source="127.0.0.9")
    assert daemon.is_silent_to(b"apple", source="127.0.0.9")
    daemon.said("command no-such-command 127.0.0.9")
    warnings = [line for line in daemon.log() if line.startswith("command ignores requests from 127.0.0.9")]
    assert warnings == ["command ignores requests from 127.0.0.9: forged"]


# Attacks with a key.


@pytest.mark.parametrize(
    "argument",
    [
        "$(id)",
        "`id`",
        "; id",
        "| id",
        "&& id",
        "> /x",
        "\n id",
        "'; id; '",
        "-n",
        "--help",
        "../x",
        "*",
        "端",
    ],
)
def test_an_argument_is_nothing_but_an_argument(daemon: CommandDaemon, argument: str) -> None:
    assert daemon.asks("say", argument) == (0, set(), f"-- {argument}\n".encode())


@pytest.mark.parametrize("argument", ["-x", "a b", "a;id", "A", "", "a\n", "a\0", "\u0661"])
def test_an_argument_that_its_expression_does_not_match_whole_is_refused(
    daemon: CommandDaemon, argument: str
) -> None:
    assert daemon.asks("login", "root", argument)[:2] == (126, {"denied"})


@pytest.mark.parametrize(
    "words", [("sh",), ("",), ("say",), ("say", "x", "y"), ("/bin/echo", "x"), ("say ",)]
)
def test_what_is_not_on_the_list_is_refused(daemon: CommandDaemon, words: tuple[str, ...]) -> None:
    assert daemon.asks(*words)[:2] == (126, {"denied"})


def test_a_flood_of_output_takes_no_more_than_its_time(daemon: CommandDaemon) -> None:
    assert daemon.asks("flood-for-ever") == (124, {"timeout", "truncated"}, b"y\n" * 32768)


def test_however_many_ask_only_so_many_commands_run(tmp_path: Path) -> None:
    hang = {"hang": {"argv": ["sleep", "1000"], "timeout": 3}}
    with CommandDaemon(tmp_path, hang, max_running=3) as daemon:
        daemon.start()
        with closing(daemon.client()) as sock:
            for _ in range(50):
                sock.send(signed("hang"))
            statuses = [answer(sock)[0] for _ in range(50)]
        assert statuses == [75] * 47 + [124] * 3


def test_a_grandchild_that_makes_itself_a_daemon_ends_with_the_command(tmp_path: Path, mouth: Path) -> None:
    script = f"(setsid sh -c 'setsid sleep 1000 & echo $! >{mouth}') & wait; echo done"
    with CommandDaemon(tmp_path, {"escape": {"argv": ["/bin/sh", "-c", script]}}) as daemon:
        daemon.start()
        with closing(daemon.client()) as sock:
            sock.send(signed("escape"))
            stray = int(mouth.read_text())
            assert answer(sock) == (0, set(), b"done\n")
        assert all_gone(stray)


def test_a_command_that_hangs_does_not_hold_up_the_end(tmp_path: Path, mouth: Path) -> None:
    script = f"trap '' TERM INT HUP; setsid sleep 1000 & echo $! $$ >{mouth}; echo begun; sleep 1000"
    hang = {"hang": {"argv": ["/bin/sh", "-c", script]}}
    with CommandDaemon(tmp_path, hang, timeout=600) as daemon:
        daemon.start("--set", "daemon.drain_timeout=0.2")
        with closing(daemon.client()) as sock:
            sock.send(signed("hang"))
            pids = map(int, mouth.read_text().split())
            assert daemon.stop() == 0
            assert all_gone(*pids)
            assert answer(sock) == (137, set(), b"begun\n")


def test_a_command_may_end_while_the_daemon_does(tmp_path: Path, mouth: Path) -> None:
    script = f"echo ready >{mouth}; read line <{mouth}; echo $line"
    with CommandDaemon(tmp_path, {"slow": {"argv": ["/bin/sh", "-c", script]}}) as daemon:
        daemon.start()
        with closing(daemon.client()) as sock:
            sock.send(signed("slow"))
            assert mouth.read_text() == "ready\n"
            daemon.signal(signal.SIGTERM)
            daemon.manager.wait_for("STOPPING=1", 20.0)
            assert daemon.asks("slow")[:2] == (75, {"busy"})
            mouth.write_text("in time\n")
            assert answer(sock) == (0, set(), b"in time\n")
        assert daemon.wait() == 0


def test_commands_do_not_outlive_a_daemon_that_is_killed(tmp_path: Path, mouth: Path) -> None:
    script = f"setsid sleep 1000 & echo $! $$ $PPID >{mouth}; sleep 1000"
    with CommandDaemon(tmp_path, {"hang": {"argv": ["/bin/sh", "-c", script]}}, timeout=600) as daemon:
        daemon.start()
        with closing(daemon.client()) as sock:
            sock.send(signed("hang"))
        pids = map(int, mouth.read_text().split())
        daemon.signal(signal.SIGKILL)
        daemon.wait()
        assert all_gone(*pids)


def test_the_process_that_runs_commands_can_be_replaced(tmp_path: Path) -> None:
    with CommandDaemon(tmp_path, {"parent": {"argv": ["/bin/sh", "-c", "echo $PPID"]}}) as daemon:
        daemon.start()
        helper = int(daemon.asks("parent")[2])
        os.kill(helper, signal.SIGKILL)
        daemon.said("no process to run commands, the next request starts another one: died with status -9")
        assert int(daemon.asks("parent")[2]) != helper
