"""`netecho ping` against servers that lose, double, swap and damage as they are told."""

import json
import signal
import socket
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

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
    unused_udp_port,
)
from support.netecho import COMMAND, Terminal, environment, netecho, outcome, unread

from netechod.client.ping.payload import HEADER

SCHEMAS = Path(__file__).parents[3] / "docs" / "json"
QUICK = ("-i", "0.002")
Fate = Callable[[int, bytes], list[bytes]]


def number_in(payload: bytes) -> int:
    return int.from_bytes(payload[4:HEADER], "big")


def faced_with(fate: Fate) -> Callable[[bytes, Address], Replies]:
    """A server that answers probe n with `fate(n, payload)`."""

    def handle(payload: bytes, address: Address) -> Replies:
        return [(reply, address) for reply in fate(number_in(payload), payload)]

    return handle


def record(*arguments: str) -> dict[str, Any]:
    """The JSON of a run."""
    run = netecho("ping", "--json", *arguments)
    made: dict[str, Any] = json.loads(run.stdout)
    return made | {"status": run.returncode, "stderr": run.stderr.decode()}


@pytest.mark.parametrize("size", [8, 56, 65507])
@pytest.mark.parametrize("udp", [False, True])
def test_what_comes_back_is_counted_and_verified(size: int, udp: bool) -> None:
    probes = (
        4 if udp and size == 65507 else 20
    )  # no more of these than a buffer holds, however late it is read
    with FakeUdpServer(echo_datagram) if udp else FakeTcpServer(echo_stream) as fake:
        options = [*(["-u"] if udp else []), *QUICK, "-c", str(probes), "-s", str(size)]
        made = record(*options, fake.address)
    assert (made["status"], made["sent"], made["received"], made["lost"]) == (0, probes, probes, 0)
    assert (made["bytes"], made["proto"], made["corrupted_bytes"]) == (size, "udp" if udp else "tcp", 0)
    assert (made["host"], made["addr"], made["port"]) == ("127.0.0.1", "127.0.0.1", fake.port)
    assert len(made["samples_ms"]) == probes
    assert None not in made["samples_ms"]
    assert (made["connect_ms"] is None) is udp
    times = made["rtt_ms"]
    order = [times[it] for it in ("min", "p50", "p90", "p95", "p99", "max")]
    assert order == sorted(order)
    assert order[0] > 0
    assert made["clock"] in ("kernel", "mixed", "program")


def test_every_fate_is_told_apart() -> None:
    held: list[bytes] = []

    def fate(number: int, payload: bytes) -> list[bytes]:
        """Loses 2, doubles 4, swaps 6 and 7, damages 9, and says something of its own besides."""
        if number == 6:
            held.append(payload)
        fates = {2: [], 4: [payload, payload], 6: [], 7: [payload, *held], 9: [payload[:-2] + b"\0\1"]}
        return fates.get(number, [payload, b"hello"] if number == 1 else [payload])

    with FakeUdpServer(faced_with(fate)) as fake:
        made = record("-u", "-c", "10", *QUICK, fake.address)
    counts = ("sent", "received", "lost", "duplicates", "reordered", "corrupted", "strangers", "pending")
    assert [made[it] for it in counts] == [10, 9, 1, 1, 1, 1, 1, 0]
    assert made["corrupted_bytes"] in (1, 2)  # one of the two may have been so by chance
    assert [number for number, it in enumerate(made["samples_ms"], 1) if it is None] == [2]
    assert (made["reasons"], made["status"]) == ({"timeout": 1}, 1)


@pytest.mark.parametrize(
    ("fate", "status"),
    [
        (lambda number, payload: [payload], 0),
        (lambda number, payload: [payload, payload], 0),
        (lambda number, payload: [payload] if number > 1 else [], 1),
        (lambda number, payload: [payload] if number < 3 else [payload[:-1] + b"?!"], 1),
        (lambda number, payload: [], 1),
    ],
    ids=["whole", "doubled", "lost", "damaged", "silent"],
)
def test_the_exit_status_tells_loss_and_damage(fate: Fate, status: int) -> None:
    with FakeUdpServer(faced_with(fate)) as fake:
        assert record("-u", "-c", "3", *QUICK, fake.address)["status"] == status


