"""On a network of two hosts: sources that are forged, floods, and what really leaves over the wire."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from ipaddress import IPv4Address
from pathlib import Path
from socket import socket

import pytest
from support.daemon import SERVICES, Daemon, any_port
from support.network import (
    OUTSIDE,
    OUTSIDE_6,
    SECOND,
    SECOND_6,
    SERVER,
    SERVER_6,
    Forger,
    Network,
    Packet,
    Place,
    Wire,
)

from netechod.client.operator.control import ask

pytestmark = [pytest.mark.system, pytest.mark.machine]

WITNESS = "192.0.2.200"  # a trusted host, on whose answers tests wait
STRANGER = "192.0.2.101"
NEWCOMER = "192.0.2.102"  # of whom nobody has heard before
VICTIM = "198.51.100.7"  # nobody; what is sent there goes over the wire all the same
UDP = ("echo-udp", "dictionary", "chat")
MEANING = "苹" * 600
FLOOD = 200  # datagrams at once: fewer than the kernel keeps for us


class Scene:
    """A daemon on the server with its default addresses, and the outside."""

    def __init__(self, network: Network, daemon: Daemon) -> None:
        self.network = network
        self.daemon = daemon
        self.ports = dict(zip(SERVICES, (port for _, port in daemon.bound()), strict=True))
        self.witness = network.outside.udp(WITNESS)
        self.forger = Forger(network.outside)

    def close(self) -> None:
        self.witness.close()
        self.forger.close()

    def place(self, service: str) -> Place:
        return SERVER, self.ports[service]

    def forge(self, payload: bytes, source: Place, service: str) -> None:
        self.forger.send(payload, source, self.place(service))

    def ask(self, sock: socket, word: str = "apple") -> str:
        """One look-up, which must be answered."""
        sock.sendto(word.encode(), self.place("dictionary"))
        return sock.recv(65536).decode()

    def settle(self) -> None:
        """Wait until what came before is dealt with: the answer to what comes after tells."""
        assert self.ask(self.witness) == "苹果"
        self.status()

    def status(self) -> Mapping[str, Mapping[str, int]]:
        """The counters, by service."""
        counters: Mapping[str, Mapping[str, int]] = ask(self.daemon.directory / "control.sock", "status")[
            "counters"
        ]
        return counters

    def dropped(self, service: str, reason: str) -> int:
        return self.status()[service].get(f"dropped_{reason}", 0)

    def passed(self, wire: Wire) -> list[Packet]:
        """What has gone over the wire since the last time, when everything is dealt with."""
        self.settle()
        return wire.heard()

    def sent_to(self, address: str, wire: Wire) -> list[Packet]:
        """The part of it that went to an address."""
        return [packet for packet in self.passed(wire) if packet.target[0] == address]


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    with Network() as network:
        for address in (WITNESS, STRANGER, NEWCOMER):
            network.outside.ip(f"address add {address}/24 dev wire")
        yield network


@pytest.fixture(scope="module")
def scene(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Nobody but the witness is trusted, and UDP echo answers everybody."""
    words = f"apple:苹果\nlong:{MEANING}\n"
    with Daemon(tmp_path_factory.mktemp("scene"), words) as daemon:
        daemon.configure({"access.trusted": [f"{WITNESS}/32"], "echo.udp.public": True})
        network.server.run(daemon.start, *any_port("[::]"))
        with closing(Scene(network, daemon)) as scene:
            yield scene
        assert daemon.stop() == 0
        assert daemon.errors() == []


@pytest.fixture
def wire(network: Network) -> Iterator[Wire]:
    """What passes in the test."""
    with closing(Wire(network.outside)) as wire:
        yield wire


# Who is never answered


@pytest.mark.parametrize("service", UDP)
def test_ports_of_services_and_our_own_are_not_answered(scene: Scene, wire: Wire, service: str) -> None:
    reflectors = (0, 1, 7, 13, 19, 53, 123, 1023, 1900, 5353, 11211)
    own = [scene.ports[name] for name in UDP]
    before = scene.dropped(service, "source-port"), scene.dropped(service, "own-port")
    for port in (*reflectors, *own):
        scene.forge(b"apple", (VICTIM, port), service)
    assert scene.sent_to(VICTIM, wire) == []
    after = scene.dropped(service, "source-port"), scene.dropped(service, "own-port")
    assert (after[0] - before[0], after[1] - before[1]) == (len(reflectors), len(own))
    scene.forge(b"apple", (VICTIM, 1024), service)
    assert wire.next(lambda packet: packet.target == (VICTIM, 1024)), "the first port that is answered"


