"""Reaches a server: parses its address, resolves its name, and finds the address that answers."""

import math
import socket
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from netechod.client.errors import ClientError, SilentServerError
from netechod.client.happy_eyeballs import (
    Answer,
    Attempt,
    ConnectionAttempt,
    PassedOver,
    Question,
    Race,
)
from netechod.client.i18n.translate import reason_text, tr
from netechod.client.resolver import Address, Resolution, resolve
from netechod.client.sockets import AS_USUAL, SocketOptions, connected_datagram_socket

_Result = TypeVar("_Result")

ANY_FAMILY, IPV4, IPV6 = socket.AF_UNSPEC, socket.AF_INET, socket.AF_INET6


class Target(NamedTuple):
    """A server as the command line names it, and how long to wait for it."""

    host: str
    port: int
    family: int = ANY_FAMILY
    timeout: float = 2.0  # seconds to wait for each try
    retries: int = 2  # further tries of an unanswered datagram
    until: float = math.inf  # monotonic clock: when everything ends
    options: SocketOptions = AS_USUAL

    def time_left(self) -> float:
        """Return the seconds until everything ends, 0 at least."""
        return max(0.0, self.until - time.monotonic())


def trust_hint() -> str:
    """Return the hint for a UDP echo service that is silent."""
    return tr("UDP echo answers trusted networks alone (access.trusted) unless echo.udp.public is set there")


def split_address(text: str, default_port: int) -> tuple[str, int]:
    """Split `HOST[:PORT]`. An IPv6 address with a port stands in brackets (RFC 3986).

    Raises ValueError.

    >>> split_address("::1", 8081), split_address("[::1]:53", 8081)
    (('::1', 8081), ('::1', 53))
    """
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or rest[:1] not in ("", ":"):
            raise ValueError(tr("no HOST[:PORT]: {text!r}", text=text))
    elif text.count(":") > 1:
        host, rest = text, ""
    else:
        host, colon, port = text.partition(":")
        rest = colon + port
    if not host:
        raise ValueError(tr("no host in {text!r}", text=text))
    return host, _port_of(rest[1:]) if rest else default_port


def _port_of(text: str) -> int:
    """Return the port number in `text`. Raises ValueError."""
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65536):
        raise ValueError(tr("no port between 1 and 65535: {text!r}", text=text))
    return int(text)


class Server:
    """The addresses of a target. The first that answers is kept.

    After a failure the name is resolved again, because the server may have moved.
    """

    def __init__(self, target: Target, kind: socket.SocketKind, hint: str = "") -> None:
        """Resolve the name. Raises ClientError. `hint` is what to try when the server is silent."""
        self.target = target
        self._hint = hint
        self._kind = kind
        self.passed_over: Sequence[PassedOver] = ()  # addresses that were tried before the one that answered
        self._addresses = self._resolved()
        self._is_lost = False  # the last try has failed

    @property
    def address(self) -> Address:
        """The address that has answered, or that is tried first."""
        return self._addresses[0]

    def resolve_again(self) -> Resolution:
        """Begin to resolve the name anew: the server may have moved."""
        host, port, family = self.target[:3]
        return Resolution(host, port, family, self._kind)

    def _resolved(self) -> list[Address]:
        host = self.target.host
        try:
            patience = self.target.timeout * (1 + self.target.retries)
            addresses = resolve(*self.target[:3], self._kind, min(patience, self.target.time_left()))
        except (OSError, UnicodeError) as error:
            raise _unresolved(host, error) from None
        flaws = [_flaw_of(host, address) for address in addresses]
        usable = [address for address, flaw in zip(addresses, flaws, strict=True) if flaw is None]
        for flaw in flaws:
            if flaw is not None and not usable:
                raise flaw
        return usable

    def connect(self) -> socket.socket:
        """Return a TCP connection. Raises ClientError."""
        timeout, options = self.target.timeout, self.target.options
        return self._race(lambda address: ConnectionAttempt(address, timeout, options))

    def ask(
        self, query: bytes, is_answer: Callable[[bytes], bool] = lambda _: True, tries: int | None = None
    ) -> Answer:
        """Return the answer to one datagram, which is sent again while there is none. Raises ClientError."""
        timeout, tries = self.target.timeout, tries or 1 + self.target.retries
        return self._race(
            lambda address: Question(self._socket_to(address), query, is_answer, timeout, tries)
        )

    def _socket_to(self, address: Address) -> socket.socket:
        return connected_datagram_socket(address, self.target.options)

    def choose(self, query: bytes, is_answer: Callable[[bytes], bool] = lambda _: True) -> None:
        """If there are several addresses, keep the one that answers `query` first. Raises ClientError."""
        if len(self._addresses) > 1:
            self.ask(query, is_answer)

    def check_route(self) -> None:
        """Refuse an address that Linux sends nothing to, such as a broadcast address. Raises ClientError."""
        try:
            self._socket_to(self.address).close()
        except PermissionError as error:
            raise self.failed(error) from None
        except OSError:
            pass  # there may be a route when the first probe is sent

    def datagram_socket(self) -> socket.socket:
        """Return a UDP socket that is connected to the server. Raises ClientError."""
        try:
            return self._socket_to(self.address)
        except OSError as error:
            raise self.failed(error) from None

    def _race(self, begin: Callable[[Address], Attempt[_Result]]) -> _Result:
        if self._is_lost:
            self._addresses, self._is_lost = self._resolved(), False
        race = Race(self._addresses, begin, self.target.until)
        try:
            address, result = race.run()
        except OSError as error:
            self._is_lost = True
            raise self.failed(error) from None
        self.passed_over = self.passed_over or race.passed_over
        self._addresses = [address]
        return result

    def failed(self, error: OSError) -> ClientError:
        """Return `error` as a sentence about this server."""
        target = self.target
        host = f"[{target.host}]" if ":" in target.host else target.host
        where = f"{host}:{target.port}/{'tcp' if self._kind == socket.SOCK_STREAM else 'udp'}"
        brackets = bracket_hint(target.host)
        if isinstance(error, ConnectionRefusedError):
            return ClientError(
                tr("connection refused by {where}", where=where),
                brackets or tr("is netechod running there, and on this port?"),
            )
        if isinstance(error, TimeoutError):
            return SilentServerError(
                tr("unanswered: {where} is silent", where=where),
                brackets
                or self._hint
                or tr("check the address and the firewall, or be more patient: --timeout 5 --retries 4"),
            )
        hint = tr("check the address and the network")
        if isinstance(error, PermissionError):  # what Linux says of a broadcast address (ip(7))
            hint = tr("is this a broadcast address? ask the server at its own address")
        return ClientError(f"{where}: {reason_text(error.strerror or str(error))}", brackets or hint)


