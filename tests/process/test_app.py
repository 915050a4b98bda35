"""The running daemon and its signals: what a reload changes and what it never harms, and how it stops."""

import json
import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest
from support.daemon import PATIENCE, WORDS, Daemon, any_port, ask, client

pytestmark = pytest.mark.system

IN_USE = "echo 0 connections, dictionary 3 words (generation {}), chat 0 online"


@pytest.fixture(scope="module", params=["memory", "index"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that refuses any but a small and faultless dictionary, which is in memory or in an index."""
    settings = {"dictionary.max_size": 1000, "dictionary.strict": True}
    if request.param == "index":
        settings["dictionary.index_from"] = 0
    with Daemon(tmp_path_factory.mktemp("app")) as daemon:
        daemon.configure(settings)
        yield daemon.start()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(tmp_path) as daemon:
        yield daemon


def look_up(daemon: Daemon, word: str, source: str = "") -> str:
    return ask(daemon.address("dictionary"), word.encode(), source).decode()


def words(daemon: Daemon, text: str) -> str:
    """Load another dictionary; the status afterwards."""
    daemon.dictionary.write_text(text, encoding="utf-8")
    return daemon.reload()


# A reload of the dictionary


def test_a_reload_adds_changes_and_removes_words(daemon: Daemon) -> None:
    daemon.start()
    assert words(daemon, "apple:苹\ncherry:樱桃\nhello:你好\n") == IN_USE.format(2)
    found = {word: look_up(daemon, word) for word in ("apple", "banana", "cherry", "hello")}
    assert found == {"apple": "苹", "banana": "unknown", "cherry": "樱桃", "hello": "你好"}
    daemon.said("dictionary loaded entries=3 skipped=0 ")
    daemon.said("dictionary loaded entries=3 skipped=0 ")


def test_a_reload_is_announced_with_its_time_and_its_end(shared: Daemon) -> None:
    shared.reload()
    begin, end = shared.manager.messages[-2:]
    assert begin.startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert begin.removeprefix("RELOADING=1\nMONOTONIC_USEC=").isdecimal()
    assert end.startswith("READY=1\nSTATUS=echo 0 connections, ")
    assert end.count("\n") == 1


Spoil: TypeAlias = Callable[[Path], object]

SPOILT: dict[str, tuple[Spoil, str]] = {
    "missing": (lambda path: None, ": No such file or directory"),
    "directory": (Path.mkdir, ": not a regular file"),
    "fifo": (os.mkfifo, ": not a regular file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), ": not a regular file"),
    "loop": (lambda path: path.symlink_to(path), ": Too many levels of symbolic links"),
    "empty": (lambda path: path.write_text(""), ": holds no entry at all"),
    "comments": (lambda path: path.write_text("# apple:苹果\n\n"), ": holds no entry at all"),
    "gbk": (lambda path: path.write_bytes("apple:x\npear:梨\n".encode("gbk")), ":2: not UTF-8"),
    "nul": (lambda path: path.write_text("apple:x\na:b\n\0"), ":3: a NUL byte"),
    "too big": (lambda path: path.write_text(WORDS + "#" * 1000), ", dictionary.max_size is 1000"),
    "strict": (lambda path: path.write_text(WORDS + "pear\n"), ":4: no ':'"),
}


@pytest.mark.parametrize(("spoil", "why"), SPOILT.values(), ids=list(SPOILT))
def test_a_reload_that_fails_keeps_the_words_and_says_why(shared: Daemon, spoil: Spoil, why: str) -> None:
    errors = len(shared.errors())
    shared.dictionary.unlink()
    spoil(shared.dictionary)
    status = shared.reload()
    assert look_up(shared, "apple") == "苹果"
    shared.said("dictionary reload failed, ")
    [line] = shared.errors()[errors:]
    assert line.startswith(f"dictionary reload failed, 3 entries stay in use: {shared.dictionary}")
    assert why in line
    assert "; last reload FAILED" in status
    assert str(shared.dictionary) in status
    assert why in status
    remove(shared.dictionary)
    assert "FAILED" not in words(shared, WORDS)
    assert len(shared.errors()) == errors + 1


def remove(path: Path) -> None:
    if path.is_dir():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def test_a_failed_reload_reads_the_same_in_the_status_of_usr2(shared: Daemon) -> None:
    shared.dictionary.unlink()
    failed = shared.reload()
    shared.signal(signal.SIGUSR2)
    assert failed in shared.said("status up=")
    words(shared, WORDS)


# A reload of the configuration


def test_a_new_level_holds_from_the_reload_on(daemon: Daemon) -> None:
    daemon.start()
    daemon.configure({"log.level": "ERROR"})
    daemon.reload()
    daemon.signal(signal.SIGUSR2)
    daemon.configure({})
    daemon.reload()
    daemon.signal(signal.SIGUSR2)
    daemon.said("status up=")
    assert daemon.stop() == 0
    assert sum(line.startswith("status up=") for line in daemon.log()) == 1


@pytest.mark.parametrize("look", ["json", "iso"])
def test_a_new_format_holds_from_the_reload_on(daemon: Daemon, look: str) -> None:
    daemon.start()
    daemon.configure({"log.format": look})
    daemon.reload()
    daemon.signal(signal.SIGUSR2)
    line = daemon.said("status up=")
    if look == "json":
        assert json.loads(line)["level"] == "NORMAL"
    else:
        assert line.startswith("[NORMAL][20")


def unanswered(address: tuple[str, int], query: bytes, source: str, witness: str) -> bool:
    """Whether `source` hears nothing, though `witness`, who has asked after it, has its answer."""
    with client(address, source=source) as silent:
        silent.send(query)
        assert ask(address, query, witness)
        silent.setblocking(False)
        try:
            silent.recv(65536)
        except BlockingIOError:
            return True
        return False


def test_who_is_denied_hears_nothing_from_the_reload_on(daemon: Daemon) -> None:
    daemon.start()
    assert look_up(daemon, "apple", "127.0.0.2") == "苹果"
    daemon.configure({"access.deny": ["127.0.0.2"]})
    daemon.reload()
    for service in ("echo-udp", "dictionary"):
        assert unanswered(daemon.address(service), b"apple", "127.0.0.2", "127.0.0.3")
    with client(daemon.address("echo-tcp"), socket.SOCK_STREAM, "127.0.0.2") as sock:
        assert sock.recv(1) == b""
    daemon.configure({})
    daemon.reload()
    assert look_up(daemon, "apple", "127.0.0.2") == "苹果"


def test_who_is_trusted_is_echoed_from_the_reload_on(daemon: Daemon) -> None:
    daemon.start()
    assert ask(daemon.address("echo-udp"), b"x", "127.0.0.2") == b"x"
    daemon.configure({"access.trusted": ["127.0.0.3"]})
    daemon.reload()
    assert unanswered(daemon.address("echo-udp"), b"x", "127.0.0.2", "127.0.0.3")
    assert look_up(daemon, "apple", "127.0.0.2") == "苹果"


def test_the_chat_has_its_new_limits_from_the_reload_on(daemon: Daemon) -> None:
    daemon.start()
    with client(daemon.address("chat")) as ann:
        ann.send(b"online")
        assert ann.recv(2048).endswith(b"#online")
        daemon.configure({"chat.max_message": 5, "chat.max_members": 1})
        daemon.reload()
        ann.send(b"sixsix")
        assert ann.recv(2048) == b"message refused: longer than 5 bytes"
        assert ask(daemon.address("chat"), b"online") == b"message refused: the room is full"


def test_tcp_echo_has_its_new_limits_from_the_reload_on(daemon: Daemon) -> None:
    daemon.start()
    address = daemon.address("echo-tcp")
    with client(address, socket.SOCK_STREAM) as first, client(address, socket.SOCK_STREAM) as second:
        for sock in (first, second):
            sock.send(b"x")
            assert sock.recv(1) == b"x"
        daemon.configure({"echo.tcp.max_connections_per_source": 1})
        daemon.reload()
        with client(address, socket.SOCK_STREAM) as third:
            assert third.recv(1) == b"", "one too many"
        first.send(b"y")
        assert first.recv(1) == b"y", "who is in stays in"
        daemon.configure({"echo.tcp.idle_timeout": 0.2})
        daemon.reload()
        assert first.recv(1) == second.recv(1) == b""


def test_the_dictionary_answers_by_its_new_rules_from_the_reload_on(daemon: Daemon) -> None:
    daemon.start()
    other = daemon.directory / "other.txt"
    other.write_text("Apple:" + "苹" * 20 + "\n", encoding="utf-8")
    rules = {"file": other, "unknown": "没有", "match": "exact", "max_reply": 16}
    daemon.configure({f"dictionary.{key}": value for key, value in rules.items()})
    assert "dictionary 1 words (generation 2)" in daemon.reload()
    assert look_up(daemon, "Apple") == "苹" * 5
    assert look_up(daemon, "apple") == "没有"


def test_changes_that_need_a_restart_are_named_in_one_warning(daemon: Daemon) -> None:
    daemon.start()
    daemon.configure({"chat.listen": "127.0.0.1:9", "echo.tcp.nodelay": False, "dictionary.unknown": "?"})
    daemon.reload()
    warning = "configuration changes that need a restart: echo.tcp.nodelay, chat.listen"
    assert daemon.said(warning).startswith("[WARNING]")
    assert look_up(daemon, "x") == "?"
    daemon.stop()
    assert daemon.log().count(warning) == 1


BAD: dict[str, tuple[Mapping[str, object], str]] = {
    "unknown key": ({"dictionary.unknwon": "?"}, "unknown key"),
    "wrong type": ({"chat.max_members": "many"}, "must be an integer"),
    "one good and one bad": ({"dictionary.unknown": "?", "log.level": "LOUD"}, "must be one of"),
}


@pytest.mark.parametrize(("settings", "why"), BAD.values(), ids=list(BAD))
def test_a_bad_configuration_changes_nothing_and_is_told(
    shared: Daemon, settings: Mapping[str, object], why: str
) -> None:
    good = shared.config.read_text()
    errors = len(shared.errors())
    shared.configure(settings)
    status = words(shared, "apple:another\n")
    assert look_up(shared, "apple") == "苹果", "all or nothing"
    assert look_up(shared, "none") == "unknown"
    shared.said("configuration reload failed, nothing changes: ")
    [line] = shared.errors()[errors:]
    assert f"{shared.config}:" in line
    assert why in line
    assert "; last reload FAILED" in status
    assert why in status
    shared.config.write_text(good)
    assert "FAILED" not in words(shared, WORDS)


def test_a_configuration_that_is_gone_changes_nothing(shared: Daemon) -> None:
    good = shared.config.read_text()
    shared.config.unlink()
    assert "No such file or directory" in shared.reload()
    assert look_up(shared, "apple") == "苹果"
    shared.config.write_text(good)
    assert "FAILED" not in shared.reload()


# The other signals


def test_usr1_opens_the_logs_anew_at_once(daemon: Daemon) -> None:
    daemon.start()
    daemon.said("ready: ")
    log = daemon.directory / "log" / "log.txt"
    log.rename(log.with_suffix(".1"))
    os.mkfifo(log)  # its opening for reading waits for the daemon's opening for writing (fifo(7))
    early = os.open(log, os.O_RDONLY | os.O_NONBLOCK)
    daemon.signal(signal.SIGUSR1)
    with log.open() as fifo:
        os.close(early)
        daemon.signal(signal.SIGUSR2)
        assert "status up=" in fifo.readline()
        log.unlink()
    assert daemon.stop() == 0
    assert daemon.log()[-1] == "stopped reason=SIGTERM"


def test_renamed_logs_are_followed_with_and_without_usr1(daemon: Daemon) -> None:
    daemon.start()
    daemon.said("ready: ")
    log = daemon.directory / "log" / "log.txt"
    for number, signals in enumerate([(signal.SIGUSR1, signal.SIGUSR2), (signal.SIGUSR2,)]):
        log.rename(log.with_suffix(f".{number}"))
        for each in signals:
            daemon.signal(each)
        daemon.said("status chat ")
        assert daemon.log()[0].startswith("status up=")


def test_usr2_writes_the_status_and_every_counter(daemon: Daemon) -> None:
    daemon.start()
    look_up(daemon, "apple")
    daemon.signal(signal.SIGUSR2)
    first = daemon.said("status up=")
    assert first.endswith(f" {IN_USE.format(1)}\n")
    line = daemon.said("status dictionary ")
    assert " received=1 sent=1 " in line
    assert " found=1 missed=0" in line
    assert "status chat received=0 " in daemon.said("status chat ")
    names = [line.split()[1] for line in daemon.log() if line.startswith("status ")]
    assert sorted(names[1:]) == ["chat", "dictionary", "echo-tcp", "echo-udp"]


SMALL = 8192  # bytes of a kernel buffer that is soon full
MUCH = 300_000  # bytes that no such buffers hold


class SlowReader:
    """A TCP client that has sent much and read nothing yet: more is owed to it than the kernel takes."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MUCH)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(address)
        data = os.urandom(MUCH)
        self.sent = data[: self.sock.send(data)]
        assert len(self.sent) > MUCH // 2

    def read_everything(self) -> bytes:
        """Take it all, to the end."""
        heard = bytearray()
        while data := self.sock.recv(65536):
            heard += data
        return bytes(heard)


@pytest.fixture
def slow(daemon: Daemon) -> Iterator[SlowReader]:
    """A slow reader of `daemon`, which binds its sockets itself and has all the time in the world."""
    small = {"echo.tcp.send_buffer": SMALL, "echo.tcp.receive_buffer": SMALL}
    daemon.configure({"daemon.drain_timeout": 600.0, **small})
    daemon.start(*any_port())
    reader = SlowReader(daemon.bound()[0])
    with reader.sock:
        daemon.said("accept 127.0.0.1--")
        yield reader


def begin_to_stop(daemon: Daemon) -> None:
    daemon.signal(signal.SIGTERM)
    assert daemon.manager.wait_for("STOPPING=1", PATIENCE) == "STOPPING=1\nSTATUS=stopping: SIGTERM"
    daemon.said("stopping reason=SIGTERM connections=1")
    daemon.signal(signal.SIGUSR2)
    daemon.said("status up=")  # the turn in which the listeners were closed is over


def assert_clean_end(daemon: Daemon, reason: str) -> None:
    assert daemon.wait() == 0
    assert not daemon.pidfile.exists()
    assert daemon.log()[-1] == f"stopped reason={reason}"
    assert daemon.errors() == []


def test_term_delivers_what_is_owed_and_accepts_nobody_else(daemon: Daemon, slow: SlowReader) -> None:
    begin_to_stop(daemon)
    with socket.socket() as late, pytest.raises(ConnectionRefusedError):
        late.connect(slow.sock.getpeername())
    assert slow.read_everything() == slow.sent
    assert_clean_end(daemon, "SIGTERM")
    [closed] = [line for line in daemon.log() if line.startswith("close ")]
    assert f"in={len(slow.sent)} out={len(slow.sent)} " in closed
    assert closed.endswith(" reason=drain")


def test_a_second_term_stops_at_once(daemon: Daemon, slow: SlowReader) -> None:
    begin_to_stop(daemon)
    daemon.signal(signal.SIGTERM)
    assert_clean_end(daemon, "SIGTERM")


def test_int_stops_at_once(daemon: Daemon, slow: SlowReader) -> None:
    daemon.signal(signal.SIGINT)
    assert daemon.manager.wait_for("STOPPING=1", PATIENCE) == "STOPPING=1\nSTATUS=stopping: SIGINT"
    assert_clean_end(daemon, "SIGINT")


def test_int_ends_the_wait_that_term_began(daemon: Daemon, slow: SlowReader) -> None:
    begin_to_stop(daemon)
    daemon.signal(signal.SIGINT)
    assert_clean_end(daemon, "SIGTERM")


def test_who_never_reads_is_cut_by_the_drain_timeout(daemon: Daemon, slow: SlowReader) -> None:
    daemon.configure({"daemon.drain_timeout": 0.2})
    daemon.reload()
    begin_to_stop(daemon)
    assert_clean_end(daemon, "SIGTERM")
    [closed] = [line for line in daemon.log() if line.startswith("close ")]
    assert closed.endswith(" reason=drain")


def test_a_reload_asked_for_while_it_stops_harms_nothing(daemon: Daemon, slow: SlowReader) -> None:
    begin_to_stop(daemon)
    daemon.signal(signal.SIGHUP)
    daemon.signal(signal.SIGUSR2)
    daemon.said("status up=")
    assert slow.read_everything() == slow.sent
    assert_clean_end(daemon, "SIGTERM")
    assert daemon.manager.messages[-1].startswith("STOPPING=1")


def test_a_reload_that_runs_when_it_stops_harms_nothing(daemon: Daemon, slow: SlowReader) -> None:
    daemon.dictionary.write_text("".join(f"word{number}:{number}\n" for number in range(300_000)))
    daemon.signal(signal.SIGHUP)
    daemon.manager.wait_for("RELOADING=1", PATIENCE)
    begin_to_stop(daemon)
    assert slow.read_everything() == slow.sent
    assert_clean_end(daemon, "SIGTERM")


def test_two_thousand_reloads_are_no_way_to_lose_a_term(daemon: Daemon) -> None:
    daemon.start()
    for _ in range(2000):
        daemon.signal(signal.SIGHUP)
    daemon.signal(signal.SIGTERM)
    assert_clean_end(daemon, "SIGTERM")


def test_a_storm_of_all_signals_ends_with_the_term_as_well(daemon: Daemon) -> None:
    daemon.start()
    for _ in range(500):
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE):
            daemon.signal(number)
    daemon.signal(signal.SIGTERM)
    assert_clean_end(daemon, "SIGTERM")


def test_no_signal_ends_it_before_its_end(daemon: Daemon) -> None:
    daemon.start()
    assert daemon.process is not None
    while daemon.process.poll() is None:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            daemon.signal(number)
    assert_clean_end(daemon, "SIGTERM")


def test_udp_answers_what_has_arrived_before_the_term(daemon: Daemon) -> None:
    daemon.start()
    assert daemon.process is not None
    with client(daemon.address("dictionary")) as sock:
        daemon.signal(signal.SIGSTOP)
        os.waitid(os.P_PID, daemon.process.pid, os.WSTOPPED | os.WNOWAIT)
        for _ in range(100):
            sock.send(b"apple")
        daemon.signal(signal.SIGTERM)
        daemon.signal(signal.SIGCONT)
        assert {sock.recv(64).decode() for _ in range(100)} == {"苹果"}
    assert_clean_end(daemon, "SIGTERM")


def test_members_expire_by_the_new_timeout_from_the_reload_on(daemon: Daemon) -> None:
    daemon.start()
    with client(daemon.address("chat")) as ann:
        ann.send(b"online")
        assert ann.recv(2048).endswith(b"#online")
        daemon.configure({"chat.idle_timeout": 0.2})
        daemon.reload()
        assert ann.recv(2048).endswith(b"#offline")
        assert daemon.said("chat offline ").endswith(" reason=idle\n")
