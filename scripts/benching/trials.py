"""The trials: what is compared with whom, and what netechod shall reach."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial

from scripts.benching.contest import HOME, Contestant, Row, compete
from scripts.benching.server import Server, ServerError
from scripts.benching.single_shots import ConnectionHolder, MemberHolder, Resident, Starter
from scripts.benching.stage import Stage

BULK = 65536  # bytes of a message of the bulk trial
SMALL = 32
MANY = 10_000  # connections
MEMBERS = 4096  # in the memory trial: as many as the daemon lets in
CROWD = 100  # of them that are active
LEAST = 600  # of them at the smallest scale


@dataclass(frozen=True)
class Trial:
    """One comparison. `enter` makes the contestant of a name.

    `peers` says who takes part, and `targets` how many times a peer's figure netechod's shall at least be;
    `at_most` is a target for netechod's own figure, where less is better.
    """

    name: str
    title: str
    unit: str
    enter: Callable[[Stage, str], Contestant]
    peers: Collection[str]
    targets: Mapping[str, float] = field(default_factory=dict)
    at_most: float | None = None
    most_pairs: int = 1000

    def run(self, stage: Stage, engines: Collection[str]) -> list[Row]:
        """Let netechod and its peers compete; who cannot even start is among the rows, with the reason."""
        peers = [name for name in self.peers if name.partition("-")[0] in (*engines, HOME)]
        contestants: dict[str, Contestant] = {}
        absent = []
        try:
            for name in (HOME, *peers):
                try:
                    contestants[name] = self.enter(stage, name)
                except ServerError as error:
                    absent.append(Row(name, trouble=str(error)))
            if HOME not in contestants:
                return absent
            return compete(contestants, min(stage.effort.pairs, self.most_pairs)) + absent
        finally:
            for contestant in contestants.values():
                contestant.close()


def _tcp(connections: int, size: int, depth: int, *, unit: float = 1.0) -> Callable[[Stage, str], Contestant]:
    load = ("load_tcp", connections, connections, size, depth)
    return lambda stage, name: stage.racer(name, "echo-tcp", load, size=unit)


def _crowd(stage: Stage, name: str) -> Contestant:
    """All connections, or the active ones alone."""
    connections = CROWD if name.endswith(f"-{CROWD}") else stage.effort.scaled(MANY, LEAST)
    return stage.racer(name, "echo-tcp", ("load_tcp", connections, CROWD, SMALL, 1))


def _udp(sockets: int, window: int) -> Callable[[Stage, str], Contestant]:
    return lambda stage, name: stage.racer(name, "echo-udp", ("load_udp", sockets, window, stage.echoes()))


def _lookup(words: int, sockets: int, window: int) -> Callable[[Stage, str], Contestant]:
    def enter(stage: Stage, name: str) -> Contestant:
        dictionary, questions = stage.dictionary(words)
        load = ("load_udp", sockets, window, questions)
        return stage.racer(name, "dictionary", load, dictionary=dictionary)

    return enter


def _chat(members: int) -> Callable[[Stage, str], Contestant]:
    return lambda stage, name: stage.racer(name, "chat", ("load_chat", stage.effort.scaled(members, 10)))


def _connections_held(stage: Stage, name: str) -> Contestant:
    return ConnectionHolder(partial(stage.server, name, "echo-tcp"), stage.effort.scaled(MANY, LEAST))


def _members_held(stage: Stage, name: str) -> Contestant:
    return MemberHolder(partial(stage.server, name, "chat"), stage.effort.scaled(MEMBERS, LEAST))


def _start(make: type[Starter]) -> Callable[[Stage, str], Contestant]:
    def enter(stage: Stage, name: str) -> Contestant:
        def wait(server: Server) -> None:
            if name == HOME:
                server.wait_until_ready()
            else:
                server.wait_for_answer("echo-tcp")

        return make(partial(stage.server, name, "echo-tcp"), wait)

    return enter


TCP = ("C", "uvloop-protocol", "asyncio-streams")
UDP = ("C", "uvloop-datagrams", "asyncio-datagrams")

TRIALS = (
    Trial(
        "tcp-64",
        "TCP echo, 64 connections, 32 B",
        "messages/s",
        _tcp(64, SMALL, 1),
        (
            "C",
            "uvloop-protocol",
            "uvloop-streams",
            "asyncio-protocol",
            "asyncio-streams",
            "gevent",
            "twisted",
        ),
        {"uvloop-protocol": 1.10, "C": 0.90, "asyncio-streams": 2.5},
    ),
    Trial(
        "tcp-pipelined",
        "TCP echo, 64 connections, 16 messages of 32 B on each",
        "messages/s",
        _tcp(64, SMALL, 16),
        TCP,
        {"uvloop-protocol": 1.15},
    ),
    Trial(
        "tcp-bulk",
        "TCP echo, 8 connections, 4 messages of 64 KiB on each",
        "MiB/s",
        _tcp(8, BULK, 4, unit=BULK / 2**20),
        TCP,
        {"uvloop-protocol": 1.0},
    ),
    Trial(
        "tcp-1",
        "TCP ping-pong, 1 connection, 32 B",
        "messages/s",
        _tcp(1, SMALL, 1),
        TCP,
        {"uvloop-protocol": 0.97},
    ),
    Trial(
        "tcp-connect",
        "TCP connect, one echo of 32 B, close; 32 side by side",
        "connections/s",
        lambda stage, name: stage.racer(name, "echo-tcp", ("load_connect", SMALL)),
        (*TCP, "socat"),
        {"uvloop-protocol": 1.20, "socat": 50.0},
    ),
    Trial(
        "tcp-crowd",
        f"TCP echo, {MANY:,} connections, {CROWD} of them active, 32 B",
        "messages/s",
        _crowd,
        (f"{HOME}-{CROWD}",),
        {f"{HOME}-{CROWD}": 0.9},
    ),
    Trial(
        "udp-64",
        "UDP echo, 64 datagrams of 32 B in flight",
        "datagrams/s",
        _udp(16, 64),
        UDP,
        {"C": 0.95, "uvloop-datagrams": 1.2},
    ),
    Trial(
        "udp-1",
        "UDP echo, one datagram in flight",
        "datagrams/s",
        _udp(1, 1),
        (*UDP, "recvfrom"),
        {"recvfrom": 1.0},
    ),
    Trial(
        "lookup-10k",
        "UDP look-ups, 64 in flight, 10,000 words",
        "look-ups/s",
        _lookup(10_000, 16, 64),
        UDP,
        {"C": 0.80, "uvloop-datagrams": 2.2},
    ),
    Trial(
        "lookup-770k",
        "UDP look-ups, 64 in flight, 770,000 words",
        "look-ups/s",
        _lookup(770_000, 16, 64),
        UDP[:2],
        {"C": 0.80, "uvloop-datagrams": 2.2},
    ),
    Trial(
        "lookup-1",
        "UDP look-ups, one in flight, 10,000 words",
        "look-ups/s",
        _lookup(10_000, 1, 1),
        (*UDP, "recvfrom"),
        {"recvfrom": 1.0},
    ),
    Trial(
        "lookup-commands",
        "UDP look-ups beside 1,000 requests a second for commands: their p99 over that without",
        "times",
        Stage.beside_commands,
        (),
        at_most=2.0,
    ),
    Trial("chat-10", "Chat, 10 members", "datagrams/s", _chat(10), UDP, {"C": 0.85}),
    Trial(
        "chat-100",
        "Chat, 100 members",
        "datagrams/s",
        _chat(100),
        UDP,
        {"C": 0.95, "uvloop-datagrams": 1.4},
    ),
    Trial(
        "chat-1000",
        "Chat, 1,000 members",
        "datagrams/s",
        _chat(1000),
        UDP,
        {"C": 0.95, "uvloop-datagrams": 1.4},
    ),
    Trial(
        "memory-tcp",
        f"Memory by idle TCP connection, {MANY:,} of them",
        "bytes",
        _connections_held,
        TCP,
        at_most=512,
        most_pairs=1,
    ),
    Trial(
        "memory-chat",
        f"Memory by chat member, {MEMBERS:,} of them",
        "bytes",
        _members_held,
        (),
        at_most=180,
        most_pairs=1,
    ),
    Trial(
        "start",
        "Start: exec to READY (peers: to the first answer)",
        "ms",
        _start(Starter),
        ("uvloop-protocol", "asyncio-protocol", "twisted"),
        at_most=250,
        most_pairs=5,
    ),
    Trial(
        "resident",
        "Memory in all when ready",
        "MiB",
        _start(Resident),
        ("uvloop-protocol", "asyncio-protocol", "twisted"),
        at_most=30,
        most_pairs=1,
    ),
)
