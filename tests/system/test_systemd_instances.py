"""Two instances of netechod@.service on the same ports, by a real systemd."""

import json
from collections.abc import Iterator
from socket import SOCK_STREAM

import pytest
from support.machine import DICTIONARY, ECHO, Machine
from support.traffic import receive

pytestmark = [pytest.mark.machine, pytest.mark.timeout(300)]

INSTANCES = ("netechod@1.service", "netechod@2.service")


@pytest.fixture(scope="module")
def shared(machine: Machine) -> Iterator[Machine]:
    """The shared machine with two instances in the place of the service; afterwards it is as it was."""
    machine.run("systemctl", "start", *INSTANCES)
    yield machine
    machine.run("systemctl", "stop", *INSTANCES)
    machine.run("systemctl", "start", "netechod")


def statuses(machine: Machine) -> list[dict[str, object]]:
    lines = machine.run("netechoctl", "--all", "status", "--json").splitlines()
    return [json.loads(line) for line in lines]


def test_both_serve_from_files_of_their_own(shared: Machine) -> None:
    assert {shared.ask("apple", DICTIONARY) for _ in range(40)} == {"苹果"}
    told = statuses(shared)
    assert [each["socket"] for each in told] == [f"/run/netechod@{n}/control.sock" for n in (1, 2)]
    for number, each in enumerate(told, 1):
        assert shared.path(f"/run/netechod@{number}/netechod.pid").read_text() == f"{each['pid']}\n"
        assert shared.path(f"/var/log/netechod/{number}/log.txt").exists()
        counters = each["counters"]
        assert isinstance(counters, dict)
        assert counters["dictionary"]["received"] > 0
        assert "chat" not in counters


def test_restarted_in_turn_they_lose_nothing_and_keep_their_connections(shared: Machine) -> None:
    with shared.connect(ECHO, SOCK_STREAM) as sock:
        for instance in INSTANCES:
            shared.run("systemctl", "restart", instance)
            assert shared.ask("apple", DICTIONARY) == "苹果"
            sock.sendall(b"hello")
            assert receive(sock, 5) == b"hello"


def test_a_reload_of_one_is_its_own(shared: Machine) -> None:
    shared.run("systemctl", "reload", INSTANCES[0])
    reloads = [each["last_reload"] for each in statuses(shared)]
    assert [bool(each) for each in reloads] == [True, False]
    shared.run("netechoctl", "--all", "reload")


def test_their_sandbox_is_that_of_the_service(shared: Machine) -> None:
    said = shared.run("systemd-analyze", "security", "--no-pager", INSTANCES[0]).splitlines()
    [line] = [line for line in said if "Overall exposure level" in line]
    assert float(line.split(":")[1].split()[0]) <= 1.2
