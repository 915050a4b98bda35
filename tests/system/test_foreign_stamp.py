"""Codecs that are not ours read and write the packets of the reflector: scapy's, and that of Wireshark."""

import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.daemon import PATIENCE
from support.stamp_daemon import StampDaemon

from netechod.services.stamp.packets import read_answer, request

CODEC = Path(__file__).parents[1] / "support" / "foreign_stamp.py"
RAW_IP = 101  # link type of a capture whose packets begin with the IP header (pcap-linktype(7))

pytestmark = pytest.mark.system


def by_scapy(asked: dict[str, object]) -> Any:  # noqa: ANN401 (whatever JSON can say)
    """What scapy says, in a process of its own."""
    run = subprocess.run(
        [sys.executable, CODEC], input=json.dumps(asked), capture_output=True, text=True, timeout=PATIENCE
    )
    return json.loads(run.stdout)


def test_scapy_builds_what_we_answer_and_reads_the_answer(tmp_path: Path) -> None:
    asked = bytes.fromhex(by_scapy({"seq": 7, "ssid": 0x4242}))
    with StampDaemon(tmp_path).start() as daemon:
        answer, _, _ = daemon.reflected(asked)
    ours = read_answer(answer, is_signed=False)
    assert ours is not None
    assert (ours.sender_number, ours.ssid, ours.sender_error) == (7, 0x4242, 0x8509)
    assert by_scapy({"packet": answer.hex()}) == {
        "seq": ours.number,
        "ssid": ours.ssid,
        "seq_sender": ours.sender_number,
        "ttl_sender": ours.ttl,
        "ts": ours.sent,
        "ts_rx": ours.received,
        "ts_sender": ours.sender_timestamp,
    }


def capture(payload: bytes) -> bytes:
    """Return a capture of one datagram from port 862, as tcpdump(8) would have made it (pcap-savefile(5))."""
    udp = struct.pack(">HHHH", 862, 40000, 8 + len(payload), 0) + payload
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes(4), bytes(4)) + udp
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, RAW_IP)
    return head + struct.pack("<IIII", 0, 0, len(ip), len(ip)) + ip


def test_wireshark_reads_the_answer(tmp_path: Path) -> None:
    with StampDaemon(tmp_path).start() as daemon:
        answer, _, _ = daemon.reflected(request(7, 0xEEB83D21_519257FF, 0x8509, 0))
    ours = read_answer(answer, is_signed=False)
    assert ours is not None
    (tmp_path / "answer.pcap").write_bytes(capture(answer))
    names = (
        *("seq_number", "sender_seq_number", "sender_ttl"),
        *("error_estimate.scale", "error_estimate.multiplier", "error_estimate.s", "sender_timestamp"),
    )
    fields = [word for name in names for word in ("-e", f"twamp.test.{name}")]
    run = subprocess.run(
        ["tshark", "-r", tmp_path / "answer.pcap", "-d", "udp.port==862,twamp.test", "-T", "fields", *fields],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    *numbers, timestamp = run.stdout.rstrip("\n").split("\t")
    numbers = [text.replace("True", "1").replace("False", "0") for text in numbers]  # newer versions
    estimates = [ours.error, ours.sender_error]
    assert numbers == [
        str(ours.number),
        "7",
        str(ours.ttl),
        ",".join(str(it >> 8 & 0x3F) for it in estimates),
        ",".join(str(it & 0xFF) for it in estimates),
        ",".join(str(it >> 15) for it in estimates),
    ]
    assert timestamp.startswith("Nov 30, 2026")