def test_a_pipe_gets_a_line_a_probe_and_the_summary() -> None:
    def fate(number: int, payload: bytes) -> list[bytes]:
        fates = {2: [], 3: [payload, payload], 4: [payload[:-1] + bytes([payload[-1] ^ 1])]}
        return fates.get(number, [payload])

    with FakeUdpServer(faced_with(fate)) as fake:
        run = netecho("ping", "-u", "-c", "4", *QUICK, fake.address)
    head, *lines, rule, counts, times, clock = run.stdout.decode().splitlines()
    assert head == f"PING 127.0.0.1 {fake.port}/udp, 56 bytes, every 2 ms"
    assert [line.split(maxsplit=1)[0] for line in lines] == ["#1", "#3", "#3", "#4", "#2"]
    assert lines[2] == "#3  duplicate"
    assert lines[3].endswith(" ms  1 B corrupted")
    assert lines[4] == "#2  no answer within 2 s"
    assert rule == f"--- 127.0.0.1 {fake.port}/udp ---"
    assert counts.startswith(
        "4 sent, 3 received, 1 lost (25.0 %), 1 duplicated, 0 reordered, 1 B corrupted, "
    )
    assert times.startswith("RTT ms  min ")
    assert clock.startswith("times of arrival are ")
    assert (run.returncode, run.stderr) == (1, b"")


def test_a_quiet_run_shows_the_summary_and_the_histogram_alone() -> None:
    with FakeTcpServer(echo_stream) as fake:
        run = netecho("ping", "-q", "--histogram", "--ascii", "-c", "5", *QUICK, fake.address)
    lines = run.stdout.decode().splitlines()
    assert lines[1].startswith("--- ")
    assert all(" ms " in line and "|" in line for line in lines[5:])
    assert sum(int(line.split("|")[1].replace("#", "").split()[0]) for line in lines[5:]) == 5
    assert run.stdout.isascii()


def test_events_are_told_as_they_happen() -> None:
    with FakeUdpServer(echo_datagram) as fake:
        run = netecho("ping", "-u", "--jsonl", "-c", "2", *QUICK, fake.address)
    *events, summary = map(json.loads, run.stdout.splitlines())
    assert [(it["type"], it["seq"], it["bytes"]) for it in events] == [
        ("answered", 1, 56),
        ("answered", 2, 56),
    ]
    assert events[0]["time"] < events[1]["time"]
    assert (summary["type"], summary["schema"], summary["received"]) == ("summary", "netecho.ping/1", 2)


@pytest.mark.parametrize("udp", [False, True])
def test_a_closed_port_is_a_loss_with_its_reason(udp: bool) -> None:
    with socket.socket() as deaf:  # bound, but not listening
        deaf.bind(("127.0.0.1", 0))
        port = unused_udp_port() if udp else deaf.getsockname()[1]
        run = netecho("ping", *(["-u"] if udp else []), "-c", "2", *QUICK, f"127.0.0.1:{port}")
    told = " (told by 127.0.0.1)" if udp else ""
    assert run.stdout.decode().splitlines()[1:3] == [f"#1  refused{told}", f"#2  refused{told}"]
    assert run.returncode == 1
    hint, *more = run.stderr.decode().splitlines()
    assert hint == "hint: is netechod running there? on that machine: netechoctl status"
    assert more == (
        ["hint: UDP echo answers trusted networks alone (access.trusted) unless echo.udp.public is set there"]
        if udp
        else []
    )


def test_a_silent_server_over_tcp_is_given_up_and_tried_again() -> None:
    connections: list[int] = []

    def deaf_at_first(sock: socket.socket) -> None:
        connections.append(len(connections))
        if len(connections) == 1:
            sock.recv(8)
            while sock.recv(65536):
                pass
        else:
            echo_stream(sock)

    with FakeTcpServer(deaf_at_first) as fake:
        made = record("-c", "4", "-i", "0.5", "-W", "1", fake.address)
    assert made["lost"] >= 1
    assert made["received"] >= 1
    assert set(made["reasons"]) <= {"timeout", "given up"}
    assert len(connections) == 2


