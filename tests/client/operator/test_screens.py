"""What the operator sees of the daemon's answers."""

from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netechod.client.operator.screens import (
    clock,
    diff_lines,
    duration,
    grouped,
    member_lines,
    reload_lines,
    size,
    status_lines,
    table,
)
from netechod.services.cells import cells

NOON = datetime(2026, 3, 4, 12, 0, 0).timestamp()  # of the local time, which is what is shown
UDP = {"received": 1234567, "sent": 7, "receive_errors": 0, "send_errors": 0, "overflowed": 0}
STATUS: dict[str, Any] = {
    "version": "1.0.0",
    "pid": 4711,
    "uptime": 273600.0,
    "config": "/etc/netechod/netechod.toml",
    "listeners": [
        ["echo-tcp", "[::]:8080"],
        ["echo-udp", "[::]:8080"],
        ["dictionary", "[::]:8081"],
        ["chat", "192.0.2.1:8082"],
    ],
    "counters": {
        "echo-tcp": {
            "accepted": 20,
            "closed": 8,
            "refused": 3,
            "bytes_in": 50_000,
            "bytes_out": 8_400_000,
            "accept_errors": 0,
        },
        "echo-udp": UDP,
        "dictionary": UDP | {"dropped_port": 100, "dropped_rate": 2, "overflowed": 3},
        "chat": UDP,
    },
    "connections": 12,
    "dictionary": {
        "file": "/etc/netechod/dict.txt",
        "entries": 104342,
        "skipped": 2,
        "sha256": "9f2c" * 16,
        "store": "memory",
        "generation": 3,
        "loaded": NOON,
    },
    "members": 3,
    "commands": 2,
    "log_lost": 0,
    "last_reload": None,
}
OUTCOME: dict[str, Any] = {
    "error": "",
    "when": NOON,
    "seconds": 0.314,
    "dictionary": {"before": 104342, "after": 104347, "added": 6, "removed": 1, "changed": 2},
    "keys": [],
    "waiting": [],
}


def changed(**changes: object) -> dict[str, Any]:
    """The status, but for these keys."""
    return deepcopy(STATUS) | changes


def text(lines: Iterator[str]) -> str:
    return "\n".join(lines)


def test_the_status_is_a_line_a_socket() -> None:
    assert text(status_lines(STATUS)) == (
        "netechod 1.0.0   up 3 d 4 h   pid 4711   configuration /etc/netechod/netechod.toml\n"
        "\n"
        "service     listening on    now             received   answered  dropped\n"
        "echo-tcp    [::]:8080       12 connections  49 KiB     8203 KiB  3\n"
        "echo-udp    [::]:8080                       1 234 567  7         0\n"
        "dictionary  [::]:8081       104 342 words   1 234 567  7         105\n"
        "chat        192.0.2.1:8082  3 online        1 234 567  7         0\n"
        "\n"
        "dictionary   generation 3, loaded 2026-03-04 12:00:00, 2 lines skipped, sha256 9f2c9f2c9f2c\n"
        "             /etc/netechod/dict.txt\n"
        "last reload  none since the start"
    )


def test_the_status_tells_whether_words_are_looked_up_in_an_index() -> None:
    large = changed(dictionary=STATUS["dictionary"] | {"store": "index"})
    assert "\n             /etc/netechod/dict.txt, looked up in an index\n" in text(status_lines(large))


def test_the_status_tells_who_measures_and_what_the_clock_is_worth() -> None:
    claims = {"synchronized": True, "error_s": 0.00031}, {"synchronized": False, "error_s": None}
    right, free = (
        text(
            status_lines(
                changed(
                    listeners=[["stamp", "[::]:862"]],
                    counters={"stamp": UDP},
                    stamp={"sessions": 4, "clock": claim},
                )
            )
        )
        for claim in claims
    )
    assert "\nstamp    [::]:862      4 sessions  1 234 567  7         0\n" in right
    assert "\nclock        within 0.310 ms of UTC, as STAMP claims\nlast reload" in right
    assert "\nclock        not synchronized: STAMP claims nothing\nlast reload" in free


def test_services_that_are_off_are_not_on_the_screen() -> None:
    off = changed(listeners=[], counters={}, connections=None, dictionary=None, members=None, config="")
    assert text(status_lines(off)) == (
        "netechod 1.0.0   up 3 d 4 h   pid 4711   configuration built in\n"
        "\n"
        "service  listening on  now  received  answered  dropped\n"
        "\n"
        "last reload  none since the start"
    )


