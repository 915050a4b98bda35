"""`netecho watch` as a process: what it writes, what it survives, and how it ends."""

import csv
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
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
    unused_udp_port,
)
from support.netecho import COMMAND, environment, netecho
from support.stamp_daemon import StampDaemon

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "json" / "watch.schema.json").read_text("utf-8"))
QUICK = ("-i", "0.02", "--timeout", "0.5")


def watch(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return netecho("watch", *QUICK, *arguments)


def lines_of(run: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
    """The JSON lines of a run; each fits the schema."""
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    for line in lines:
        jsonschema.validate(line, SCHEMA, jsonschema.Draft202012Validator)
    return lines


def silent_after(count: int) -> Callable[[bytes, Address], Replies]:
    """A server that answers so many probes, and then no more."""
    seen: list[bytes] = []

    def handle(payload: bytes, address: Address) -> Replies:
        seen.append(payload)
        return [(payload, address)] if len(seen) <= count else []

    return handle


def test_all_schemes_are_watched_side_by_side() -> None:
    with FakeUdpServer(echo_datagram) as udp, FakeTcpServer(echo_stream) as tcp:
        run = watch("-n", "5", "--jsonl", f"udp://{udp.address}", f"tcp://{tcp.address}")
    begin, *told, summary = lines_of(run)
    assert [it["url"] for it in begin["targets"]] == [f"udp://{udp.address}", f"tcp://{tcp.address}"]
    assert [(it["sent"], it["answered"], it["state"]) for it in summary["targets"]] == [(5, 5, "up")] * 2
    assert sorted(it["seq"] for it in told if it["type"] == "answered") == sorted([1, 2, 3, 4, 5] * 2)
    assert run.returncode == 0


def test_a_reflector_is_watched_without_the_time_it_keeps_probes(tmp_path: Path) -> None:
    with StampDaemon(tmp_path) as daemon:
        daemon.start()
        host, port = daemon.address("stamp")
        run = watch("-n", "5", "--jsonl", "-s", "60", f"stamp://{host}:{port}")
    target = lines_of(run)[-1]["targets"][0]
    assert (target["answered"], target["lost"], target["bytes"]) == (5, 0, 60)


def test_a_pipe_gets_a_line_an_event_and_the_table_at_the_end() -> None:
    with FakeUdpServer(silent_after(3)) as fake:
        run = watch("-n", "8", "--timeout", "0.2", f"udp://{fake.address}")
    up, down, heading, row = run.stdout.decode().splitlines()
    assert up.split("  ")[1].startswith(f"udp://{fake.address} answers, ")
    assert down.endswith(f"udp://{fake.address} is lost: no answer within 0.2 s")
    assert heading.split() == [
        *("target", "last", "ms", "p50", "p95", "p99"),
        *("jitter", "loss", "1m", "loss", "longest", "outage"),
    ]
    assert row.startswith(f"! udp://{fake.address} ")
    assert "62.5%" in row
    assert run.returncode == 1


def test_every_bad_target_gets_a_sentence_and_the_others_are_watched(tmp_path: Path) -> None:
    file = tmp_path / "site"
    with FakeUdpServer(echo_datagram) as fake:
        good = f"udp://{fake.address}"
        file.write_text(f"{good} good\nftp://x\n{good} again\n")
        run = watch("-n", "2", "--file", str(file), "--file", f"{file}2", "nosuch.invalid", "x:0")
    said = run.stderr.decode().splitlines()
    assert said == [
        "netecho: error: no port between 1 and 65535: '0'",
        f"netecho: error: {file}:2: 'ftp://x': no such scheme; there are tcp, udp, stamp",
        f"netecho: error: {file}:3: {good} is there already, and is watched once",
        f"netecho: error: {file}2: No such file or directory",
    ]
    told = run.stdout.decode()
    assert "good answers, " in told
    assert "nosuch.invalid: cannot resolve 'nosuch.invalid': " in told
    assert "nosuch.invalid is lost: its name has no address\n" in told
    assert run.returncode == 1


def test_without_a_target_there_is_a_hint() -> None:
    run = netecho("watch")
    assert (run.returncode, run.stdout) == (64, b"")
    assert run.stderr.decode() == (
        "netecho: error: there is nothing to watch\nhint: name a target, as in netecho watch udp://localhost\n"
    )


def test_where_json_is_asked_for_an_error_is_an_object_too() -> None:
    run = netecho("watch", "--jsonl")
    assert json.loads(run.stdout)["error"] == "there is nothing to watch"
    assert run.returncode == 64


def test_probes_and_events_are_recorded_beside_the_lines(tmp_path: Path) -> None:
    table, log, record = tmp_path / "t.csv", tmp_path / "log", tmp_path / "r.jsonl"
    log.write_text("before\n")
    files = ("--csv", str(table), "--log", str(log), "--record", str(record))
    with FakeUdpServer(silent_after(2)) as fake:
        watch("-n", "4", *files, f"udp://{fake.address}")
    with table.open(newline="") as rows:
        found = list(csv.DictReader(rows))
    assert [(row["seq"], row["outcome"], row["reason"]) for row in found] == [
        *(("1", "answered", ""), ("2", "answered", "")),
        *(("3", "lost", "timeout"), ("4", "lost", "timeout")),
    ]
    assert float(found[0]["rtt_ms"]) > 0
    before, up, down = log.read_text().splitlines()
    assert (before, " answers, " in up, " is lost: " in down) == ("before", True, True)
    kinds = [json.loads(line)["type"] for line in record.read_text().splitlines()]
    assert kinds == ["begin", "answered", "up", "answered", "lost", "lost", "down", "summary"]


def test_a_file_that_cannot_be_written_costs_a_sentence_and_nothing_else(tmp_path: Path) -> None:
    with FakeUdpServer(echo_datagram) as fake:
        run = watch("-n", "2", "--log", str(tmp_path), "--csv", "/dev/full", f"udp://{fake.address}")
    assert sorted(run.stderr.decode().splitlines()) == [
        "netecho: error: cannot write /dev/full: No space left on device; the watch goes on without it",
        f"netecho: error: cannot write {tmp_path}: Is a directory; the watch goes on without it",
    ]
    assert run.returncode == 0


@pytest.mark.parametrize(
    ("answered", "status", "said"),
    [(5, 0, "OK"), (4, 1, "WARNING"), (2, 2, "CRITICAL"), (0, 2, "CRITICAL")],
)
def test_a_check_says_one_line_and_ends_with_its_status(answered: int, status: int, said: str) -> None:
    thresholds = ("-w", "900ms,10%", "-c", "950ms,50%")
    with FakeUdpServer(silent_after(answered)) as fake:
        run = netecho("watch", "--check", *thresholds, *QUICK, f"udp://{fake.address}", NETECHO_LANG="zh")
    line = run.stdout.decode()
    assert line.startswith(f"NETECHO {said} - udp://{fake.address}: ")
    assert f" loss'={100 - 20 * answered}%;10;50;0;100\n" in line
    assert (run.returncode, run.stderr) == (status, b"")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-w", "fast", "localhost"], "warning=fast: not a valid value"),
        (["http://x"], "'http://x': no such scheme; there are tcp, udp, stamp"),
        (["nosuch.invalid"], "nosuch.invalid: "),
    ],
)
def test_a_check_that_cannot_be_made_is_unknown(arguments: list[str], said: str) -> None:
    run = netecho("watch", "--check", *arguments)
    assert run.stdout.decode().startswith(f"NETECHO UNKNOWN - {said}") or "Temporary failure" in str(
        run.stdout
    )
    assert run.returncode == 3


