"""The five models in the real daemon: nobody but TCP echo notices them, and all of them end in good order."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.daemon import PATIENCE, Daemon, ask, client, wait_for_end
from support.looping import reset

pytestmark = pytest.mark.system

MODELS = ("select", "iterative", "fork", "thread", "pool")


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def resources() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def start(daemon: Daemon, model: str, **settings: object) -> None:
    """Start it; settings are keys with `__` for the dot."""
    daemon.bind()
    daemon.configure(
        {"echo.tcp.model": model} | {key.replace("__", "."): value for key, value in settings.items()}
    )
    daemon.start()


def connect(daemon: Daemon, resources: ExitStack, source: str = "") -> socket.socket:
    return resources.enter_context(client(daemon.address("echo-tcp"), socket.SOCK_STREAM, source))


def echoes(sock: socket.socket, text: bytes = b"hello") -> bool:
    sock.sendall(text)
    return sock.recv(len(text), socket.MSG_WAITALL) == text


def receive_rest(sock: socket.socket) -> bytes:
    received = bytearray()
    while data := sock.recv(65536):
        received += data
    return bytes(received)


def stuff(sock: socket.socket) -> bytes:
    """Send, and read nothing, until nobody takes any more; returns what was sent."""
    sent = bytearray()
    sock.settimeout(0.2)
    while True:
        data = bytes([len(sent) % 251]) * 65536
        try:
            sent += data[: sock.send(data)]
        except TimeoutError:
            sock.settimeout(PATIENCE)
            return bytes(sent)


def children(pid: int) -> list[int]:
    """The processes that a process has forked."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_udp_and_signals_wait_for_nobody(tmp_path: Path, model: str, resources: ExitStack) -> None:
    with Daemon(tmp_path) as daemon:
        start(daemon, model)
        stuff(connect(daemon, resources))
        for _ in range(5):
            connect(daemon, resources)
        for _ in range(20):
            assert ask(daemon.address("dictionary"), b"apple").decode() == "苹果"
        daemon.signal(signal.SIGUSR2)
        daemon.said("status up=")
        assert "dictionary 3 words (generation 2)" in daemon.reload()
        daemon.signal(signal.SIGINT)
        assert daemon.wait() == 0
        assert daemon.errors() == []


def test_a_stop_delivers_what_is_owed(tmp_path: Path, model: str, resources: ExitStack) -> None:
    with Daemon(tmp_path) as daemon:
        start(daemon, model)
        sock = connect(daemon, resources)
        sent = stuff(sock)
        daemon.signal(signal.SIGTERM)
        daemon.said("stopping reason=SIGTERM")
        assert receive_rest(sock) == sent
        assert daemon.wait() == 0
        assert daemon.log()[-2].endswith(
            f"in={len(sent)} out={len(sent)} seconds={seconds(daemon)} reason=drain"
        )
        assert daemon.errors() == []


def seconds(daemon: Daemon) -> str:
    """What the only close line says about the time."""
    return daemon.log()[-2].partition("seconds=")[2].partition(" ")[0]


def test_a_stop_gives_up_who_never_takes_what_it_is_owed(
    tmp_path: Path, model: str, resources: ExitStack
) -> None:
    with Daemon(tmp_path) as daemon:
        start(daemon, model, daemon__drain_timeout=0.2)
        stuff(connect(daemon, resources))
        assert daemon.stop() == 0
        assert daemon.log()[-2].endswith("reason=drain")
        assert daemon.errors() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_that_is_in_a_hurry_waits_for_nobody(
    tmp_path: Path, model: str, resources: ExitStack, number: signal.Signals
) -> None:
    with Daemon(tmp_path) as daemon:
        start(daemon, model, daemon__drain_timeout=600)
        stuff(connect(daemon, resources))
        if number == signal.SIGTERM:
            daemon.signal(number)
            daemon.said("stopping reason=SIGTERM")
        daemon.signal(number)
        assert daemon.wait() == 0
        assert daemon.log()[-2].endswith("reason=drain")


def test_limits_change_while_connections_are_served(tmp_path: Path, model: str, resources: ExitStack) -> None:
    with Daemon(tmp_path) as daemon:
        start(daemon, model)
        sock = connect(daemon, resources)
        assert echoes(sock)
        daemon.configure(
            {"echo.tcp.model": model, "echo.tcp.idle_timeout": 0.1, "access.deny": ["127.0.0.2/32"]}
        )
        daemon.reload()
        assert receive_rest(sock) == b""
        daemon.said("reason=idle")
        assert receive_rest(connect(daemon, resources, source="127.0.0.2")) == b""
        assert echoes(connect(daemon, resources))
        assert daemon.stop() == 0