def test_the_status_tells_how_the_last_reload_ended() -> None:
    assert text(status_lines(changed(last_reload=OUTCOME))).endswith(
        "last reload  2026-03-04 12:00:00 104 342 -> 104 347 words (+6 -1, 2 changed)"
    )
    failed = OUTCOME | {"error": "/etc/netechod/dict.txt:88: not UTF-8"}
    assert text(status_lines(changed(last_reload=failed))).endswith(
        "last reload  2026-03-04 12:00:00 FAILED: /etc/netechod/dict.txt:88: not UTF-8"
    )


def test_lost_log_lines_are_told() -> None:
    assert text(status_lines(changed(log_lost=1500))).endswith("\nlog          1 500 lines lost")


def test_a_reload_tells_what_it_has_changed() -> None:
    assert text(reload_lines(OUTCOME)) == (
        "configuration  unchanged\ndictionary     104 342 -> 104 347 words (+6 -1, 2 changed) in 0.31 s"
    )
    keys = OUTCOME | {"keys": ["access.deny", "log.level"], "waiting": ["daemon.selector", "chat.listen"]}
    assert text(reload_lines(keys)).splitlines()[:-1] == [
        "configuration  access.deny, log.level",
        "               needs a restart: daemon.selector, chat.listen",
    ]


def test_members_are_a_table() -> None:
    members = [
        {"name": "192.0.2.1--40001", "online": 7265.4, "silent": 0.2},
        {"name": "2001:db8::2--5", "online": 61.0, "silent": 59.9},
    ]
    assert text(member_lines(members)) == (
        "member            online     silent\n"
        "192.0.2.1--40001  2 h 1 min  0 s\n"
        "2001:db8::2--5    1 min 1 s  59 s"
    )
    assert list(member_lines([])) == ["member  online  silent"]


def test_members_of_other_nodes_are_shown_with_their_node_and_without_their_silence() -> None:
    members = [
        {"name": "192.0.2.1--40001", "online": 65.0, "silent": 0.2, "node": ""},
        {"name": "192.0.2.2--5", "online": 61.0, "silent": None, "node": "b"},
    ]
    assert [row.rstrip() for row in member_lines(members)] == [
        "member            online     silent  node",
        "192.0.2.1--40001  1 min 5 s  0 s",
        "192.0.2.2--5      1 min 1 s          b",
    ]
    assert next(iter(member_lines(members[:1]))) == "member            online     silent"


def test_a_difference_is_what_only_one_side_has() -> None:
    old, new = ["a#1", "b#2", "c#3"], ["c#3", "b#zwei", "d#4"]
    assert list(diff_lines(old, new)) == ["-a#1", "-b#2", "+b#zwei", "+d#4"]
    assert list(diff_lines(old, old[::-1])) == []


@given(st.lists(st.lists(st.text("aÀ苹\u0301Ａ", max_size=9), min_size=2, max_size=2), min_size=1))
def test_the_columns_of_a_table_stand_below_one_another(rows: list[list[str]]) -> None:
    marked = [(f"{left}x", f"|{right}") for left, right in rows]
    places = {cells(line[: line.index("|")]) for line in table(marked)}
    assert places == {2 + max(cells(left) for left, _ in marked)}


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0, "0 s"),
        (0.99, "0 s"),
        (59.99, "59 s"),
        (60.0, "1 min 0 s"),
        (3600.0, "1 h 0 min"),
        (86399.0, "23 h 59 min"),
        (86400.0, "1 d 0 h"),
        (400 * 86400.0 + 3661, "400 d 1 h"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (10239, "10239 B"),
        (10240, "10 KiB"),
        (10 * 1024**2, "10 MiB"),
        (10 * 1024**3, "10 GiB"),
        (10 * 1024**4, "10 TiB"),
        (10**17, "90949 TiB"),
    ],
)
def test_a_size_has_the_largest_unit_that_leaves_some_digits(count: int, shown: str) -> None:
    assert size(count) == shown


def test_digits_come_in_groups_of_three() -> None:
    assert [grouped(number) for number in (0, 999, 1000, 1234567)] == ["0", "999", "1 000", "1 234 567"]


def test_the_clock_is_local() -> None:
    now = datetime.now(UTC)
    shown = datetime.strptime(clock(now.timestamp()), "%Y-%m-%d %H:%M:%S").astimezone()
    assert shown == now.replace(microsecond=0)
