"""Memory: what a connection that reads nothing may take, and what happens when there is none left."""

import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from support.daemon import Daemon, client

pytestmark = pytest.mark.system

LIMIT = 100  # KiB of our memory for a connection
CLIENTS = 100


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(tmp_path) as daemon:
        yield daemon


def memory_of(daemon: Daemon) -> int:
    """KiB that are the daemon's own."""
    assert daemon.process is not None
    status = Path(f"/proc/{daemon.process.pid}/status").read_text(encoding="utf-8")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("RssAnon")))


def stuff(socks: list[socket.socket], size: int) -> None:
    """Send `size` bytes on each connection and read nothing, until nobody takes any more."""
    rest = dict.fromkeys(socks, size)
    quiet = 0
    for sock in socks:
        sock.settimeout(0.01)
    while quiet < 2:
        quiet += 1
        for sock in [sock for sock in socks if rest[sock]]:
            with suppress(TimeoutError, ConnectionError):
                rest[sock] -= sock.send(bytes(min(rest[sock], 1 << 18)))
                quiet = 0


@pytest.mark.parametrize("mode", ["rfc862", "tutorial"])
def test_a_connection_that_reads_nothing_takes_no_more_than_it_may(daemon: Daemon, mode: str) -> None:
    daemon.start("--set", f"echo.tcp.mode={mode}")
    before = memory_of(daemon)
    with ExitStack() as stack:
        address = daemon.address("echo-tcp")
        socks = [stack.enter_context(client(address, socket.SOCK_STREAM)) for _ in range(CLIENTS)]
        stuff(socks, 8 << 20)
        assert (memory_of(daemon) - before) / CLIENTS <= LIMIT


def test_without_memory_connections_end_and_the_daemon_does_not(daemon: Daemon) -> None:
    daemon.start("--set", "echo.tcp.max_connections_per_source=1000")
    assert daemon.process is not None
    own = Path(f"/proc/{daemon.process.pid}/status").read_text(encoding="utf-8")
    data = next(int(line.split()[1]) for line in own.splitlines() if line.startswith("VmData"))
    resource.prlimit(daemon.process.pid, resource.RLIMIT_DATA, ((data + 2048) * 1024,) * 2)
    address = daemon.address("echo-tcp")
    with ExitStack() as stack:
        socks = [stack.enter_context(client(address, socket.SOCK_STREAM)) for _ in range(CLIENTS)]
        stuff(socks, 8 << 20)
        assert daemon.process.poll() is None, daemon.stderr()
    with client(address, socket.SOCK_STREAM) as sock:
        sock.sendall(b"hello")
        assert sock.recv(5) == b"hello"
    assert daemon.stop() == 0
