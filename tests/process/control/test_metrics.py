"""The metrics: every counter once, under a name that a monitoring system understands."""

import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from support.commands import CommandDaemon
from support.daemon import Daemon, ask, client

from netechod.client.operator.control import ask as ask_control
from netechod.client.operator.control import dump
from netechod.process.config.values import Address

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
    assert [ask(daemon.address("dictionary"), word) for word in (b"x", b"y")] == [b"unknown"] * 2
    with client(daemon.address("chat")) as ann:
        ann.send(b"online")
        assert ann.recv(100).endswith(b"#online")
        metrics = metrics_of(daemon)
    assert metrics["netechod_datagrams_received_total", "dictionary"] == 3
    assert metrics["netechod_datagrams_sent_total", "dictionary"] == 3
    assert metrics["netechod_lookups_found_total", "dictionary"] == 1
    assert metrics["netechod_lookups_missed_total", "dictionary"] == 2
    assert metrics.get(("netechod_dropped_total", "dictionary", "found")) is None
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


def port_of(daemon: Daemon) -> int:
    """Where the metrics are served."""
    return int(daemon.said("serving metrics on ").rpartition(":")[2].partition("/")[0])


def fetched(port: int, request: bytes, source: str = "127.0.0.1") -> tuple[bytes, bytes]:
    """The head and the body of an answer."""
    with client(("127.0.0.1", port), socket.SOCK_STREAM, source) as sock:
        sock.sendall(request)
        answer = b"".join(iter(lambda: sock.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body


GET = b"GET /metrics HTTP/1.1\r\nHost: here\r\nConnection: close\r\n%s\r\n"


def test_whoever_does_not_know_open_metrics_gets_the_older_format(daemon: Daemon) -> None:
    daemon.start("--set", "metrics.listen=127.0.0.1:0")
    port = port_of(daemon)
    head, body = fetched(port, GET % b"")
    assert b"Content-Type: text/plain; version=0.0.4; charset=utf-8" in head
    assert b"# EOF" not in body
    head, body = fetched(port, GET % b"Accept: application/openmetrics-text;version=1.0.0,*/*;q=0.1\r\n")
    assert b"Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8" in head
    assert samples(body.decode())["netechod_dictionary_entries",] == 3


def test_a_flood_of_silent_scrapers_costs_neither_a_scrape_nor_the_daemon_anything(daemon: Daemon) -> None:
    daemon.start("--set", "metrics.listen=127.0.0.1:0")
    port = port_of(daemon)
    with ExitStack() as silent:
        for _ in range(200):
            silent.enter_context(client(("127.0.0.1", port), socket.SOCK_STREAM))
        head, _ = fetched(port, GET % b"")
        assert head.startswith(b"HTTP/1.1 200 OK")
        assert daemon.process is not None
        assert len(list(Path(f"/proc/{daemon.process.pid}/fd").iterdir())) < 100
        assert metrics_of(daemon)["netechod_config_last_reload_successful",] == 1


def test_access_applies_to_scrapers_too_and_a_reload_changes_it(daemon: Daemon) -> None:
    daemon.configure({"metrics.listen": ["127.0.0.1:0"], "access.deny": ["127.0.0.2"]})
    daemon.start()
    port = port_of(daemon)
    assert fetched(port, GET % b"")[0].startswith(b"HTTP/1.1 200 OK")
    with suppress(ConnectionResetError):
        assert fetched(port, GET % b"", "127.0.0.2") == (b"", b"")
    daemon.configure({"metrics.listen": ["127.0.0.1:0"]})
    daemon.reload()
    assert fetched(port, GET % b"", "127.0.0.2")[0].startswith(b"HTTP/1.1 200 OK")


def test_the_wildcard_serves_both_families(daemon: Daemon) -> None:
    daemon.start("--set", "metrics.listen=[::]:0")
    port = port_of(daemon)
    for host in ("127.0.0.1", "::1"):
        with urllib.request.urlopen(f"http://{Address(host, port)}/metrics", timeout=10) as answer:
            assert answer.status == 200


def test_a_taken_port_costs_the_metrics_alone(daemon: Daemon) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        daemon.bind()
        daemon.start("--set", f"metrics.listen=127.0.0.1:{port}")
        assert ask(daemon.address("dictionary"), b"apple") == "苹果".encode()
        status = ask_control(daemon.directory / "control.sock", "status")
    why = f"metrics is off: cannot bind TCP 127.0.0.1:{port}: Address already in use"
    assert status["complaints"] == [why]
    assert daemon.stop() == 0


def test_without_the_library_it_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['prometheus_client'] = None\n"
        "from netechod.errors import ConfigError\n"
        "from netechod.process.control.metrics import text_of\n"
        "try:\n"
        "    text_of(None)\n"
        "except ConfigError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ
    )
    assert "python3-prometheus-client" in done.stdout
