"""The trials: what is compared with whom, and what netechod shall reach."""

from collections.abc import Sequence

from scripts.lib.bench.contest import HOME
from scripts.lib.bench.hidden_delay import STAMP
from scripts.lib.bench.reloads import RELOADS
from scripts.lib.bench.single_shots import Resident, Starter
from scripts.lib.bench.stage import UNGUARDED, Stage
from scripts.lib.bench.trial import (
    BULK,
    CROWD,
    MANY,
    MEMBERS,
    SMALL,
    Trial,
    chat,
    connect,
    connections_held,
    crowd,
    dict_commands,
    lookup,
    members_held,
    started,
    tcp,
    udp,
)

DEFINE = "DEFINE main {word}"
TCP = ("C", "uvloop-protocol", "asyncio-streams")
UDP = ("C", "uvloop-datagrams", "asyncio-datagrams")
UVLOOP, UVLOOP_UDP, ASYNCIO = "uvloop-protocol", "uvloop-datagrams", "asyncio-streams"
OTHERS = ("uvloop-streams", "asyncio-protocol", "gevent", "twisted")
STARTERS = ("uvloop-protocol", "asyncio-protocol", "twisted")


def _itself(*numbers: int) -> Sequence[str]:
    """Netechod as its own peer, with other numbers of whatever it is."""
    return [f"{HOME}-{number}" for number in numbers]