@pytest.mark.parametrize("service", UDP)
def test_no_answer_goes_to_a_group_or_to_everybody(
    scene: Scene, network: Network, wire: Wire, service: str
) -> None:
    """From the wire the kernel takes none of these; from the machine itself it does (ip(7))."""
    groups = ("224.0.0.1", "239.1.2.3", "255.255.255.255")
    broadcasts = ("192.0.2.255", "127.255.255.255")  # only the kernel knows these, and sends nothing there
    before = scene.dropped(service, "source-address")
    with closing(Forger(network.server)) as forger, closing(Wire(network.server, "lo")) as loopback:
        for address in (*groups, *broadcasts):
            forger.send(b"apple", (address, 5000), scene.place(service))
        scene.settle()
        assert scene.dropped(service, "source-address") - before == len(groups)
        assert [packet for packet in loopback.heard() if packet.source[1] in scene.ports.values()] == []
    assert [packet for packet in wire.heard() if packet.target[0] in (*groups, *broadcasts)] == []


# How much goes to whom has proved nothing


QUERIES = [
    ("dictionary", b"x"),
    ("dictionary", b"long"),
    ("dictionary", b"long".ljust(100, b"\0")),
    ("dictionary", b"long".ljust(400, b"\0")),
    ("chat", b"x"),
    ("chat", b"online"),
    ("echo-udp", b""),
    ("echo-udp", b"x" * 1400),
]


@pytest.mark.parametrize(("service", "query"), QUERIES)
def test_three_times_what_came_and_no_more_goes_back_headers_counted(
    scene: Scene, wire: Wire, service: str, query: bytes
) -> None:
    source = (VICTIM, 6000 + QUERIES.index((service, query)))
    scene.forge(query, source, service)
    asked = wire.next(lambda packet: packet.source == source)
    answer = wire.next(lambda packet: packet.target == source)
    assert answer.size <= 3 * asked.size
    if len(query) == 400:
        assert answer.payload.decode() == "苹" * 400, "a padded query is answered whole"


def test_over_ipv6_as_well(scene: Scene, network: Network, wire: Wire) -> None:
    with network.outside.udp(OUTSIDE_6) as sock:
        sock.sendto(b"long", (SERVER_6, scene.ports["dictionary"]))
        sock.recv(65536)
        asked = wire.next(lambda packet: packet.target[0] == SERVER_6)
        answer = wire.next(lambda packet: packet.target[0] == OUTSIDE_6)
    assert (asked.size, answer.target) == (52, asked.source)
    assert 52 < answer.size <= 3 * 52


# Floods


def test_sixty_thousand_forged_sources_cost_no_more_memory_than_a_few(scene: Scene) -> None:
    """The tables have their size after some thousand, and nobody innocent goes without an answer."""
    assert scene.daemon.process is not None
    flood_of_sources(scene, range(20_000))
    before = resident(scene.daemon.process.pid)
    flood_of_sources(scene, range(20_000, 80_000))
    assert resident(scene.daemon.process.pid) - before <= 2 << 20
    received = sum(scene.status()[service]["received"] for service in UDP)
    assert received > 80_000, "the kernel had no room for them: this showed nothing"


def flood_of_sources(scene: Scene, numbers: Iterable[int]) -> None:
    """One datagram from each of so many addresses, while the witness is answered."""
    first = int(IPv4Address("198.18.0.0"))
    for number in numbers:
        source = (str(IPv4Address(first + number)), 1024 + number % 60_000)
        scene.forge(b"%d" % number, source, UDP[number % len(UDP)])
        if not number % FLOOD:
            assert scene.ask(scene.witness) == "苹果"
    scene.settle()


