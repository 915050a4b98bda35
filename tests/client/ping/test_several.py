"""Several hosts in one run, and how packets leave."""

import json
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from support.fake_servers import FakeTcpServer, FakeUdpServer, echo_datagram, echo_stream, unused_udp_port
from support.netecho import Terminal, netecho

from netechod.client.net import Target
from netechod.client.ping.prober import Plan
from netechod.client.ping.run import open_link

SCHEMAS = Path(__file__).parents[3] / "docs" / "json"
TITLES = ["host", "sent", "received", "lost", "min ms", "avg ms", "p50 ms", "p95 ms", "max ms"]
QUICK = ("-i", "0.002")


@pytest.fixture
def two() -> Iterator[tuple[str, str]]:
    """The addresses of a server that answers, and of a port where nobody listens."""
    with FakeUdpServer(echo_datagram) as fake:
        yield fake.address, f"127.0.0.2:{unused_udp_port()}"


def test_each_host_has_its_lines_and_its_row(two: tuple[str, str]) -> None:
    run = netecho("ping", "-u", "-c", "3", *QUICK, *two)
    first, second, *lines, titles, answered, lost = run.stdout.decode().splitlines()
    places = [address.replace(":", " ") for address in two]
    assert [first.split(",")[0], second.split(",")[0]] == [f"PING {place}/udp" for place in places]
    assert sorted(line.split()[0] for line in lines) == ["127.0.0.1"] * 3 + ["127.0.0.2"] * 3
    assert re.split(r"  +", titles) == TITLES
    assert answered.split()[:5] == ["127.0.0.1", "3", "3", "0.0", "%"]
    assert all(float(time) > 0 for time in answered.split()[5:])
    assert lost.split() == ["127.0.0.2", "3", "0", "100.0", "%", *"-----"]
    assert len({len(row) for row in (titles, answered, lost)}) == 1
    assert run.returncode == 1


def test_the_table_is_chinese_for_a_chinese_reader(two: tuple[str, str]) -> None:
    run = netecho("ping", "-u", "-q", "-c", "1", *QUICK, two[0], two[0], NETECHO_LANG="zh")
    titles, *rows = run.stdout.decode().splitlines()[2:]
    assert titles.split()[:4] == ["主机", "发送", "收到", "丢失"]
    assert [row.split()[0] for row in rows] == ["127.0.0.1"] * 2
    assert run.returncode == 0


def test_several_hosts_over_tcp_take_turns_on_one_loop() -> None:
    with FakeTcpServer(echo_stream) as one, FakeTcpServer(echo_stream) as other:
        run = netecho("ping", "--json", "-c", "20", *QUICK, one.address, other.address)
    records = [json.loads(line) for line in run.stdout.splitlines()]
    assert [(it["port"], it["received"]) for it in records] == [(one.port, 20), (other.port, 20)]
    assert run.returncode == 0


def test_events_and_errors_name_their_hosts(two: tuple[str, str]) -> None:
    hosts = [two[0], "nosuch.invalid", two[1]]
    run = netecho("ping", "-u", "--jsonl", "-c", "2", *QUICK, *hosts)
    records = [json.loads(line) for line in run.stdout.splitlines()]
    errors = [it for it in records if it["type"] == "error"]
    assert len(errors) == 1
    assert "nosuch.invalid" in errors[0]["error"]
    schema = json.loads((SCHEMAS / "ping.schema.json").read_text("utf-8"))
    for record in records:
        if record["type"] != "error":
            jsonschema.validate(record, schema, jsonschema.Draft202012Validator)
    fates = {(it["host"], it["type"]) for it in records if "seq" in it}
    assert fates == {("127.0.0.1", "answered"), ("127.0.0.2", "failed")}
    assert [it["host"] for it in records if it["type"] == "summary"] == ["127.0.0.1", "127.0.0.2"]
    assert run.returncode == 1
    assert b"cannot resolve 'nosuch.invalid'" in run.stderr


