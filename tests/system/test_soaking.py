"""scripts/soak as short as it gets: that everything holds; and that it would find what does not."""

import os
import resource
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from socket import socket
from threading import Event
from typing import TYPE_CHECKING

import pytest
from support.fake_servers import Address, FakeTcpServer, FakeUdpServer, Replies
from support.scripts import ROOT, script

if TYPE_CHECKING:
    from scripts.lib.soak.place import Place
    from scripts.lib.soak.vitals import Vitals

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("_scripts")]


@pytest.fixture(autouse=True)
def _scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the soak's modules importable: they are not part of the package."""
    monkeypatch.syspath_prepend(ROOT)


def soak(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The program behind the script, to its end."""
    return script("soak", *arguments, timeout=None)


FAULTS_UNDER_LOAD = (
    "new,broken,words,storm,renamed,deleted,copied,moved,blocked,no-,stopped,flood,full,rubbish"
)


@pytest.mark.timeout(180)
def test_every_fault_under_load_costs_nobody_a_byte_and_leaves_nothing_behind() -> None:
    run = soak("--seconds", "5", "--calm", "0", "--only", FAULTS_UNDER_LOAD)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.endswith("\neverything held\n")
    assert "\nFAILS" not in run.stdout
    for named in ("LookUps", "Chat", "no-descriptors ", "memory", "connections: accepted="):
        assert named in run.stdout


@pytest.mark.parametrize("fault", ["large-room", "damaged-index", "deaf-manager", "idle-metrics"])
@pytest.mark.timeout(120)
def test_an_honest_client_does_not_notice_an_attack(fault: str) -> None:
    run = soak("--seconds", "0", "--calm", "0", "--only", fault)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.machine
@pytest.mark.parametrize("fault", ["forged-neighbours", "forged-errors", "fragments"])
@pytest.mark.timeout(120)
def test_an_honest_client_does_not_notice_an_attack_over_the_network(fault: str) -> None:
    run = soak("--seconds", "0", "--calm", "0", "--only", fault)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "left out" not in run.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("--seconds", "-1"),
        ("--pause", "x"),
        ("--calm", "90"),
        ("--only", "rain"),
        ("--members", "3"),
        ("now",),
    ],
)
def test_a_wrong_command_line_exits_with_64_and_a_hint(arguments: tuple[str, ...]) -> None:
    run = soak(*arguments)
    assert run.returncode == 64
    assert run.stderr.endswith("hint: scripts/soak --help\n")


def test_the_help_names_every_option() -> None:
    run = subprocess.run([ROOT / "scripts/soak", "--help"], capture_output=True, text=True, check=True)
    assert all(
        option in run.stdout for option in ("--seconds", "--pause", "--calm", "--seed", "--only", "--members")
    )


# What it would find.


@pytest.fixture
def place(tmp_path: Path) -> Iterator["Place"]:
    from scripts.lib.soak.place import Place

    place = Place(tmp_path, seed=1)
    yield place
    place.daemon.close()


def take_a_turn(kind: str, place: "Place") -> None:
    """The first turn of the traffic of that name."""
    from scripts.lib.soak.soak import FLOWS

    flows = {flow.__name__: flow for flow in FLOWS}
    with closing(flows[kind](place, place.rng(kind))) as flow:
        flow.open()
        flow.turn()


def flipped(data: bytes) -> bytes:
    """With one bit that is another."""
    return data[:-1] + bytes([data[-1] ^ 1]) if data else b"?"


def echo_with_a_wrong_bit(sock: socket) -> None:
    while data := sock.recv(65536):
        sock.sendall(flipped(data))


def echo_too_much(sock: socket) -> None:
    while data := sock.recv(65536):
        sock.sendall(data)
    sock.sendall(b"and more")


def echo_half(sock: socket) -> None:
    data = sock.recv(65536)
    sock.sendall(data[: len(data) // 2])


@pytest.mark.parametrize(
    ("kind", "liar", "what"),
    [
        ("Visits", echo_with_a_wrong_bit, "a byte came back as another"),
        ("Visits", echo_too_much, "something came behind the echo"),
        ("Visits", echo_half, "bytes early"),
        ("SlowReaders", echo_with_a_wrong_bit, "a byte came back as another"),
    ],
)
def test_a_byte_that_is_wrong_missing_or_too_many_is_found(
    place: "Place", kind: str, liar: Callable[[socket], None], what: str
) -> None:
    from scripts.lib.soak.place import Wrong

    with FakeTcpServer(liar) as server:
        place.ports = {"echo-tcp": server.port}
        with pytest.raises(Wrong, match=what):
            take_a_turn(kind, place)


def echo(sock: socket) -> None:
    while data := sock.recv(65536):
        sock.sendall(data)


def test_slow_readers_work_beside_a_room_that_holds_thousands_of_descriptors(place: "Place") -> None:
    with FakeTcpServer(echo) as server, many_descriptors():
        place.ports = {"echo-tcp": server.port}
        take_a_turn("SlowReaders", place)


@contextmanager
def many_descriptors() -> Iterator[None]:
    """Have every new descriptor of this process be above 1023."""
    with ExitStack() as stack:
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], 2048), before[1]))
        fd = os.open("/dev/null", os.O_RDONLY)
        stack.callback(os.close, fd)
        while fd < 1023:
            fd = os.dup(fd)
            stack.callback(os.close, fd)
        yield


def test_traffic_that_fails_for_whatever_reason_is_a_failure_and_begins_anew(place: "Place") -> None:
    from scripts.lib.soak.flow import Failures, Flow, Load

    begun = Event()

    class Broken(Flow):
        flows = 0

        def turn(self) -> None:
            Broken.flows += 1
            if Broken.flows == 2:
                begun.set()
            raise ValueError("out of range")

    failures = Failures()
    with Load(place, [Broken], failures):
        assert begun.wait(20.0)
    assert "ValueError: out of range" in failures.told[0]


def wrong_everywhere(payload: bytes, address: Address) -> Replies:
    yield flipped(payload), address


@pytest.mark.parametrize(
    ("kind", "service", "what"),
    [
        ("LookUps", "dictionary", "instead of {"),
        ("UdpEchoes", "echo-udp", "came back as others"),
        ("Chat", "chat", "was heard instead of"),
    ],
)
def test_an_answer_that_is_another_is_found(place: "Place", kind: str, service: str, what: str) -> None:
    from scripts.lib.soak.place import Wrong

    with FakeUdpServer(wrong_everywhere) as server:
        place.ports = {service: server.port}
        with pytest.raises(Wrong, match=what):
            take_a_turn(kind, place)


def vitals() -> "Vitals":
    from scripts.lib.soak.vitals import Vitals

    return Vitals(memory=20 << 20, descriptors={"0": "/dev/null"}, threads=2, children=0)


def failing(findings: Iterator[tuple[str, bool]]) -> list[str]:
    return [what for what, holds in findings if not holds]


def test_whatever_has_grown_is_found() -> None:
    from scripts.lib.soak.audit import of_vitals

    before = vitals()
    assert failing(of_vitals(before, before, hours=1.0, share=0.0)) == []
    grown = replace(
        before, memory=30 << 20, descriptors={"0": "/dev/null", "1": "socket:[7]"}, threads=3, children=1
    )
    assert failing(of_vitals(before, grown, hours=1.0, share=0.9)) == [
        "memory 20.0 -> 30.0 MiB, growth at most 9.0",
        "descriptors 1 -> 2: socket:[7]",
        "threads 2 -> 3",
        "children 0 -> 1",
        "CPU at rest 90.0%, at most 5%",
    ]
    assert failing(of_vitals(before, grown, hours=7.0, share=0.0))[0].startswith("descriptors")


UDP = {"received": 5, "sent": 3, "dropped_empty": 2, "send_errors": 0, "overflowed": 0}
TCP = {"accepted": 3, "closed": 3, "refused": 1, "accept_errors": 0, "bytes_in": 9, "bytes_out": 8}
SAID = Counter({"connections": 4, "tcp bytes said": 9, "tcp bytes heard": 8})
for service in ("echo-udp", "dictionary", "chat", "command"):
    SAID += Counter({f"{service} said": 6, f"{service} heard": 3})


@pytest.mark.parametrize(
    ("service", "counter", "value", "what"),
    [
        ("echo-tcp", "accepted", 4, "connections: accepted=4 = closed=3"),
        ("echo-tcp", "refused", 0, "connections: made=4 accepted+refused=3 accept_errors=0"),
        ("echo-tcp", "bytes_in", 10, "TCP bytes: said=9 >= in=10 >= out=8 >= heard=8"),
        ("echo-tcp", "bytes_out", 7, "TCP bytes: said=9 >= in=9 >= out=7 >= heard=8"),
        ("chat", "received", 4, "chat: said=6 lost=1 received=4 (-1 from others)"),
        ("chat", "sent", 2, "chat: sent=2 >= heard=3"),
        ("dictionary", "dropped_empty", 1, "dictionary: received=5 = sent+dropped=4"),
    ],
)
def test_counters_that_do_not_add_up_are_found(service: str, counter: str, value: int, what: str) -> None:
    from scripts.lib.soak.audit import of_counters

    counters = {"echo-tcp": dict(TCP), "echo-udp": dict(UDP), "dictionary": dict(UDP)}
    counters |= {"chat": dict(UDP), "command": dict(UDP)}
    status = {"connections": 0, "members": 0, "counters": counters}
    lost = {"echo-udp": 1, "dictionary": 1, "chat": 1, "command": 1}
    assert failing(of_counters(status, SAID, lost)) == []
    counters[service][counter] = value
    assert what in failing(of_counters(status, SAID, lost))


GOOD = "[NORMAL][1][pid:7]ready\n"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("log.txt", "Traceback (most recent call last):"),
        ("log.txt", "[NORMAL][1][pid:7]log call at chat.py:7 failed: TypeError"),
        ("log.txt", "[NORMAL][1][pid:7]a torn li[NORMAL][1][pid:7]\x1b[2J"),
        ("log.txt", "[ERROR][1][pid:7]dictionary reload failed, 3 entries stay in use: x"),
        ("log.txt", "half a line"),
        ("log.error", "[ERROR][1][pid:7]something else failed"),
        ("log.error.1", "[FATAL][1][pid:7]internal error, stopping"),
    ],
)
def test_a_line_that_should_not_be_is_found(tmp_path: Path, name: str, line: str) -> None:
    from scripts.lib.soak.audit import of_logs

    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "log.txt.1").write_text(GOOD)
    (tmp_path / "log" / "log.error").write_text(
        "[ERROR][1][pid:7]dictionary reload failed, 3 entries stay in use: x\n"
    )
    assert failing(of_logs(tmp_path, GOOD)) == []
    assert failing(of_logs(tmp_path, f"{line}\n")) != [] or line.startswith("[ERROR][1][pid:7]dictionary")
    with (tmp_path / "log" / name).open("a") as file:
        file.write(f"{line}\n")
    [found] = failing(of_logs(tmp_path, GOOD))
    assert f"\n    {name}: {line}" in found
