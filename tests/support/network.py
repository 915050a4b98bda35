"""A network of two hosts, made by the test: the daemon's, and everybody else's, who may forge what they like.

Each host is a network namespace; a veth(4) joins them. Nothing leaves this machine.
"""

import select
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

from support.daemon import PATIENCE
from support.namespace import Namespace, leave_the_network, own_path

ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 = 3, 0x0800, 0x86DD  # if_ether.h

SERVER, SECOND, OUTSIDE = "192.0.2.1", "192.0.2.2", "192.0.2.100"
SERVER_6, SECOND_6, OUTSIDE_6 = "2001:db8::1", "2001:db8::2", "2001:db8::100"

Place = tuple[str, int]

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


class Host(Namespace):
    """One of the two."""

    def set(self, name: str, value: str) -> None:
        """Set a knob of the kernel (sysctl(8)) for this network alone."""
        self.run(Path("/proc/sys", *name.split(".")).write_text, value, encoding="ascii")

    def udp(self, source: str = OUTSIDE) -> socket.socket:
        """A UDP socket in there that does not wait for ever."""
        sock = self.run(
            socket.socket, socket.AF_INET6 if ":" in source else socket.AF_INET, socket.SOCK_DGRAM
        )
        sock.settimeout(PATIENCE)
        sock.bind((source, 0))
        return sock


class Here(Host):
    """The network of the thread that makes it, which leaves its former one for good: so do its children."""

    def __init__(self) -> None:
        leave_the_network()
        self.path = own_path()
        self.ip("link set lo up")

    def run(
        self, deed: Callable[_Parameters, _Result], *args: _Parameters.args, **kwargs: _Parameters.kwargs
    ) -> _Result:
        """See Namespace: we are in there."""
        return deed(*args, **kwargs)

    def close(self) -> None:
        """See Namespace: it ends with us."""


class Network:
    """The two hosts. Whatever the server answers goes to the outside, whoever it is for."""

    def __init__(self, server: Host | None = None) -> None:
        self.server, self.outside = server or Host("server"), Host("outside")

    def __enter__(self) -> Self:
        self.server.ip(f"link add wire type veth peer name wire netns {self.outside.path}")
        places = {self.server: (SERVER, SECOND, SERVER_6, SECOND_6), self.outside: (OUTSIDE, OUTSIDE_6)}
        for host, addresses in places.items():
            for address in addresses:
                host.ip(f"address add {address}/{'64 nodad' if ':' in address else 24} dev wire")
            host.ip("link set wire up")
        self.server.ip(f"route add default via {OUTSIDE}")
        self.server.ip(f"route add default via {OUTSIDE_6}")
        self.outside.set("net.ipv4.icmp_ratemask", "0")  # whoever is unreachable is told of, every time
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.server.close()
        self.outside.close()


class Forger:
    """Sends UDP datagrams in anybody's name from `host`."""

    def __init__(self, host: Host) -> None:
        self._raw = host.run(socket.socket, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)

    def send(self, payload: bytes, source: Place, target: Place) -> None:
        """One datagram over IPv4. Its checksum is 0, for none (RFC 768)."""
        udp = struct.pack("!4H", source[1], target[1], 8 + len(payload), 0) + payload
        header = struct.pack(
            "!2B3H2BH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, socket.IPPROTO_UDP, 0,
            ip_address(source[0]).packed, ip_address(target[0]).packed,
        )  # fmt: skip
        self._raw.sendto(header + udp, (target[0], 0))

    def close(self) -> None:
        self._raw.close()


class Packet:
    """A UDP packet as it went over the wire."""

    def __init__(self, data: bytes) -> None:
        self.size = len(data)  # with its headers
        header = 40 if data[0] >> 4 == 6 else 4 * (data[0] & 15)
        start = 8 if header == 40 else 12
        width = (header - 8) // 2 if header == 40 else 4
        source, target = data[start : start + width], data[start + width : start + 2 * width]
        ports = struct.unpack("!2H", data[header : header + 4])
        self.source: Place = (str(ip_address(source)), ports[0])
        self.target: Place = (str(ip_address(target)), ports[1])
        self.payload = data[header + 8 :]


class Wire:
    """Hears all that passes an interface of `host`."""

    def __init__(self, host: Host, interface: str = "wire") -> None:
        self._packets: list[Packet] = []
        self._tap = host.run(socket.socket, socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        self._tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        host.run(self._tap.bind, (interface, ETH_P_ALL))
        self._tap.setblocking(False)

    def heard(self) -> list[Packet]:
        """The UDP packets since the last time."""
        self._collect()
        packets, self._packets = self._packets, []
        return packets

    def next(self, wanted: Callable[[Packet], bool]) -> Packet:
        """Wait for a packet; those that come before it are passed over."""
        while True:
            self._collect()
            for place, packet in enumerate(self._packets):
                if wanted(packet):
                    del self._packets[: place + 1]
                    return packet
            ready, _, _ = select.select([self._tap], [], [], PATIENCE)
            assert ready, "no such packet has come"

    def _collect(self) -> None:
        with suppress(BlockingIOError):
            while True:
                data, (_, protocol, *_) = self._tap.recvfrom(65536)
                place = {ETH_P_IP: 9, ETH_P_IPV6: 6}.get(protocol)
                if place is not None and data[place] == socket.IPPROTO_UDP:
                    self._packets.append(Packet(data))

    def close(self) -> None:
        self._tap.close()
