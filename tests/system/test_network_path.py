"""`netecho` and the real daemon on two hosts, and between them a router that does what a test says.

What is reported must be what the router did, packet by packet.
"""

import json
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.daemon import Daemon
from support.netecho import netecho
from support.path import (
    CLIENT,
    HEADERS,
    ROUTER,
    SERVER,
    Host,
    NetworkPath,
    altered,
    expired,
    probe_in,
    too_long,
    unreachable,
)

from netechod.services.wire import text_of

pytestmark = pytest.mark.machine

PORTS = {"echo.udp": 8080, "echo.tcp": 8080, "dictionary": 8081, "chat": 8082}
WORDS = {f"word{number}": f"词{number}" for number in range(500)}


def listening(address: str) -> list[str]:
    """Options that have the daemon serve at one address and its usual ports: nobody else is on its host."""
    return [it for name, port in PORTS.items() for it in ("--set", f"{name}.listen={address}:{port}")]


@pytest.fixture
def path(tmp_path: Path) -> Iterator[NetworkPath]:
    words = "".join(f"{word}:{meaning}\n" for word, meaning in WORDS.items())
    with NetworkPath() as path, Daemon(tmp_path, words) as daemon:
        path.server.run(daemon.start, *listening(SERVER))
        yield path
        daemon.stop()


