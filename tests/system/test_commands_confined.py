"""What holds commands, and whoever looks for keys, in a daemon that runs as a user of its own."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from support.commands import CommandDaemon, signed, write_keys
from support.processes import until_gone

pytestmark = pytest.mark.system

ROOT = os.geteuid() == 0
SERVICE = pwd.getpwnam("nobody") if ROOT else pwd.getpwuid(os.geteuid())
PROBE = [sys.executable, "-I", "-c", "import netechod.process.command.helper"]


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory that the service's user reaches: those of pytest are closed to others."""
    probe = subprocess.run(PROBE, user=SERVICE.pw_uid if ROOT else None, cwd="/", capture_output=True)
    if probe.returncode:
        pytest.skip(f"{SERVICE.pw_name} cannot read this checkout: {probe.stderr.decode()[-200:]}")
    directory = Path(tempfile.mkdtemp(prefix="netechod-test-"))
    directory.chmod(0o755)
    (directory / "log").mkdir()
    os.chown(directory / "log", SERVICE.pw_uid, SERVICE.pw_gid)
    yield directory
    shutil.rmtree(directory)


def confined(directory: Path, script: str, **settings: object) -> CommandDaemon:
    """A daemon as the service's user, with one command: this script, which gets a name nobody else has."""
    program = directory / f"bomb-{uuid4()}"
    program.write_text(f"#!/bin/sh\n{script}", encoding="utf-8")
    program.chmod(0o755)
    commands = {"bomb": {"argv": [str(program), "0"]}}
    daemon = CommandDaemon(directory, commands, **{"timeout": 1, "max_running": 2, **settings})
    rest = daemon.config.read_text(encoding="utf-8")
    daemon.config.write_text(f"daemon.user = '{SERVICE.pw_name}'\n{rest}", encoding="utf-8")
    os.chown(directory / "keys", SERVICE.pw_uid, -1)
    return daemon


def running(directory: Path) -> list[int]:
    """The processes that have the name of the program in their command line."""
    [program] = directory.glob("bomb-*")
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(program).encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue  # it has ended meanwhile
    return found


def until_all_gone(directory: Path) -> None:
    """Wait for the end of those that are on their way; what goes on for ever is ended by pytest's limit."""
    while pids := running(directory):
        until_gone(pids[0])


def test_a_fork_bomb_is_held_by_its_limit_and_ended_by_its_deadline(directory: Path) -> None:
    with confined(directory, "f() { f & f & wait; }\nf &\nexec sleep 1000\n", max_processes=40) as daemon:
        daemon.start()
        status, flags, output = daemon.asks("bomb")
        assert (status, flags & {"timeout"}) == (124, {"timeout"})
        assert b"ork" in output  # "Cannot fork", in whatever words the shell has
        until_all_gone(directory)
        assert daemon.asks("bomb")[0] == 124
        assert daemon.stop() == 0
        until_all_gone(directory)


def test_a_bomb_whose_every_process_is_a_daemon_ends_too(directory: Path) -> None:
    script = 'setsid "$0" 1 & setsid "$0" 1 & exit 0\n'
    with confined(directory, script, max_processes=40) as daemon:
        daemon.start()
        assert daemon.asks("bomb")[0] == 0
        until_all_gone(directory)
        assert daemon.stop() == 0


def test_a_process_that_runs_away_by_having_children_is_caught(directory: Path) -> None:
    script = f'[ "$1" -lt 20000 ] || touch {directory}/log/survived\nsetsid "$0" $(($1 + 1)) & exit 0\n'
    with confined(directory, script) as daemon:
        daemon.start()
        assert daemon.asks("bomb")[0] == 0
        until_all_gone(directory)
        assert not (directory / "log" / "survived").exists()
        assert daemon.stop() == 0


def test_a_command_cannot_look_into_the_daemon(directory: Path) -> None:
    with confined(directory, "exit 0\n") as daemon:
        daemon.start()
        assert daemon.process is not None
        process = Path(f"/proc/{daemon.process.pid}")
        assert f"\nUid:\t{SERVICE.pw_uid}\t" in (process / "status").read_text(encoding="utf-8")
        assert (process / "environ").stat().st_uid == 0  # as of every process that must not be looked into
        limits = (process / "limits").read_text(encoding="utf-8")
        assert [line.split()[4:6] for line in limits.splitlines() if "core file" in line] == [["0", "0"]]


def test_keys_and_commands_are_read_again_by_the_user_that_it_became(directory: Path) -> None:
    with confined(directory, "exit 3\n") as daemon:
        daemon.start()
        assert daemon.asks("bomb")[0] == 3
        write_keys(directory / "keys", SERVICE.pw_uid if ROOT else None, ops="another-secret-another-secret")
        assert "FAILED" not in daemon.reload()
        with daemon.client() as sock:
            sock.send(signed("bomb"))  # with the old secret
            sock.send(datagram := signed("bomb", secret="another-secret-another-secret"))
            assert sock.recv(2048).split()[1] == datagram.split()[3]
