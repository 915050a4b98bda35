"""The search for the largest payload, against servers that are deaf to what is larger."""

import json
import signal
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any, TypeAlias

import jsonschema
import pytest
from support.fake_servers import Address, FakeTcpServer, FakeUdpServer, Replies, echo_datagram, echo_stream
from support.netecho import COMMAND, environment, netecho
from support.stub_link import StubLink

from netechod.client.ping.prober import Plan
from netechod.client.ping.report import About
from netechod.client.ping.sweep import Sweep

Capture: TypeAlias = pytest.CaptureFixture[bytes]

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "json" / "sweep.schema.json").read_text("utf-8"))


def swept(link: StubLink, low: int, high: int, form: str, capture: Capture, *, tries: int = 1) -> list[Any]:
    """What a sweep tells."""
    about = About("example.test", "192.0.2.1", 8080, "udp", 56, 0.002)
    with closing(link):
        Sweep(link, about, Plan(56, 0.002, tries), 20.0).run((low, high), form)
    return list(map(json.loads, capture.readouterr().out.splitlines()))


def deaf_above(largest: int) -> FakeUdpServer:
    def handle(payload: bytes, address: Address) -> Replies:
        return [(payload, address)] if len(payload) <= largest else []

    return FakeUdpServer(handle)


def validate(value: object, part: str) -> None:
    """Check a value against a part of the schema."""
    schema = SCHEMA | {"oneOf": [{"$ref": f"#/$defs/{part}"}]}
    jsonschema.validate(value, schema, jsonschema.Draft202012Validator)


@pytest.mark.parametrize("largest", [64, 65, 100, 511, 512, 999])
def test_the_largest_size_that_comes_back_is_found_to_the_byte(largest: int, capsysbinary: Capture) -> None:
    (record,) = swept(StubLink(largest), 64, 1000, "json", capsysbinary)
    validate(record, "record")
    assert (record["largest_answered"], record["smallest_unanswered"]) == (largest, largest + 1)
    assert record["packet_bytes"] == largest + 28
    sizes = [it["bytes"] for it in record["sizes"]]
    assert sizes == sorted(set(sizes))
    assert len(sizes) <= 5 + 9


@pytest.mark.parametrize("udp", [False, True])
def test_when_all_sizes_come_back_that_is_said(udp: bool) -> None:
    with FakeUdpServer(echo_datagram) if udp else FakeTcpServer(echo_stream) as fake:
        run = netecho("ping", *(["-u"] if udp else []), "--sweep", "8:20000", "-i", "0.002", fake.address)
    head, *lines, end = run.stdout.decode().splitlines()
    assert head == f"SWEEP 127.0.0.1 {fake.port}/{'udp' if udp else 'tcp'}, payloads of 8 to 20000 bytes"
    assert [int(line.split()[0]) for line in lines] == [*(8 << power for power in range(12)), 20000]
    assert all(" bytes  3 of 3  " in line and line.endswith(" ms") for line in lines)
    assert end == "every size up to 20000 bytes comes back"
    assert run.returncode == 0


def test_one_size_is_a_sweep_too() -> None:
    with FakeUdpServer(echo_datagram) as fake:
        run = netecho("ping", "-u", "--sweep", "100:100", "-c", "1", "-q", fake.address)
    assert run.stdout.decode().splitlines()[1:] == ["every size up to 100 bytes comes back"]


def test_sizes_are_told_as_they_are_tried_and_fit_the_schema(capsysbinary: Capture) -> None:
    *sizes, summary = swept(StubLink(100), 64, 128, "jsonl", capsysbinary)
    for event in sizes:
        validate(event, "event")
    validate(summary, "record")
    assert [it["bytes"] for it in sizes] == [64, 128, 96, 112, 104, 100, 102, 101]
    assert [it["bytes"] for it in sizes if it["reason"] == "timeout"] == [128, 112, 104, 102, 101]


def test_what_is_lost_once_is_not_taken_for_too_long(capsysbinary: Capture) -> None:
    (record,) = swept(StubLink(1000, losses=2), 64, 200, "json", capsysbinary, tries=3)
    assert record["largest_answered"] == 200
    assert [(it["bytes"], it["sent"], it["received"]) for it in record["sizes"]] == [
        (64, 3, 1),
        (128, 3, 1),
        (200, 3, 1),
    ]


def test_a_server_that_answers_nothing_is_told_with_a_hint() -> None:
    with deaf_above(0) as fake:
        run = netecho("ping", "-u", "--sweep", "64:1000", "-W", "0.1", fake.address)
    assert run.stdout.decode().splitlines()[1:] == ["     64 bytes  0 of 3  no answer within 0.1 s"]
    assert b"hint: UDP echo answers trusted networks alone" in run.stderr
    assert run.returncode == 1


def test_a_deadline_ends_a_sweep() -> None:
    with deaf_above(100) as fake:
        run = netecho(*("ping", "-u", "--sweep", "64:60000", "-w", "0.8", "-c", "1", "--json"), fake.address)
    record = json.loads(run.stdout)
    assert (record["largest_answered"], record["smallest_unanswered"]) == (64, None)
    assert run.returncode == 1


def test_ctrl_c_ends_a_sweep_with_what_is_known() -> None:
    with (
        deaf_above(100) as fake,
        subprocess.Popen(
            [*COMMAND, "ping", "-u", "--sweep", "64:60000", "-W", "30", fake.address],
            stdout=subprocess.PIPE,
            env=environment(),
        ) as process,
    ):
        assert process.stdout is not None
        while not process.stdout.readline().startswith(b"     64 bytes"):
            pass
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read().decode()
    assert rest == "every size up to 64 bytes comes back\n"
    assert process.returncode == 1


def test_a_sweep_is_told_in_chinese() -> None:
    with FakeUdpServer(echo_datagram) as fake:
        run = netecho("ping", "-u", "--sweep", "64:64", "-c", "1", fake.address, NETECHO_LANG="zh")
    head, line, end = run.stdout.decode().splitlines()
    assert head == f"SWEEP 127.0.0.1 {fake.port}/udp，载荷 64 到 64 字节"
    assert line.startswith("     64 字节  1/1  ")
    assert end == "64 字节以内都能返回"
