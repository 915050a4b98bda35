"""Opens the daemon's sockets, or adopts them from the service manager. No other module binds one."""

import errno
import logging
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from ipaddress import IPv6Address
from typing import NamedTuple

from netechod.errors import SocketError
from netechod.linux import IP_FREEBIND, SO_RCVBUFFORCE, SO_SNDBUFFORCE
from netechod.process.config.values import Address

# Bytes of each buffer of a UDP socket. Requests wait there under load. Answers wait there for the network, up
# to three seconds if the destination does not answer ARP (arp(7)). In a small buffer these would block all
# others.
UDP_BUFFER = 4 * 1024 * 1024
IFNAMSIZ = 16  # bytes of an interface's name, with the NUL (netdevice(7))
SOCKET_FAILED, BIND_FAILED, LISTEN_FAILED = 2, 3, 4  # the tutorials' exit codes

log = logging.getLogger(__name__)


class TcpOptions(NamedTuple):
    """Options of a listening socket, which its connections inherit (tcp(7), socket(7))."""

    nodelay: bool = True
    keepalive: bool = True
    receive_buffer: int | None = None  # bytes; None: the system's choice
    send_buffer: int | None = None
    ttl: int | None = None
    backlog: int = 1024

    @classmethod
    def of(cls, section: object) -> "TcpOptions":
        """Return those that the section of a service has keys for, and defaults for the others."""
        return cls(**{name: getattr(section, name) for name in cls._fields if hasattr(section, name)})


class Binding(NamedTuple):
    """How the addresses of a service are bound (socket(7), ip(7))."""

    reuse_port: bool = False  # other processes of the same user may bind them, too
    freebind: bool = False  # they need not be there yet


ALONE = Binding()


def open_listener(
    address: Address, options: TcpOptions | None, level: int = logging.INFO, binding: Binding = ALONE
) -> socket.socket:
    """Bind an address: for TCP with `options`, for UDP without. Raises SocketError.

    `level` is that of the log's lines.
    """
    if options is None:
        return _open_udp(address, binding, level)
    return _listen(address, options, binding, level)


def bind_refusal(address: Address, protocol: str, binding: Binding = ALONE) -> str:
    """Return why an address cannot be bound now: another program has it, or no interface. Else empty.

    The address is bound for a moment. A TCP socket does not listen meanwhile.
    """
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    try:
        sock, address = _create(address, kind, binding, logging.DEBUG)
        with sock:
            if kind == socket.SOCK_STREAM:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            _bind_to(sock, address)
    except OSError as error:
        return str(error.strerror) if error.errno in (errno.EADDRINUSE, errno.EADDRNOTAVAIL) else ""
    except SocketError as error:
        return str(error)
    return ""


def bound_to(sock: socket.socket) -> Address:
    """Return the address to which the socket is bound, with its real port and its interface, if any."""
    host, port, *more = sock.getsockname()
    scope = more[1] if more else 0
    device = sock.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, IFNAMSIZ).rstrip(b"\0").decode()
    zone = _interface_name(scope) if scope else device
    return Address(f"{host}%{zone}" if zone else host, port)


def uncovered(addresses: Sequence[Address], level: int = logging.INFO) -> list[Address]:
    """Return the addresses that no wildcard in the list covers. The others cannot be bound beside it."""
    kept = []
    for address in addresses:
        host, percent, zone = address.host.partition("%")
        names = ("::",) if ":" in host else ("::", "0.0.0.0")  # noqa: S104 (a comparison, not a bind)
        wildcards = {Address(f"{name}{end}", address.port) for name in names for end in ("", percent + zone)}
        covering = (wildcards - {address}).intersection(addresses) if address.port else ()
        if covering:
            log.log(level, "%s needs no socket of its own: %s covers it", address, min(covering, key=str))
        else:
            kept.append(address)
    return kept


def unknown_interfaces(addresses: Iterable[Address]) -> Iterator[str]:
    """Yield a sentence for each address whose zone is no interface of this machine."""
    for address in addresses:
        try:
            _interface(address)
        except OSError as error:
            yield f"{address}: {error.strerror}"


def _bind_to(sock: socket.socket, address: Address) -> None:
    """Bind a socket. Raises OSError.

    The zone of a link-local IPv6 address is a part of it (RFC 4007, 11). Behind any other address it is the
    interface or VRF that the socket is bound to (SO_BINDTODEVICE, socket(7)).
    """
    host, _, zone = address.host.partition("%")
    index = _interface(address)
    if zone and ":" in host and IPv6Address(host).is_link_local:
        sock.bind((host, address.port, 0, index))
        return
    if zone:
        name = socket.if_indextoname(index)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name.encode() + b"\0")
    sock.bind((host, address.port))


def _interface(address: Address) -> int:
    """Return the index of the interface in an address, 0 for none. Raises OSError if it is not there."""
    _, _, zone = address.host.partition("%")
    if not zone:
        return 0
    try:
        if zone.isdigit():
            socket.if_indextoname(int(zone))
            return int(zone)
        return socket.if_nametoindex(zone)
    except (OSError, OverflowError, ValueError):
        raise OSError(errno.ENODEV, f"there is no interface {zone}") from None


