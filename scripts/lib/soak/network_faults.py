"""Attacks over a network of our own: sources that answer no ARP, forged ICMP errors, and fragments."""

import socket
import struct
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from ipaddress import IPv4Address

from support.network import OUTSIDE, SERVER, Forger, Network

from scripts.lib.soak.flow import Load
from scripts.lib.soak.place import CONSTANT, Place, Wrong
from scripts.lib.soak.siege import Honest, besieged
from scripts.lib.soak.udp_flows import LARGEST, QUERY

FORGED = 600  # datagrams, from so many sources in turn:
NEIGHBOURS = [str(IPv4Address("192.0.2.10") + number) for number in range(80)]  # on the link, and not there
ERRORS = 20_000  # forged ICMP messages
TOLD_OF = int(IPv4Address("198.51.100.0"))  # where their datagrams are said to have gone
FRAGMENTS = 500  # first fragments whose rest never comes
WORST = "\u0300\u0316" * 16_000  # combining marks out of order: costly to normalise
EVERY = 10  # forged packets between two questions of honest clients
MORE_FRAGMENTS = 0x2000  # a flag of IPv4 (RFC 791, 3.1)


def network_of(place: Place) -> Network:
    """The network of the soak."""
    if place.network is None:
        raise Wrong("there is no network of our own")
    return place.network


def forged_neighbours(place: Place, load: Load) -> None:
    """Sources on the link that answer no ARP ask for words: their answers wait, and nobody else's do."""
    with besieged(place, "forged-neighbours") as own, ExitStack() as stack:
        forger = stack.enter_context(closing(Forger(network_of(place).outside)))
        clients = honest_clients(own, stack)
        target = (SERVER, own.ports["dictionary"])
        for number in range(FORGED):
            source = (NEIGHBOURS[number % len(NEIGHBOURS)], 5000)
            forger.send(CONSTANT.encode().ljust(QUERY, b"\0"), source, target)
            ask_now_and_then(number, clients)
        for client in clients:
            client.asks_meanwhile(1.0)


def forged_errors(place: Place, load: Load) -> None:
    """ICMP errors about datagrams that the chat never sent."""
    with besieged(place, "forged-errors") as own, ExitStack() as stack:
        raw = stack.enter_context(raw_socket(network_of(place), socket.IPPROTO_ICMP))
        clients = honest_clients(own, stack)
        for number in range(ERRORS):
            raw.sendto(unreachable(own.ports["chat"], TOLD_OF + number % 65536), (SERVER, 0))
            ask_now_and_then(number, clients)


def unreachable(port: int, target: int) -> bytes:
    """An ICMP message: a datagram from a port of the server to `target` found no port (RFC 792)."""
    about = struct.pack("!2B3H2BH", 0x45, 0, 28, 0, 0, 64, socket.IPPROTO_UDP, 0)
    about += socket.inet_aton(SERVER) + struct.pack("!I4H", target, port, 5000, 8, 0)
    message = struct.pack("!2BHI", 3, 3, 0, 0) + about
    return message[:2] + struct.pack("!H", checksum(message)) + message[4:]


def checksum(message: bytes) -> int:
    """The Internet checksum of an even number of bytes (RFC 1071)."""
    total: int = sum(struct.unpack(f"!{len(message) // 2}H", message))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def fragments(place: Place, load: Load) -> None:
    """The largest datagrams, which come in fragments and are costly to look up; and first fragments alone."""
    with besieged(place, "fragments") as own, ExitStack() as stack:
        network, clients = network_of(place), honest_clients(own, stack)
        raw = stack.enter_context(raw_socket(network, socket.IPPROTO_RAW))
        large = stack.enter_context(network.outside.udp())
        port = own.ports["dictionary"]
        for number in range(FRAGMENTS):
            raw.sendto(first_fragment(number, port), (SERVER, 0))
            ask_now_and_then(number, clients)
        for _ in range(EVERY):
            large.sendto(WORST.encode()[:LARGEST], (SERVER, port))
        for client in clients:
            client.asks_meanwhile(1.0)


def first_fragment(number: int, port: int) -> bytes:
    """The beginning of a datagram whose other fragments never come."""
    udp = struct.pack("!4H", 5000, port, 1400, 0) + bytes(1000)
    header = struct.pack(
        "!2B3H2BH", 0x45, 0, 20 + len(udp), number + 1, MORE_FRAGMENTS, 64, socket.IPPROTO_UDP, 0
    )
    return header + socket.inet_aton(OUTSIDE) + socket.inet_aton(SERVER) + udp


def raw_socket(network: Network, protocol: int) -> socket.socket:
    """A raw socket of the outside (raw(7))."""
    return network.outside.run(socket.socket, socket.AF_INET, socket.SOCK_RAW, protocol)


def honest_clients(own: Place, stack: ExitStack) -> Sequence[Honest]:
    """One on the daemon's host, and one that is not trusted and asks over the wire."""
    near = Honest(own.connect("dictionary", "127.0.3.1"))
    far = network_of(own).outside.udp()
    far.connect((SERVER, own.ports["dictionary"]))
    return [stack.enter_context(closing(near)), stack.enter_context(closing(Honest(far)))]


def ask_now_and_then(number: int, clients: Sequence[Honest]) -> None:
    """After some packets, one question each of honest clients."""
    if number % EVERY == 0:
        for client in clients:
            client.asks()


NETWORK_FAULTS: tuple[Callable[[Place, Load], None], ...] = (forged_neighbours, forged_errors, fragments)
"""They need a network of our own."""