def test_thresholds_decide_the_status_of_a_watch(tmp_path: Path) -> None:
    with FakeUdpServer(silent_after(4)) as fake:
        run = watch("-n", "5", "-w", "10s,10%", "-c", "10s,50%", f"udp://{fake.address}")
    assert run.returncode == 1


@pytest.mark.parametrize(
    "arguments", [["-i", "0"], ["-w", "x"], ["--web", "x"], ["--on-loss", "a 'b"], ["-s", "x"]]
)
def test_a_wrong_option_is_a_usage_error(arguments: list[str]) -> None:
    run = netecho("watch", *arguments, "localhost")
    assert (run.returncode, run.stdout) == (64, b"")


def test_programs_run_when_a_target_is_lost_and_back_without_a_shell(tmp_path: Path) -> None:
    out = tmp_path / "out"
    program = f"{sys.executable} -c 'import sys; open(sys.argv[1], \"a\").write(repr(sys.argv[2:]))' {out}"
    seen: list[bytes] = []

    def handle(payload: bytes, address: Address) -> Replies:
        seen.append(payload)
        return [] if 3 <= len(seen) <= 6 or len(seen) > 40 else [(payload, address)]

    arguments = (
        *("--timeout", "0.2", "-i", "0.1", "-n", "40"),
        *(
            "--on-loss",
            program + " lost {label} {reason} '$(id)'",
            "--on-return",
            program + " back {seconds}",
        ),
    )
    with FakeUdpServer(handle) as fake:
        file = tmp_path / "site"
        file.write_text(f"udp://{fake.address} 'a; b'\n")
        run = watch(*arguments, "-f", str(file))
    assert run.returncode == 0
    lost, back, *_ = out.read_text().replace("][", "]\n[").splitlines()
    assert lost == "['lost', 'a; b', 'timeout', '$(id)']"
    assert re.match(r"\['back', '\d", back)


