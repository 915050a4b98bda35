"""The STAMP reflector as it runs: real packets, the kernel's times, keys, status."""

import json
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.daemon import client, run_netechod
from support.looping import FakeClock, turn
from support.netecho import netecho
from support.stamp_daemon import SECRET, StampDaemon
from support.stamp_vectors import octets

from netechod.process.service.stamp import ClockWatch
from netechod.reactor.loop import Loop
from netechod.services.stamp.packets import (
    OPEN,
    SIGNED,
    Answer,
    is_signed_with,
    read_answer,
    request,
    signed,
)
from netechod.services.stamp.timestamps import SECOND, ntp_of, time_of


def fields(answer: bytes, *, is_signed: bool = False) -> Answer:
    read = read_answer(answer, is_signed=is_signed)
    assert read is not None
    return read


def shown_by_netechoctl(daemon: StampDaemon, *words: str) -> str:
    """Return what the operator sees."""
    control = daemon.directory / "control.sock"
    command = [sys.executable, "-m", "netechod.cli.netechoctl", "--socket", str(control), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def probe(number: int = 0, *, is_signed: bool = False) -> bytes:
    return request(number, ntp_of(time.time_ns()), 0x8001, 0x4242, is_signed=is_signed)


@pytest.mark.system
@pytest.mark.parametrize("size", [14, 44, 1472, 65507])
def test_a_probe_comes_back_with_the_times_and_the_ttl_of_its_journey(tmp_path: Path, size: int) -> None:
    with StampDaemon(tmp_path).start() as daemon:
        before = time.time_ns()
        answer, ttl, tos = daemon.reflected(probe().ljust(size, b"\0")[:size], tos=0xB8)
        after = time.time_ns()
    assert (len(answer), ttl, tos) == (max(44, size), 255, 0xB8)
    read = fields(answer)
    arrived, left = (time_of(stamp, before, ptp=False) for stamp in (read.received, read.sent))
    assert before <= arrived <= left <= after
    assert read.ttl == 77


@pytest.mark.system
def test_a_probe_that_waits_in_the_kernel_has_arrived_when_it_got_there(tmp_path: Path) -> None:
    with StampDaemon(tmp_path) as daemon, client(daemon.address("stamp")) as sock:
        daemon.start()
        sock.send(probe())
        sock.recv(100)
        daemon.signal(signal.SIGSTOP)
        sent = time.time_ns()
        sock.send(probe(1))
        assert select.select([sock], [], [], 0.3) == ([], [], [])
        daemon.signal(signal.SIGCONT)
        read = fields(sock.recv(100))
    arrived, left = (time_of(stamp, sent, ptp=False) for stamp in (read.received, read.sent))
    assert arrived - sent < 0.2 * SECOND
    assert left - arrived > 0.2 * SECOND


@pytest.mark.system
def test_sessions_are_counted_and_told(tmp_path: Path) -> None:
    with StampDaemon(tmp_path).start() as daemon:
        with client(daemon.address("stamp")) as sock:
            for number in (0, 1, 7):
                sock.send(probe(number))
                answer = sock.recv(100)
            port = sock.getsockname()[1]
        status = daemon.status()
        shown = shown_by_netechoctl(daemon, "sessions").splitlines()
        listed = json.loads(shown_by_netechoctl(daemon, "sessions", "--json"))
    assert fields(answer).number == 2
    assert listed == {
        **{"sender-ip": "127.0.0.1", "sender-udp-port": port, "ssid": 0x4242},
        **{"rcv-packets": 3, "sent-packets": 3, "last-rcv-seq": 7},
    }
    assert shown[0].split() == ["sender", "port", "ssid", "received", "sent", "last", "number"]
    assert shown[1].split() == ["127.0.0.1", str(port), "16962", "3", "3", "7"]
    assert status["stamp"]["sessions"] == 1
    assert set(status["stamp"]["clock"]) == {"synchronized", "error_s"}
    assert status["counters"]["stamp"]["stateless"] == 0


@pytest.mark.system
def test_strangers_hear_nothing_unless_it_is_public_and_no_number_of_their_own_then(tmp_path: Path) -> None:
    with StampDaemon(tmp_path).start("--set", "access.trusted=127.0.0.1") as daemon:
        assert daemon.reflected(probe(), source="127.0.0.1")
        assert daemon.is_silent(probe(), source="127.0.0.2")
        assert daemon.counter("dropped_untrusted") == 1
    with StampDaemon(tmp_path, public=True).start("--set", "access.trusted=127.0.0.1") as daemon:
        assert fields(daemon.reflected(probe(5), source="127.0.0.2")[0]).number == 5


@pytest.mark.system
def test_where_keys_are_required_they_decide_who_is_answered(tmp_path: Path) -> None:
    with StampDaemon(tmp_path, authentication="required").start("--set", "access.trusted=10.0.0.1") as daemon:
        answer, _, _ = daemon.reflected(signed(probe(is_signed=True), SECRET))
        assert is_signed_with(answer, SECRET)
        assert len(answer) == SIGNED.size
        for packet in (probe(), signed(probe(is_signed=True), b"another")):
            assert daemon.is_silent(packet, other=signed(probe(is_signed=True), SECRET))
        assert daemon.counter("dropped_forged") == 2


@pytest.mark.system
@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ("ops open-sesame\n", "ops is neither default nor a session id"),
        ("65536 open-sesame\n", "65536 is neither default nor a session id"),
        ("default\n", "is not <key id> <secret>, two words"),
        (None, "must name the file with the keys unless stamp.authentication is off"),
    ],
    ids=["a name", "too large", "no secret", "no file"],
)
def test_without_usable_keys_there_is_no_start(tmp_path: Path, keys: str | None, why: str) -> None:
    with StampDaemon(tmp_path, authentication="optional") as daemon:
        if keys is None:
            daemon.configure({"stamp.enabled": True, "stamp.authentication": "optional"})
        else:
            (tmp_path / "keys").write_text(keys)
        checked = run_netechod("--check", "--config", str(daemon.config))
    assert checked.returncode == 78
    assert "stamp.key_file: " in checked.stderr
    assert why in checked.stderr