def status_of(daemon: Daemon) -> dict[str, Any]:
    control = daemon.directory / "control.sock"
    command = [sys.executable, "-m", "netechod.cli.netechoctl", "-s", str(control), "status", "--json"]
    run = subprocess.run(command, capture_output=True, check=True, timeout=PATIENCE)
    status: dict[str, Any] = json.loads(run.stdout)
    return status


def test_the_status_counts_what_came_and_went(tmp_path: Path, model: str) -> None:
    with Daemon(tmp_path) as daemon:
        start(daemon, model)
        for number in range(3):
            with client(daemon.address("echo-tcp"), socket.SOCK_STREAM) as sock:
                assert echoes(sock, b"x" * (number + 1))
            daemon.said("reason=eof")
        with client(daemon.address("echo-tcp"), socket.SOCK_STREAM) as sock:
            assert echoes(sock)
            reset(sock)
            daemon.said("reason=reset")
        with client(daemon.address("echo-tcp"), socket.SOCK_STREAM) as sock:
            assert echoes(sock)
            status = status_of(daemon)
        assert status["connections"] == 1
        counters = status["counters"]["echo-tcp"]
        assert (counters["accepted"], counters["closed"], counters["refused"]) == (5, 4, 0)
        assert (counters["bytes_in"], counters["bytes_out"]) == (11, 11)
        assert daemon.stop() == 0


def test_a_restart_keeps_the_connections_of_those_that_can_and_tells_who_can_not(
    tmp_path: Path, model: str, resources: ExitStack
) -> None:
    keeps = model in ("select", "iterative")
    with Daemon(tmp_path) as daemon:
        daemon.bind()
        daemon.configure({"echo.tcp.model": model})
        daemon.start(FDSTORE="100")
        sock = connect(daemon, resources)
        assert echoes(sock)
        assert daemon.stop() == 0
        warning = f"TCP connections end at a restart: echo.tcp.model = {model} keeps none"
        assert (warning in daemon.log()) is not keeps
        if not keeps:
            assert receive_rest(sock) == b""
            return
        daemon.configure({"echo.tcp.model": "fork"})  # whoever comes next can be of any kind
        daemon.start(FDSTORE="100")
        daemon.manager.forget()
        assert echoes(sock)


# --- processes


def test_children_die_with_a_daemon_that_is_killed(tmp_path: Path, resources: ExitStack) -> None:
    with Daemon(tmp_path) as daemon:
        start(daemon, "fork")
        socks = [connect(daemon, resources) for _ in range(5)]
        assert all(echoes(sock) for sock in socks)
        assert daemon.process is not None
        served_by = children(daemon.process.pid)
        assert len(served_by) == 5
        daemon.signal(signal.SIGKILL)
        daemon.wait()
        for child in served_by:
            wait_for_end(child)
        for sock in socks:
            assert receive_rest(sock) == b""


def test_a_daemon_that_was_killed_while_it_forked_can_be_started_again(
    tmp_path: Path, resources: ExitStack
) -> None:
    with Daemon(tmp_path) as daemon:
        start(daemon, "fork")
        for _ in range(3):
            for _ in range(20):
                connect(daemon, resources).send(b"hello")
            daemon.signal(signal.SIGKILL)
            daemon.wait()
            daemon.start()  # on the same pidfile, whose lock a child that lived would hold
            assert echoes(connect(daemon, resources))


def test_signals_to_the_children_take_nothing_from_who_is_owed_something(
    tmp_path: Path, resources: ExitStack
) -> None:
    with Daemon(tmp_path) as daemon:
        start(daemon, "fork")
        sock = connect(daemon, resources)
        sent = stuff(sock)
        assert daemon.process is not None
        [child] = children(daemon.process.pid)
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            os.kill(child, number)
        daemon.signal(signal.SIGTERM)
        assert receive_rest(sock) == sent
        assert daemon.wait() == 0


def test_forking_beside_busy_threads_leaves_no_child_stuck(tmp_path: Path) -> None:
    """The log's writer and the metrics' server hold locks now and then, which a child would inherit held."""
    with Daemon(tmp_path) as daemon:
        start(daemon, "fork", log__level="DEBUG", metrics__listen=["127.0.0.1:0"])
        port = int(daemon.said("serving metrics").rpartition(":")[2].partition("/")[0])
        for number in range(300):
            with client(daemon.address("echo-tcp"), socket.SOCK_STREAM) as sock:
                assert echoes(sock)
            daemon.signal(signal.SIGUSR1)
            daemon.signal(signal.SIGUSR2)
            if not number % 20:
                with client(("127.0.0.1", port), socket.SOCK_STREAM) as scrape:
                    scrape.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
                    assert b"netechod_connections" in receive_rest(scrape)
        assert daemon.stop() == 0
        assert daemon.errors() == []
