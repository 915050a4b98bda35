"""Serving while every third call of a kind fails: who asks loses no more than the failed calls themselves."""

import json
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from socket import AF_UNIX, SOCK_STREAM, socket

from support.daemon import NETECHOD, PATIENCE, Daemon, Lines, client

from netechod.client.errors import ClientError
from netechod.client.operator.control import RefusedError, ask
from torture.strace import INJECTED, Fault, calls

EVERY_THIRD = "3+3"
ROUNDS = 6
AT_ONCE = 8  # questions on their way at the same time
PATIENT = 0.2  # seconds for an answer, after which one more question is asked
CHUNK = 3000  # bytes
LOOKS = 100  # at what is open: what tells the service manager is so for a moment
WAITS = 4  # of the loop, for every thing that it is asked to do: more is a spin
LOG = "log/log.txt"

PAIRS = [
    *(Fault("recvmmsg", error, EVERY_THIRD) for error in ("EAGAIN", "EINTR", "ENOMEM", "ECONNREFUSED")),
    *(
        Fault("sendmmsg", error, EVERY_THIRD)
        for error in ("EAGAIN", "EINTR", "ENOBUFS", "EPERM", "ENETUNREACH", "EHOSTUNREACH", "ECONNREFUSED")
    ),
    *(Fault("recvmsg", error, EVERY_THIRD) for error in ("EAGAIN", "ENOBUFS")),
    *(Fault("sendmsg", error, EVERY_THIRD) for error in ("ECONNREFUSED", "ENOBUFS")),
    *(
        Fault("accept4", error, EVERY_THIRD)
        for error in ("EAGAIN", "EINTR", "ECONNABORTED", "EPROTO", "EPERM", "EMFILE", "ENFILE", "ENOBUFS")
    ),
    *(Fault("recvfrom", error, EVERY_THIRD) for error in ("EAGAIN", "EINTR", "ECONNRESET", "ETIMEDOUT")),
    *(Fault("sendto", error, EVERY_THIRD) for error in ("EAGAIN", "EINTR", "EPIPE", "ECONNRESET", "ENOBUFS")),
    *(Fault("write", error, EVERY_THIRD, LOG) for error in ("ENOSPC", "EIO", "EDQUOT", "EINTR")),
    *(Fault("openat", error, EVERY_THIRD) for error in ("EMFILE", "ENFILE", "EACCES", "EIO")),
    *(Fault("read", error, EVERY_THIRD, "dict.txt") for error in ("EIO", "EINTR")),
    *(Fault("newfstatat", error, EVERY_THIRD) for error in ("EIO", "ENOMEM")),
    *(Fault("getsockopt", error, EVERY_THIRD) for error in ("ENOBUFS",)),
    *(Fault("epoll_ctl", error, EVERY_THIRD) for error in ("ENOMEM", "ENOSPC")),
    *(Fault("epoll_wait", error, EVERY_THIRD) for error in ("EINTR",)),
]