def test_enter_shows_the_table_and_ctrl_c_ends_all(two: tuple[str, str]) -> None:
    with Terminal("ping", "-u", "-i", "0.05", *two) as terminal:
        terminal.read_until("127.0.0.1  #2")
        terminal.type("\n")
        terminal.read_until("max ms")
        terminal.read_until("127.0.0.2")
        terminal.read_until("127.0.0.1  #")
        terminal.process.send_signal(signal.SIGINT)
        terminal.read_until("max ms")
        assert terminal.wait() == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["localhost", "8080"], "unrecognized arguments: 8080"),
        (["--sweep", "8:9", "::1", "::1"], "--sweep is for one host"),
        (["--stamp", "--source-port", "999", "::1", "::1"], "--source-port is for one host"),
        (["::1"] * 65, "65 hosts: at most 64 at once"),
        (["-6", "-I", "127.0.0.1", "::1"], "127.0.0.1 is of the other IP version"),
        (["-I", "", "::1"], "invalid source value: ''"),
        (["-t", "256", "::1"], "invalid ttl value: '256'"),
        (["-Q", "AF44", "::1"], "invalid dscp value: 'AF44'"),
    ],
    ids=lambda it: it if isinstance(it, str) else "",
)
def test_what_cannot_be_is_a_usage_error(options: list[str], message: str) -> None:
    run = netecho("ping", *options)
    assert (run.returncode, run.stdout) == (64, b"")
    assert message in run.stderr.decode()


def test_a_source_that_is_not_ours_is_told_before_anything_is_sent() -> None:
    run = netecho("ping", "-c", "1", "-I", "nosuch0", "127.0.0.1")
    assert (run.returncode, run.stdout) == (1, b"")
    assert run.stderr.startswith(b"netecho: error: cannot send from nosuch0: No such device\nhint: ")


@pytest.mark.parametrize("udp", [False, True])
def test_probes_leave_as_they_are_told_to(udp: bool) -> None:
    sources: set[str] = set()

    def stream(sock: socket.socket) -> None:
        sources.add(sock.getpeername()[0])
        echo_stream(sock)

    def datagram(payload: bytes, address: tuple[str, int]) -> list[tuple[bytes, tuple[str, int]]]:
        sources.add(address[0])
        return [(payload, address)]

    with FakeUdpServer(datagram) if udp else FakeTcpServer(stream) as fake:
        options = ["-I", "127.0.0.7", "-Q", "EF", "-t", "9", *(["-u"] if udp else [])]
        run = netecho("ping", "-q", "-c", "2", *QUICK, *options, fake.address)
    assert (run.returncode, sources) == (0, {"127.0.0.7"})


def test_the_time_of_day_stands_before_each_line() -> None:
    with FakeUdpServer(echo_datagram) as fake:
        run = netecho("ping", "-u", "-D", "-c", "2", *QUICK, fake.address)
    lines = run.stdout.decode().splitlines()[1:3]
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}  #\d  ", line) for line in lines)


def test_the_bell_rings_on_a_terminal_for_each_answer_and_never_in_a_pipe() -> None:
    with FakeUdpServer(echo_datagram) as fake:
        options = ("ping", "-u", "-a", "-q", "-c", "3", *QUICK, fake.address)
        with Terminal(*options) as terminal:
            assert terminal.wait() == 0
        assert terminal.seen.count("\a") == 3
        assert b"\a" not in netecho(*options).stdout


@pytest.mark.parametrize("udp", [False, True])
def test_the_address_that_answers_is_probed_and_the_silent_one_is_named(
    udp: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        FakeUdpServer(echo_datagram) if udp else FakeTcpServer(echo_stream) as fake,
        socket.create_server(("127.0.0.2", 0)) as refusing,
    ):
        port = refusing.getsockname()[1]
        refusing.close()
        found = [(socket.AF_INET, ("127.0.0.2", port)), (socket.AF_INET, ("127.0.0.1", fake.port))]
        monkeypatch.setattr("netechod.client.net.resolve", lambda *query: list(found))
        opened = open_link(Target("two.example", 1), Plan(56, 1.0), udp=udp)
        opened.link.close()
    assert (opened.about.addr, opened.about.port) == ("127.0.0.1", fake.port)
    assert opened.about.passed_over == (("127.0.0.2", "refused"),)
