"""The STAMP reflector by its socket unit, with the clock out of reach and within, by a real systemd."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.machine import Machine

from netechod.clock_error import clock_error
from netechod.services.stamp.packets import PORT, Answer, read_answer, request
from netechod.services.stamp.timestamps import SYNCHRONIZED, error_estimate, ntp_of, time_of

pytestmark = [pytest.mark.machine, pytest.mark.timeout(300)]

UNIT = "netechod-stamp.socket"
CONFIG = "/etc/netechod/netechod.toml"
DROP_IN = "/etc/systemd/system/netechod.service.d/stamp-clock.conf"


@pytest.fixture(scope="module")
def reflecting(machine: Machine) -> Iterator[Machine]:
    """The shared machine with the reflector on; afterwards it is as it was installed."""
    installed = machine.path(CONFIG).read_text(encoding="utf-8")
    machine.write(CONFIG, installed.replace("[stamp]\n", "[stamp]\nenabled = true\n"))
    machine.run("systemctl", "stop", "netechod.service")
    machine.run("systemctl", "start", UNIT)
    yield machine
    machine.run("systemctl", "stop", UNIT)
    machine.write(CONFIG, installed)
    machine.run("systemctl", "restart", "netechod")


@pytest.fixture
def with_clock(reflecting: Machine) -> Iterator[Machine]:
    """The same with the drop-in that the package brings."""
    files = reflecting.run("dpkg", "--listfiles", "netechod").split()
    shipped = next(name for name in files if name.endswith("/stamp-clock.conf"))
    reflecting.run("mkdir", "-p", str(Path(DROP_IN).parent))
    reflecting.run("ln", "-s", shipped, DROP_IN)
    reflecting.run("systemctl", "daemon-reload")
    reflecting.run("systemctl", "restart", "netechod")
    yield reflecting
    reflecting.run("rm", DROP_IN)
    reflecting.run("systemctl", "daemon-reload")
    reflecting.run("systemctl", "restart", "netechod")


def reflected(machine: Machine) -> Answer:
    """The answer of the machine's reflector."""
    with machine.connect(PORT) as sock:
        sock.send(request(0, ntp_of(time.time_ns()), 0x8001, 0x4242))
        answer = read_answer(sock.recv(2048), is_signed=False)
    assert answer is not None
    return answer


def complaints(machine: Machine) -> list[str]:
    """What the running reflector has said about the clock."""
    invocation = machine.show("InvocationID")
    entries = machine.journal(f"_SYSTEMD_INVOCATION_ID={invocation}", "_COMM=netechod")
    return [entry["MESSAGE"] for entry in entries if "this clock is not synchronized" in entry["MESSAGE"]]


def test_it_is_off_until_somebody_switches_it_on(machine: Machine) -> None:
    assert machine.attempt("systemctl", "is-enabled", UNIT).stdout == "disabled\n"
    assert machine.show("ActiveState", UNIT) == "inactive"


def test_the_first_probe_starts_it_and_has_arrived_before_the_start(reflecting: Machine) -> None:
    ahead_ns = time.time_ns() - time.monotonic_ns()
    answer = reflected(reflecting)
    arrived, left = (time_of(it, time.time_ns(), ptp=False) for it in (answer.received, answer.sent))
    started = int(reflecting.show("ExecMainStartTimestampMonotonic")) * 1000 + ahead_ns
    assert arrived < started < left
    assert answer.ssid == 0x4242


def test_without_the_drop_in_it_claims_nothing_and_says_why(reflecting: Machine) -> None:
    assert reflected(reflecting).error == error_estimate(None)
    [complaint] = complaints(reflecting)
    assert complaint.endswith("its state cannot be read (Operation not permitted; see stamp-clock.conf)")
    assert reflecting.exposure() <= 1.2


def test_with_the_drop_in_it_tells_what_the_clock_is_worth(with_clock: Machine) -> None:
    is_synchronized = clock_error() is not None  # the machine has the kernel of its host
    assert bool(reflected(with_clock).error & SYNCHRONIZED) == is_synchronized
    assert not [text for text in complaints(with_clock) if "cannot be read" in text]
    assert with_clock.exposure() <= 1.5
