"""`netecho whoami`: one answer is shown whole, many are counted by who has answered."""

import json
import socket
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from support.fake_servers import (
    Address,
    FakeTcpServer,
    FakeUdpServer,
    Replies,
    echo_datagram,
    echo_stream,
    silence,
)
from support.netecho import netecho, outcome

from netechod.services.identify import Identity
from netechod.services.wire import PADDED, text_of

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "json" / "whoami.schema.json").read_text("utf-8"))
NODES = [Identity("web1", {}), Identity("web2", {"POD_NAME": "echo-7f"}), Identity("web1", {})]


def line_of(number: int, question: bytes) -> bytes:
    """The answer of one of the nodes, in turn."""
    answer = NODES[number % len(NODES)].answer(question, "192.0.2.7:4000", f"192.0.2.{number % 3 % 2}:8080")
    assert answer is not None
    return answer


def by_turns() -> Callable[[socket.socket], None]:
    """A load balancer over the nodes."""
    numbers = iter(range(1000))

    def answer(sock: socket.socket) -> None:
        sock.sendall(line_of(next(numbers), sock.recv(4096).rstrip(b"\n")))

    return answer


def test_one_answer_is_shown_field_by_field() -> None:
    with FakeTcpServer(by_turns()) as fake:
        status, said = outcome(netecho("whoami", fake.address))
    assert status == 0
    assert [line.split()[0] for line in said.splitlines()] == [
        "n",
        "node",
        "client",
        "server",
        "name",
        "asked",
    ]
    assert "client  192.0.2.7:4000\n" in said


def test_json_is_the_answer_as_the_server_gave_it() -> None:
    with FakeTcpServer(by_turns()) as fake:
        status, said = outcome(netecho("whoami", "--json", fake.address))
    jsonschema.validate(json.loads(said), SCHEMA)
    assert (status, json.loads(said)["node"]) == (0, "web1")


def test_many_answers_are_counted_by_who_gave_them() -> None:
    with FakeTcpServer(by_turns()) as fake:
        run = netecho("whoami", "-c", "6", fake.address)
        counted = netecho("whoami", "-c", "6", "--json", fake.address)
    assert outcome(run) == (
        0,
        "     4   67%  web1  192.0.2.0:8080\n"
        "     2   33%  web2  echo-7f  192.0.2.1:8080\n"
        "6 of 6 answered; servers: 2\n",
    )
    told = json.loads(counted.stdout)
    jsonschema.validate(told, SCHEMA)
    assert [each["count"] for each in told["by"]] == [4, 2]


def test_over_udp_questions_are_padded_and_come_from_other_ports() -> None:
    ports = set()

    def answer(payload: bytes, address: Address) -> Replies:
        ports.add(address[1])
        return [(line_of(0, text_of(payload)), address)]

    with FakeUdpServer(answer) as fake:
        status, said = outcome(netecho("whoami", "-u", "-c", "5", "--json", fake.address))
    assert (status, json.loads(said)["answered"], len(ports)) == (0, 5, 5)
    assert {len(payload) for payload in fake.seen} == {PADDED}


def test_a_question_that_is_lost_counts_and_fails_in_the_end() -> None:
    numbers = iter(range(1000))

    def answer(payload: bytes, address: Address) -> Replies:
        return [] if next(numbers) == 1 else [(line_of(0, b"x"), address)]

    with FakeUdpServer(answer) as fake:
        run = netecho("whoami", "-u", "-c", "3", "--retries", "0", "--timeout", "0.3", fake.address)
    assert outcome(run) == (1, "     2   67%  web1  192.0.2.0:8080\n2 of 3 answered; servers: 1\n")
    assert b"unanswered" in run.stderr


def test_a_connection_that_is_closed_without_an_answer_counts_as_lost() -> None:
    with FakeTcpServer(lambda sock: None) as fake:
        one = netecho("whoami", fake.address)
        many = netecho("whoami", "-c", "2", fake.address)
    assert (one.returncode, one.stdout) == (1, b"")
    assert outcome(many) == (1, "0 of 2 answered; servers: 0\n")


def test_silence_is_told() -> None:
    with FakeUdpServer(silence) as fake:
        run = netecho("whoami", "-u", "--retries", "0", "--timeout", "0.2", fake.address)
    assert run.returncode == 1
    assert b"unanswered" in run.stderr


@pytest.mark.parametrize("count", ["1", "3"])
def test_a_plain_echo_is_told_by_what_it_lacks(count: str) -> None:
    with FakeTcpServer(echo_stream) as tcp, FakeUdpServer(echo_datagram) as udp:
        runs = [
            netecho("whoami", "-c", count, tcp.address),
            netecho("whoami", "-u", "-c", count, udp.address),
        ]
    for run in runs:
        assert (run.returncode, run.stdout) == (1, b"")
        assert b"does not say who it is" in run.stderr
        assert b"echo.tcp.mode" in run.stderr


@pytest.mark.parametrize("answer", [b'{"n":', b'{"n":' + b"[" * 5000, b'{"n":1}x\n', b"[1]\n"])
def test_what_is_no_answer_is_refused(answer: bytes) -> None:
    with FakeTcpServer(lambda sock: sock.sendall(answer)) as fake:
        run = netecho("whoami", fake.address)
    assert (run.returncode, run.stdout) == (1, b"")


def test_what_a_terminal_would_obey_is_spelled_out() -> None:
    with FakeTcpServer(lambda sock: sock.sendall(b'{"n":1,"node":"\\u001b[2J","\\u001b":"\\n"}\n')) as fake:
        status, said = outcome(netecho("whoami", fake.address))
    assert status == 0
    assert "\x1b" not in said
    assert len(said.splitlines()) == 3


def test_nobody_is_asked_no_times() -> None:
    assert netecho("whoami", "-c", "0", "127.0.0.1").returncode == 64


def test_a_chinese_reader_is_told_in_chinese() -> None:
    with FakeTcpServer(by_turns()) as fake:
        run = netecho("whoami", "-c", "2", fake.address, NETECHO_LANG="zh")
    assert "2 次中有 2 次得到应答".encode() in run.stdout
