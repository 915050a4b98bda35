"""Instances that share their ports: what they share, what they leave off, and restarts that lose nothing."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.daemon import PATIENCE, Daemon, client

from netechod.client.operator.control import ask

pytestmark = pytest.mark.system

CTL = [sys.executable, "-m", "netechod.cli.netechoctl"]


class Instances:
    """Two daemons on the same free ports."""

    def __init__(self, directory: Path, resources: ExitStack) -> None:
        self.directory = directory
        self._resources = resources
        kinds = {
            "echo.tcp": socket.SOCK_STREAM,
            "echo.udp": socket.SOCK_DGRAM,
            "dictionary": socket.SOCK_DGRAM,
        }
        self.addresses: dict[str, tuple[str, int]] = {}
        for section, kind in kinds.items():
            with socket.socket(socket.AF_INET, kind) as sock:
                sock.bind(("127.0.0.1", 0))
                self.addresses[section] = sock.getsockname()
        self.daemons = [self._made(name) for name in ("one", "two")]
        for daemon in self.daemons:
            self.start(daemon)

    def _made(self, name: str) -> Daemon:
        directory = self.directory / name
        directory.mkdir()
        daemon = self._resources.enter_context(Daemon(directory))
        daemon.configure(
            {
                "daemon.reuse_port": True,
                "echo.tcp.mode": "identify",
                **{f"{section}.listen": "{}:{}".format(*at) for section, at in self.addresses.items()},
            }
        )
        return daemon

    def start(self, daemon: Daemon) -> None:
        """Start one, and wait until it serves."""
        daemon.spawn("--foreground", NETECHOD_INSTANCE=daemon.directory.name)
        daemon.manager.wait_for("READY=1", PATIENCE)


@pytest.fixture(scope="module")
def instances(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instances]:
    with ExitStack() as resources:
        yield Instances(tmp_path_factory.mktemp("instances"), resources)


def who(address: tuple[str, int]) -> str:
    """The instance that gets a connection."""
    with client(address, socket.SOCK_STREAM) as sock:
        sock.sendall(b"\n")
        return str(json.loads(sock.recv(4096))["instance"])


def look_up(address: tuple[str, int]) -> str:
    with client(address) as sock:
        sock.send(b"apple")
        return sock.recv(4096).decode()


def control(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*CTL, *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False)


def test_both_serve_and_what_cannot_be_shared_is_off(instances: Instances) -> None:
    assert {who(instances.addresses["echo.tcp"]) for _ in range(60)} == {"one", "two"}
    assert {look_up(instances.addresses["dictionary"]) for _ in range(60)} == {"苹果"}
    for daemon in instances.daemons:
        status = ask(daemon.directory / "control.sock", "status")
        assert status["counters"]["dictionary"]["received"] > 0
        assert [service for service, _ in status["listeners"]] == ["echo-tcp", "echo-udp", "dictionary"]
        [complaint] = status["complaints"]
        assert complaint == (
            "chat is off: daemon.reuse_port is true, and a room over several instances needs the bus"
        )


def test_a_daemon_that_does_not_share_cannot_join(instances: Instances, tmp_path: Path) -> None:
    with Daemon(tmp_path) as other:
        off = {f"{name}.enabled": False for name in ("echo.tcp", "echo.udp", "chat")}
        place = "{}:{}".format(*instances.addresses["dictionary"])
        other.configure({**off, "dictionary.listen": place})
        other.spawn("--foreground")
        assert other.wait() == 3
        assert "Address already in use" in other.stderr()


def test_a_rolling_restart_loses_nothing(instances: Instances) -> None:
    tcp, udp = instances.addresses["echo.tcp"], instances.addresses["dictionary"]
    for daemon in instances.daemons:
        process = daemon.process
        assert process is not None
        daemon.signal(signal.SIGTERM)
        while process.poll() is None:
            assert look_up(udp) == "苹果"
            assert who(tcp) in ("one", "two")
        assert process.returncode == 0
        instances.start(daemon)


def test_netechoctl_asks_all(instances: Instances) -> None:
    directory = instances.directory
    pattern = str(directory / "*" / "control.sock")
    shown = control("--all", "-s", pattern, "status")
    assert shown.returncode == 0
    assert shown.stdout.startswith(f"{directory}/one/control.sock\nnetechod ")
    assert f"\n\n{directory}/two/control.sock\nnetechod " in shown.stdout
    lines = control("status", "--all", "--json", "--socket", pattern).stdout.splitlines()
    pids = {json.loads(line)["socket"]: json.loads(line)["pid"] for line in lines}
    assert pids == {
        f"{daemon.directory}/control.sock": daemon.process and daemon.process.pid
        for daemon in instances.daemons
    }


def test_a_reload_of_all_fails_when_one_fails_and_reloads_the_others(
    instances: Instances,
) -> None:
    directory = instances.directory
    pattern = str(directory / "*" / "control.sock")
    one, two = instances.daemons
    two.dictionary.write_text("apple:pomme\n", encoding="utf-8")
    assert control("reload", "--all", "-s", pattern).returncode == 0
    one.dictionary.write_text("nothing\n", encoding="utf-8")
    run = control("reload", "-a", "--json", "-s", pattern)
    assert run.returncode == 1
    assert f"netechoctl: error: {directory}/one/control.sock: " in run.stderr
    assert json.loads(run.stdout)["socket"] == f"{directory}/two/control.sock"


def test_all_of_nothing_is_an_error_and_goes_with_some_commands_only(tmp_path: Path) -> None:
    nowhere = control("--all", "-s", str(tmp_path / "*.sock"), "status")
    assert (nowhere.returncode, nowhere.stdout) == (1, "")
    assert "there is no control socket" in nowhere.stderr
    wrong = control("--all", "members")
    assert wrong.returncode == 64
    assert "--all does not go with members" in wrong.stderr