def _interface_name(index: int) -> str:
    """Return the name of an interface, or its number if it is gone."""
    try:
        return socket.if_indextoname(index)
    except OSError:
        return str(index)


def adopt(fd: int, name: str, kind: socket.SocketKind) -> socket.socket:
    """Use a passed socket, with the options that its unit gave it."""
    try:
        sock = socket.socket(fileno=fd)
        listens = bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    except OSError as error:
        raise SocketError(f"descriptor {fd}, passed as {name}: {error.strerror}", SOCKET_FAILED) from None
    if (
        sock.type != kind
        or listens != (kind == socket.SOCK_STREAM)
        or sock.family not in (socket.AF_INET, socket.AF_INET6)
    ):
        expected = "a listening TCP socket" if kind == socket.SOCK_STREAM else "a UDP socket"
        raise SocketError(f"descriptor {fd}, passed as {name}, is not {expected}", SOCKET_FAILED)
    sock.setblocking(False)
    log.info("adopt socket success %s", bound_to(sock))
    return sock


def _listen(address: Address, options: TcpOptions, binding: Binding, level: int) -> socket.socket:
    sock, address = _create(address, socket.SOCK_STREAM, binding, level)
    # Without it, a restart would fail while connections are in TIME_WAIT (RFC 9293, 3.6.1).
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, options.nodelay)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, options.keepalive)
    _set_buffer(sock, socket.SO_RCVBUF, options.receive_buffer)
    _set_buffer(sock, socket.SO_SNDBUF, options.send_buffer)
    if options.ttl is not None:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, options.ttl)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, options.ttl)
    _bind(sock, address, "TCP", level)
    try:
        sock.listen(options.backlog)
    except OSError as error:
        sock.close()
        raise SocketError(f"cannot listen on TCP {address}: {error.strerror}", LISTEN_FAILED) from None
    log.log(level, "listen socket success %s", bound_to(sock))
    return sock


def _open_udp(address: Address, binding: Binding, level: int) -> socket.socket:
    """Return a bound socket, without SO_REUSEADDR: a second process could steal the traffic (socket(7))."""
    sock, address = _create(address, socket.SOCK_DGRAM, binding, level)
    for option, forced in ((socket.SO_RCVBUF, SO_RCVBUFFORCE), (socket.SO_SNDBUF, SO_SNDBUFFORCE)):
        # The kernel grants at most net.core.[rw]mem_max, but everything with CAP_NET_ADMIN (socket(7)).
        for name in (option, forced):
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, name, UDP_BUFFER)
    _bind(sock, address, "UDP", level)
    return sock


def _create(
    address: Address, kind: socket.SocketKind, binding: Binding, level: int
) -> tuple[socket.socket, Address]:
    """Return a socket and its address. `[::]` includes IPv4; without IPv6 it becomes 0.0.0.0."""
    host, percent, zone = address.host.partition("%")
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        sock = socket.socket(family, kind)
    except OSError as error:
        if host == "::" and error.errno == errno.EAFNOSUPPORT:
            every = f"0.0.0.0{percent}{zone}"  # noqa: S104 (every address is what was asked for)
            fallback = Address(every, address.port)
            log.warning("no IPv6 on this machine (%s): %s instead of %s", error.strerror, fallback, address)
            return _create(fallback, kind, binding, level)
        raise SocketError(f"cannot create a socket for {address}: {error.strerror}", SOCKET_FAILED) from None
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host != "::")
    if binding.reuse_port:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if binding.freebind:
        sock.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)  # it holds for IPv6, too
    sock.setblocking(False)
    log.log(level, "create socket success:%d", sock.fileno())
    return sock, address


def _bind(sock: socket.socket, address: Address, protocol: str, level: int) -> None:
    try:
        _bind_to(sock, address)
    except OSError as error:
        sock.close()
        hint = ""
        if error.errno == errno.EADDRINUSE:
            option = "-ltnp" if protocol == "TCP" else "-lunp"
            hint = f"\n  hint: see who holds it: ss {option} 'sport = :{address.port}'"
        elif error.errno == errno.ENODEV:
            hint = "\n  hint: see which there are: ip link"
        elif error.errno == errno.EADDRNOTAVAIL:
            hint = (
                "\n  hint: see which there are: ip address; for one that comes later: daemon.freebind = true"
            )
        elif error.errno == errno.EPERM:
            hint = "\n  hint: to listen on one interface needs Linux 5.7, or CAP_NET_RAW"
        elif error.errno == errno.EACCES:
            hint = "\n  hint: ports below 1024 need CAP_NET_BIND_SERVICE, or a socket unit"
        raise SocketError(f"cannot bind {protocol} {address}: {error.strerror}{hint}", BIND_FAILED) from None
    log.log(level, "bind socket success %s", bound_to(sock))


def _set_buffer(sock: socket.socket, option: int, size: int | None) -> None:
    """Ask for a buffer of `size` bytes. Linux grants at most net.core.[rw]mem_max and reports the double."""
    if size is None:
        return
    sock.setsockopt(socket.SOL_SOCKET, option, size)
    granted = sock.getsockopt(socket.SOL_SOCKET, option) // 2
    if granted < size:
        log.warning("socket buffer of %d bytes asked for, %d granted: see net.core.*mem_max", size, granted)
