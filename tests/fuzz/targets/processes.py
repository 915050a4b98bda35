"""What the process reads beside its configuration: pidfile, control socket, state; and the lines it logs."""

import fcntl
import json
import logging
import math
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from types import TracebackType

from fuzz.feed import Feed
from fuzz.target import STEPS, scratch, target
from support.characters import is_harmless
from support.looping import run_until, turn, until_readable
from support.statuses import ALL_OFF

from netechod.errors import AlreadyRunningError
from netechod.process.config.schema import Dictionary as Settings
from netechod.process.control.requests import commands
from netechod.process.control.server import MAX_QUESTION, ControlServer
from netechod.process.control.status import Outcome, Presence, Status
from netechod.process.dictionary.in_use import Words
from netechod.process.log.format import FORMATS, entry_of
from netechod.process.service.datagrams import UdpService
from netechod.process.service.running import Shared
from netechod.process.unix.handover import STATE, inherit
from netechod.process.unix.pidfile import Pidfile
from netechod.reactor.loop import Loop
from netechod.services.dictionary.service import MemoryDictionary
from netechod.services.echo import EchoService


@target([b"1\n", b"-1", b"4194304\n", b"99999999"])
def pidfile(feed: Feed) -> None:
    """Whatever stands in a pidfile: a locked one is refused and left alone, a stale one is taken over."""
    path, content = scratch() / "netechod.pid", feed.rest()
    path.write_bytes(content)
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        try:
            Pidfile(path).lock()
        except AlreadyRunningError as error:
            first, hint = str(error).split("\n")
            assert is_harmless(first + hint)
            assert len(first) <= len(f"already running (pid 4194304): {path} is locked")
        else:
            raise AssertionError("two have the lock")
        assert path.read_bytes() == content
    mine = Pidfile(path)
    mine.lock()
    assert path.read_bytes() == b""
    with mine:
        assert path.read_bytes() == b"%d\n" % os.getpid()
    assert not path.exists()


class Operated:
    """A daemon that notes what it is told."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.words = Words(
            {"main": MemoryDictionary({b"apple": "苹果".encode(), b"b": b"c"})}, Settings(), {}
        )
        self.told: list[str] = []

    def status(self) -> Status:
        """See commands.Operated."""
        return ALL_OFF

    def members(self) -> list[Presence]:
        """See commands.Operated."""
        return [Presence("192.0.2.1--7", 1.0, 0.5)]

    def sessions(self) -> list[dict[str, object]]:
        """See commands.Operated."""
        return []

    def reload(self, done: Callable[[Outcome], None]) -> None:
        """See commands.Operated."""
        self.told.append("reload")
        done(Outcome())

    def stop(self, reason: str) -> None:
        """See commands.Operated."""
        self.told.append("stop")

    def reopen_logs(self, done: Callable[[str], object]) -> None:
        """See commands.Operated."""
        self.told.append("reopen")
        done("")

    def set_log_level(self, level: str) -> None:
        """See commands.Operated."""
        self.told.append("log-level")


@cache
def operated(allowed: bool) -> tuple[Loop, ControlServer, Operated, str]:
    """A control socket to ask, and the daemon behind it."""
    path = str(scratch() / f"control-{allowed}.sock")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(path)
    sock.listen()
    sock.setblocking(False)
    loop = Loop()
    daemon = Operated(loop)
    return loop, ControlServer(loop, sock, commands(daemon), {os.geteuid()} if allowed else ()), daemon, path


@target(
    [json.dumps([name]).encode() + b"\n" for name in commands(Operated(Loop()))]
    + [b'["dict-lookup", "apple", "\\ud800"]\n', b'["log-level", "DEBUG"]\n', b"[" * 2000, b'["', b"1e999"],
    largest=STEPS,
)
def control(feed: Feed) -> None:
    """A question in any pieces gets one line of answer, or none; nobody changes what is not theirs."""
    allowed = bool(feed.number(1))
    loop, server, daemon, path = operated(allowed)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(path)
        client.settimeout(0)
        turn(loop)
        asked = ask(loop, client, feed)
        answer = b""
        until_readable(loop, client)
        with suppress(ConnectionResetError):  # it did not read all that we sent
            while part := client.recv(65536):
                answer += part
                until_readable(loop, client)
    run_until(loop, lambda: not server.connections)
    assert_answered(asked, answer)
    assert allowed or not daemon.told
    daemon.told.clear()


def ask(loop: Loop, client: socket.socket, feed: Feed) -> bytes:
    """Send a question in pieces, up to its end or as far as the other end wants it; returns what was sent."""
    asked = b""
    with suppress(BrokenPipeError):
        while feed and b"\n" not in asked:
            piece = feed.piece(255) if feed.number(3) else feed.rest()
            client.sendall(piece)
            asked += piece
            turn(loop)
        client.shutdown(socket.SHUT_WR)
    return asked


def assert_answered(asked: bytes, answer: bytes) -> None:
    """One line that says yes or no, and behind it as many lines as it says; nothing to half a question."""
    question, newline, _ = asked.partition(b"\n")
    if not newline or len(question) > MAX_QUESTION:
        assert answer == b""
        return
    lines = answer.split(b"\n")
    assert lines.pop() == b""
    head = json.loads(lines[0])
    assert set(head) == {"ok", "result"} if head["ok"] else is_harmless(head["error"])
    try:
        words = json.loads(question)
    except (ValueError, RecursionError):
        words = None
    if not (isinstance(words, list) and words and all(isinstance(word, str) for word in words)):
        assert not head["ok"]
    elif words[0] == "dict-dump":
        assert len(lines) == 1 + head["result"]
    elif words[0] != "metrics":
        assert len(lines) == 1


STATES = (
    b'{"version": 1, "members": [["0:ab", 1, 2.5]], "owed": {"": "YQ=="}}',
    *(b'"members": ', b'"owed": ', b'"\\ud800"', b"1e999", b"NaN", b"null", b"[" * 2000),
)


@target(STATES[1:], seeds=STATES[:1])
def state(feed: Feed) -> None:
    """The state that a process left to the next: read field by field, and otherwise told in one sentence."""
    with os.fdopen(os.memfd_create("state"), "wb") as file:
        file.write(feed.rest())
        file.flush()
        legacy = inherit({STATE: [os.dup(file.fileno())]})
    assert legacy.connections == []
    assert legacy.names == [STATE]
    assert is_harmless(legacy.problem)
    for peer, online, silent in legacy.members:
        assert isinstance(peer, str)
        assert math.isfinite(online)
        assert math.isfinite(silent)


@cache
def udp_service(host: str, number: int) -> UdpService:
    """A service on so many sockets."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    socks = [socket.socket(family, socket.SOCK_DGRAM) for _ in range(number)]
    for sock in socks:
        sock.bind((host, 0))
        sock.setblocking(False)
    return UdpService(Shared(Loop()), "echo", socks, EchoService())


