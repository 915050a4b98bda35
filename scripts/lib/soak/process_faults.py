"""Faults of the process: stopped, without descriptors, flooded, sent rubbish."""

import os
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from itertools import count
from resource import RLIMIT_NOFILE, prlimit
from signal import SIGCONT, SIGKILL, SIGSTOP
from typing import cast

from netechod.client.errors import ClientError
from scripts.lib.soak.flow import Load
from scripts.lib.soak.place import PATIENCE, SETTINGS, STRANGERS, Place, expect, wait_for
from scripts.lib.soak.vitals import busy, descendants

STOPPED = 0.3  # seconds
SHORTAGE = 0.5  # seconds without descriptors
LONE = cast("int", SETTINGS["echo.tcp.max_connections_per_source"])
ALL = cast("int", SETTINGS["echo.tcp.max_connections"])
RUBBISH = 40  # datagrams for each service: what fits its socket's buffer, so that nobody else's is lost
LONGEST = 1400  # bytes of one
_sources = count()


def stopped(place: Place, load: Load) -> None:
    """Stopped and continued: whoever asked meanwhile is answered afterwards."""
    place.signal(SIGSTOP)
    threading.Event().wait(STOPPED)
    place.signal(SIGCONT)


def no_descriptors(place: Place, load: Load) -> None:
    """Not one descriptor to be had: newcomers wait, the loop rests, and all are served afterwards."""
    soft, hard = prlimit(place.pid, RLIMIT_NOFILE)
    with load.hushed(), ExitStack() as stack:
        prlimit(place.pid, RLIMIT_NOFILE, (0, hard))  # those that are open stay so
        try:
            sock = stack.enter_context(connected(place, load, "127.0.6.1"))
            operator = stack.enter_context(socket.socket(socket.AF_UNIX))
            operator.settimeout(PATIENCE)
            operator.connect(str(place.control.path))
            operator.sendall(b'["status"]\n')
            share = busy(place.pid, SHORTAGE)
            expect(share < 0.5, f"without descriptors it spins: {share:.0%} of a CPU")
        finally:
            prlimit(place.pid, RLIMIT_NOFILE, (soft, hard))
        expect(sock.recv(1) == b"x", "who came during a shortage was not served")
        expect(operator.recv(10) == b'{"ok": tru', "netechoctl was not answered after a shortage")


def no_helper(place: Place, load: Load) -> None:
    """The process that runs commands is killed: the next command has another one."""
    with load.hushed():
        wait_for(lambda: len(descendants(place.pid)) == 1, "commands are left that have been answered")
        os.kill(descendants(place.pid)[0], SIGKILL)
        wait_for(lambda: not descendants(place.pid), "a helper that was killed is still a child")
    wait_for(lambda: descendants(place.pid), "no other helper takes over")


def flood(place: Place, load: Load) -> None:
    """One source takes all it can get: as many as it may have are served, the others closed at once."""
    with ExitStack() as stack:
        source = f"127.0.6.{next(_sources) % 200 + 2}"  # another each time: the last may not be forgotten yet
        socks = [stack.enter_context(connected(place, load, source)) for _ in range(LONE + 100)]
        answers = [heard(sock) for sock in socks]
        served, closed = answers.count(b"x"), answers.count(b"")
        expect((served, closed) == (LONE, 100), f"{served} of {LONE} served, {closed} of 100 closed")


def full_house(place: Place, load: Load) -> None:
    """Several sources take all places: newcomers wait, and are served when these have gone."""
    with ExitStack() as stack:
        for number in range(ALL // LONE + 1):
            for _ in range(LONE):
                stack.enter_context(connected(place, load, f"127.0.7.{1 + number}"))
        # Some may go meanwhile; nobody takes their places before a sixteenth is free.
        count = wait_for(lambda: full(place.status()["connections"]), "a full house is not full")
        expect(count <= ALL, f"{count} connections in {ALL} places")


def full(connections: int) -> int:
    """How many there are, once they are so many that others wait."""
    return connections if connections > ALL - ALL // 16 else 0


def connected(place: Place, load: Load, source: str) -> socket.socket:
    """A connection that has said one byte."""
    sock = place.connect("echo-tcp", source)
    load.extra["connections"] += 1
    sock.send(b"x")
    load.extra["tcp bytes said"] += 1
    return sock


def heard(sock: socket.socket) -> bytes:
    """Return the byte that comes back, or nothing if the connection was closed."""
    try:
        return sock.recv(1)
    except ConnectionResetError:
        return b""


def rubbish(place: Place, load: Load) -> None:
    """Bytes of all sorts for every service, from the trusted and others, whose answers nobody reads."""
    rng = place.rng("rubbish", load.extra.total())
    for service in ("echo-udp", "dictionary", "chat", "command"):
        for source in ("127.0.8.1", f"{STRANGERS}.251"):
            with place.connect(service, source) as sock:
                for _ in range(RUBBISH):
                    size = rng.randrange(LONGEST)
                    sock.send(rng.choice([rng.randbytes(size), bytes(size), b"\xff" * size]))
                    load.extra[f"{service} said"] += 1


def rubbish_for_the_operator(place: Place, load: Load) -> None:
    """Questions that are none, too many at once, and answers that nobody takes."""
    questions = (
        b"\xff\n",
        b"[]\n",
        b'["dict-dump"]\n',
        b'["sta',
        b"[" * 5000 + b"\n",
        b"",
        b'["dict-dump"]\n',
    )
    with load.hushed():  # so many are too many: whoever else asked now would be sent away
        with ExitStack() as stack:
            for number in range(40):
                sock = stack.enter_context(socket.socket(socket.AF_UNIX))
                sock.settimeout(PATIENCE)
                sock.connect(str(place.control.path))
                with suppress(BrokenPipeError):  # it has been sent away
                    sock.send(questions[number % len(questions)])
        wait_for(partial(is_answered, place), "netechoctl is not answered any more")


def is_answered(place: Place) -> bool:
    """Return whether the same daemon as ever answers on its control socket."""
    try:
        return bool(place.status()["pid"] == place.pid)
    except ClientError:
        return False


PROCESS_FAULTS: tuple[Callable[[Place, Load], None], ...] = (
    stopped,
    no_descriptors,
    no_helper,
    flood,
    full_house,
    rubbish,
    rubbish_for_the_operator,
)
