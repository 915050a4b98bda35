"""What a service manager hears from us, whether it listens or not, and what it hands to us."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.looping import FakeClock, turn
from support.notify_socket import NotifySocket

from netechod.process.unix import service_manager as notify
from netechod.process.unix.service_manager import (
    MAX_UNSENT,
    PATIENCE,
    RETRY,
    Notifier,
    extended,
    listed_in_environment,
    send_datagram,
)
from netechod.reactor.loop import Loop


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[NotifySocket]:
    with NotifySocket(tmp_path / "notify") as listening:
        yield listening


@pytest.fixture
def notifier(manager: NotifySocket, monkeypatch: pytest.MonkeyPatch) -> Notifier:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    return Notifier()


def test_readiness_comes_with_a_status(notifier: Notifier, manager: NotifySocket) -> None:
    notifier.ready("serving 4 addresses")
    assert manager.wait_for("READY=1") == "READY=1\nSTATUS=serving 4 addresses"


def test_a_reload_is_stamped_in_the_same_message(notifier: Notifier, manager: NotifySocket) -> None:
    before = time.monotonic_ns() // 1000
    notifier.reloading()
    notifier.ready("dictionary loaded")
    first, stamp = manager.wait_for("RELOADING=1").split("\n")
    assert first == "RELOADING=1"
    assert before <= int(stamp.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000
    manager.wait_for("READY=1")


def test_the_other_verbs_say_what_sd_notify_defines(notifier: Notifier, manager: NotifySocket) -> None:
    notifier.status("3 members")
    notifier.feed_watchdog()
    notifier.extend_timeout(1.5)
    notifier.stopping("SIGTERM")
    manager.wait_for("STOPPING=1")
    assert manager.messages == [
        "STATUS=3 members",
        "WATCHDOG=1",
        "EXTEND_TIMEOUT_USEC=1500000",
        "STOPPING=1\nSTATUS=SIGTERM",
    ]


def test_more_time_is_asked_for_as_long_as_something_lasts(notifier: Notifier, manager: NotifySocket) -> None:
    clock = FakeClock()
    loop = Loop(clock=clock)
    with extended(notifier, loop):
        turn(loop)
        for _ in range(3):
            clock.advance(PATIENCE)
            turn(loop)
    clock.advance(PATIENCE)
    turn(loop)
    loop.close()
    notifier.stopping("it is over")
    manager.wait_for("STOPPING=1")
    assert manager.messages[:-1] == [f"EXTEND_TIMEOUT_USEC={2 * PATIENCE * 1e6:.0f}"] * 3


def test_a_status_cannot_hide_a_second_assignment(notifier: Notifier, manager: NotifySocket) -> None:
    notifier.status("苹果\nMAINPID=1\x1b[2J\0")
    assert manager.wait_for(r"STATUS=苹果\nMAINPID=1\x1b[2J\x00")


def test_an_abstract_address_works(monkeypatch: pytest.MonkeyPatch) -> None:
    with NotifySocket(f"@netechod-test-{os.getpid()}") as manager:
        monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
        Notifier().feed_watchdog()
        manager.wait_for("WATCHDOG=1")


def test_a_vanished_socket_harms_nothing(notifier: Notifier, manager: NotifySocket) -> None:
    manager.close()
    notifier.status("nobody hears this")
    notifier.stopping("nor this")
    assert "NOTIFY_SOCKET" not in os.environ


class DeafManager:
    """A service manager's socket that is full: nobody reads it before `hear`."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        with suppress(BlockingIOError):
            while True:
                send_datagram(str(path), "FILL=1")

    def hear(self) -> list[str]:
        """All that lies there, without what has filled it."""
        self._socket.setblocking(False)
        heard = []
        try:
            while True:
                heard.append(self._socket.recv(65536).decode())
        except BlockingIOError:
            return [message for message in heard if message != "FILL=1"]

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def deaf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DeafManager]:
    manager = DeafManager(tmp_path / "deaf")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "deaf"))
    yield manager
    manager.close()


def test_what_a_deaf_manager_must_know_is_told_when_it_hears_again(deaf: DeafManager) -> None:
    clock = FakeClock()
    loop = Loop(clock=clock)
    notifier = Notifier()
    notifier.take_back("state")
    notifier.retry_on(loop)
    notifier.ready("serving")
    notifier.status("busy")
    notifier.feed_watchdog()
    notifier.stopping("SIGTERM")
    clock.advance(RETRY)
    turn(loop)
    assert deaf.hear() == []
    clock.advance(RETRY)
    turn(loop)
    assert deaf.hear() == [
        "FDSTOREREMOVE=1\nFDNAME=state",
        "READY=1\nSTATUS=serving",
        "STOPPING=1\nSTATUS=SIGTERM",
    ]
    clock.advance(RETRY)
    turn(loop)
    assert deaf.hear() == []
    loop.close()


def test_no_more_than_some_messages_are_kept_for_a_deaf_manager(deaf: DeafManager) -> None:
    notifier = Notifier()
    for number in range(3 * MAX_UNSENT):
        notifier.ready(str(number))
    deaf.hear()
    notifier.reloading()
    assert len(deaf.hear()) <= MAX_UNSENT + 1


