"""The metrics: every counter once, under a name that a monitoring system understands."""

import errno
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from socketserver import BaseRequestHandler, TCPServer

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from support.commands import CommandDaemon
from support.daemon import Daemon, ask, client

from netechod.client.operator.control import dump
from netechod.process.metrics import rest_after_errors
from netechod.reactor.acceptor import PAUSE

pytestmark = pytest.mark.system


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(tmp_path) as daemon:
        yield daemon


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Every sample by its name and its labels' values; the text has to be valid OpenMetrics."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
        for sample in family.samples
    }


def metrics_of(daemon: Daemon) -> dict[tuple[str, ...], float]:
    return samples(b"".join(dump(daemon.directory / "control.sock", "metrics")).decode())


def test_what_happened_is_counted(daemon: Daemon) -> None:
    daemon.start()
    assert ask(daemon.address("dictionary"), b"apple") == "苹果".encode()
    with client(daemon.address("chat")) as ann:
        ann.send(b"online")
        assert ann.recv(100).endswith(b"#online")
        metrics = metrics_of(daemon)
    assert metrics["netechod_datagrams_received_total", "dictionary"] == 1
    assert metrics["netechod_datagrams_sent_total", "dictionary"] == 1
    assert metrics["netechod_chat_members",] == 1
    assert metrics["netechod_dictionary_entries",] == 3
    assert metrics["netechod_config_last_reload_successful",] == 1
    assert metrics["netechod_connections_accepted_total", "echo-tcp"] == 0


def test_what_became_of_commands_is_counted(tmp_path: Path) -> None:
    hang = {"hang": {"argv": ["/bin/sleep", "1000"], "timeout": 0.1}}
    with CommandDaemon(tmp_path, hang) as daemon:
        daemon.start()
        daemon.asks("hang")
        daemon.asks("rm")
        metrics = metrics_of(daemon)
    assert metrics["netechod_commands_run_total", "command"] == 1
    assert metrics["netechod_commands_timed_out_total", "command"] == 1
    assert metrics["netechod_commands_denied_total", "command"] == 1
    assert metrics["netechod_commands_busy_total", "command"] == 0
    assert "netechod_commands_running" in {name for name, *_ in metrics}
    dropped = {key[-1] for key in metrics if key[0] == "netechod_dropped_total"}
    assert dropped & {"ran", "timed_out", "denied", "busy"} == set()


def test_a_failed_reload_shows(daemon: Daemon) -> None:
    daemon.start()
    daemon.dictionary.unlink()
    daemon.reload()
    assert metrics_of(daemon)["netechod_config_last_reload_successful",] == 0


def test_they_are_served_over_http(daemon: Daemon) -> None:
    daemon.start("--set", "metrics.listen=127.0.0.1:0")
    address = daemon.said("serving metrics on ").split()[-1]
    with urllib.request.urlopen(address, timeout=10) as answer:
        text = answer.read().decode()
    assert "netechod_dictionary_entries 3.0" in text


def test_a_taken_port_ends_the_start(daemon: Daemon) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        daemon.bind()
        daemon.spawn("--foreground", "--set", f"metrics.listen=127.0.0.1:{port}")
        assert daemon.wait() == 3
    assert f"cannot serve metrics on 127.0.0.1:{port}: Address already in use" in daemon.stderr()


def test_without_the_library_it_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['prometheus_client'] = None\n"
        "from netechod.errors import ConfigError\n"
        "from netechod.process.metrics import text_of\n"
        "try:\n"
        "    text_of(None)\n"
        "except ConfigError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ
    )
    assert "python3-prometheus-client" in done.stdout


class ShortOfDescriptors(TCPServer):
    def get_request(self) -> tuple[socket.socket, object]:
        raise OSError(errno.EMFILE, "Too many open files")


def test_without_a_descriptor_the_server_s_thread_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    rests: list[float | None] = []
    monkeypatch.setattr("netechod.process.metrics._never.wait", rests.append)
    with ShortOfDescriptors(("127.0.0.1", 0), BaseRequestHandler) as server:
        rest_after_errors(server)
        with pytest.raises(OSError, match="Too many open files"):
            server.get_request()
    assert rests == [PAUSE]