def run(path: NetworkPath, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run the client on its host."""
    return path.client.run(netecho, *arguments, SERVER, stdin=stdin)


def events(run: subprocess.CompletedProcess[bytes]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """What was told of the probes, and the summary."""
    *told, summary = map(json.loads, run.stdout.splitlines())
    return told, summary


def numbers(told: Sequence[dict[str, Any]], kind: str) -> list[int]:
    return [event["seq"] for event in told if event["type"] == kind]


class Impaired:
    """Loses, doubles, holds back and damages the probes that it is told to, each once."""

    def __init__(self) -> None:
        self.lost_requests = {3, 17}
        self.lost_replies = {4, 18, 19}
        self.doubled_requests = {6}
        self.doubled_replies = {8, 9}
        self.swapped = {11: 12, 14: 15}  # the first comes right after the second
        self.damaged = {21: (0, 5, 40), 22: (55,)}
        self._held: dict[int, bytes] = {}

    def __call__(self, way: str, packet: bytes) -> list[bytes]:
        number = probe_in(packet)
        if way == "up":
            copies = 0 if number in self.lost_requests else 2 if number in self.doubled_requests else 1
            return [packet] * copies
        if number in self.lost_replies:
            return []
        if number in self.doubled_replies:
            return [packet, packet]
        if number in self.swapped:
            self._held[self.swapped[number]] = packet
            return []
        if number in self.damaged:
            return [altered(packet, *self.damaged[number])]
        return [packet, *([self._held.pop(number)] if number in self._held else [])]


def test_every_loss_copy_swap_and_damage_is_reported_to_the_packet(path: NetworkPath) -> None:
    path.fate = Impaired()
    done = run(path, "ping", "-u", "-c", "25", "-i", "0.02", "--jsonl")
    told, summary = events(done)
    assert done.returncode == 1
    assert sorted(numbers(told, "lost")) == [3, 4, 17, 18, 19]
    assert sorted(numbers(told, "duplicate")) == [6, 8, 9]
    assert [event["seq"] for event in told if event["reordered"]] == [11, 14]
    assert {it["seq"]: it["corrupted_bytes"] for it in told if it["corrupted_bytes"]} == {21: 3, 22: 1}
    assert sorted(numbers(told, "answered")) == [it for it in range(1, 26) if it not in (3, 4, 17, 18, 19)]
    counts = ("sent", "received", "lost", "late", "pending", "duplicates", "reordered", "strangers")
    assert [summary[count] for count in counts] == [25, 20, 5, 0, 0, 3, 2, 0]
    assert (summary["corrupted"], summary["corrupted_bytes"]) == (2, 4)
    assert (summary["loss_percent"], summary["reasons"]) == (20.0, {"timeout": 5})
    assert summary["clock"] == "kernel"


def test_the_summary_for_people_says_the_same(path: NetworkPath) -> None:
    path.fate = Impaired()
    done = run(path, "ping", "-u", "-c", "25", "-i", "0.02", "-q")
    assert (
        "25 sent, 20 received, 5 lost (20.0 %), 3 duplicated, 2 reordered, 4 B corrupted"
        in done.stdout.decode()
    )


def test_an_answer_that_comes_when_it_is_no_longer_waited_for_is_late(path: NetworkPath) -> None:
    held: list[bytes] = []

    def slow(way: str, packet: bytes) -> list[bytes]:
        """The first answer comes behind the 30th, which is asked for 2.9 seconds later."""
        if way == "down" and probe_in(packet) == 1:
            held.append(packet)
            return []
        return [packet, *held] if way == "down" and probe_in(packet) == 30 else [packet]

    path.fate = slow
    done = run(path, "ping", "-u", "-c", "31", "-i", "0.1", "--jsonl")
    told, summary = events(done)
    assert (numbers(told, "lost"), numbers(told, "late"), numbers(told, "duplicate")) == ([1], [1], [])
    assert (summary["lost"], summary["late"], summary["received"]) == (1, 1, 30)


def test_tcp_loses_nothing_on_a_path_that_does(path: NetworkPath) -> None:
    passed: list[bytes] = []

    def loses_a_fifth(way: str, packet: bytes) -> list[bytes]:
        passed.append(packet)
        return [] if len(passed) % 5 == 4 else [packet]

    path.fate = loses_a_fifth
    done = run(path, "ping", "-c", "20", "-i", "0.02", "-W", "20", "--json")
    assert done.returncode == 0
    record = json.loads(done.stdout)
    assert [record[it] for it in ("sent", "received", "lost", "corrupted_bytes")] == [20, 20, 0, 0]


def test_who_knows_no_way_is_named(path: NetworkPath) -> None:
    path.fate = lambda way, packet: [unreachable(packet)]
    done = run(path, "ping", "-u", "-c", "3", "-i", "0.02", "--jsonl")
    told, summary = events(done)
    assert [(it["type"], it["seq"], it["reason"], it["by"]) for it in told] == [
        ("failed", number, "unreachable", ROUTER) for number in (1, 2, 3)
    ]
    assert (done.returncode, summary["reasons"]) == (1, {"unreachable": 3})


def test_packets_leave_with_ttl_and_class_and_who_drops_them_is_named(
    path: NetworkPath,
) -> None:
    passed: list[bytes] = []

    def counts(way: str, packet: bytes) -> list[bytes]:
        passed.append(packet)
        return [expired(packet)]

    path.fate = counts
    done = run(path, "ping", "-u", "-c", "2", "-i", "0.02", "-t", "7", "-Q", "EF", "--jsonl")
    told, summary = events(done)
    assert [(it["seq"], it["reason"], it["by"]) for it in told] == [
        (number, "ttl exceeded", ROUTER) for number in (1, 2)
    ]
    assert {(packet[8], packet[1]) for packet in passed} == {(7, 46 << 2)}  # TTL and DS field (RFC 791, 2474)
    assert (done.returncode, summary["reasons"]) == (1, {"ttl exceeded": 2})


def test_a_port_where_nobody_listens_is_told_of_the_probe_that_met_it(path: NetworkPath) -> None:
    done = path.client.run(netecho, "ping", "-u", "-c", "2", "-i", "0.02", "--jsonl", f"{SERVER}:9")
    told, _ = events(done)
    assert [(it["seq"], it["reason"], it["by"]) for it in told] == [
        (1, "refused", SERVER),
        (2, "refused", SERVER),
    ]


def test_a_sweep_finds_the_mtu_that_a_router_tells(path: NetworkPath) -> None:
    path.fate = lambda way, packet: [too_long(packet, 1400)] if len(packet) > 1400 else [packet]
    done = run(path, "ping", "-u", "--sweep", "64:8900", "--json")
    record = json.loads(done.stdout)
    assert done.returncode == 1
    assert (record["largest_answered"], record["smallest_unanswered"], record["packet_bytes"]) == (
        *(1372, 1373),
        1400,
    )
    refused = [it for it in record["sizes"] if not it["received"]]
    assert [(it["bytes"], it["reason"], it["by"], it["mtu"]) for it in refused] == [
        (1373, "too long", ROUTER, 1400),
        (2048, "too long", ROUTER, 1400),
    ]


def test_a_sweep_finds_the_mtu_that_nobody_tells(path: NetworkPath) -> None:
    path.fate = lambda way, packet: [packet] if len(packet) <= 1400 else []
    done = run(path, "ping", "-u", "--sweep", "1024:1500")
    assert done.returncode == 1
    assert done.stdout.decode().splitlines()[-3:] == [
        "1372 bytes come back, 1373 do not",
        "packets of 1400 bytes pass whole, no larger ones",
        "nobody on the path says so: larger ones vanish without a word",
    ]


def test_a_sweep_finds_the_mtu_of_this_machines_own_device_over_ipv6(tmp_path: Path) -> None:
    host = Host(CLIENT)
    with Daemon(tmp_path) as daemon:
        host.run(subprocess.run, ["ip", "link", "set", "lo", "mtu", "1500"], check=True)
        host.run(daemon.start, *listening("[::1]"))
        done = host.run(netecho, "ping", "-u", "--sweep", "1024:9000", "::1")
        daemon.stop()
    host.close()
    assert done.stdout.decode().splitlines()[2:] == [
        "   2048 bytes  0 of 1  too long for the path: MTU 1500, told by this machine",
        *(line for line in done.stdout.decode().splitlines() if line.startswith("   1452 bytes  3 of 3  ")),
        "   1453 bytes  0 of 1  too long for the path: MTU 1500, told by this machine",
        "1452 bytes come back, 1453 do not",
        "packets of 1500 bytes pass whole, no larger ones",
    ]


def test_words_are_looked_up_right_on_a_path_that_loses_doubles_and_delays(path: NetworkPath) -> None:
    earlier: list[bytes] = []
    tries: Counter[bytes] = Counter()

    def bad(way: str, packet: bytes) -> list[bytes]:
        """Loses a tenth of the words twice, and sends every answer twice, again some time later."""
        word = text_of(packet[HEADERS:])
        if way == "up":
            tries[word] += 1
            return [] if word.endswith(b"7") and tries[word] < 3 else [packet]
        earlier.append(packet)
        return [packet, packet, earlier[-10:][0]]

    path.fate = bad
    done = run(path, "dict", stdin="\n".join(WORDS).encode())
    assert done.returncode == 0
    assert done.stdout.decode().splitlines() == [f"{word}\t{meaning}" for word, meaning in WORDS.items()]
