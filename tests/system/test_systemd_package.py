"""The package: what it brings, whom it asks, what it changes at an upgrade and leaves behind."""

import re
import shutil
import subprocess
from pathlib import Path
from socket import SOCK_STREAM

import pytest
from support.machine import ECHO, NO_SYSTEMD, SOCKETS, Boot, Machine
from support.traffic import Traffic, receive, timed

pytestmark = [pytest.mark.machine, pytest.mark.timeout(300)]

WORDS = "/etc/netechod/dict.txt"
SLACK = 1.0  # seconds that the tests themselves may take to notice an answer, on a busy machine

# What dpkg, apt and others write for themselves when a package comes and goes; the user stays in /etc/passwd.
BOOKS = re.compile(
    r"/(dev|proc|run|sys|tmp|var/cache|var/lib/dpkg|var/lib/apt|var/log/(apt|dpkg\.log|alternatives\.log))(/|$)"
    r"|/etc/(passwd|group|shadow|gshadow)-$|/etc/\.pwd\.lock$|/etc/(subuid|subgid)-?$"
)


def files_of(machine: Machine) -> set[str]:
    """Every file and directory of the machine, less the books that others keep."""
    listed = machine.run("find", "/", "-xdev", "-path", "/run/host", "-prune", "-o", "-print").splitlines()
    return {name for name in listed if not BOOKS.match(name)}


def newer(package: Path, directory: Path) -> Path:
    """The same package with a higher version."""
    tree = directory / "tree"
    subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
    control = tree / "DEBIAN" / "control"
    text = re.sub(r"^(Version: .*)$", r"\1+next", control.read_text(), flags=re.MULTILINE)
    control.write_text(text)
    built = directory / f"newer-{package.name}"
    subprocess.run(
        ["dpkg-deb", "--build", "--root-owner-group", "-Zgzip", tree, built], check=True, capture_output=True
    )
    shutil.rmtree(tree)
    return built


def version_of(machine: Machine) -> str:
    return machine.run("dpkg-query", "--show", "--showformat=${Version}", "netechod")


def test_apt_installs_it_on_a_fresh_system_and_it_serves(boot: Boot, package: Path, tmp_path: Path) -> None:
    machine = boot()
    shutil.copy(package, machine.path("/var/tmp"))
    machine.run("apt-get", "install", "--yes", f"/var/tmp/{package.name}")
    assert machine.run("dpkg", "--audit") == ""
    machine.run("systemctl", "start", "netechod")
    assert machine.ask("apple") == "苹果"
    [line, *_] = machine.path("/var/log/netechod/log.txt").read_text().splitlines()
    assert re.match(r"\[NORMAL\]\[\d{4}-\d\d-\d\dT", line), "people can tell when"
    enabled = machine.run("systemctl", "is-enabled", "netechod.service", *SOCKETS).split()
    assert set(enabled) == {"enabled"}
    assert machine.run("getent", "passwd", "netechod").strip().endswith("/nologin")
    conffiles = machine.run("dpkg-query", "--show", "--showformat=${Conffiles}", "netechod")
    assert {line.split()[0] for line in conffiles.splitlines() if line} >= {
        WORDS,
        "/etc/netechod/netechod.toml",
        "/etc/logrotate.d/netechod",
    }
    assert machine.run("systemctl", "--failed", "--plain", "--no-legend") == ""
    for program in ("netechod", "netechoctl", "netecho"):
        assert machine.run(program, "--version").strip()
    machine.run("netechod", "--check")


def test_an_upgrade_under_load_loses_no_request(own_machine: Machine, package: Path, tmp_path: Path) -> None:
    before = version_of(own_machine)
    pid = own_machine.show("MainPID")
    upgrade = newer(package, tmp_path)
    with Traffic(own_machine) as traffic:
        took = timed(lambda: own_machine.install(upgrade))
        traffic.goes_on()
        assert version_of(own_machine) == before + "+next"
        assert own_machine.show("MainPID") != pid
        assert traffic.look_ups.slowest <= took + SLACK


