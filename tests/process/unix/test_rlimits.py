"""Descriptors: the limit is raised as far as needed and allowed, and connections leave room for the rest."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from support.daemon import Daemon, client

from netechod.process.unix.rlimits import room_for

SCRIPT = """
import resource, sys
from netechod.process.unix.rlimits import room_for
soft, hard, wanted = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(room_for(wanted), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def room(soft: int, hard: int, wanted: int) -> list[int]:
    """The connections for which there is room, and the limits afterwards; in a process of its own."""
    command = [sys.executable, "-c", SCRIPT, str(soft), str(hard), str(wanted)]
    return [int(word) for word in subprocess.run(command, capture_output=True, check=True).stdout.split()]


@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "expected"),
    [
        pytest.param(500, 1000, 100, [100, 500, 1000], id="enough"),
        pytest.param(100, 1000, 200, [200, 264, 1000], id="raised as far as needed"),
        pytest.param(100, 300, 1000, [236, 300, 300], id="raised as far as allowed"),
        pytest.param(300, 300, 236, [236, 300, 300], id="just enough"),
        pytest.param(40, 40, 1000, [1, 40, 40], id="hardly any"),
    ],
)
def test_the_limit_is_raised_and_the_reserve_is_kept(
    soft: int, hard: int, wanted: int, expected: list[int]
) -> None:
    assert room(soft, hard, wanted) == expected


def test_connections_that_need_two_descriptors_are_half_as_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netechod.process.unix.rlimits.getrlimit", lambda which: (200, 200))
    monkeypatch.setattr("netechod.process.unix.rlimits.setrlimit", lambda which, limits: None)
    assert room_for(68, each=2) == 68
    assert room_for(69, each=2) == 68


def test_no_limit_is_room_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    monkeypatch.setattr("netechod.process.unix.rlimits.getrlimit", lambda which: unlimited)
    monkeypatch.setattr("netechod.process.unix.rlimits.setrlimit", None)
    assert room_for(1_000_000) == 1_000_000


@pytest.mark.system
def test_a_daemon_with_all_its_connections_still_reloads_and_opens_logs(tmp_path: Path) -> None:
    limited = ["sh", "-c", 'ulimit -n 80; exec "$0" "$@"', sys.executable, "-m", "netechod"]
    with Daemon(tmp_path, program=limited) as daemon:
        daemon.start()
        daemon.said("80 descriptors are allowed: 16 connections at once")
        clients = [client(daemon.address("echo-tcp"), 1) for _ in range(40)]
        daemon.said("connections at the limit of 16, new ones wait")
        (tmp_path / "dict.txt").write_text("pear:梨\n", encoding="utf-8")
        daemon.reload()
        assert daemon.errors() == []
        for sock in clients:
            sock.sendall(b"x")
        for sock in clients:
            assert sock.recv(1) == b"x"
            sock.close()