def test_a_program_that_is_missing_or_fails_is_told() -> None:
    port = unused_udp_port()
    run = watch("-n", "3", "--on-loss", "/no/such", f"udp://127.0.0.1:{port}")
    assert b"netecho: error: cannot run /no/such: No such file or directory\n" in run.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_in_order_with_the_table(number: signal.Signals) -> None:
    with FakeUdpServer(echo_datagram) as fake:
        process = subprocess.Popen(
            [*COMMAND, "watch", f"udp://{fake.address}"], stdout=subprocess.PIPE, env=environment()
        )
        assert process.stdout is not None
        assert b" answers, " in process.stdout.readline()
        process.send_signal(number)
        rest, _ = process.communicate(timeout=20)
    assert rest.decode().startswith("  target ")
    assert process.returncode == 0


def test_a_damaged_answer_is_counted() -> None:
    def handle(payload: bytes, address: Address) -> Replies:
        return [(payload[:-1] + bytes([payload[-1] ^ 1]), address), (b"hello", address)]

    with FakeUdpServer(handle) as fake:
        run = watch("-n", "3", "--jsonl", f"udp://{fake.address}")
    *_, summary = lines_of(run)
    assert (summary["targets"][0]["corrupted"], summary["targets"][0]["answered"]) == (3, 3)


def test_a_connection_that_is_lost_is_made_again() -> None:
    served: list[int] = []

    def one_answer(sock: socket.socket) -> None:
        served.append(1)
        sock.sendall(sock.recv(1024))
        sock.close()

    with FakeTcpServer(one_answer) as fake:
        run = watch("-n", "6", "-i", "0.1", "--jsonl", f"tcp://{fake.address}")
    assert len(served) > 1
    assert lines_of(run)[-1]["targets"][0]["answered"] > 1


def test_the_end_of_the_reader_ends_it() -> None:
    with FakeUdpServer(echo_datagram) as fake:
        process = subprocess.Popen(
            [*COMMAND, "watch", "--jsonl", "-i", "0.01", f"udp://{fake.address}"],
            stdout=subprocess.PIPE,
            env=environment(),
        )
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(20) == 0


def test_a_thousand_targets_share_two_descriptors_and_are_all_answered(tmp_path: Path) -> None:
    file = tmp_path / "site"
    with FakeUdpServer(echo_datagram, "0.0.0.0") as fake:
        file.write_text(
            "".join(f"udp://127.0.{it // 250}.{it % 250 + 1}:{fake.port}\n" for it in range(1000))
        )
        limited = ["sh", "-c", 'ulimit -n 40; exec "$@"', "sh", *COMMAND]
        run = subprocess.run(
            [*limited, "watch", "-n", "2", "-i", "1", "--timeout", "20", "--jsonl", "-f", str(file)],
            capture_output=True,
            env=environment(),
            check=False,
        )
    targets = json.loads(run.stdout.splitlines()[-1])["targets"]
    assert (len(targets), {it["answered"] for it in targets}) == (1000, {2})
    assert run.returncode == 0