@target([b"0:", b"1:", b"02001f907f000001" + b"00" * 8, b"-1:", "٣:".encode(), b"0:0a001f90" + b"0" * 48])
def left_peer(feed: Feed) -> None:
    """A peer that a former process wrote down: read back, or none of ours."""
    service = udp_service(feed.pick(["127.0.0.1", "::1", "::"]), 1 + feed.number(1))
    peer = service.read(feed.text())
    if peer is not None:
        assert service.read(service.written(peer)) == peer


class Unprintable:
    """An argument that cannot be shown."""

    def __str__(self) -> str:
        raise ValueError


@target([b"%s", b"%d", b"%", b"\n", b"\x1b[2J", "\u2028\u202e\x85".encode(), b"\xff", b"%(a)s", b"%99d"])
def log_line(feed: Feed) -> None:
    """Whatever is logged, with whatever arguments: one line, and no byte that a terminal obeys."""
    level = feed.pick([0, logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL, 99])
    arguments = [
        feed.pick(["%s", 7, None, Unprintable(), feed.piece(20).decode(errors="replace")])
    ] * feed.number(2)
    extra = {key: feed.piece(20).decode(errors="surrogateescape") for key in ("event", "service", "peer")}
    raised = ValueError(feed.piece(20).decode(errors="surrogateescape")) if feed.number(1) else None
    message = feed.text()
    told = {"name": "netechod", "levelno": level, "msg": message, "args": tuple(arguments), **extra}
    info: tuple[type[BaseException], BaseException, TracebackType | None] | None
    info = (ValueError, raised, None) if raised else None
    entry = entry_of(logging.makeLogRecord(told | {"exc_info": info}))
    assert is_harmless(entry.message)
    assert all(map(is_harmless, entry.fields.values()))
    for name, render in FORMATS.items():
        line = render(entry, 1)
        line.encode()
        assert is_harmless(line)
        assert len(line.splitlines()) == 1
        assert name != "json" or json.loads(line)["message"] == entry.message
