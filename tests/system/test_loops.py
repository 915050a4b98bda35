"""One datagram in somebody else's name, between any two services: what it brings about has an end.

The test has the sockets of both sides, so that it can speak in the name of either.
"""

import select
import socket
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import pytest
from support.commands import SECRET, signed, write_keys
from support.daemon import Daemon

from netechod.client.operator.control import ask
from netechod.services.admission.loop_guard import LONGEST_SKIP, MIN_SAMPLES
from netechod.services.stamp.packets import OPEN, Facts, UnfinishedAnswer, answer_to, request
from netechod.services.stamp.packets import signed as stamp_signed
from netechod.services.stamp.timestamps import ntp_of
from netechod.services.wire import NOT_ONLINE

pytestmark = pytest.mark.system

SERVICES = ("echo-udp", "dictionary", "chat", "command", "stamp")
HOSTS = ("127.0.0.2", "127.0.0.3")
BOUNCE_LIMIT = 3
FORGED = (
    b"",
    b"hi",
    b"apple",
    b"unknown",
    b"online",
    b"offline",
    b"\xff",
    b"x" * 1400,
    NOT_ONLINE,
    b"NX1 ops",
)

FORGED_PROBES = {
    "open": request(7, 5, 0x8001, 0x4242),
    "short": bytes(13) + b"\1",
    "long": request(7, 5, 0x8001, 0).ljust(1400, b"\0"),
    "signed": stamp_signed(request(7, 5, 0x8001, 0x4242, is_signed=True), SECRET.encode()),
    "signed and long": stamp_signed(request(7, 5, 0x8001, 0, is_signed=True), SECRET.encode()).ljust(
        1400, b"\0"
    ),
}

Settings = dict[str, object]
TRUSTED: Settings = {"access.bounce_limit": BOUNCE_LIMIT, "chat.join": "open"}
STRANGERS: Settings = {
    **{"access.trusted": [], "echo.udp.public": True, "chat.join": "open"},
    "stamp.public": True,
}
PAIRS = list(product(SERVICES, SERVICES))

ENDS_AS_MEASURED = 4  # the forged one, its echo, the reflector's answer, and an echo of that
ENDS_AT_ONCE = 8  # datagrams, the forged one included
ENDS_WITH_THE_BURST = 300  # a burst of 100 questions, their answers, and what is added to it meanwhile
ENDS_FOR_ALL = 400
ENDS_IN_TURN = 4 * MIN_SAMPLES * (LONGEST_SKIP + 1)  # two words lead to each other, over an echo


class Host(Daemon):
    """A daemon on an address of its own, in whose name the test can send."""

    def __init__(self, directory: Path, host: str, settings: Settings) -> None:
        # Words that lead to each other: among trusted hosts only the loop guard ends what they begin.
        super().__init__(directory, "apple:pear\npear:apple\nhi:apple\n")
        self.trusted = "access.trusted" not in settings  # the default trusts loopback
        keys = write_keys(directory / "keys", ops=SECRET)
        of_stamp = write_keys(directory / "stamp-keys", default=SECRET)
        stamp = {"enabled": True, "authentication": "optional", "key_file": of_stamp}
        self.configure(
            {
                **{"command.enabled": True, "command.key_file": keys},
                **{f"stamp.{name}": value for name, value in stamp.items()},
                **settings,
            }
        )
        self.sockets = {service: socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for service in SERVICES}
        for service, sock in self.sockets.items():
            sock.bind((host, 0))
            self.hand_over(service, sock)
        self.start("--set", "echo.tcp.enabled=false")

    def received(self) -> int:
        """How many datagrams it has been sent by now, those included that it has dropped."""
        while select.select([self.sockets["command"]], (), (), 0)[0]:  # requests gather before they are read
            select.select((), (), (), 0.001)
        services: dict[str, dict[str, int]] = ask(self.directory / "control.sock", "status")["counters"]
        return sum(counters["received"] for counters in services.values())


@pytest.fixture(scope="module", params=[TRUSTED, STRANGERS], ids=["trusted", "strangers"])
def hosts(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Host, Host]]:
    settings: Settings = request.param
    directory = tmp_path_factory.mktemp
    with Host(directory("one"), HOSTS[0], settings) as one, Host(directory("two"), HOSTS[1], settings) as two:
        yield one, two


def settled(one: Host, two: Host) -> int:
    """How many datagrams both have been sent, as soon as none is on its way between them.

    One that is on its way lies in a queue of either. Whoever answers us has dealt with all that came before:
    when nobody has heard anything new while both were asked in turn, there is none. They are asked once more,
    because what goes to many leaves in several turns.
    """
    heard: list[int] = []
    while len(heard) < 3 or len(set(heard[-3:])) > 1:
        heard.append(one.received() + two.received())
    return heard[-1]


def carried(one: Host, two: Host, forged: bytes, source: socket.socket, service: str) -> int:
    """How many datagrams go between the hosts after one from `source` to `service` of one."""
    before = settled(one, two)
    source.sendto(forged, one.address(service))
    return settled(one, two) - before


def empty_rooms(hosts: tuple[Host, Host]) -> None:
    """End what an earlier test has left: a limit of rate may have cost a member its "offline"."""
    senders = {sock.getsockname(): sock for host in hosts for sock in host.sockets.values()}
    for host in hosts:
        while members := ask(host.directory / "control.sock", "members"):
            for member in members:
                address, _, port = member["name"].partition("--")
                senders[address, int(port)].sendto(b"offline", host.address("chat"))
            host.received()


