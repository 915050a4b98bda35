"""Socket units and what outlives a restart: nobody outside may notice that the process is another one."""

import random
from collections.abc import Iterator
from contextlib import suppress
from socket import SHUT_WR, SOCK_STREAM

import pytest
from support.daemon import PATIENCE
from support.machine import CHAT, DICTIONARY, ECHO, SOCKETS, Machine
from support.traffic import Traffic, receive, timed

pytestmark = [pytest.mark.machine, pytest.mark.timeout(300)]

SLACK = 1.0  # seconds that the tests themselves may take to notice an answer, on a busy machine


@pytest.fixture
def serving(machine: Machine) -> Machine:
    """The shared machine, serving."""
    machine.run("systemctl", "restart", "netechod")
    return machine


def test_a_check_names_the_keys_that_the_units_override(serving: Machine) -> None:
    overridden = "dictionary.listen is not used: the service manager passes [::]:8081"
    for option in ("--check", "--dump-config"):
        assert overridden in serving.run("netechod", option, "--set", "dictionary.listen=[::1]:9081")
        assert "is not used" not in serving.run("netechod", option)
    assert "cannot be bound" not in serving.run("netechod", "--check")


@pytest.fixture
def asleep(machine: Machine) -> Iterator[Machine]:
    """The shared machine, with its sockets and without the service."""
    machine.run("systemctl", "stop", "netechod.service")
    assert machine.show("ActiveState") == "inactive"
    assert [machine.show("ActiveState", unit) for unit in SOCKETS] == ["active"] * len(SOCKETS)
    yield machine
    machine.run("systemctl", "restart", "netechod")


@pytest.mark.parametrize(
    ("port", "says", "hears"),
    [(DICTIONARY, "apple", "苹果"), (ECHO, "hello", "hello"), (CHAT, "online", "#online")],
    ids=["dictionary", "echo", "chat"],
)
def test_the_first_datagram_starts_it_and_is_answered(
    asleep: Machine, port: int, says: str, hears: str
) -> None:
    assert asleep.ask(says, port).endswith(hears)
    assert asleep.show("ActiveState") == "active"


def test_the_first_connection_starts_it_and_is_served(asleep: Machine) -> None:
    with asleep.connect(ECHO, SOCK_STREAM) as sock:
        sock.sendall(b"hello")
        assert receive(sock, 5) == b"hello"
    assert asleep.show("ActiveState") == "active"


def test_it_uses_the_sockets_of_the_units_and_binds_none(serving: Machine) -> None:
    invocation = serving.show("InvocationID")
    entries = serving.journal(f"_SYSTEMD_INVOCATION_ID={invocation}", "_COMM=netechod")
    messages = [entry["MESSAGE"] for entry in entries]
    assert sum(message.startswith("adopt socket success ") for message in messages) == len(SOCKETS)
    assert not any(message.startswith("bind socket success ") for message in messages)


def test_a_restart_under_load_costs_nobody_anything(serving: Machine) -> None:
    with Traffic(serving) as traffic:
        for _ in range(3):
            pid = serving.show("MainPID")
            took = timed(lambda: serving.run("systemctl", "restart", "netechod"))
            traffic.goes_on()
            assert serving.show("MainPID") != pid
            assert traffic.look_ups.slowest <= took + SLACK
            traffic.look_ups.slowest = 0.0


def test_what_a_connection_is_owed_is_delivered_after_the_restart(serving: Machine) -> None:
    sent = random.Random(1).randbytes(64 * 1024 * 1024)
    with serving.connect(ECHO, SOCK_STREAM) as sock:
        sock.settimeout(0.5)
        size = 0
        with suppress(TimeoutError):
            while True:  # until nobody, from here to the daemon and back, takes any more
                size += sock.send(sent[size : size + 65536])
        took = timed(lambda: serving.run("systemctl", "restart", "netechod"))
        assert took < 5.0, "a peer that does not read holds the restart up"
        sock.settimeout(PATIENCE)
        sock.shutdown(SHUT_WR)
        assert receive(sock, size + 1) == sent[:size]


def test_a_connection_that_was_kept_can_end(serving: Machine) -> None:
    with serving.connect(ECHO, SOCK_STREAM) as sock, serving.connect(ECHO, SOCK_STREAM) as other:
        sock.sendall(b"hello")
        assert receive(sock, 5) == b"hello"
        serving.run("systemctl", "restart", "netechod")
        sock.sendall(b"again")
        sock.shutdown(SHUT_WR)
        assert receive(sock, 6) == b"again"  # and the end, which a copy of the descriptor would keep back
        serving.run("systemctl", "restart", "netechod")
        other.sendall(b"hello")
        other.shutdown(SHUT_WR)
        assert receive(other, 6) == b"hello"


def empty_the_room(serving: Machine) -> None:
    """Have nobody online: other tests leave members behind that are gone, and their going would be told."""
    serving.run("systemctl", "stop", "netechod")
    serving.run("systemctl", "start", "netechod")


def test_members_of_the_chat_stay_online_over_a_restart(serving: Machine) -> None:
    empty_the_room(serving)
    with serving.connect(CHAT) as ann, serving.connect(CHAT) as bob:
        for member in (ann, bob):
            member.send(b"online")
            name = "{}--{}".format(*member.getsockname())
            assert ann.recv(2048).decode() == f"{name}#online"
        bob.recv(2048)
        serving.run("systemctl", "restart", "netechod")
        ann.send("还在".encode())
        name = "{}--{}".format(*ann.getsockname())
        assert ann.recv(2048).decode() == bob.recv(2048).decode() == f"{name}#还在"
        assert name in serving.run("netechoctl", "members")


def test_a_stop_forgets_what_a_restart_keeps(serving: Machine) -> None:
    empty_the_room(serving)
    with serving.connect(CHAT) as ann:
        ann.send(b"online")
        assert ann.recv(2048).endswith(b"#online")
        serving.run("systemctl", "stop", "netechod")
        serving.run("systemctl", "start", "netechod")
        ann.send(b"hello")
        assert ann.recv(2048).startswith("你还没有上线".encode())
