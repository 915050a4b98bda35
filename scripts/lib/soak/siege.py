"""A siege: a daemon of its own under one attack, beside an honest client that must not notice it."""

import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from scripts.lib.soak.audit import mebibytes, of_logs
from scripts.lib.soak.place import CONSTANT, CONSTANT_MEANING, SETTINGS, Place, expect
from scripts.lib.soak.udp_flows import QUERY
from scripts.lib.soak.vitals import Vitals

SOON = 2.0  # seconds within which an honest client is answered; it takes less than a millisecond
GROWTH = 16 << 20  # bytes of memory that an attack may cost
THREADS = 8  # that it may cost
FAST = {"access.rate": 1_000_000, "access.burst": 1_000_000}  # for honest clients, which never pause


@contextmanager
def besieged(
    place: Place, name: str, changes: Mapping[str, object] | None = None, **environment: str
) -> Iterator[Place]:
    """Start a daemon with the soak's settings and `changes`; it must be sound at the end, and stop with 0."""
    directory = place.directory / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    own = Place(directory, place.seed, {**SETTINGS, **FAST, **(changes or {})}, place.network)
    try:
        own.start(**environment)
        before = Vitals.of(own.pid)
        yield own
        after = Vitals.of(own.pid)
        grown = after.memory - before.memory
        expect(grown <= GROWTH, f"its memory has grown by {mebibytes(grown)} MiB")
        expect(after.threads <= before.threads + THREADS, f"it has {after.threads} threads")
        status = own.daemon.stop()
        expect(status == 0, f"exit status {status} after SIGTERM")
        for finding in of_logs(directory, own.daemon.stderr()):
            expect(finding.holds, finding.what)
    finally:
        own.daemon.close()
    shutil.rmtree(directory)


class Honest:
    """A client that looks words up, one after the other, and expects each answer soon."""

    def __init__(self, sock: socket.socket) -> None:
        """`sock` is connected to the dictionary."""
        self._sock = sock
        self._sock.settimeout(SOON)
        self.slowest = 0.0  # seconds

    def asks(self) -> None:
        """Look one word up."""
        begun = time.monotonic()
        self._sock.send(CONSTANT.encode().ljust(QUERY, b"\0"))
        try:
            answer = self._sock.recv(2048).decode()
        except TimeoutError:
            answer = f"nothing within {SOON:g} s"
        expect(answer == CONSTANT_MEANING, f"an honest look-up was answered by {answer}")
        self.slowest = max(self.slowest, time.monotonic() - begun)

    def asks_meanwhile(self, seconds: float) -> None:
        """Look words up for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.asks()

    def close(self) -> None:
        """Ask no more."""
        self._sock.close()


def deaf(path: Path) -> socket.socket:
    """A service manager's socket that nobody reads."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(str(path))
    return sock