def test_an_upgrade_keeps_the_words_and_the_state_of_the_units(
    own_machine: Machine, package: Path, tmp_path: Path
) -> None:
    own_machine.path(WORDS).write_text("novel:新\n", encoding="utf-8")
    own_machine.run("systemctl", "disable", "netechod-chat.socket")
    own_machine.run("systemctl", "enable", "--now", "netechod-dictionary.path")
    own_machine.install(newer(package, tmp_path))
    assert own_machine.ask("novel") == "新"
    assert own_machine.attempt("systemctl", "is-enabled", "netechod-chat.socket").stdout == "disabled\n"
    assert own_machine.show("ActiveState", "netechod-dictionary.path") == "active"


def test_a_purge_leaves_nothing_but_the_user(boot: Boot, package: Path) -> None:
    machine = boot()
    before = files_of(machine)
    machine.install(package)
    machine.run("systemctl", "enable", "--now", "netechod-dictionary.path")
    machine.run("systemctl", "restart", "netechod")
    assert machine.ask("apple") == "苹果"
    machine.run("logrotate", "--force", "/etc/logrotate.d/netechod")
    machine.run("dpkg", "--remove", "netechod")
    assert machine.show("ActiveState") == "inactive"
    with pytest.raises(ConnectionRefusedError):
        machine.connect(ECHO, SOCK_STREAM)
    assert machine.path(WORDS).exists()
    machine.run("dpkg", "--purge", "netechod")
    left = files_of(machine) - before - {"/var/lib/logrotate/status"}
    assert left == set()
    assert not machine.path("/run/netechod").exists()
    assert machine.run("getent", "passwd", "netechod")
    assert machine.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "netechod*") == ""


def test_without_any_systemd_it_is_started_and_stopped_by_hand(boot: Boot, package: Path) -> None:
    machine = boot(*NO_SYSTEMD)
    machine.install(package)
    assert machine.attempt("systemctl", "is-system-running").stdout == "offline\n"
    machine.run("netechod")
    pid = machine.path("/run/netechod/netechod.pid").read_text().strip()
    assert machine.run("ps", "--no-headers", "-o", "user,tty", pid).split() == ["netechod", "?"]
    assert machine.ask("apple") == "苹果"
    with machine.connect(ECHO, SOCK_STREAM) as sock:
        sock.sendall(b"hello")
        assert receive(sock, 5) == b"hello"
    machine.write(WORDS, "novel:新\n")
    machine.run("netechoctl", "reload")
    assert machine.ask("novel") == "新"
    assert f"pid {pid}" in machine.run("netechoctl", "status")
    assert machine.attempt("netechod").returncode == 75
    machine.run("logrotate", "--force", "/etc/logrotate.d/netechod")
    machine.run("netechoctl", "stop")
    assert not machine.path("/run/netechod/netechod.pid").exists()
    assert not machine.path(f"/proc/{pid}").exists()
    with pytest.raises(ConnectionRefusedError):
        machine.connect(ECHO, SOCK_STREAM)
    machine.run("netechod")
    assert machine.ask("novel") == "新"
    machine.run("netechoctl", "stop")
    machine.run("dpkg", "--purge", "netechod")


def test_the_control_socket_tells_the_group_and_obeys_its_owner_and_root(machine: Machine) -> None:
    machine.run("systemctl", "start", "netechod")
    for user, group in (("member", "netechod"), ("foreigner", "nogroup")):
        machine.attempt("useradd", "--groups", group, user)

    def by(user: str, *command: str) -> int:
        return machine.attempt("runuser", "-u", user, "--", "netechoctl", *command).returncode

    assert [by(user, "status") for user in ("root", "netechod", "member")] == [0, 0, 0]
    assert by("foreigner", "status") != 0
    assert [by(user, "reload") for user in ("root", "netechod")] == [0, 0]
    assert by("member", "reload") != 0
    assert by("member", "stop") != 0
    assert machine.show("ActiveState") == "active"
