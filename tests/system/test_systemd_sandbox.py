"""What the service is kept from: as systemd scores it, and as the kernel really does."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from socket import SOCK_STREAM

import pytest
from support.machine import CHAT, DICTIONARY, ECHO, SOCKETS, Machine
from support.traffic import receive

pytestmark = [pytest.mark.machine, pytest.mark.timeout(300)]

DROP_IN = "/etc/systemd/system/netechod.service.d/private-network.conf"
WRITABLE = ("/run/netechod", "/tmp", "/var/log/netechod", "/var/tmp")
NO_CONTROLLER = (
    "this host keeps the controller for it out of the unified control groups, so a machine has none"
)
UNITS = (
    "netechod.service", *SOCKETS, "netechod-dictionary.path", "netechod-reload.service",
    "netechod-command.service", "netechod-command.socket", "netechod-stamp.socket", "netechod-dict.socket",
    "netecho-watch@example.service", "netechod@1.service",
)  # fmt: skip


@pytest.fixture
def serving(machine: Machine) -> Machine:
    """The shared machine, serving."""
    machine.run("systemctl", "start", "netechod")
    return machine


@pytest.fixture
def cut_off(serving: Machine) -> Iterator[Machine]:
    """The shared machine, with the service in a network of its own: the drop-in that the package brings."""
    shipped = next(
        name
        for name in serving.run("dpkg", "--listfiles", "netechod").split()
        if name.endswith("/private-network.conf")
    )
    serving.run("mkdir", "-p", str(Path(DROP_IN).parent))
    serving.run("ln", "-s", shipped, DROP_IN)
    serving.run("systemctl", "daemon-reload")
    serving.run("systemctl", "restart", "netechod")
    yield serving
    serving.run("rm", DROP_IN)
    serving.run("systemctl", "daemon-reload")
    serving.run("systemctl", "restart", "netechod")


def status_of(machine: Machine) -> dict[str, str]:
    """What the kernel says about the process (proc_pid_status(5))."""
    lines = machine.run("cat", f"/proc/{machine.show('MainPID')}/status").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def serves_everything(machine: Machine) -> None:
    assert machine.ask("apple", DICTIONARY) == "苹果"
    assert machine.ask("hello", ECHO) == "hello"
    assert machine.ask("online", CHAT).endswith("#online")
    with machine.connect(ECHO, SOCK_STREAM) as sock:
        sock.sendall(b"hello")
        assert receive(sock, 5) == b"hello"


def test_the_units_have_no_mistake(serving: Machine) -> None:
    done = serving.attempt("systemd-analyze", "verify", "--man=no", *UNITS)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_its_exposure_is_low(serving: Machine) -> None:
    assert serving.exposure() <= 1.2


def test_without_a_network_its_exposure_is_lower_and_it_serves_everything(cut_off: Machine) -> None:
    assert cut_off.exposure() <= 0.3
    serves_everything(cut_off)
    pid = cut_off.show("MainPID")
    networks = [cut_off.run("readlink", f"/proc/{process}/ns/net") for process in ("1", pid)]
    assert networks[0] != networks[1]
    cut_off.run("systemctl", "reload", "netechod")
    cut_off.run("systemctl", "restart", "netechod")
    serves_everything(cut_off)


def test_it_runs_as_its_user_without_any_privilege(serving: Machine) -> None:
    status = status_of(serving)
    user = serving.run("id", "--user", "netechod").strip()
    assert set(status["Uid"].split()) == {user}
    assert {status[f"Cap{kind}"] for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"


def test_it_writes_where_it_has_to_and_nowhere_else(serving: Machine) -> None:
    """Tried as root in its world: the mounts are asked, not the owners of directories."""
    inside = ("nsenter", "--mount", "--target", serving.show("MainPID"))
    for place in WRITABLE:
        serving.run(*inside, "touch", f"{place}/probe")
        serving.run(*inside, "rm", f"{place}/probe")
    for place in ("/boot", "/etc", "/etc/netechod", "/opt", "/usr/bin", "/usr/lib", "/usr/share", "/var/lib"):
        assert "Read-only file system" in serving.attempt(*inside, "touch", f"{place}/probe").stderr, place
    serving.run(*inside, "touch", "/tmp/probe")
    assert not serving.path("/tmp/probe").exists(), "its /tmp is everybody's"


def test_nothing_is_run_from_where_it_writes(serving: Machine) -> None:
    inside = ("nsenter", "--mount", "--target", serving.show("MainPID"))
    for place in WRITABLE:
        serving.run(*inside, "cp", "/usr/bin/true", f"{place}/probe")
        done = serving.attempt(*inside, f"{place}/probe")
        serving.run(*inside, "rm", f"{place}/probe")
        assert "Permission denied" in done.stderr, place


def test_its_limits_are_those_of_the_unit(serving: Machine, remark: Callable[[str], None]) -> None:
    limits = serving.run("cat", f"/proc/{serving.show('MainPID')}/limits")
    assert re.search(rf"Max open files +{serving.show('LimitNOFILE')} ", limits)
    assert re.search(r"Max core file size +0 ", limits)
    group = serving.path("/sys/fs/cgroup" + serving.show("ControlGroup"))
    for name, directive in (("memory.max", "MemoryMax"), ("pids.max", "TasksMax")):
        wanted = serving.show(directive)
        if (group / name).exists():
            assert (group / name).read_text().strip() == wanted
        else:
            remark(f"{directive}={wanted} is in the unit and not applied here: {NO_CONTROLLER}")
            assert wanted.isdigit()
