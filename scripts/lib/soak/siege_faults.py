"""Attacks on a daemon of its own: a large room, a damaged index, a deaf service manager, idle connections."""

import mmap
import socket
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from signal import SIGHUP

from scripts.lib.soak.flow import Load
from scripts.lib.soak.place import PATIENCE, WORDS, Place, expect, meaning_in, text_of, wait_for
from scripts.lib.soak.siege import Honest, besieged, deaf

IDLE = 200  # connections that say nothing
RELOADS = 30  # each with two messages to the service manager, whose socket holds some ten
MEMBER = 0.5  # seconds of silence after which the members of the large room have gone


def large_room(place: Place, load: Load) -> None:
    """Many members come, stay silent, and are all gone at once; half of others vanish before one speaks."""
    count = place.members
    limits = {"chat.max_members_per_source": count, "chat.max_members": count, "chat.idle_timeout": MEMBER}
    with besieged(place, "large-room", limits) as own, ExitStack() as stack:
        honest = stack.enter_context(closing(Honest(own.connect("dictionary", "127.0.3.1"))))
        for silent in (True, False):
            socks = [stack.enter_context(own.connect("chat", "127.0.4.1")) for _ in range(count)]
            for sock in socks:
                sock.send(b"online")
                honest.asks()
            if not silent:
                for sock in socks[::2]:
                    sock.close()
                socks[1].send(b"is anybody there?")
            wait_for(partial(is_empty, own, honest), "the members of a large room do not go")


def is_empty(place: Place, honest: Honest) -> bool:
    """Return whether the room is empty; an honest client asks first."""
    honest.asks()
    return not place.status()["members"]


def damaged_index(place: Place, load: Load) -> None:
    """A page of the index is zeroed while it serves: no word gets a wrong meaning, and a reload mends it."""
    with besieged(place, "damaged-index", {"dictionary.index_from": 0}) as own:
        index = own.daemon.index
        wait_for(index.exists, "there is no index")
        with index.open("r+b") as file:
            file.seek(index.stat().st_size // 2 // mmap.PAGESIZE * mmap.PAGESIZE)
            file.write(bytes(mmap.PAGESIZE))
        with own.connect("dictionary", "127.0.3.1") as sock:
            for word in range(0, WORDS, 3):
                sock.send(b"word%d" % word)
                heard = sock.recv(2048).decode()
                expect(heard in (meaning_in(1, word), "unknown"), f"word{word} is {heard!r}")
            own.daemon.dictionary.write_text(text_of(2), encoding="utf-8")
            own.control.ask("reload")
            for word in range(0, WORDS, 3):
                sock.send(b"word%d" % word)
                heard = sock.recv(2048).decode()
                expect(heard == meaning_in(2, word), f"word{word} is {heard!r} after a reload")


def deaf_manager(place: Place, load: Load) -> None:
    """The service manager does not read what it is told: it serves on, and ends when it is to."""
    path = place.directory / "deaf.sock"
    path.unlink(missing_ok=True)
    with (
        closing(deaf(path)),
        besieged(place, "deaf-manager", NOTIFY_SOCKET=str(path), WATCHDOG_USEC="200000") as own,
        closing(Honest(own.connect("dictionary", "127.0.3.1"))) as honest,
    ):
        for _ in range(RELOADS):
            own.signal(SIGHUP)
            own.status()
            honest.asks()


def idle_metrics_connections(place: Place, load: Load) -> None:
    """Connections for metrics that say nothing: everybody else is served, and so is who asks for metrics."""
    with besieged(place, "idle-metrics", {"metrics.listen": ["127.0.0.1:0"]}) as own, ExitStack() as stack:
        honest = stack.enter_context(closing(Honest(own.connect("dictionary", "127.0.3.1"))))
        [told] = (line for line in own.daemon.log() if line.startswith("serving metrics on "))
        url = told.removeprefix("serving metrics on ")
        host, _, port = url.removeprefix("http://").partition("/")[0].rpartition(":")
        for _ in range(IDLE):
            idle = stack.enter_context(socket.socket())
            idle.settimeout(PATIENCE)
            idle.connect((host, int(port)))
            honest.asks()
        with own.connect("echo-tcp", "127.0.2.1") as sock:
            sock.send(b"x")
            expect(sock.recv(1) == b"x", "TCP echo is not served beside idle connections for metrics")
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:  # noqa: S310 (its scheme is http)
            expect(b"netechod_" in answer.read(), "no metrics beside idle connections for them")
        expect(own.status(), "netechoctl is not answered beside idle connections for metrics")


SIEGE_FAULTS: tuple[Callable[[Place, Load], None], ...] = (
    large_room,
    damaged_index,
    deaf_manager,
    idle_metrics_connections,
)
