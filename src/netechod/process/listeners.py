"""The sockets of all services at a start: which are passed, which are opened, and which cannot be had."""

import logging
import os
import socket
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeAlias

from netechod.errors import SocketError
from netechod.process.config.listeners import Listener, enabled, listeners
from netechod.process.config.schema import Config
from netechod.process.config.values import Address
from netechod.process.passed_sockets import differences, left_off
from netechod.process.unix.control_socket import open_control
from netechod.process.unix.privileges import Identity, identity_of
from netechod.process.unix.sockets import (
    SOCKET_FAILED,
    Binding,
    TcpOptions,
    adopt,
    bound_to,
    open_listener,
    uncovered,
)
from netechod.reactor.loop import Loop

DISCARDED = 64  # datagrams or connections thrown away at once
RETRY = 5.0  # seconds between two attempts to get addresses that were taken

log = logging.getLogger(__name__)

Socket: TypeAlias = socket.socket


@dataclass(frozen=True)
class Sockets:
    """The sockets of each service, and what a start has to say about them."""

    by_service: Mapping[str, Sequence[socket.socket]] = field(default_factory=dict)
    control: socket.socket | None = None  # where netechoctl asks
    passed: Collection[str] = ()  # services whose sockets the service manager holds, too
    unused: Sequence[socket.socket] = ()  # passed for services that are off: what arrives there is discarded
    missing: Mapping[str, str] = field(default_factory=dict)  # why services that are on were passed none
    taken: Mapping[tuple[str, Address], str] = field(default_factory=dict)
    """Why addresses cannot be bound, by service and address. They may become free."""
    warnings: Sequence[str] = ()  # what differs from the configuration

    def of(self, service: str) -> Sequence[socket.socket]:
        """The sockets of one service, none when it is off."""
        return self.by_service.get(service, ())

    def with_address(self, service: str, address: Address, sock: socket.socket) -> "Sockets":
        """The same with an address that could be bound only now."""
        return replace(
            self,
            by_service={**self.by_service, service: [*self.of(service), sock]},
            taken={place: why for place, why in self.taken.items() if place != (service, address)},
        )

    @property
    def complaints(self) -> list[str]:
        """Everything that is not as the configuration has it, a sentence each."""
        missing = dict(self.missing)
        without = []
        for (service, address), why in self.taken.items():
            if service in self.by_service:
                without.append(f"{service} does not listen on {address}: {why}")
            else:
                missing.setdefault(service, why)
        return [*self.warnings, *(f"{name} is off: {why}" for name, why in missing.items()), *without]

    @cached_property
    def bound(self) -> Sequence[tuple[str, Address]]:
        """Each service with the address that each of its sockets is really bound to."""
        return [(service, bound_to(sock)) for service, socks in self.by_service.items() for sock in socks]

    def filenos(self) -> list[int]:
        """Every descriptor, to be kept when all others are closed."""
        control = [self.control] if self.control is not None else []
        return [
            sock.fileno() for socks in (*self.by_service.values(), control, self.unused) for sock in socks
        ]


def open_sockets(
    config: Config,
    adopted: Mapping[str, Sequence[int]],
    identity: Identity | None = None,
    explicit: Collection[str] = (),
) -> Sockets:
    """Take the sockets that were passed for each service that is on, or bind the addresses of its `listen`.

    `identity` is the user that the daemon becomes, who then owns the control socket. `explicit` are the keys
    that the operator has set. An address that cannot be bound is left out, and a service without any address
    stays off. SocketError is raised when that leaves no service, or `daemon.strict_start` is set, or a passed
    socket is of the wrong kind.
    """
    opening = _Opening(config, adopted, explicit)
    try:
        opening.run()
        sockets = Sockets(
            opening.opened,
            open_control(config.daemon.control, identity or identity_of("", "")),
            opening.passed,
            opening.unused,
            opening.missing,
            opening.taken,
            opening.warnings,
        )
    except SocketError as error:  # a socket that was passed and not used may be the reason
        hints = "".join(f"\n  hint: {warning}" for warning in opening.warnings)
        raise SocketError(f"{error}{hints}", error.exit_code) from None
    except OSError as error:  # an option that cannot be set, an address that cannot be asked for
        raise SocketError(f"cannot set up the sockets: {error.strerror}", SOCKET_FAILED) from error
    places = [f"{service} {address}" for service, address in sockets.bound]
    log.info("listening: %s", ", ".join(places) or "nowhere, every service is off")
    return sockets


