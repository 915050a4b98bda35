"""A trial and its contestants: each is a server and the load on it."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial

from scripts.lib.bench.contest import HOME, Contestant, Row, compete
from scripts.lib.bench.server import Server, ServerError
from scripts.lib.bench.single_shots import Holder, Starter, connected, joined
from scripts.lib.bench.stage import Stage

SMALL = 32  # bytes of a message
BULK = 65536  # bytes of one in the bulk trial
MANY = 10_000  # connections
CROWD = 100  # of them that are active
MEMBERS = 4096  # whose memory is measured: as many as the daemon lets in
LEAST = 600  # connections or members at the smallest scale

Enter = Callable[[Stage, str], Contestant]


@dataclass(frozen=True)
class Trial:
    """One comparison. `enter` makes the contestant of a name.

    `peers` says who takes part, and `targets` how many times a peer's figure netechod's shall at least be;
    `at_most` is a target for netechod's own figure, where less is better.
    """

    name: str
    title: str
    unit: str
    enter: Enter
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


def tcp(connections: int, size: int = SMALL, depth: int = 1, *, unit: float = 1.0) -> Enter:
    """TCP echo: so many messages of `size` on their way on each connection."""

    def enter(stage: Stage, name: str) -> Contestant:
        count = number_in(name, connections)
        return stage.racer(name, "echo-tcp", ("load_tcp", count, count, size, depth), size=unit)

    return enter


def connect(stage: Stage, name: str) -> Contestant:
    """Connections that come, say one thing and go."""
    return stage.racer(name, "echo-tcp", ("load_connect", SMALL))


def crowd(stage: Stage, name: str) -> Contestant:
    """Very many connections of which few are active, or those alone."""
    count = number_in(name, stage.effort.scaled(MANY, LEAST))
    return stage.racer(name, "echo-tcp", ("load_tcp", count, CROWD, SMALL, 1))


def udp(sockets: int, window: int) -> Enter:
    """UDP echo: so many datagrams on their way, from so many sockets."""
    return lambda stage, name: stage.racer(name, "echo-udp", ("load_udp", sockets, window, stage.echoes()))


def lookup(words: int, sockets: int, window: int) -> Enter:
    """Look-ups in a dictionary of so many words, which are asked for in no order."""

    def enter(stage: Stage, name: str) -> Contestant:
        dictionary, questions = stage.dictionary(number_in(name, words))
        load = ("load_udp", sockets, window, questions)
        return stage.racer(name, "dictionary", load, dictionary=dictionary)

    return enter


def dict_commands(command: str, words: int, connections: int = 1, depth: int = 1) -> Enter:
    """Commands of DICT about so many words, `depth` of them on their way on each connection."""

    def enter(stage: Stage, name: str) -> Contestant:
        dictionary, questions = stage.commands(words, command)
        load = ("load_dict", connections, depth, questions)
        return stage.racer(name, "dict", load, dictionary=dictionary)

    return enter


def chat(members: int) -> Enter:
    """One member talks, and so many hear it."""

    def enter(stage: Stage, name: str) -> Contestant:
        return stage.racer(name, "chat", ("load_chat", stage.effort.scaled(number_in(name, members), 10)))

    return enter


def connections_held(stage: Stage, name: str) -> Contestant:
    """A server to fill with connections."""
    return Holder(partial(stage.server, name, "echo-tcp"), stage.effort.scaled(MANY, LEAST), connected)


def members_held(stage: Stage, name: str) -> Contestant:
    """A server to fill with chat members."""
    return Holder(partial(stage.server, name, "chat"), stage.effort.scaled(MEMBERS, LEAST), joined)


def started(make: type[Starter]) -> Enter:
    """A server to start: netechod until it says that it is ready, a peer until it answers."""

    def enter(stage: Stage, name: str) -> Contestant:
        def wait(server: Server) -> None:
            if name == HOME:
                server.wait_until_ready()
            else:
                server.wait_for_answer("echo-tcp")

        return make(partial(stage.server, name, "echo-tcp"), wait)

    return enter


def number_in(name: str, usual: int) -> int:
    """Return the number behind netechod's name where it is compared with itself; else the usual one."""
    base, _, number = name.partition("-")
    return int(number) if base == HOME and number.isdigit() else usual
