"""Which sockets a start has: passed ones, opened ones, and what is said of those that cannot be had."""

import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.daemon import PATIENCE, Daemon, any_port, ask, client

from netechod.client.operator.control import ask as ask_control
from netechod.client.operator.screens import status_lines

pytestmark = pytest.mark.system

SOON = "import netechod.process.listeners as listeners; listeners.RETRY = 0.05; import netechod.__main__"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(tmp_path, program=[sys.executable, "-c", SOON]) as daemon:
        yield daemon


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken


def place_of(sock: socket.socket) -> str:
    return "{}:{}".format(*sock.getsockname())


def test_a_taken_port_costs_its_service_alone_and_is_tried_again(
    daemon: Daemon, taken: socket.socket
) -> None:
    place, address = place_of(taken), taken.getsockname()
    daemon.start(*any_port(), "--set", f"dictionary.listen={place}")
    why = f"cannot bind UDP {place}: Address already in use"
    assert f"dictionary is off: {why}" in daemon.manager.messages[-1]
    assert "[ERROR]" in daemon.said(f"dictionary is off, and is tried again: {why}")
    control = daemon.directory / "control.sock"
    assert ask_control(control, "status")["complaints"] == [f"dictionary is off: {why}"]
    shown = "\n".join(status_lines(ask_control(control, "status")))
    assert shown.endswith(f"attention    dictionary is off: {why}")
    _, echo_udp, chat = daemon.bound()
    assert ask(echo_udp, b"echo") == b"echo"
    assert ask(chat, b"online").endswith(b"#online")
    taken.close()
    daemon.said(f"dictionary is on at last: {place}")
    assert ask(address, b"apple").decode() == "苹果"
    status = ask_control(control, "status")
    assert status["complaints"] == []
    assert ["dictionary", place] in status["listeners"]
    assert "FAILED" not in daemon.reload()
    assert daemon.stop() == 0


def test_tcp_comes_back_too(daemon: Daemon) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = taken.getsockname()
        daemon.start(*any_port(), "--set", f"echo.tcp.listen={place_of(taken)}")
    daemon.said("echo-tcp is on at last: ")
    with client(address, socket.SOCK_STREAM) as sock:
        sock.sendall(b"echo")
        assert sock.recv(10) == b"echo"
    assert daemon.stop() == 0


def test_where_nothing_could_be_bound_the_start_fails_with_3(daemon: Daemon, taken: socket.socket) -> None:
    off = (f"{section}.enabled=false" for section in ("echo.tcp", "echo.udp", "chat"))
    settings = [*off, f"dictionary.listen={place_of(taken)}"]
    daemon.spawn("--foreground", *(word for setting in settings for word in ("--set", setting)))
    assert daemon.wait() == 3
    assert "Address already in use" in daemon.stderr()