class _Opening:
    """The sockets of all services, one service after the other."""

    def __init__(
        self, config: Config, adopted: Mapping[str, Sequence[int]], explicit: Collection[str]
    ) -> None:
        self.opened: dict[str, list[socket.socket]] = {}
        self.passed: list[str] = []
        self.unused: list[socket.socket] = []
        self.missing: dict[str, str] = {}
        self.taken: dict[tuple[str, Address], str] = {}
        self.warnings: list[str] = []
        self._config = config
        self._strict = config.daemon.strict_start
        self._adopted = adopted
        self._explicit = explicit
        self._first: SocketError | None = None

    def run(self) -> None:
        """Adopt and open everything. Raises SocketError or OSError."""
        for listener, why in left_off(self._config, self._adopted, self._explicit):
            log.error("%s is off: %s", listener.name, why)
            self.missing[listener.name] = why
        wanted = {row.name: row for row in enabled(self._config) if row.name not in self.missing}
        passed = {
            name: self._adopt(wanted[name]) if name in wanted else self._set_aside(name)
            for name in sorted(self._adopted, key=[*listeners(), *self._adopted].index)
        }
        self.passed = [name for name in passed if name in wanted]
        for _, sentence in differences(self._config, passed, self._explicit):
            log.warning("%s", sentence)
            self.warnings.append(sentence)
        for name, listener in wanted.items():
            if name not in passed:
                self._open(listener)
        self.opened = {name: self.opened[name] for name in wanted if name in self.opened}
        if self._first is not None and not self.opened:
            raise self._first

    def _set_aside(self, name: str) -> list[Address]:
        """Keep a passed socket of a service that is off, and close one of no service."""
        for fd in self._adopted[name]:
            if name in listeners():
                sock = socket.socket(fileno=fd)
                sock.setblocking(False)
                self.unused.append(sock)
            else:
                os.close(fd)
        return []

    def _adopt(self, listener: Listener) -> list[Address]:
        """Use the passed sockets of a service. Returns their addresses."""
        kind = socket.SOCK_STREAM if listener.kind == "tcp" else socket.SOCK_DGRAM
        socks = [adopt(fd, listener.name, kind) for fd in self._adopted[listener.name]]
        self.opened[listener.name] = socks
        return [bound_to(sock) for sock in socks]

    def _open(self, listener: Listener) -> None:
        """Bind the addresses of a service, each by itself."""
        name = listener.name
        for address in uncovered(listener.section(self._config).listen):
            try:
                sock = open_address(listener, address, self._config)
            except SocketError as error:
                if self._strict:
                    raise
                self._first = self._first or error
                self.taken[name, address] = str(error).partition("\n")[0]
            else:
                self.opened.setdefault(name, []).append(sock)
        state = "lacks an address, which" if name in self.opened else "is off, and"
        for (service, _), why in self.taken.items():
            if service == name:
                log.error("%s %s is tried again: %s", name, state, why)


def open_address(
    listener: Listener, address: Address, config: Config, level: int = logging.INFO
) -> socket.socket:
    """Bind an address of a service. Raises SocketError."""
    options = TcpOptions.of(listener.section(config)) if listener.kind == "tcp" else None
    return open_listener(address, options, level, binding_of(listener, config))


def binding_of(listener: Listener, config: Config) -> Binding:
    """Return how the addresses of a service are bound."""
    return Binding(config.daemon.reuse_port and listener.shares, config.daemon.freebind)


def discard(sock: socket.socket) -> None:
    """Drop what waits in a passed socket of a disabled service, so that it is not answered later."""
    with suppress(OSError):
        for _ in range(DISCARDED):
            if sock.type == socket.SOCK_STREAM:
                sock.accept()[0].close()
            else:
                sock.recv(1)


class Retries:
    """Tries again and again to bind the addresses that could not be bound at the start."""

    def __init__(
        self,
        loop: Loop,
        config: Config,
        taken: Iterable[tuple[str, Address]],
        opened: Callable[[str, Address, Socket], object],
    ) -> None:
        """`opened` is given each address that could be bound at last, with its service and its socket."""
        self._loop = loop
        self._config = config
        self._taken = list(taken)
        self._opened = opened
        self._wait()

    def _wait(self) -> None:
        if self._taken:
            self._loop.call_at(self._loop.now + RETRY, self._try)

    def _try(self) -> None:
        rows = listeners()
        for service, address in tuple(self._taken):
            with suppress(SocketError, OSError):
                sock = open_address(rows[service], address, self._config, logging.DEBUG)
                self._taken.remove((service, address))
                log.warning("%s is on at last: %s", service, bound_to(sock))
                self._opened(service, address, sock)
        self._wait()
