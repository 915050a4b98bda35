"""The daemon's sockets: adopted from the service manager, or opened. Nowhere else is one bound."""

import errno
import logging
import os
import socket
import stat
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from netechod.errors import SocketError
from netechod.process.config import Chat, Command, Config, Daemon, Dictionary, EchoTcp, EchoUdp, Metrics
from netechod.process.config_values import Address

UDP_RECEIVE_BUFFER = (
    4 * 1024 * 1024
)  # bytes asked for, the kernel grants less: questions wait there in a rush
OVER_TCP = ("echo-tcp", "metrics")  # services; all others are over UDP
SOCKET_FAILED, BIND_FAILED, LISTEN_FAILED = 2, 3, 4  # the tutorials' exit codes

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sockets:
    """What the daemon listens on, by service: `echo-tcp`, `echo-udp`, `dictionary` and so on."""

    by_service: Mapping[str, Sequence[socket.socket]] = field(default_factory=dict)
    control: socket.socket | None = None  # where netechoctl asks

    def of(self, service: str) -> Sequence[socket.socket]:
        """The sockets of one service, none when it is off."""
        return self.by_service.get(service, ())

    @cached_property
    def bound(self) -> Sequence[tuple[str, Address]]:
        """Each service with the address that each of its sockets is really bound to."""
        return [(service, bound_to(sock)) for service, socks in self.by_service.items() for sock in socks]

    def filenos(self) -> list[int]:
        """Every descriptor, for whoever closes the others."""
        control = [self.control] if self.control is not None else []
        return [sock.fileno() for socks in (*self.by_service.values(), control) for sock in socks]


def open_sockets(config: Config, adopted: Mapping[str, Sequence[int]]) -> Sockets:
    """For each service that is on: what was passed under its name, else what its `listen` says.

    Raises SocketError: the first failure ends the start, and the process with it.
    """
    try:
        return _open_all(config, adopted)
    except OSError as error:  # an option that cannot be set, an address that cannot be asked for
        raise SocketError(f"cannot set up the sockets: {error.strerror}", SOCKET_FAILED) from error


def _open_all(config: Config, adopted: Mapping[str, Sequence[int]]) -> Sockets:
    wanted: dict[str, EchoTcp | EchoUdp | Dictionary | Chat | Command | Metrics] = {
        "echo-tcp": config.echo.tcp,
        "echo-udp": config.echo.udp,
        "dictionary": config.dictionary,
        "chat": config.chat,
        "command": config.command,
        "metrics": config.metrics,
    }
    for name in adopted.keys() - {name for name, section in wanted.items() if section.enabled}:
        log.warning("socket passed as %s is not used: no such service is on", name)
        for fd in adopted[name]:
            os.close(fd)
    opened: dict[str, list[socket.socket]] = {}
    for name, section in wanted.items():
        if not section.enabled:
            continue
        if name in adopted:
            opened[name] = [_adopt(fd, name) for fd in adopted[name]]
        elif isinstance(section, EchoTcp):
            opened[name] = [_listen(address, section) for address in uncovered(section.listen)]
        elif isinstance(section, Metrics):
            opened[name] = [_listen(address, EchoTcp()) for address in uncovered(section.listen)]
        else:
            opened[name] = [_open_udp(address) for address in uncovered(section.listen)]
    sockets = Sockets(opened, _open_control(config.daemon))
    places = [f"{service} {address}" for service, address in sockets.bound]
    log.info("listening: %s", ", ".join(places) or "nowhere, every service is off")
    return sockets


def bound_to(sock: socket.socket) -> Address:
    """The address that the socket is really bound to."""
    host, port = sock.getsockname()[:2]
    return Address(host, port)


def _open_control(settings: Daemon) -> socket.socket | None:
    """The control socket. A daemon without it serves all the same: the operator loses netechoctl alone."""
    try:
        return _bind_control(settings.control)
    except OSError as error:
        log.warning("netechoctl cannot reach this daemon: %s: %s", settings.control, error.strerror or error)
        return None


def _bind_control(path: Path) -> socket.socket:
    with ExitStack() as undo:
        sock = undo.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        _remove_stale(path)
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        before = os.umask(0o117)  # born 0660: whoever may open it may look, SO_PEERCRED tells who may change
        try:
            sock.bind(str(path))
        finally:
            os.umask(before)
        sock.listen()
        sock.setblocking(False)
        undo.pop_all()
    return sock


def remove_control(path: Path) -> None:
    """Remove the name, while we still answer there and nobody else can have taken it."""
    with suppress(OSError):  # the directory is not ours any more: the next start finds nobody and removes it
        path.unlink()


