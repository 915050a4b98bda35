"""netechod-command.service: commands as their own user, in their own sandbox, by a real systemd."""

import re
from collections.abc import Iterator
from socket import SOCK_DGRAM

import pytest
from support.machine import Machine

pytestmark = [pytest.mark.machine, pytest.mark.timeout(300)]

UNIT = "netechod-command.service"
CONFIG = "/etc/netechod/netechod-command.toml"
KEYS = "/etc/netechod/command-keys"
OURS = "/root/keys"
SECRET = "0123456789abcdef0123456789abcdef"

COMMANDS = """
[command.allow.uptime]
argv = ["/usr/bin/uptime"]

[command.allow.disk]
argv = ["/usr/bin/df", "-h", "--", "{1}"]
parameters = ["/(home|srv|var)?"]

[command.allow.self]
argv = ["/bin/sh", "-c", "id -un; cat /proc/self/status; ulimit -c"]

[command.allow.write]
argv = ["/bin/sh", "-c", "touch /etc/x /usr/x /home/x; cp /bin/true /tmp/x && /tmp/x"]

[command.allow.bomb]
argv = ["/bin/sh", "-c", "f() { f | f & }; f & exec sleep 1000"]
timeout = 2
"""


@pytest.fixture(scope="module")
def commanding(machine: Machine) -> Iterator[Machine]:
    """The shared machine with the service on; afterwards it is as it was installed."""
    installed = machine.path(CONFIG).read_text(encoding="utf-8")
    machine.write(CONFIG, installed + COMMANDS)
    machine.run("sh", "-c", f"umask 077; echo 'ops {SECRET}' >{KEYS}; cp {KEYS} {OURS}")
    machine.run("chown", "netechod-command", KEYS)
    machine.run("systemctl", "start", UNIT)
    yield machine
    machine.run("systemctl", "stop", "netechod-command.socket", UNIT)
    machine.write(CONFIG, installed)
    machine.run("rm", KEYS, OURS)


def run(machine: Machine, *words: str) -> tuple[int, str]:
    """Status and output of `netecho run`, from within the machine."""
    done = machine.attempt("netecho", "run", "127.0.0.1", *words, "--key-file", OURS)
    return done.returncode, done.stdout + done.stderr


def test_it_is_off_until_somebody_switches_it_on(machine: Machine) -> None:
    for unit in (UNIT, "netechod-command.socket"):
        assert machine.attempt("systemctl", "is-enabled", unit).stdout == "disabled\n"
        assert machine.show("ActiveState", unit) == "inactive"
    with machine.connect(8083, SOCK_DGRAM) as sock:
        sock.send(b"x")
        with pytest.raises(ConnectionRefusedError):
            sock.recv(1)


def test_without_keys_it_does_not_start_and_says_why(machine: Machine) -> None:
    assert machine.attempt("systemctl", "start", UNIT).returncode != 0
    assert machine.show("ExecMainStatus", UNIT) == "78"
    assert any(KEYS in entry["MESSAGE"] for entry in machine.journal("--unit", UNIT))
    machine.run("systemctl", "stop", "netechod-command.socket", UNIT)
    machine.run("systemctl", "reset-failed")


def test_it_runs_what_it_is_meant_to_run(commanding: Machine) -> None:
    status, output = run(commanding, "uptime")
    assert (status, "load average" in output) == (0, True), output
    status, output = run(commanding, "disk", "/var")
    assert (status, output.splitlines()[0].split()[:2]) == (0, ["Filesystem", "Size"]), output
    status, output = run(commanding, "disk", "/etc")
    assert status == 126


def test_commands_run_as_their_own_user_without_any_privilege(commanding: Machine) -> None:
    assert commanding.attempt("systemd-analyze", "verify", "--man=no", UNIT).returncode == 0
    table = commanding.run("systemd-analyze", "security", "--no-pager", UNIT)
    score = re.search(r"Overall exposure level for \S+: (\d+\.\d+)", table)
    assert score
    assert float(score[1]) <= 1.3, table
    status, output = run(commanding, "self")
    user, *lines, core = output.splitlines()
    told = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    assert (status, user, core) == (0, "netechod-command", "0")
    assert {told[f"Cap{kind}"] for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {"0" * 16}
    assert (told["NoNewPrivs"], told["Seccomp"]) == ("1", "2")


def test_commands_write_nothing_and_run_nothing_that_they_wrote(commanding: Machine) -> None:
    status, output = run(commanding, "write")
    assert status == 126
    assert output.count("Read-only file system") == 3
    assert "Permission denied" in output


def test_a_fork_bomb_hurts_nobody(commanding: Machine) -> None:
    status, _ = run(commanding, "bomb")
    assert status == 124
    assert run(commanding, "uptime")[0] == 0
    group = commanding.path("/sys/fs/cgroup" + commanding.show("ControlGroup", UNIT))
    assert len((group / "cgroup.procs").read_text().split()) == 2  # the daemon and its helper


def test_every_request_is_in_the_journal(commanding: Machine) -> None:
    run(commanding, "disk", "/srv")
    run(commanding, "rm")
    [allowed, denied] = commanding.journal("NETECHOD_SERVICE=command", "NETECHOD_EVENT=command")[-2:]
    assert re.match(r"command disk 127\.0\.0\.1--\d+ key=ops status=\d flags=- ", allowed["MESSAGE"])
    assert (allowed["PRIORITY"], denied["PRIORITY"]) == ("6", "4")
    assert re.match(r"command rm 127\.0\.0\.1--\d+ key=ops status=126 flags=denied ", denied["MESSAGE"])
    assert SECRET not in str(commanding.journal("--unit", UNIT))


def test_a_reload_takes_another_command_and_a_restart_keeps_the_socket(commanding: Machine) -> None:
    before = commanding.path(CONFIG).read_text(encoding="utf-8")
    commanding.write(CONFIG, before + '[command.allow.hello]\nargv = ["/bin/echo", "hello"]\n')
    commanding.run("systemctl", "reload", UNIT)
    assert run(commanding, "hello") == (0, "hello\n")
    commanding.write(CONFIG, before)
    commanding.run("systemctl", "restart", UNIT)
    assert run(commanding, "hello")[0] == 126
    assert commanding.show("NRestarts", UNIT) == "0"


def test_it_passes_its_own_check(commanding: Machine) -> None:
    said = commanding.run("netechod", "--check", "--config", CONFIG)
    assert "is a shell" in said
    assert f"{CONFIG}: ok" in said
