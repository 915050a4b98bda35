"""The package: what it brings, whom it asks, what it changes at an upgrade and leaves behind."""

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from socket import SOCK_STREAM

import pytest
from support.machine import ECHO, NO_SYSTEMD, SOCKETS, Boot, Machine, client_of
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


def changed(package: Path, built: Path, *changes: tuple[str, str], more: Sequence[Path] = ()) -> Path:
    """The same package with another control file, and with the files of more packages."""
    tree = built.with_suffix(".tree")
    subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
    for other in more:
        subprocess.run(["dpkg-deb", "--extract", other, tree], check=True)
    control = tree / "DEBIAN" / "control"
    text = control.read_text()
    for pattern, replacement in changes:
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    control.write_text(text)
    subprocess.run(
        ["dpkg-deb", "--build", "--root-owner-group", "-Zgzip", tree, built], check=True, capture_output=True
    )
    shutil.rmtree(tree)
    return built


def newer(package: Path, directory: Path) -> Path:
    """The same packages with a higher version."""
    for each in (client_of(package), package):
        changes = (r"^(Version: .*)$", r"\1+next"), (r"netecho \(= (.*?)\)", r"netecho (= \1+next)")
        changed(each, directory / each.name, *changes)
    return directory / package.name


def older(package: Path, directory: Path) -> Path:
    """Daemon and client in one package, as version 0.1.0 had them."""
    changes = (r"^Version: .*$", "Version: 0.1.0~deb"), (r"netecho \(= .*?\), ", "")
    return changed(package, directory / "older.deb", *changes, more=[client_of(package)])


def version_of(machine: Machine) -> str:
    return machine.run("dpkg-query", "--show", "--showformat=${Version}", "netechod")


def test_apt_installs_it_on_a_fresh_system_and_it_serves(
    boot: Boot, package: Path, remark: Callable[[str], None]
) -> None:
    machine = boot()
    begun = time.monotonic()
    machine.run("apt-get", "install", "--yes", *machine.bring(client_of(package), package))
    assert machine.run("dpkg", "--audit") == ""
    machine.run("systemctl", "start", "netechod")
    assert machine.ask("apple") == "苹果"
    [line, *_] = machine.path("/var/log/netechod/log.txt").read_text().splitlines()
    assert re.match(r"\[NORMAL\]\[\d{4}-\d\d-\d\dT", line), "people can tell when"
    remark(
        f"nothing to first answer by apt, packages and libraries at hand: {time.monotonic() - begun:.1f} s"
    )
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


def test_an_upgrade_from_the_time_of_one_package_gives_the_client_its_own(
    boot: Boot, package: Path, tmp_path: Path
) -> None:
    machine = boot()
    machine.run("dpkg", "--install", *machine.bring(older(package, tmp_path)))
    assert machine.ask("apple") == "苹果"
    machine.run("apt-get", "install", "--yes", *machine.bring(client_of(package), package))
    assert machine.run("dpkg", "--audit") == ""
    assert machine.run("dpkg", "--search", "/usr/bin/netecho") == "netecho: /usr/bin/netecho\n"
    assert machine.run("netecho", "dict", "localhost", "apple") == "苹果\n"
    assert machine.show("ActiveState") == "active"


IMPORT_ALL = (
    "import sys; sys.path.insert(0, '/usr/lib/netechod'); import importlib, pkgutil, netechod;"
    "names = [it.name for it in pkgutil.walk_packages(netechod.__path__, 'netechod.')];"
    "[importlib.import_module(it) for it in names if not it.endswith('screen_ui')]; print(*names)"
)


def test_the_client_alone_is_a_package_that_needs_nothing_but_python(boot: Boot, package: Path) -> None:
    machine = boot()
    machine.run("dpkg", "--install", *machine.bring(client_of(package)))
    assert machine.run("dpkg-query", "--show", "--showformat=${Architecture}", "netecho") == "all"
    modules = machine.run("/usr/bin/python3", "-I", "-c", IMPORT_ALL).split()
    assert "process" not in {name.split(".")[1] for name in modules}
    assert machine.run("netecho", "--version").startswith("netecho ")
    assert machine.attempt("netecho", "ping", "-c", "1", "localhost").returncode == 1
    for command in ("echo", "ping", "whoami", "dict", "chat", "run", "watch", "report"):
        assert machine.run("netecho", command, "--help")
    assert machine.path("/usr/share/man/man1/netecho.1.gz").exists()
    assert not machine.path("/usr/bin/netechod").exists()
    assert machine.run("ss", "--no-header", "--listening", "--tcp", "--udp") == ""


def test_every_link_in_the_installed_pages_leads_to_a_file_or_to_a_site(machine: Machine) -> None:
    home = machine.path("/usr/share/doc/netechod")
    pages = list(home.rglob("*.md"))
    assert {page.name for page in pages} >= {"README.md", "README.zh-CN.md", "SECURITY.md", "containers.md"}
    for page in pages:
        for link in re.findall(r"\]\(([^)\s#]+)", page.read_text(encoding="utf-8")):
            assert re.match(r"https?://", link) or (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_configuration_of_the_package_has_lines_with_date_and_time(machine: Machine) -> None:
    for name in ("netechod.toml", "netechod-command.toml"):
        shown = machine.run("netechod", "--dump-config", "--config", f"/etc/netechod/{name}")
        assert re.search(rf'^format = "iso"  # /etc/netechod/{name}:', shown, re.MULTILINE)


def test_the_manual_calls_the_exit_statuses_as_systemd_does(machine: Machine) -> None:
    page = (Path(__file__).parents[2] / "packaging" / "man" / "netechod.8").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\.It (\d+)\n(?:[^.].*\n|\.Fl .*\n)+\.Bq (\w+) \.$", page, re.MULTILINE))
    assert len(told) == len(re.findall(r"^\.It \d+$", page, re.MULTILINE))
    table = machine.run("systemd-analyze", "exit-status", *told).splitlines()[1:]
    assert {line.split()[1]: line.split()[0] for line in table if line.strip()} == told


def test_units_that_init_has_written_serve_from_their_directory(own_machine: Machine) -> None:
    own_machine.run("systemctl", "stop", "netechod.service", *SOCKETS)
    told = own_machine.run("netechod", "--init", "/srv/net echo")
    assert "systemctl link" in told
    own_machine.path("/srv/net echo/dict.txt").write_text("novel:新\n", encoding="utf-8")
    units = sorted(file.name for file in own_machine.path("/srv/net echo/systemd").iterdir())
    own_machine.run("systemctl", "link", *(f"/srv/net echo/systemd/{unit}" for unit in units))
    own_machine.run("systemctl", "enable", "--now", "netechod.service")
    assert own_machine.ask("novel") == "新"
    assert "--config /srv/net echo/netechod.toml" in own_machine.show("ExecStart")
    own_machine.path("/srv/net echo/dict.txt").write_text("novel:新的\n", encoding="utf-8")
    own_machine.run("systemctl", "reload", "netechod")
    assert own_machine.ask("novel") == "新的"


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
    machine.run("dpkg", "--purge", "netechod", "netecho")
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
    machine.run("dpkg", "--purge", "netechod", "netecho")


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