def _remove_stale(path: Path) -> None:
    """Remove a socket that nobody answers on; one that somebody does, and any other file, is left alone."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise OSError(errno.EEXIST, "the file is there, and is no socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
        else:
            raise OSError(errno.EADDRINUSE, "another instance answers there")


def uncovered(addresses: Sequence[Address]) -> list[Address]:
    """The addresses that no wildcard beside them covers: those could not be bound, and need not be."""
    kept = []
    for address in addresses:
        wildcards = {Address("::", address.port)} if address.host != "::" else set()
        if "." in address.host and address.host != "0.0.0.0":  # noqa: S104 (a comparison, not a bind)
            wildcards.add(Address("0.0.0.0", address.port))  # noqa: S104
        covering = wildcards.intersection(addresses) if address.port else ()
        if covering:
            log.info("%s needs no socket of its own: %s covers it", address, min(covering, key=str))
        else:
            kept.append(address)
    return kept


def _adopt(fd: int, name: str) -> socket.socket:
    """Use a passed socket, with the options that its unit gave it."""
    kind = socket.SOCK_STREAM if name in OVER_TCP else socket.SOCK_DGRAM
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


def _listen(address: Address, settings: EchoTcp) -> socket.socket:
    """A listening socket. What is set on it, its connections inherit (tcp(7), socket(7))."""
    sock, address = _create(address, socket.SOCK_STREAM)
    # Without it a restart would have to wait for the connections in TIME_WAIT (RFC 9293, 3.6.1).
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, settings.nodelay)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, settings.keepalive)
    _set_buffer(sock, socket.SO_RCVBUF, settings.receive_buffer)
    _set_buffer(sock, socket.SO_SNDBUF, settings.send_buffer)
    if settings.ttl is not None:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, settings.ttl)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, settings.ttl)
    _bind(sock, address, "TCP")
    try:
        sock.listen(settings.backlog)
    except OSError as error:
        sock.close()
        raise SocketError(f"cannot listen on TCP {address}: {error.strerror}", LISTEN_FAILED) from None
    log.info("listen socket success %s", bound_to(sock))
    return sock


def _open_udp(address: Address) -> socket.socket:
    """A bound socket. Never SO_REUSEADDR here: a second process could steal the traffic (socket(7))."""
    sock, address = _create(address, socket.SOCK_DGRAM)
    with suppress(OSError):  # what the kernel grants is enough to start with
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UDP_RECEIVE_BUFFER)
    _bind(sock, address, "UDP")
    return sock


def _create(address: Address, kind: socket.SocketKind) -> tuple[socket.socket, Address]:
    """A socket for the address, and the address: the wildcard of IPv6 takes IPv4 too, or gives way to it."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        sock = socket.socket(family, kind)
    except OSError as error:
        if address.host == "::" and error.errno == errno.EAFNOSUPPORT:
            fallback = Address("0.0.0.0", address.port)  # noqa: S104 (every address is what was asked for)
            log.warning("no IPv6 on this machine (%s): %s instead of %s", error.strerror, fallback, address)
            return _create(fallback, kind)
        raise SocketError(f"cannot create a socket for {address}: {error.strerror}", SOCKET_FAILED) from None
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address.host != "::")
    sock.setblocking(False)
    log.info("create socket success:%d", sock.fileno())
    return sock, address


def _bind(sock: socket.socket, address: Address, protocol: str) -> None:
    try:
        sock.bind((address.host, address.port))
    except OSError as error:
        sock.close()
        hint = ""
        if error.errno == errno.EADDRINUSE:
            option = "-ltnp" if protocol == "TCP" else "-lunp"
            hint = f"\n  hint: see who holds it: ss {option} 'sport = :{address.port}'"
        elif error.errno == errno.EACCES:
            hint = "\n  hint: ports below 1024 need CAP_NET_BIND_SERVICE, or a socket unit"
        raise SocketError(f"cannot bind {protocol} {address}: {error.strerror}{hint}", BIND_FAILED) from None
    log.info("bind socket success %s", bound_to(sock))


def _set_buffer(sock: socket.socket, option: int, size: int | None) -> None:
    """Ask for a buffer of `size` bytes; Linux grants at most net.core.[rw]mem_max and books twice as much."""
    if size is None:
        return
    sock.setsockopt(socket.SOL_SOCKET, option, size)
    granted = sock.getsockopt(socket.SOL_SOCKET, option) // 2
    if granted < size:
        log.warning("socket buffer of %d bytes asked for, %d granted: see net.core.*mem_max", size, granted)