def most(ours: str, theirs: str, *, trusted: bool) -> int:
    """How many datagrams one that is forged may bring about between these services.

    Among strangers the limit of rate ends what an open room and another service say to each other.
    """
    pair = {ours, theirs}
    if "stamp" in pair and (trusted or "chat" not in pair):
        return ENDS_AS_MEASURED
    if pair == {"echo-udp", "dictionary"}:
        return ENDS_IN_TURN
    if "echo-udp" in pair:
        return ENDS_FOR_ALL
    return ENDS_AT_ONCE if trusted else ENDS_WITH_THE_BURST


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_what_is_forged_between_two_of_our_hosts_has_an_end(
    hosts: tuple[Host, Host], ours: str, theirs: str
) -> None:
    empty_rooms(hosts)
    one, two = hosts
    limit = most(ours, theirs, trusted=one.trusted)
    for forged in (*FORGED, signed("no-such-command")):  # signed: it is answered on behalf of a key's holder
        assert carried(one, two, forged, two.sockets[theirs], ours) <= limit, forged


@pytest.mark.parametrize("kind", FORGED_PROBES)
@pytest.mark.parametrize("theirs", SERVICES)
def test_one_forged_probe_brings_about_three_datagrams_at_most(
    hosts: tuple[Host, Host], kind: str, theirs: str
) -> None:
    """It comes in the name of each service, and goes to the reflector; or from the reflector to each."""
    one, two = hosts
    forged = FORGED_PROBES[kind]
    assert carried(one, two, forged, two.sockets[theirs], "stamp") <= ENDS_AS_MEASURED
    assert carried(one, two, forged, two.sockets["stamp"], theirs) <= ENDS_AS_MEASURED
    assert carried(one, two, forged, one.sockets[theirs], "stamp") <= 2


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_a_host_never_talks_with_itself(hosts: tuple[Host, Host], ours: str, theirs: str) -> None:
    one, two = hosts
    # A reflector may use the port of its senders, so it answers itself once.
    limit = 2 if ours == theirs == "stamp" else 1
    for forged in (*FORGED, signed("no-such-command")):
        assert carried(one, two, forged, one.sockets[theirs], ours) <= limit


def reflected(heard: bytes) -> bytes:
    """The answer of a reflector that answers everything, whatever it is."""
    facts = Facts(int.from_bytes(heard[:4], "big"), 0x8001, ntp_of(time.time_ns()), 64)
    whole = heard.ljust(OPEN.size, b"\0")
    answer = UnfinishedAnswer.of(answer_to(whole, facts, is_signed=False), 0, None)
    return answer.completed(time.time_ns()) + heard[OPEN.size :]


Replier = Callable[[bytes], bytes]
FOREIGN: dict[str, Replier] = {
    "an echo": lambda heard: heard,
    "unknown": lambda heard: b"unknown",
    "an error text of its own": lambda heard: b"?SYNTAX ERROR\r\n",
    "chargen": lambda heard: bytes(33 + number % 94 for number in range(1400)),
    "online": lambda heard: b"online",
    "nothing in a datagram": lambda heard: b"",
}


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreigner_who_answers_everything_comes_to_an_end(
    hosts: tuple[Host, Host], service: str, name: str
) -> None:
    host, _ = hosts
    limit = ENDS_FOR_ALL if service == "echo-udp" or name == "an echo" else ENDS_WITH_THE_BURST
    if (service, name) == ("dictionary", "an echo"):
        limit = ENDS_IN_TURN
    for forged in FORGED:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as foreigner:
            foreigner.bind(("127.0.0.4", 0))
            foreigner.connect(host.address(service))
            foreigner.setblocking(False)
            assert answered(host, foreigner, FOREIGN[name], forged, limit) <= limit, forged


@pytest.mark.parametrize("reply", [reflected, FOREIGN["an echo"]], ids=["reflector", "echo"])
def test_one_forged_probe_brings_about_three_datagrams_at_most_with_a_foreigner(
    hosts: tuple[Host, Host], reply: Replier
) -> None:
    host, _ = hosts
    for forged in (*FORGED, *FORGED_PROBES.values()):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as foreigner:
            foreigner.bind(("127.0.0.4", 0))
            foreigner.connect(host.address("stamp"))
            foreigner.setblocking(False)
            count = answered(host, foreigner, reply, forged, ENDS_AS_MEASURED)
            assert count <= ENDS_AS_MEASURED, forged


def answered(host: Host, foreigner: socket.socket, reply: Replier, forged: bytes, limit: int) -> int:
    """How many datagrams go to and fro until the host is silent, or more than the limit."""
    foreigner.send(forged)
    count, silent = 1, False
    while count <= limit and not silent:
        host.received()  # when it answers us, it has answered what came before
        silent = True
        while count <= limit and (heard := next_for(foreigner)) is not None:
            foreigner.send(reply(heard))
            count += 2
            silent = False
    return count


def next_for(sock: socket.socket) -> bytes | None:
    """What has come, if anything has."""
    try:
        return sock.recv(65536)
    except BlockingIOError:
        return None
