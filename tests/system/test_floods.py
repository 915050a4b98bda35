"""On a network of two hosts: what the kernel holds up or reports for forged packets costs nobody answers."""

import socket
import struct
from collections.abc import Iterator
from contextlib import closing
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from support.daemon import SERVICES, Daemon, any_port
from support.network import OUTSIDE, SERVER, Forger, Network, Place

from netechod.client.operator.control import ask

pytestmark = [pytest.mark.system, pytest.mark.machine]

NOBODY = [f"192.0.2.{host}" for host in (*range(10, 100), *range(110, 200))]  # addresses that answer no ARP
ICMP_UNREACHABLE, PORT_UNREACHABLE = 3, 3  # RFC 792


class Scene:
    """A daemon on the server, and an honest client outside that looks a word up and waits for the answer."""

    def __init__(self, network: Network, daemon: Daemon) -> None:
        self.network = network
        self.daemon = daemon
        self._ports = dict(zip(SERVICES, (port for _, port in daemon.bound()), strict=True))
        self._client = network.outside.udp(OUTSIDE)

    def close(self) -> None:
        self._client.close()

    def place(self, service: str) -> Place:
        return SERVER, self._ports[service]

    def asks_in_vain(self) -> bool:
        """Look a word up; whether no answer comes."""
        self._client.sendto(b"apple", self.place("dictionary"))
        try:
            return self._client.recv(64).decode() != "苹果"
        except TimeoutError:
            return True

    def counter(self, service: str, name: str) -> int:
        count: int = ask(self.daemon.directory / "control.sock", "status")["counters"][service].get(name, 0)
        return count

    def resident(self) -> int:
        """Bytes of memory that are the daemon's own."""
        assert self.daemon.process is not None
        status = Path(f"/proc/{self.daemon.process.pid}/status").read_text(encoding="ascii")
        return int(status.split("RssAnon:")[1].split()[0]) * 1024


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with Network() as network, Daemon(tmp_path) as daemon:
        daemon.configure({"access.trusted": [f"{OUTSIDE}/32"]})
        network.server.run(daemon.start, *any_port("[::]"))
        with closing(Scene(network, daemon)) as scene:
            yield scene
        assert daemon.stop() == 0
        assert daemon.errors() == []


def test_answers_to_hosts_that_are_not_there_hold_up_nobody(scene: Scene) -> None:
    """The kernel keeps such an answer for up to three seconds, and books it on the socket (arp(7))."""
    with closing(Forger(scene.network.outside)) as forger:
        for number in range(3000):
            source = (NOBODY[number % len(NOBODY)], 5000 + number)
            forger.send(b"%d" % number, source, scene.place("dictionary"))
            if not number % 20:
                assert not scene.asks_in_vain()


def icmp_of(asked: bytes, port: int, target: str) -> bytes:
    """A "port unreachable" about a datagram that `asked`:`port` is said to have sent to `target`."""
    ip = struct.pack("!2B3H2BH4s4s", 0x45, 0, 28, 0, 0, 64, 17, 0, asked, IPv4Address(target).packed)
    inner = ip + struct.pack("!4H", port, 5000, 8, 0)
    message = struct.pack("!2B3H", ICMP_UNREACHABLE, PORT_UNREACHABLE, 0, 0, 0) + inner
    total = sum(struct.unpack(f"!{len(message) // 2}H", message))
    total = (total & 0xFFFF) + (total >> 16)
    return message[:2] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + message[4:]


def test_forged_port_unreachables_cost_no_answer_no_memory_and_no_member(scene: Scene) -> None:
    raw = scene.network.outside.run(socket.socket, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    with raw, scene.network.outside.udp(OUTSIDE) as member:
        member.sendto(b"online", scene.place("chat"))
        assert member.recv(64).endswith(b"#online")
        before = scene.resident()
        for number in range(50_000):
            target = str(IPv4Address(int(IPv4Address("198.18.0.0")) + number))
            raw.sendto(icmp_of(IPv4Address(SERVER).packed, scene.place("chat")[1], target), (SERVER, 0))
            if not number % 1000:
                assert not scene.asks_in_vain()
                member.sendto(b"%d" % number, scene.place("chat"))
                assert member.recv(64).endswith(b"#%d" % number)
        assert scene.resident() - before <= 2 << 20
        assert scene.counter("chat", "send_errors") == 0


def test_two_members_with_one_address_on_two_links_are_two(tmp_path: Path) -> None:
    """Link-local addresses are unique on their link alone (RFC 4007)."""
    with Network() as network, Daemon(tmp_path) as daemon:
        network.server.ip(f"link add wire2 type veth peer name wire2 netns {network.outside.path}")
        for host, end in ((network.server, 1), (network.outside, 2)):
            for link in ("wire", "wire2"):
                host.ip(f"link set {link} up")
                host.ip(f"address add fe80::{end}/64 dev {link} nodad")
        daemon.configure({"access.trusted": ["fe80::/10"]})
        network.server.run(daemon.start, *any_port("[::]"))
        port = daemon.bound()[3][1]
        members = [on_link(network, link) for link in ("wire", "wire2")]
        for sock, scope in members:
            sock.sendto(b"online", ("fe80::1", port, 0, scope))
            assert sock.recv(64) == b"fe80::2--5555#online"
        (gone, _), (stays, scope) = members
        assert gone.recv(64) == b"fe80::2--5555#online"
        gone.close()
        for text in (b"hello", b"again"):
            stays.sendto(text, ("fe80::1", port, 0, scope))
        heard = [stays.recv(64) for _ in range(3)]
        assert sorted(heard) == [b"fe80::2--5555#" + text for text in (b"again", b"hello", b"offline")]
        stays.close()
        assert daemon.stop() == 0


def on_link(network: Network, link: str) -> tuple[socket.socket, int]:
    """A client at fe80::2 on a link, and the link's number."""

    def opened() -> tuple[socket.socket, int]:
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        scope = socket.if_nametoindex(link)
        sock.settimeout(20.0)
        sock.bind(("fe80::2", 5555, 0, scope))
        return sock, scope

    return network.outside.run(opened)


def test_a_member_at_several_addresses_of_ours_hears_everything_once(tmp_path: Path) -> None:
    addresses = [f"127.0.0.{number}" for number in (1, 2, 3)]
    with Daemon(tmp_path) as daemon, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as member:
        daemon.start(*any_port("0.0.0.0"))
        port = daemon.bound()[3][1]
        member.settimeout(20.0)
        member.bind(("127.0.0.1", 0))
        for address in addresses:
            member.sendto(b"online", (address, port))
        for address in addresses:
            member.sendto(b"hello", (address, port))
        name = "{}--{}".format(*member.getsockname()).encode()
        heard = [member.recvfrom(64) for _ in range(4)]
        assert heard[0] == (name + b"#online", ("127.0.0.1", port))
        assert heard[1:] == [(name + b"#hello", (address, port)) for address in addresses]
        assert daemon.stop() == 0