def test_a_start_that_fails_tells_which_passed_socket_it_does_not_know(
    daemon: Daemon, taken: socket.socket
) -> None:
    daemon.hand_over("words.socket", socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    settings = ["daemon.strict_start=true", f"dictionary.listen={place_of(taken)}"]
    daemon.spawn("--foreground", *any_port(), *(word for setting in settings for word in ("--set", setting)))
    assert daemon.wait() == 3
    assert daemon.stderr().endswith(
        "  hint: socket passed as words.socket is not used: no such service is on; "
        "the names are echo-tcp, echo-udp, dictionary, dict, chat, command, stamp, metrics\n"
    )


def test_a_service_whose_socket_is_not_passed_stays_off_unless_its_address_was_set(daemon: Daemon) -> None:
    daemon.bind("dictionary", "echo-tcp")
    daemon.start(*any_port("127.0.0.1", "chat"))
    assert ask(daemon.address("dictionary"), b"apple").decode() == "苹果"
    [chat] = daemon.bound()
    assert ask(chat, b"online").endswith(b"#online")
    [complaint] = ask_control(daemon.directory / "control.sock", "status")["complaints"]
    assert complaint == (
        "echo-udp is off: the service manager passes sockets, but none as echo-udp "
        "(start its socket unit, then restart, or set echo.udp.listen)"
    )
    assert daemon.stop() == 0
    assert daemon.errors() == [complaint]


def test_an_address_that_a_passed_socket_overrides_is_told(daemon: Daemon) -> None:
    daemon.bind()
    place = "{}:{}".format(*daemon.address("chat"))
    daemon.start("--set", "dictionary.listen=127.0.0.1:9", "--set", f"chat.listen={place}")
    passed = "{}:{}".format(*daemon.address("dictionary"))
    sentence = (
        f"dictionary.listen is not used: the service manager passes {passed} "
        "(change ListenStream= or ListenDatagram= of the socket unit)"
    )
    assert "[WARNING]" in daemon.said(sentence)
    assert ask_control(daemon.directory / "control.sock", "status")["complaints"] == [sentence]
    assert daemon.stop() == 0


@pytest.mark.parametrize("service", ["chat", "echo-tcp"])
def test_what_arrives_for_a_service_that_is_off_is_not_answered_later(daemon: Daemon, service: str) -> None:
    daemon.bind()
    section = service.replace("-", ".")
    daemon.configure({f"{section}.enabled": False})
    kind = socket.SOCK_STREAM if service == "echo-tcp" else socket.SOCK_DGRAM
    with client(daemon.address(service), kind) as early:
        early.send(b"online")
        daemon.start()
        daemon.said(
            f"socket passed as {service} is not used: {section}.enabled is false; what arrives there is"
        )
        if kind == socket.SOCK_STREAM:
            with pytest.raises(ConnectionResetError):
                assert early.recv(10) == b"reset"
        else:
            daemon.reload()  # by then the datagram has had its turn
        assert daemon.stop() == 0
        daemon.configure({})
        daemon.spawn("--foreground")
        daemon.manager.wait_for("READY=1", PATIENCE)
        if kind == socket.SOCK_DGRAM:
            members = ask_control(daemon.directory / "control.sock", "members")
            assert json.dumps(members) == "[]"
        assert daemon.stop() == 0


def test_a_taken_address_costs_its_service_no_other_address(daemon: Daemon, taken: socket.socket) -> None:
    place, address = place_of(taken), taken.getsockname()
    daemon.start(*any_port(), "--set", f"dictionary.listen=['127.0.0.1:0', '{place}']")
    why = f"dictionary does not listen on {place}: cannot bind UDP {place}: Address already in use"
    assert why in daemon.manager.messages[-1]
    assert "[ERROR]" in daemon.said("dictionary lacks an address, which is tried again: ")
    _, _, dictionary, _ = daemon.bound()
    assert ask(dictionary, b"apple").decode() == "苹果"
    control = daemon.directory / "control.sock"
    assert ask_control(control, "status")["complaints"] == [why]
    taken.close()
    daemon.said(f"dictionary is on at last: {place}")
    for each in (dictionary, address):
        assert ask(each, b"apple").decode() == "苹果"
    status = ask_control(control, "status")
    assert status["complaints"] == []
    assert ["dictionary", place] in status["listeners"]
    assert daemon.stop() == 0


def test_members_at_an_address_that_came_later_are_in_the_same_room(
    daemon: Daemon, taken: socket.socket
) -> None:
    address = taken.getsockname()
    daemon.start(*any_port(), "--set", f"chat.listen=['127.0.0.1:0', '{place_of(taken)}']")
    *_, first = daemon.bound()
    with client(first) as ann:
        ann.send(b"online")
        assert ann.recv(100).endswith(b"#online")
        taken.close()
        daemon.said("chat is on at last: ")
        with client(address) as bob:
            bob.send(b"online")
            assert bob.recv(100) == ann.recv(100)
            ann.send(b"hello")
            assert bob.recv(100) == ann.recv(100)
            bob.send(b"hi")
            assert bob.recv(100) == ann.recv(100)
    assert daemon.stop() == 0


@pytest.mark.parametrize("service", ["echo.tcp", "dict", "metrics"])
def test_a_tcp_service_accepts_at_an_address_that_came_later(daemon: Daemon, service: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = taken.getsockname()
        on = [] if service == "metrics" else ["--set", f"{service}.enabled=true"]
        listen = f"{service}.listen=['127.0.0.1:0', '{place_of(taken)}']"
        daemon.start(*any_port(), *on, "--set", listen)
    daemon.said(f"{service.replace('.', '-')} is on at last: ")
    with client(address, socket.SOCK_STREAM) as sock:
        sock.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert sock.recv(10)
    assert daemon.stop() == 0


def test_a_strict_start_needs_every_address(daemon: Daemon, taken: socket.socket) -> None:
    settings = ["daemon.strict_start=true", f"dictionary.listen=['127.0.0.1:0', '{place_of(taken)}']"]
    daemon.spawn("--foreground", *any_port(), *(word for setting in settings for word in ("--set", setting)))
    assert daemon.wait() == 3


def test_a_check_tells_which_keys_the_passed_sockets_override(daemon: Daemon) -> None:
    daemon.bind("dictionary", "echo-tcp", "stamp")
    passed = "{}:{}".format(*daemon.address("dictionary"))
    overridden = f"dictionary.listen is not used: the service manager passes {passed}"
    off = "echo-udp is off: the service manager passes sockets, but none as echo-udp"
    unused = "socket passed as stamp is not used: stamp.enabled is false"
    listens = ["--set", "dictionary.listen=127.0.0.1:9", "--set", "chat.listen=127.0.0.1:0"]
    for option in ("--check", "--dump-config"):
        shown = daemon.output(option, *listens)
        assert f"warning: --set: dictionary.listen: {overridden}" in shown or option != "--check"
        for sentence in (overridden, off, unused):
            assert sentence in shown


def test_a_check_tells_that_an_address_is_taken_unless_the_daemon_itself_has_it(
    daemon: Daemon, taken: socket.socket
) -> None:
    listen = ["--set", f"dictionary.listen={place_of(taken)}"]
    refusal = f"UDP {place_of(taken)} cannot be bound now: Address already in use"
    told = f"warning: --set: dictionary.listen: {refusal}"
    others = any_port("127.0.0.1", "echo-tcp", "echo-udp", "chat")
    assert told in daemon.output("--check", *others, *listen)
    daemon.start(*others, *listen)
    assert told not in daemon.output("--check", *others, *listen)
    daemon.pidfile.unlink()
    assert told not in daemon.output("--check", *others, *listen)
    assert daemon.stop() == 0
    assert told in daemon.output("--check", *others, *listen)