def test_a_server_that_ends_the_connection_is_connected_to_again() -> None:
    def echoes_once(sock: socket.socket) -> None:
        sock.sendall(sock.recv(56))

    with FakeTcpServer(echoes_once) as fake:
        made = record("-c", "3", "-i", "0.05", fake.address)
    assert made["received"] >= 2  # one may meet the end itself


def test_a_server_that_adds_a_text_of_its_own_is_no_trouble() -> None:
    def tutorial(sock: socket.socket) -> None:
        while data := sock.recv(1023):
            sock.sendall(data + b"[server echo]")

    with FakeTcpServer(tutorial) as fake:
        made = record("-c", "3", "-i", "0.05", fake.address)
    assert (made["received"], made["corrupted_bytes"], made["status"]) == (3, 0, 0)
    assert made["strangers"] in (0, 13, 26)  # a text a chunk; what follows the last answer is not waited for


def test_the_first_address_that_answers_is_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeUdpServer(echo_datagram) as fake:
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda *_: [
                (socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("127.0.0.1", port))
                for port in (unused_udp_port(), fake.port)
            ],
        )
        from netechod.client.net import Target
        from netechod.client.ping.prober import Plan
        from netechod.client.ping.run import open_link

        _, link, about = open_link(Target("both", 1), Plan(56, 1.0), udp=True)
        link.close()
    assert about.port == fake.port


def test_a_deadline_ends_it_whatever_is_under_way() -> None:
    with FakeUdpServer(silence) as fake:
        made = record("-u", "-i", "0.02", "-w", "0.1", fake.address)
    assert 1 <= made["sent"] <= 6
    assert (made["received"], made["lost"], made["pending"]) == (0, 0, made["sent"])
    assert made["status"] == 1


def test_with_a_deadline_a_count_must_have_been_reached() -> None:
    with FakeUdpServer(echo_datagram) as fake:
        assert record("-u", *QUICK, "-c", "5", "-w", "20", fake.address)["status"] == 0
        made = record("-u", "-i", "0.05", "-c", "1000", "-w", "0.2", fake.address)
    assert (made["lost"], made["status"]) == (0, 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_the_summary(number: signal.Signals) -> None:
    with (
        FakeUdpServer(echo_datagram) as fake,
        subprocess.Popen(
            [*COMMAND, "ping", "-u", "-i", "0.02", fake.address], stdout=subprocess.PIPE, env=environment()
        ) as process,
    ):
        assert process.stdout is not None
        for _ in range(3):
            process.stdout.readline()
        process.send_signal(number)
        rest = process.stdout.read().decode()
    assert " received, 0 lost (0.0 %), " in rest
    assert process.returncode == 0


def test_a_summary_in_between_is_told_on_sigquit() -> None:
    with (
        FakeUdpServer(echo_datagram) as fake,
        subprocess.Popen(
            [*COMMAND, "ping", "-u", "-q", "-i", "0.02", fake.address],
            stdout=subprocess.PIPE,
            env=environment(),
        ) as process,
    ):
        assert process.stdout is not None
        process.stdout.readline()
        for _ in range(2):
            process.send_signal(signal.SIGQUIT)
            while b" sent, " not in process.stdout.readline():
                pass
        process.send_signal(signal.SIGINT)
        process.stdout.read()


def test_a_reader_who_leaves_is_no_error() -> None:
    with FakeUdpServer(echo_datagram) as fake:
        assert unread("ping", "-u", *QUICK, fake.address) == (0, b"")


def test_a_dumb_terminal_gets_lines() -> None:
    with (
        FakeUdpServer(echo_datagram) as fake,
        Terminal("ping", "-u", "-c", "2", *QUICK, fake.address, TERM="dumb") as terminal,
    ):
        assert terminal.wait() == 0
    assert "\x1b" not in terminal.seen
    assert "\r" not in terminal.seen
    assert "\n#1  " in terminal.seen


@pytest.mark.parametrize(
    ("changes", "is_ascii"), [({}, False), ({"PYTHONIOENCODING": "ascii"}, True), ({"TERM": "linux"}, True)]
)
def test_a_terminal_gets_the_characters_that_it_has(changes: dict[str, str], is_ascii: bool) -> None:
    with (
        FakeUdpServer(echo_datagram) as fake,
        Terminal("ping", "-u", "-c", "9", *QUICK, fake.address, **({"TERM": "xterm"} | changes)) as terminal,
    ):
        assert terminal.wait() == 0
    assert "lost 0" in terminal.seen
    assert terminal.seen.isascii() is is_ascii
    assert "\\u" not in terminal.seen


def test_a_name_that_does_not_resolve_ends_with_1() -> None:
    run = netecho("ping", "no.such.host.invalid")
    assert outcome(run) == (1, "")
    assert b"cannot resolve" in run.stderr


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("-i", "0.001"), "0.001 s: at least 0.002 s are between probes, not to flood"),
        (("-i", "0"), "0 s: at least 0.002 s"),
        (("-i", "nan"), "invalid interval value: 'nan'"),
        (("-i", "inf"), "invalid interval value: 'inf'"),
        (("-s", "7"), "7: a payload has 8 to 65507 bytes"),
        (("-s", "65508"), "65508: a payload has 8 to 65507 bytes"),
        (("-s", "x"), "invalid payload_size value: 'x'"),
        (("-c", "0"), "invalid number value: '0'"),
        (("-w", "0"), "invalid seconds value: '0'"),
        (("-W", "-1"), "expected one argument"),
        (("--sweep", "64"), "invalid sizes value: '64'"),
        (("--sweep", "9000:64"), "invalid sizes value: '9000:64'"),
        (("--sweep", "64:70000"), "70000: a payload has 8 to 65507 bytes"),
        (("--sweep", "64:9000", "-s", "56"), "not allowed with argument"),
        (("--json", "--jsonl"), "not allowed with argument"),
        (("-v", "-q"), "not allowed with argument"),
    ],
)
def test_a_wrong_command_line_ends_with_64(options: tuple[str, ...], why: str) -> None:
    run = netecho("ping", *options, "127.0.0.1")
    assert outcome(run) == (64, "")
    assert why in run.stderr.decode()


