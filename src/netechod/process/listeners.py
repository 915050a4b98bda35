"""The sockets of all services at a start: which are passed, which are opened, and which cannot be had."""

import logging
import os
import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeAlias

from netechod.errors import SocketError
from netechod.process.config.listeners import Listener, enabled, listeners
from netechod.process.config.schema import Config
from netechod.process.config.values import Address
from netechod.process.unix.control_socket import open_control
from netechod.process.unix.privileges import Identity, identity_of
from netechod.process.unix.sockets import (
    SOCKET_FAILED,
    Binding,
    TcpOptions,
    adopt,
    bound_to,
    open_listeners,
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
    missing: Mapping[str, str] = field(default_factory=dict)  # why services that are on have no sockets
    taken: Collection[str] = ()  # those of them whose addresses may become free
    warnings: Sequence[str] = ()  # what differs from the configuration

    def of(self, service: str) -> Sequence[socket.socket]:
        """The sockets of one service, none when it is off."""
        return self.by_service.get(service, ())

    def with_service(self, service: str, socks: Sequence[socket.socket]) -> "Sockets":
        """The same with a service that got its sockets only now."""
        return replace(
            self,
            by_service={**self.by_service, service: socks},
            missing={name: why for name, why in self.missing.items() if name != service},
            taken=[name for name in self.taken if name != service],
        )

    @property
    def complaints(self) -> list[str]:
        """Everything that is not as the configuration has it, a sentence each."""
        return [*self.warnings, *(f"{name} is off: {why}" for name, why in self.missing.items())]

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
    that the operator has set. A service whose addresses cannot be bound stays off; SocketError is raised when
    that leaves none, or `daemon.strict_start` is set, or a passed socket is of the wrong kind.
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
        self.taken: list[str] = []
        self.warnings: list[str] = []
        self._config = config
        self._strict = config.daemon.strict_start
        self._adopted = adopted
        self._explicit = explicit
        self._passed_some = any(name in listeners() for name in adopted)
        self._first: SocketError | None = None

    def run(self) -> None:
        """Adopt and open everything. Raises SocketError or OSError."""
        wanted = {listener.name: listener for listener in enabled(self._config)}
        for name in self._adopted.keys() - wanted.keys():
            self._refuse(name)
        for name, listener in wanted.items():
            if listener.alone and self._config.daemon.reuse_port:
                self._leave_alone(listener)
            elif name in self._adopted:
                self._adopt(listener)
            elif self._passed_some and f"{listener.key}.listen" not in self._explicit:
                self._leave_off(listener)
            else:
                self._open(listener)
        if self._first is not None and not self.opened:
            raise self._first

    def _refuse(self, name: str) -> None:
        """Warn that a passed socket is not used, why, and what can be done."""
        rows = listeners()
        if name not in rows:
            known = ", ".join(rows)
            self._warn(f"socket passed as {name} is not used: no such service is on; the names are {known}")
            for fd in self._adopted[name]:
                os.close(fd)
            return
        self._warn(
            f"socket passed as {name} is not used: {rows[name].key}.enabled is false; what arrives there is "
            f"thrown away (systemctl disable --now netechod-{name}.socket ends that)"
        )
        self.unused += [socket.socket(fileno=fd) for fd in self._adopted[name]]
        for sock in self.unused:
            sock.setblocking(False)

    def _adopt(self, listener: Listener) -> None:
        kind = socket.SOCK_STREAM if listener.kind == "tcp" else socket.SOCK_DGRAM
        socks = [adopt(fd, listener.name, kind) for fd in self._adopted[listener.name]]
        self.opened[listener.name] = socks
        self.passed.append(listener.name)
        places = [bound_to(sock) for sock in socks]
        key = f"{listener.key}.listen"
        if key in self._explicit and set(places) != set(listener.section(self._config).listen):
            self._warn(
                f"{key} is not used: the service manager passes {', '.join(map(str, places))} "
                f"(change ListenStream= or ListenDatagram= of the socket unit)"
            )

    def _leave_off(self, listener: Listener) -> None:
        """Bind no default that might be open to the world, when a socket unit was meant to say where."""
        why = (
            f"the service manager passes sockets, but none as {listener.name} (start its socket unit, then "
            f"restart, or set {listener.key}.listen)"
        )
        self.missing[listener.name] = why
        log.error("%s is off: %s", listener.name, why)

    def _leave_alone(self, listener: Listener) -> None:
        """Have no service whose instances would not know of one another."""
        name = listener.name
        self.missing[name] = f"daemon.reuse_port is true, and {listener.alone}"
        log.warning("%s is off: %s", name, self.missing[name])
        for fd in self._adopted.get(name, ()):
            os.close(fd)

    def _open(self, listener: Listener) -> None:
        name = listener.name
        try:
            self.opened[name] = open_service(listener, self._config)
        except SocketError as error:
            if self._strict:
                raise
            self._first = self._first or error
            self.missing[name] = str(error).partition("\n")[0]
            self.taken.append(name)
            log.error("%s is off, and is tried again: %s", name, self.missing[name])

    def _warn(self, sentence: str) -> None:
        log.warning("%s", sentence)
        self.warnings.append(sentence)


def open_service(listener: Listener, config: Config, level: int = logging.INFO) -> list[socket.socket]:
    """Bind every address of a service, or none. Raises SocketError."""
    section = listener.section(config)
    options = TcpOptions.of(section) if listener.kind == "tcp" else None
    daemon = config.daemon
    binding = Binding(daemon.reuse_port and listener.shares, daemon.freebind)
    return open_listeners(section.listen, options, level, binding)


def discard(sock: socket.socket) -> None:
    """Drop what waits in a passed socket of a disabled service, so that it is not answered later."""
    with suppress(OSError):
        for _ in range(DISCARDED):
            if sock.type == socket.SOCK_STREAM:
                sock.accept()[0].close()
            else:
                sock.recv(1)


class Retries:
    """Tries again and again to bind the addresses that were taken at the start."""

    def __init__(
        self,
        loop: Loop,
        config: Config,
        taken: Collection[str],
        opened: Callable[[str, Sequence[socket.socket]], object],
    ) -> None:
        """`opened` is given each service that has its sockets at last."""
        self._loop = loop
        self._config = config
        self._taken = [listener for listener in enabled(config) if listener.name in taken]
        self._opened = opened
        self._wait()

    def _wait(self) -> None:
        if self._taken:
            self._loop.call_at(self._loop.now + RETRY, self._try)

    def _try(self) -> None:
        for listener in tuple(self._taken):
            with suppress(SocketError, OSError):
                socks = open_service(listener, self._config, logging.DEBUG)
                self._taken.remove(listener)
                places = ", ".join(str(bound_to(sock)) for sock in socks)
                log.warning("%s is on at last: %s", listener.name, places)
                self._opened(listener.name, socks)
        self._wait()