def check_source(options: SocketOptions) -> None:
    """Refuse a source or an interface that this machine does not have, or does not let us use.

    Raises ClientError.
    """
    try:
        options.open(IPV6 if ":" in options.source else IPV4, socket.SOCK_DGRAM).close()
    except OSError as error:
        reason = reason_text(error.strerror or str(error))
        raise ClientError(
            tr("cannot send from {source}: {reason}", source=options.where, reason=reason),
            tr("an address of this machine, or an interface: {names}", names=_interfaces()),
        ) from None


def bracket_hint(host: str) -> str:
    """Return the hint for an IPv6 address whose last group may be meant as a port; empty if it is none."""
    address, _, port = host.rpartition(":")
    if ":" not in address or not port.isdecimal() or len(port) < 2:
        return ""
    return tr(
        "with a port, an IPv6 address stands in brackets: [{address}]:{port}", address=address, port=port
    )


def _unresolved(host: str, error: OSError | UnicodeError) -> ClientError:
    """Return why a name has no address, as a sentence."""
    if isinstance(error, TimeoutError):
        return ClientError(
            tr("cannot resolve {host!r}: {reason}", host=host, reason=tr("the name server is silent")),
            tr("use an address, or be more patient: --timeout 10"),
        )
    reason = reason_text(error.strerror or "") if isinstance(error, OSError) else tr("not a host name")
    hint = tr("check the spelling, and -4 or -6")
    address, zone, interface = host.partition("%")
    if ":" in address and zone:
        names = _interfaces()
        hint = tr("is there an interface {name!r}? the interfaces are {names}", name=interface, names=names)
    else:
        hint = bracket_hint(host) or hint
    return ClientError(tr("cannot resolve {host!r}: {reason}", host=host, reason=reason), hint)


def _flaw_of(host: str, address: Address) -> ClientError | None:
    """Return why no server can answer from an address; None if one can."""
    family, sockaddr = address
    raw = socket.inet_pton(family, sockaddr[0].partition("%")[0])
    is_multicast = raw[0] == 0xFF if family == IPV6 else 224 <= raw[0] < 240  # RFC 4291, 2.7; RFC 5771
    if is_multicast or raw == b"\xff\xff\xff\xff":
        return ClientError(
            tr("{host} is a multicast or broadcast address: no server answers from there", host=host),
            tr("ask the server at its own address"),
        )
    if family == IPV6 and raw[0] == 0xFE and raw[1] & 0xC0 == 0x80 and not sockaddr[3]:  # RFC 4291, 2.5.6
        example = f"{host}%{_first_interface()}"
        return ClientError(
            tr("{host} is a link-local address: %interface is missing", host=host),
            tr("such as {example}; the interfaces are {names}", example=example, names=_interfaces()),
        )
    return None


def _interfaces() -> str:
    return ", ".join(name for _, name in socket.if_nameindex())


def _first_interface() -> str:
    """Return an interface for an example, not the loopback one if there is another."""
    names = [name for _, name in socket.if_nameindex()]
    return next((name for name in names if name != "lo"), "lo")