@pytest.mark.parametrize("host", ["2001:db8::1", "192.0.2.9"])
def test_a_network_without_a_route_is_a_loss_and_no_traceback(host: str) -> None:
    made = record("-u", "-c", "1", "-W", "0.05", f"[{host}]" if ":" in host else host)
    assert (made["sent"], made["lost"], made["addr"]) == (1, 1, host)
    run = netecho("ping", "-u", "--sweep", "64:128", "-c", "1", "-W", "0.05", host)
    assert run.returncode == 1
    assert b"Traceback" not in run.stderr


@pytest.mark.parametrize("form", ["--json", "--jsonl"])
def test_an_address_that_cannot_answer_is_an_error_in_json_too(form: str) -> None:
    run = netecho("ping", "-u", form, "fe80::1")
    assert run.returncode == 1
    error = json.loads(run.stdout)
    assert "%interface is missing" in error["error"]
    assert error["hint"].startswith("such as fe80::1%")
    assert b"%interface is missing" in run.stderr
    schema = json.loads((SCHEMAS / "error.schema.json").read_text("utf-8"))
    jsonschema.validate(error, schema, jsonschema.Draft202012Validator)


def test_a_deadline_holds_while_it_is_being_connected() -> None:
    """The port swallows connections: its queue is full (listen(2))."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, ExitStack() as stack:
        for _ in range(4):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
        made = record("-w", "0.3", "-W", "60", f"127.0.0.1:{listener.getsockname()[1]}")
    assert (made["sent"], made["received"], made["pending"]) == (1, 0, 1)
    assert made["seconds"] < 30


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_any_ending_has_its_summary(number: signal.Signals) -> None:
    with FakeUdpServer(echo_datagram) as fake:
        command = [*COMMAND, "ping", "-u", "--jsonl", "-i", "0.01", fake.address]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment()) as process:
            assert process.stdout
            process.stdout.readline()
            process.send_signal(number)
            last = process.stdout.read().splitlines()[-1]
    assert json.loads(last)["type"] == "summary"
    assert process.returncode == 0
