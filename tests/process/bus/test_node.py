"""The bus in the daemon: without one nothing of it is there; if it is no good the chat goes on alone."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.daemon import Daemon, ask

from netechod.client.operator.control import ask as ask_control
from netechod.client.operator.control import dump
from netechod.process.bus.node import host_name


@pytest.mark.parametrize(
    ("host", "node"),
    [("web-1.example.org", "web-1"), ("Web_1", "web-1"), ("-", "node"), ("x" * 64, "x" * 32)],
)
def test_a_node_is_called_as_its_host(host: str, node: str) -> None:
    assert host_name(host) == node


def test_without_a_bus_nothing_of_it_is_imported() -> None:
    program = """
import sys
from pathlib import Path
from netechod.process.config.load import load
from netechod.process.services import service_class
from netechod.process.config.listeners import enabled
import netechod.process.start
for listener in enabled(load(None).config):
    service_class(listener)
print([name for name in sys.modules if "bus" in name.split(".") or name in ("hiredis", "ssl")])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.system
def test_a_password_that_cannot_be_read_keeps_the_bus_down_until_a_reload(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.touch(0o644)
    with Daemon(tmp_path) as daemon:
        settings: dict[str, object] = {"bus.url": "unix:///nonexistent", "bus.password_file": password}
        daemon.configure(settings)
        daemon.start()
        assert "has mode 0644, others can use it, the chat goes on alone" in daemon.said("bus down: ")
        assert ask(daemon.address("chat"), b"online").endswith(b"#online")
        assert "reload FAILED" in daemon.reload()
        password.chmod(0o600)
        password.write_text("secret\n")
        assert "bus down for" in daemon.reload()
        assert daemon.said("bus down: ").endswith("No such file or directory, the chat goes on alone\n")
        daemon.configure({**settings, "bus.realm": "other"})
        daemon.reload()
        assert daemon.said("need a restart").endswith("need a restart: bus.realm\n")
        text = b"".join(dump(tmp_path / "control.sock", "metrics")).decode()
        assert "netechod_bus_up 0.0\n" in text
        assert "netechod_bus_lines_sent_total 0.0\n" in text
        status = ask_control(tmp_path / "control.sock", "status")
        assert (status["bus"]["state"], status["bus"]["nodes"]) == ("down", [])


@pytest.mark.system
def test_without_its_library_the_chat_goes_on_alone_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "hiredis.py").write_text("raise ImportError\n")
    with Daemon(tmp_path) as daemon:
        daemon.configure({"bus.url": "redis://localhost"})
        daemon.start(PYTHONPATH=str(tmp_path))
        assert ask(daemon.address("chat"), b"online").endswith(b"#online")
        status = ask_control(tmp_path / "control.sock", "status")
        assert status["complaints"] == [
            "bus down: it needs the library hiredis: "
            "apt install python3-hiredis, or pip install 'netechod[bus]'"
        ]
        assert "bus" not in status
