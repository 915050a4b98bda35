"""Bad input, as a table: what is wrong, the exit status, what the operator is told; and never a traceback."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.daemon import SERVICES, Daemon, any_port, ask, client

pytestmark = pytest.mark.system

Arrange = Callable[[Daemon], AbstractContextManager[object]]
"""Makes what is wrong outside the configuration, for the length of a `with` block."""


def nothing(daemon: Daemon) -> AbstractContextManager[object]:
    return nullcontext()


@dataclass(frozen=True)
class Case:
    """One start that must fail."""

    name: str
    status: int
    told: tuple[str, ...]  # parts of stderr; {dir} is the daemon's directory
    settings: dict[str, Any] = field(default_factory=dict)
    text: str | None = None  # the whole configuration file, if it is not made of settings
    options: tuple[str, ...] = ()
    arrange: Arrange = nothing


def words(content: bytes) -> Arrange:
    def arrange(daemon: Daemon) -> AbstractContextManager[object]:
        daemon.dictionary.write_bytes(content)
        return nullcontext()

    return arrange


def no_words(daemon: Daemon) -> AbstractContextManager[object]:
    daemon.dictionary.unlink()
    return nullcontext()


def words_from_a_fifo(daemon: Daemon) -> AbstractContextManager[object]:
    daemon.dictionary.unlink()
    os.mkfifo(daemon.dictionary)
    return nullcontext()


def taken(kind: socket.SocketKind, section: str) -> Arrange:
    """Somebody has the port already."""

    def arrange(daemon: Daemon) -> AbstractContextManager[object]:
        sock = socket.socket(socket.AF_INET, kind)
        sock.bind(("127.0.0.1", 0))
        address = "127.0.0.1:{1}".format(*sock.getsockname())
        daemon.configure({f"{section}.listen": address, "daemon.strict_start": True})
        return sock

    return arrange


class FirstInstance:
    """Another daemon on the same pidfile, with ports of its own; it is not harmed."""

    def __init__(self, daemon: Daemon) -> None:
        directory = daemon.directory / "first"
        directory.mkdir()
        self._first = Daemon(directory)
        self._first.configure({"daemon.pidfile": daemon.pidfile})

    def __enter__(self) -> None:
        self._first.start()

    def __exit__(self, *_: object) -> None:
        with self._first as first:
            assert first.process is not None
            assert ask(first.address("dictionary"), b"apple").decode() == "苹果"
            assert len(first.manager.messages) == 1
            assert first.stop() == 0


def linked_pidfile(daemon: Daemon) -> AbstractContextManager[object]:
    daemon.pidfile.symlink_to(daemon.dictionary)
    return nullcontext()


CASES = [
    Case(
        "an unknown section",
        78,
        ("netechod.toml:10: echos: unknown key", "did you mean 'echo'?"),
        {"echos.on": 1},
    ),
    Case(
        "a misspelt key",
        78,
        ("netechod.toml:10: chat.idle_timeot: unknown key", "did you mean 'idle_timeout'?"),
        {"chat.idle_timeot": 3},
    ),
    Case(
        "a key in the wrong section",
        78,
        ("log.backlog: unknown key", "'backlog' belongs in [echo.tcp]"),
        {"log.backlog": 3},
    ),
    Case(
        "a string for a number",
        78,
        ("netechod.toml:10: chat.max_members: must be an integer (got a string)",),
        {"chat.max_members": "3"},
    ),
    Case("a number for a boolean", 78, ("must be true or false (got an integer)",), {"chat.enabled": 1}),
    Case(
        "a value out of bounds", 78, ("must be at most 65535 (got 65536)",), {"access.min_source_port": 65536}
    ),
    Case("a wrong choice", 78, ("must be one of", "did you mean 'epoll'?"), {"daemon.selector": "epol"}),
    Case("a name for an address", 78, ("must be a numeric ADDRESS:PORT",), {"chat.listen": "localhost:1"}),
    Case(
        "half a network",
        78,
        ("access.deny", "must be the network's own address"),
        {"access.deny": ["10.0.0.1/8"]},
    ),
    Case(
        "an address for two",
        78,
        ("also stands in",),
        {"chat.listen": "[::]:1", "dictionary.listen": "[::]:1"},
    ),
    Case("two problems at once", 78, ("chat.a", "chat.b", "2 errors"), {"chat.a": 1, "chat.b": 1}),
    Case("no TOML", 78, ("netechod.toml:2", "1 error"), text="[chat]\nlisten = [\n"),
    Case("a binary file", 78, ("netechod.toml",), text="\0\x01\x02\x7f"),
    Case("a missing configuration", 78, ("No such file or directory",), options=("--config", "missing.toml")),
    Case("a directory", 78, ("is a directory",), options=("--config", ".")),
    Case("a wrong override", 78, ("--set", "must be KEY=VALUE"), options=("--set", "chat")),
    Case("an unknown option", 64, ("unrecognized arguments: --frobnicate",), options=("--frobnicate",)),
    Case(
        "a taken UDP port",
        3,
        ("cannot bind UDP 127.0.0.1:", "in use"),
        arrange=taken(socket.SOCK_DGRAM, "chat"),
    ),
    Case(
        "a taken TCP port",
        3,
        ("cannot bind TCP 127.0.0.1:", "in use"),
        arrange=taken(socket.SOCK_STREAM, "echo.tcp"),
    ),
    Case(
        "an address of nobody",
        3,
        ("cannot bind UDP 192.0.2.1:9: Cannot assign requested address",),
        {"chat.listen": "192.0.2.1:9", "daemon.strict_start": True},
    ),
    Case("no dictionary", 5, ("{dir}/dict.txt: No such file or directory",), arrange=no_words),
    Case("a FIFO as dictionary", 5, ("{dir}/dict.txt: not a regular file",), arrange=words_from_a_fifo),
    Case("a directory as dictionary", 5, ("{dir}: not a regular file",), {"dictionary.file": "."}),
    Case("a binary dictionary", 5, ("{dir}/dict.txt:1: ",), arrange=words(b"\x7fELF\x02\x01\x01\0\0")),
    Case(
        "a dictionary in GBK", 5, ("{dir}/dict.txt:2: not UTF-8",), arrange=words("a:b\nc:梨".encode("gbk"))
    ),
    Case("an empty dictionary", 5, ("{dir}/dict.txt: holds no entry at all",), arrange=words(b"")),
    Case(
        "a big dictionary",
        5,
        ("dictionary.max_size is 3",),
        {"dictionary.max_size": 3},
    ),
    Case(
        "a strict dictionary with a bad line",
        5,
        ("{dir}/dict.txt:1: no ':'",),
        {"dictionary.strict": True},
        arrange=words(b"apple\n"),
    ),
    Case("a second instance", 75, ("already running (pid ", "netechod.pid is locked"), arrange=FirstInstance),
    Case("a linked pidfile", 77, ("netechod.pid", "it is a symbolic link"), arrange=linked_pidfile),
    Case(
        "no log directory",
        77,
        ("cannot write {dir}/dict.txt/log/log.txt",),
        {"log.directory": "dict.txt/log"},
    ),
    Case("an unknown user", 77, ("no-such-user",), {"daemon.user": "no-such-user"}),
    Case("an unknown group", 77, ("no-such-group",), {"daemon.group": "no-such-group"}),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_start_ends_with_its_status_and_says_why(tmp_path: Path, case: Case) -> None:
    with Daemon(tmp_path) as daemon:
        daemon.configure(
            {f"{section}.listen": "127.0.0.1:0" for section, _ in SERVICES.values()} | case.settings
        )
        if case.text is not None:
            daemon.config.write_text(case.text)
        with case.arrange(daemon):
            daemon.spawn("--foreground", *case.options)
            status, told = daemon.wait(), daemon.stderr()
        assert status == case.status, told
        for part in case.told:
            assert part.format(dir=tmp_path) in told
        assert not any("Traceback" in text for text in everything_said(daemon))
        assert all(message.startswith("STATUS=not running: ") for message in daemon.manager.messages)


def everything_said(daemon: Daemon) -> Iterator[str]:
    """stderr and the logs, of a daemon that has ended."""
    yield daemon.stderr()
    for file in (daemon.directory / "log").glob("log.*"):
        yield file.read_text(encoding="utf-8")


SIZES = [*range(1500), *range(1500, 65507, 1777), 65507]
JUNK = [bytes, lambda size: b"\xff" * size, lambda size: b"x" * size, os.urandom]


@pytest.mark.parametrize("service", ["echo-udp", "dictionary", "chat"])
def test_junk_of_every_size_costs_nobody_an_answer(tmp_path: Path, service: str) -> None:
    with Daemon(tmp_path) as daemon:
        daemon.start()
        with (
            client(daemon.address(service), source="127.0.0.2") as junk,
            client(daemon.address("dictionary")) as sock,
        ):
            for number, size in enumerate(SIZES):
                junk.send(JUNK[number % len(JUNK)](size))
                if size > 1500 or not number % 8:
                    sock.send(b"apple")
                    assert sock.recv(64).decode() == "苹果"
        assert ask(daemon.address("chat"), b"online").endswith(b"#online")
        assert daemon.reload().startswith("echo 0 connections, dictionary 3 words")
        assert daemon.stop() == 0
        assert daemon.errors() == []
        assert not any("Traceback" in text for text in everything_said(daemon))


def test_junk_on_tcp_comes_back_as_it_is(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        daemon.start(*any_port())
        echo_tcp, *_ = daemon.bound()
        for size in (1, 1023, 1024, 1025, 65536):
            with client(echo_tcp, socket.SOCK_STREAM) as sock:
                sent = os.urandom(size)
                sock.sendall(sent)
                sock.shutdown(socket.SHUT_WR)
                with sock.makefile("rb") as stream:
                    assert stream.read() == sent
        assert daemon.stop() == 0
        assert daemon.errors() == []