# Lets strace attach to it whoever is its parent: Yama allows that to ancestors only (prctl(2)).
PR_SET_PTRACER = 0x59616D61
TRACEABLE = (
    f"import ctypes, os, sys; ctypes.CDLL(None).prctl({PR_SET_PTRACER}, ctypes.c_ulong(-1)); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)


class Datagrams:
    """Numbered questions and their answers, which come in the order in which they were asked."""

    def __init__(self, sock: socket, name: bytes, answer: Callable[[int], bytes]) -> None:
        """Answers that do not begin with `name` are for others."""
        self.asked = self.lost = 0
        self._sock = sock
        self._sock.settimeout(PATIENT)
        self._name, self._answer = name, answer

    def turn(self) -> None:
        """Ask several things, and on until all is answered that is not lost: something later was."""
        owed: dict[bytes, int] = {}
        for _ in range(AT_ONCE):
            self._ask(owed)
        for _ in range(round(PATIENCE / PATIENT)):
            try:
                heard = self._sock.recv(65536)
            except TimeoutError:
                self._ask(owed)
                continue
            if not heard.startswith(self._name):
                continue
            number = owed.pop(heard)
            lost = [answer for answer, asked in owed.items() if asked < number]
            self.lost += len(lost)
            for answer in lost:
                del owed[answer]
            if not owed:
                return
        raise AssertionError(f"no answer to any of {sorted(owed.values())}")

    def close(self) -> None:
        self._sock.close()

    def _ask(self, owed: dict[bytes, int]) -> None:
        self._sock.send(word(self.asked))
        owed[self._name + self._answer(self.asked)] = self.asked
        self.asked += 1


class Echoes:
    """A connection that stays: every byte comes back, in its order."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.asked = self.lost = 0
        self._address = address
        self._random = random.Random(1)
        self._sock = client(address, SOCK_STREAM)

    def turn(self) -> None:
        sent = self._random.randbytes(CHUNK)
        self.asked += 1
        try:
            self._sock.sendall(sent)
            heard = self._sock.recv(CHUNK)
            while heard and len(heard) < CHUNK and (more := self._sock.recv(CHUNK)):
                heard += more
        except ConnectionError:
            heard = b""
        assert sent.startswith(heard), "a byte came back as another"
        if heard != sent:
            self.lost += 1
            self._sock.close()
            self._sock = client(self._address, SOCK_STREAM)

    def close(self) -> None:
        self._sock.close()


class Visits:
    """Connections that are made, used and closed."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.asked = self.lost = 0
        self._address = address

    def turn(self) -> None:
        self.asked += 1
        with client(self._address, SOCK_STREAM) as sock:
            try:
                sock.sendall(b"hello")
                heard = sock.recv(64)
            except ConnectionError:
                heard = b""
        assert heard in (b"", b"hello")
        self.lost += not heard

    def close(self) -> None:
        """Nothing stays open."""


class Operator:
    """netechoctl, and signals. To be told that a reload failed is an answer, too."""

    def __init__(self, daemon: Daemon) -> None:
        self.asked = self.lost = 0
        self._daemon = daemon

    def turn(self) -> None:
        self._daemon.signal(signal.SIGUSR1)
        self._daemon.signal(signal.SIGUSR2)
        for word in ("status", "reload"):
            self.asked += 1
            try:
                ask(self._daemon.directory / "control.sock", word)
            except RefusedError:
                pass
            except ClientError:
                self.lost += 1

    def close(self) -> None:
        """Nothing stays open."""


class Mortals:
    """Members of the chat who leave without a word: the network reports them as unreachable."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.asked = self.lost = 0
        self._address = address

    def turn(self) -> None:
        with client(self._address) as sock:
            sock.send(b"online")

    def close(self) -> None:
        """Nothing stays open."""


Flow = Datagrams | Echoes | Visits | Operator | Mortals


def word(number: int) -> bytes:
    return b"word%d" % number


def meaning(number: int) -> bytes:
    return b"meaning %d" % number


class Guests:
    """Everybody who asks the daemon something."""

    def __init__(self, daemon: Daemon, resources: ExitStack) -> None:
        member = client(daemon.address("chat"))
        name = "{}--{}#".format(*member.getsockname()).encode()
        member.send(b"online")
        assert member.recv(2048) == name + b"online"
        echo = daemon.address("echo-tcp")
        self.flows: Sequence[Flow] = [
            Mortals(daemon.address("chat")),
            Datagrams(client(daemon.address("dictionary")), b"", meaning),
            Datagrams(client(daemon.address("echo-udp")), b"", word),
            Datagrams(member, name, word),
            Echoes(echo),
            Visits(echo),
            Operator(daemon),
        ]
        for flow in self.flows:
            resources.callback(flow.close)

    def turn(self) -> None:
        for flow in self.flows:
            flow.turn()

    @property
    def asked(self) -> int:
        return sum(flow.asked for flow in self.flows)

    @property
    def lost(self) -> int:
        return sum(flow.lost for flow in self.flows)


@contextmanager
def failing(daemon: Daemon, fault: Fault, trace: Path) -> Iterator[None]:
    """Calls of the running daemon fail in here."""
    assert daemon.process is not None
    lines = Lines()
    options = fault.options(daemon.directory, also="epoll_wait")
    with subprocess.Popen(
        ["strace", "-f", "-y", f"--attach={daemon.process.pid}", f"--output={trace}", *options],
        stderr=lines.fileno(),
    ) as tracer:
        try:
            lines.wait_for("attached")
            yield
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.wait(PATIENCE)
            lines.rest()


def descriptors(daemon: Daemon, expected: int = 0) -> list[str]:
    """Return the open files of the idle daemon: `expected` of them, if it closes the rest in time."""
    assert daemon.process is not None
    for _ in range(LOOKS):
        while connections(daemon.directory / "control.sock"):
            pass
        with suppress(FileNotFoundError):  # it has closed one while we looked
            found = [str(link.readlink()) for link in Path(f"/proc/{daemon.process.pid}/fd").iterdir()]
            if len(found) == expected or not expected:
                break
    return sorted(found)


def connections(control: Path) -> int:
    """How many TCP connections there are; when it is told, the one that it was asked on has ended."""
    with socket(AF_UNIX) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(str(control))
        sock.sendall(b'["status"]\n')
        with sock.makefile("rb") as answer:
            count: int = json.loads(answer.read())["result"]["connections"]
            return count


def asked_and_lost(daemon: Daemon, fault: Fault, trace: Path) -> tuple[int, int]:
    """How much the guests have asked meanwhile, and how much of it was lost; before and after, nothing is."""
    with ExitStack() as resources:
        guests = Guests(daemon, resources)
        guests.turn()
        assert guests.lost == 0, "something was lost although nothing had failed"
        before = guests.asked
        with failing(daemon, fault, trace):
            for _ in range(ROUNDS):
                guests.turn()
        asked, lost = guests.asked - before, guests.lost
        guests.turn()
        assert guests.lost == lost, "something was lost although nothing fails any more"
    return asked, lost


def attempt(fault: Fault) -> str:
    """How the daemon takes it, in words. Raises AssertionError when it takes it as it must not."""
    with tempfile.TemporaryDirectory(prefix="netechod-torture-") as name:
        trace = Path(name) / "trace"
        home = Path(name) / "home"
        home.mkdir()
        words = "".join(f"{word(n).decode()}:{meaning(n).decode()}\n" for n in range(2000))
        with Daemon(home, words, program=[sys.executable, "-c", TRACEABLE, *NETECHOD]) as daemon:
            daemon.start()
            before = descriptors(daemon)
            asked, lost = asked_and_lost(daemon, fault, trace)
            after = descriptors(daemon, len(before))
            daemon.signal(signal.SIGUSR2)
            daemon.said("status dictionary ")
            status, told, log = daemon.stop(), daemon.stderr(), daemon.log()
        waits = sum(call.name == "epoll_wait" for call in calls(trace))
        failed = trace.read_text(errors="replace").count(INJECTED)
    assert status == 0, f"it ended with {status}: {told}"
    assert "Traceback" not in told, told
    assert log[-1] == "stopped reason=SIGTERM", f"the log has stopped: {log}"
    assert len(after) == len(before), f"it had {before} open, and has {after}"
    assert lost <= failed, f"{lost} lost, {failed} failed"
    assert waits <= WAITS * asked, f"it has waited {waits} times for {asked} questions"
    return f"{asked} asked, {failed} failed, {lost} lost, {waits} waits"