@pytest.mark.system
def test_a_reload_takes_other_keys(tmp_path: Path) -> None:
    with StampDaemon(tmp_path, authentication="required").start() as daemon:
        packet = signed(probe(is_signed=True), b"changed")
        assert daemon.is_silent(packet, other=signed(probe(is_signed=True), SECRET))
        (tmp_path / "keys").write_text("default changed\n")
        daemon.reload()
        assert is_signed_with(daemon.reflected(packet)[0], b"changed")


@pytest.mark.system
def test_a_location_is_told(tmp_path: Path) -> None:
    with StampDaemon(tmp_path).start() as daemon, client(daemon.address("stamp")) as sock:
        sock.send(probe() + octets("8002002c 00*4 80040010 00*16 80070010 00*16"))
        answer = sock.recv(100)
        ports = daemon.address("stamp")[1], sock.getsockname()[1]
    told = b"".join(it.to_bytes(2, "big") for it in ports)
    addresses = octets("00050010 7f000001 00*12 00080010 7f000001 00*12")
    assert answer[OPEN.size :] == octets("0002002c") + told + addresses


@pytest.mark.system
@pytest.mark.parametrize("sign", [False, True], ids=["open", "signed"])
def test_our_own_sender_understands_it(tmp_path: Path, sign: bool) -> None:
    with StampDaemon(tmp_path, authentication="optional").start() as daemon:
        host, port = daemon.address("stamp")
        options = ["--key-file", str(tmp_path / "keys")] if sign else []
        run = netecho("ping", "--stamp", "-i", "0.01", "-c", "20", "--json", *options, f"{host}:{port}")
    made = json.loads(run.stdout)
    assert (run.returncode, made["received"], made["clock"]) == (0, 20, "kernel")
    assert (made["stamp"]["forward"]["hops"], made["stamp"]["backward"]["hops"]) == (0, 0)
    assert made["stamp"]["reflector"]["dscp_kept"] is True


def test_the_clock_is_looked_at_once_a_second() -> None:
    clock = FakeClock()
    errors: list[float | None] = [0.001, None]
    loop = Loop(clock=clock)
    watch = ClockWatch(loop, lambda: errors.pop(0))
    assert [watch(), watch()] == [0.001, 0.001]
    clock.advance(1.0)
    turn(loop)
    assert [watch(), watch()] == [None, None]
    loop.close()
