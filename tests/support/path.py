"""Two hosts, and between them a router of ours that does to packets what a test says, to the packet.

Each host is a network namespace, its only way out a TUN device whose other end the router holds. So real
kernels send, receive and report, while nothing is left to chance or to a clock.
"""

import os
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from fcntl import ioctl
from pathlib import Path
from types import TracebackType
from typing import Self

from support.namespace import Namespace

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000  # linux/if_tun.h
CLIENT, SERVER, ROUTER = "10.77.0.1", "10.77.0.2", "10.77.0.254"
MTU = 9000  # bytes of a packet that the hosts' own devices take
HEADERS = 20 + 8  # bytes of IPv4 and UDP

Fate = Callable[[str, bytes], Iterable[bytes]]
"""What the router sends on, in order, when a packet goes `"up"` to the server or `"down"` to the client."""


class Host(Namespace):
    """A host whose only way out is a device that the router holds."""

    def __init__(self, address: str) -> None:
        super().__init__(f"host {address}")
        self.address = address
        self.device = self.run(self._connect)
        self.ip(f"address add {address}/24 dev path")
        self.ip(f"link set path mtu {MTU} up")

    def _connect(self) -> int:
        """Make the device, and return the router's end of it."""
        device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        ioctl(device, TUNSETIFF, struct.pack("16sH22x", b"path", IFF_TUN | IFF_NO_PI))
        return device

    def close(self) -> None:
        """See Namespace."""
        super().close()
        os.close(self.device)


class NetworkPath:
    """Both hosts, and the router between them."""

    def __init__(self, fate: Fate = lambda way, packet: [packet]) -> None:
        assert Path("/dev/net/tun").exists(), "no /dev/net/tun: this needs root, and a kernel with TUN"
        self.fate = fate
        self.client, self.server = Host(CLIENT), Host(SERVER)
        self._bell, self._ring = socket.socketpair()
        self._router = threading.Thread(target=self._run, name="router")
        self._router.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ring.close()
        self._router.join()
        self._bell.close()
        self.client.close()
        self.server.close()

    def _run(self) -> None:
        ways = {self.client.device: "up", self.server.device: "down"}
        hosts = {socket.inet_aton(host.address): host.device for host in (self.client, self.server)}
        bell = self._bell.fileno()
        while bell not in (ready := select.select([bell, *ways], [], [])[0]):
            for device in ready:
                packet = os.read(device, 65536)
                if packet[0] >> 4 != 4:
                    continue  # IPv6 looks for its neighbours
                for passed in self.fate(ways[device], packet):
                    os.write(hosts[passed[16:20]], passed)


def probe_in(packet: bytes) -> int:
    """The number of the probe that a packet of UDP carries; 0 if it is none."""
    return int.from_bytes(packet[HEADERS + 4 : HEADERS + 8], "big") if packet[9] == socket.IPPROTO_UDP else 0


def altered(packet: bytes, *places: int) -> bytes:
    """A packet of UDP with these bytes of its payload changed, and no checksum that would tell (RFC 768)."""
    changed = bytearray(packet)
    for place in places:
        changed[HEADERS + place] ^= 0xFF
    changed[26:28] = b"\0\0"
    return bytes(changed)


def too_long(packet: bytes, mtu: int) -> bytes:
    """The router's answer to a packet that must not be cut: fragmentation needed (RFC 792, RFC 1191)."""
    return _icmp(packet, 3, 4, mtu)


def unreachable(packet: bytes) -> bytes:
    """The router's answer to a packet that it knows no way for: host unreachable (RFC 792)."""
    return _icmp(packet, 3, 1, 0)


def expired(packet: bytes) -> bytes:
    """The router's answer to a packet whose TTL is used up: time exceeded (RFC 792)."""
    return _icmp(packet, 11, 0, 0)


def _icmp(packet: bytes, kind: int, code: int, word: int) -> bytes:
    body = _checked(struct.pack("!BBHI", kind, code, 0, word) + packet[: HEADERS + 8], 2)
    head = struct.pack(
        "!BBHIBBH4s4s", 0x45, 0, 20 + len(body), 0, 64, 1, 0, socket.inet_aton(ROUTER), packet[12:16]
    )
    return _checked(head, 10) + body


def _checked(data: bytes, place: int) -> bytes:
    """The data with its Internet checksum in its place (RFC 1071)."""
    padded = data + b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return data[:place] + struct.pack("!H", ~total & 0xFFFF) + data[place + 2 :]