COMPARISONS = (
    Trial(
        "tcp-64",
        "TCP echo, 64 connections, 32 B",
        "messages/s",
        tcp(64),
        (*TCP, *OTHERS),
        {UVLOOP: 1.10, "C": 0.90, ASYNCIO: 2.5},
    ),
    Trial(
        "tcp-pipelined",
        "TCP echo, 64 connections, 16 messages of 32 B on each",
        "messages/s",
        tcp(64, depth=16),
        TCP,
        {UVLOOP: 1.15},
    ),
    Trial(
        "tcp-bulk",
        "TCP echo, 8 connections, 4 messages of 64 KiB on each",
        "MiB/s",
        tcp(8, BULK, 4, unit=BULK / 2**20),
        TCP,
        {UVLOOP: 1.0},
    ),
    Trial("tcp-1", "TCP ping-pong, 1 connection, 32 B", "messages/s", tcp(1), TCP, {UVLOOP: 0.97}),
    Trial(
        "tcp-connect",
        f"TCP connect, one echo of {SMALL} B, close; 32 side by side",
        "connections/s",
        connect,
        (*TCP, "socat"),
        {UVLOOP: 1.20, "socat": 50.0},
    ),
    Trial(
        "tcp-crowd",
        f"TCP echo, {MANY:,} connections, {CROWD} of them active, 32 B",
        "messages/s",
        crowd,
        _itself(CROWD),
        {f"{HOME}-{CROWD}": 0.9},
    ),
    Trial(
        "udp-64",
        "UDP echo, 64 datagrams of 32 B in flight",
        "datagrams/s",
        udp(16, 64),
        UDP,
        {"C": 0.95, UVLOOP_UDP: 1.2},
    ),
    Trial(
        "udp-1",
        "UDP echo, one datagram in flight",
        "datagrams/s",
        udp(1, 1),
        (*UDP, "recvfrom"),
        {"recvfrom": 1.0},
    ),
    Trial(
        "lookup-10k",
        "UDP look-ups, 64 in flight, 10,000 words",
        "look-ups/s",
        lookup(10_000, 16, 64),
        UDP,
        {"C": 0.80, UVLOOP_UDP: 2.2},
    ),
    Trial(
        "lookup-770k",
        "UDP look-ups, 64 in flight, 770,000 words",
        "look-ups/s",
        lookup(770_000, 16, 64),
        UDP[:2],
        {"C": 0.80, UVLOOP_UDP: 2.2},
    ),
    Trial(
        "lookup-1",
        "UDP look-ups, one in flight, 10,000 words",
        "look-ups/s",
        lookup(10_000, 1, 1),
        (*UDP, "recvfrom"),
        {"recvfrom": 1.0},
    ),
    Trial(
        "lookup-admission",
        "UDP look-ups, 64 in flight, with admission and without",
        "look-ups/s",
        lookup(10_000, 16, 64),
        (UNGUARDED,),
        {UNGUARDED: 0.9},
    ),
    Trial(
        "lookup-commands",
        "UDP look-ups beside 1,000 requests a second for commands: their p99 over that without",
        "times",
        Stage.beside_commands,
        (),
        at_most=2.0,
    ),
    Trial(
        "dict-1",
        "DICT: DEFINE, 1 connection, 10,000 words",
        "answers/s",
        dict_commands(DEFINE, 10_000),
        ("dictd",),
        {"dictd": 500.0},
    ),
    Trial(
        "dict-64",
        "DICT: DEFINE, 64 connections, 10,000 words",
        "answers/s",
        dict_commands(DEFINE, 10_000, 64),
        ("dictd",),
        {"dictd": 10.0},
    ),
    Trial(
        "dict-pipelined",
        "DICT: DEFINE, 64 connections, 10 commands on each, 10,000 words",
        "answers/s",
        dict_commands(DEFINE, 10_000, 64, 10),
        ("dictd",),
        {"dictd": 5.0},
    ),
    Trial(
        "dict-prefix",
        "DICT: MATCH prefix, 1 connection, 770,000 words",
        "answers/s",
        dict_commands("MATCH main prefix {start}", 770_000),
        ("dictd",),
        {"dictd": 50.0},
    ),
    Trial(
        "dict-lev",
        "DICT: MATCH lev, 1 connection, 770,000 words",
        "answers/s",
        dict_commands("MATCH main lev {near}", 770_000),
        ("dictd",),
        {"dictd": 10.0},
    ),
    Trial("chat-10", "Chat, 10 members", "datagrams/s", chat(10), UDP, {"C": 0.85}),
    Trial("chat-100", "Chat, 100 members", "datagrams/s", chat(100), UDP, {"C": 0.95, UVLOOP_UDP: 1.4}),
    Trial("chat-1000", "Chat, 1,000 members", "datagrams/s", chat(1000), UDP, {"C": 0.95, UVLOOP_UDP: 1.4}),
    Trial(
        "memory-tcp",
        f"Memory by idle TCP connection, {MANY:,} of them",
        "bytes",
        connections_held,
        TCP,
        at_most=512,
        most_pairs=1,
    ),
    Trial(
        "memory-chat",
        f"Memory by chat member, {MEMBERS:,} of them",
        "bytes",
        members_held,
        (),
        at_most=320,
        most_pairs=1,
    ),
    Trial(
        "start",
        "Start: exec to READY (peers: to the first answer)",
        "ms",
        started(Starter),
        STARTERS,
        at_most=250,
        most_pairs=5,
    ),
    Trial(
        "resident", "Memory in all when ready", "MiB", started(Resident), STARTERS, at_most=30, most_pairs=1
    ),
)

GROWTH = (
    Trial(
        "grow-connections",
        "TCP echo by connections, all active, 32 B; 64 against other numbers",
        "messages/s",
        tcp(64),
        _itself(1, 8, 512, 4096),
        most_pairs=5,
    ),
    Trial(
        "grow-members",
        "Chat by members; 100 against other numbers",
        "datagrams/s",
        chat(100),
        _itself(10, 30, 300, 2000),
        most_pairs=5,
    ),
    Trial(
        "grow-words",
        "UDP look-ups by words, 64 in flight; 10,000 against other numbers",
        "look-ups/s",
        lookup(10_000, 16, 64),
        _itself(1000, 100_000, 770_000, 3_000_000),
        most_pairs=5,
    ),
)

TRIALS = (*COMPARISONS, *STAMP, *RELOADS, *GROWTH)