def test_descriptors_are_kept_by_a_manager_that_reads_within_the_time_only(
    deaf: DeafManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify, "BARRIER_TIMEOUT", 0.05)
    monkeypatch.setattr(notify, "FDS_PER_MESSAGE", 1)
    notifier = Notifier()
    assert notifier.store("state", [0, 1]) == 0
    notifier.barrier()
    deaf.hear()
    assert notifier.store("state", [0, 1]) == 2


def test_without_a_manager_everything_is_silent() -> None:
    assert "NOTIFY_SOCKET" not in os.environ
    notifier = Notifier()
    notifier.ready("")
    notifier.reloading()
    assert notifier.watchdog_interval is None


def test_no_child_inherits_the_manager_s_variables(notifier: Notifier, manager: NotifySocket) -> None:
    notifier.feed_watchdog()
    manager.wait_for("WATCHDOG=1")
    environment = subprocess.run(["/usr/bin/env"], capture_output=True, text=True, check=True).stdout
    assert "NOTIFY_SOCKET" not in environment


@pytest.mark.parametrize(
    ("usec", "pid", "interval"),
    [
        ("20000000", None, 10.0),
        ("20000000", "", 10.0),
        ("20000000", str(os.getpid()), 10.0),
        ("20000000", str(os.getpid() + 1), None),
        ("0", None, None),
        ("soon", None, None),
        (None, None, None),
    ],
)
def test_the_watchdog_is_fed_twice_as_often_as_asked(
    usec: str | None, pid: str | None, interval: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("WATCHDOG_USEC", usec), ("WATCHDOG_PID", pid)):
        if value is not None:
            monkeypatch.setenv(name, value)
    assert Notifier().watchdog_interval == interval
    assert not {"WATCHDOG_USEC", "WATCHDOG_PID"} & os.environ.keys()


@given(st.text())
def test_any_status_is_one_line(text: str) -> None:
    sent: list[str] = []
    os.environ["NOTIFY_SOCKET"] = "/nowhere"
    Notifier(lambda _, message, fds, patience: sent.append(message)).status(text)
    assert sent[0].startswith("STATUS=")
    assert len(sent[0].splitlines()) == 1


PASSED = """
import fcntl, json, os, sys
from netechod.errors import SocketError
from netechod.process.unix.service_manager import listed_in_environment, listen_fds
way, pid, *descriptors = sys.argv[1:]
if way == "none":
    sys.modules["systemd"] = None  # as where it is not installed
moved = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 20) for fd in descriptors]
for place, fd in enumerate(moved, start=3):
    os.dup2(fd, place)
os.environ["LISTEN_PID"] = pid or str(os.getpid())
try:
    named = listen_fds(listed_in_environment if way == "own" else None)
except SocketError as error:
    sys.exit(str(error))
print(json.dumps([named, [os.get_inheritable(fd) for fds in named.values() for fd in fds],
                  [name for name in os.environ if name.startswith("LISTEN_")]]))
"""


def passed(way: str, count: int, pid: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """A process that is started with `count` sockets as systemd passes them, and says what it found."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    descriptors = [sock.fileno() for sock in sockets]
    try:
        return subprocess.run(
            [sys.executable, "-c", PASSED, way, pid, *map(str, descriptors)],
            env=os.environ | environment,
            pass_fds=descriptors,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        for sock in sockets:
            sock.close()


EVERY_WAY = pytest.mark.parametrize("way", ["libsystemd", "own", "none"])


@EVERY_WAY
def test_passed_sockets_are_found_by_name_and_kept_from_children(way: str) -> None:
    child = passed(way, 3, LISTEN_FDS="3", LISTEN_FDNAMES="chat:echo-tcp:chat")
    assert child.stderr == ""
    assert json.loads(child.stdout) == [{"chat": [3, 5], "echo-tcp": [4]}, [False] * 3, []]


@EVERY_WAY
def test_sockets_without_names_are_unknown(way: str) -> None:
    assert json.loads(passed(way, 2, LISTEN_FDS="2").stdout)[0] == {"unknown": [3, 4]}


@EVERY_WAY
def test_another_process_s_sockets_are_not_ours(way: str) -> None:
    assert json.loads(passed(way, 1, pid="1", LISTEN_FDS="1").stdout) == [{}, [], []]


@EVERY_WAY
def test_nothing_passed_is_nothing_found(way: str) -> None:
    assert json.loads(passed(way, 0).stdout) == [{}, [], []]


@EVERY_WAY
@pytest.mark.parametrize(
    "environment",
    [{"LISTEN_FDS": "many"}, {"LISTEN_FDS": "40"}, {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "chat:echo-tcp"}],
    ids=["no number", "not open", "too many names"],
)
def test_a_broken_promise_of_sockets_is_told(way: str, environment: dict[str, str]) -> None:
    child = passed(way, 1, **environment)
    assert child.stderr.startswith("cannot take the sockets that LISTEN_FDS promises: ")


def test_our_own_list_is_empty_without_systemd() -> None:
    assert listed_in_environment() == {}