def resident(pid: int) -> int:
    """Bytes of memory that are the process's own."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii").split("RssAnon:")[1]
    return int(status.split()[0]) * 1024


def test_a_flood_of_one_costs_the_others_no_answer(scene: Scene, network: Network) -> None:
    with network.outside.udp(OUTSIDE) as flood, network.outside.udp(STRANGER) as stranger:
        for _ in range(90):
            for number in range(FLOOD):
                flood.sendto(b"%d" % number, scene.place("dictionary"))
            assert scene.ask(stranger) == "苹果"
    assert scene.dropped("dictionary", "rate") > 10_000


def test_nobody_is_muted_by_who_sends_in_his_name(scene: Scene, network: Network) -> None:
    with network.outside.udp(STRANGER) as victim:
        for number in range(4 * FLOOD):
            scene.forge(b"%d" % number, (STRANGER, 7000), "dictionary")
            if not number % FLOOD:
                scene.settle()
        for _ in range(40):
            victim.sendto(b"apple", scene.place("dictionary"))
        assert {victim.recv(64).decode() for _ in range(10)} == {"苹果"}, "one in four at least"


# The chat


def test_nobody_is_made_a_member_by_who_sends_in_his_name(scene: Scene, network: Network, wire: Wire) -> None:
    with network.outside.udp(NEWCOMER) as thief, network.outside.udp(WITNESS) as member:
        member.sendto(b"online", scene.place("chat"))
        assert member.recv(2048).endswith(b"#online")
        thief.sendto(b"online", scene.place("chat"))
        cookie = thief.recv(2048).removeprefix(b"challenge ")
        assert len(cookie) == 16
        victim = (VICTIM, 7001)
        scene.forge(b"online", victim, "chat")
        challenge = wire.next(lambda packet: packet.target == victim)
        assert challenge.payload.startswith(b"challenge ")
        for stolen in (cookie, cookie[::-1], b"0" * 16):
            scene.forge(b"online " + stolen, victim, "chat")
        scene.passed(wire)
        member.sendto(b"a secret", scene.place("chat"))
        assert member.recv(2048).endswith(b"#a secret")
        assert scene.sent_to(VICTIM, wire) == []
        [presence] = ask(scene.daemon.directory / "control.sock", "members")
        assert presence["name"].startswith(WITNESS)
        thief.sendto(b"online " + cookie, scene.place("chat"))
        assert thief.recv(2048).endswith(b"#online"), "whose cookie it is, joins with it"
        for sock in (thief, member):
            sock.sendto(b"offline", scene.place("chat"))


def test_who_is_unreachable_leaves_and_costs_the_others_no_line(scene: Scene, network: Network) -> None:
    ghosts = [network.outside.udp(WITNESS) for _ in range(5)]
    with network.outside.udp(WITNESS) as member:
        for sock in (*ghosts, member):
            sock.sendto(b"online", scene.place("chat"))
            assert sock.recv(2048).endswith(b"#online")
        for ghost in ghosts:
            ghost.close()
        lines = ["{}--{}#{}".format(*member.getsockname(), number) for number in range(20)]
        for number in range(20):
            member.sendto(b"%d" % number, scene.place("chat"))
        heard: list[str] = []
        while lines[-1] not in heard:
            heard.append(member.recv(2048).decode())
        assert [line for line in heard if not line.endswith("#offline")] == lines
        for _ in ghosts:
            scene.daemon.said(" reason=unreachable")
        member.sendto(b"offline", scene.place("chat"))


@pytest.mark.parametrize("service", UDP)
def test_who_is_gone_before_the_answer_costs_nobody_else_anything(
    scene: Scene, network: Network, service: str
) -> None:
    with network.outside.udp(WITNESS) as sock:
        for number in range(50):
            with network.outside.udp(WITNESS) as gone:
                gone.sendto(b"hi %d" % number, scene.place(service))
            assert scene.ask(sock) == "苹果"


# Addresses


@pytest.mark.parametrize(("host", "source"), [(SECOND, OUTSIDE), (SECOND_6, OUTSIDE_6)])
@pytest.mark.parametrize("service", UDP)
def test_the_answer_leaves_from_the_address_that_was_asked(
    scene: Scene, network: Network, service: str, host: str, source: str
) -> None:
    with network.outside.udp(source) as sock:
        sock.connect((host, scene.ports[service]))  # hears that address alone
        sock.send(b"apple")
        assert sock.recv(2048)


def test_without_ipv6_everything_is_served_over_ipv4(network: Network, tmp_path: Path) -> None:
    host = network.server
    host.set("net.ipv6.conf.all.disable_ipv6", "1")
    try:
        with Daemon(tmp_path) as daemon:
            host.run(daemon.start, *any_port("[::]"))
            port = daemon.bound()[2][1]
            with network.outside.udp(OUTSIDE) as sock:
                sock.sendto(b"apple", (SERVER, port))
                assert sock.recv(64).decode() == "苹果"
            assert daemon.stop() == 0
    finally:
        host.set("net.ipv6.conf.all.disable_ipv6", "0")
