"""How the clients reach a server: its name, its addresses in turn, and how long they wait for it."""

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NamedTuple, TypeAlias, TypeVar

from netechod.client.errors import ClientError
from netechod.client.i18n.translate import tr

ANY_FAMILY, IPV4, IPV6 = socket.AF_UNSPEC, socket.AF_INET, socket.AF_INET6
RECEIVE_SIZE = 65536  # bytes asked of one receive: more than any datagram holds

Address: TypeAlias = tuple[socket.AddressFamily, Any]  # the family, and what connect() takes of it

_Result = TypeVar("_Result")


class Target(NamedTuple):
    """The server as the command line names it, and the patience with which it is asked."""

    host: str
    port: int
    family: int = ANY_FAMILY
    timeout: float = 2.0  # seconds that one try may take
    retries: int = 2  # further tries of an unanswered datagram


def trust_hint() -> str:
    """What to try when UDP echo is silent."""
    return tr("UDP echo answers trusted networks alone (access.trusted) unless echo.udp.public is set there")


class Answer(NamedTuple):
    """A datagram that came back, and how long after the try that it answers."""

    payload: bytes
    seconds: float


def split_address(text: str, default_port: int) -> tuple[str, int]:
    """Host and port of `HOST[:PORT]`; an IPv6 address with a port stands in brackets (RFC 3986, 3.2.2).

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
    """The number that `text` spells, if it is one of a port."""
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65536):
        raise ValueError(tr("no port between 1 and 65535: {text!r}", text=text))
    return int(text)


class Server:
    """The addresses of a target, of which the first that answers is kept."""

    def __init__(self, target: Target, kind: socket.SocketKind, hint: str = "") -> None:
        self.target = target
        self._hint = hint  # what to try when it is silent, if there is something special
        self._kind = kind
        try:
            found = socket.getaddrinfo(target.host, target.port, target.family, kind)
        except (socket.gaierror, UnicodeError) as error:  # UnicodeError: no name at all, as in "a..b"
            reason = error.strerror if isinstance(error, socket.gaierror) else tr("not a host name")
            raise ClientError(
                tr("cannot resolve {host!r}: {reason}", host=target.host, reason=reason),
                tr("check the spelling, and -4 or -6"),
            ) from None
        self._addresses = [(family, address) for family, _, _, _, address in found]

    @property
    def address(self) -> Address:
        """The address that has answered, or is tried first."""
        return self._addresses[0]

    @property
    def has_choice(self) -> bool:
        """Whether it has several addresses of which none has answered yet."""
        return len(self._addresses) > 1

    def first(self, deed: Callable[[socket.socket], _Result]) -> _Result:
        """What `deed` makes of a socket connected to the first address where it does not fail.

        A connected UDP socket hears its peer only, and of its ICMP errors (udp(7)). The socket is the
        deed's own once the deed succeeds. The other addresses are not tried again afterwards.
        """
        failure: OSError = TimeoutError()
        for family, address in self._addresses:
            with ExitStack() as undo:
                try:
                    sock = undo.enter_context(socket.socket(family, self._kind))
                    sock.settimeout(self.target.timeout)
                    sock.connect(address)
                    result = deed(sock)
                except OSError as error:
                    failure = error
                    continue
                undo.pop_all()
            self._addresses = [(family, address)]
            return result
        raise self.failed(failure)

    def connect(self) -> socket.socket:
        """A connection. It is tried once an address: TCP repeats what gets lost by itself."""
        return self.first(lambda sock: sock)

    def ask(self, query: bytes, is_answer: Callable[[bytes], bool] = lambda _: True) -> Answer:
        """The answer to one datagram, which is sent again while there is none.

        Each question goes from a port of its own, so that a late answer to the one before cannot be
        taken for an answer to this one.
        """

        def deed(sock: socket.socket) -> Answer:
            with sock:
                return exchange(sock, query, is_answer, self.target)

        return self.first(deed)

    def failed(self, error: OSError) -> ClientError:
        """`error` as a sentence about this server."""
        target = self.target
        host = f"[{target.host}]" if ":" in target.host else target.host
        where = f"{host}:{target.port}/{'tcp' if self._kind == socket.SOCK_STREAM else 'udp'}"
        if isinstance(error, ConnectionRefusedError):
            return ClientError(
                tr("connection refused by {where}", where=where),
                tr("is netechod running there, and on this port?"),
            )
        if isinstance(error, TimeoutError):
            return ClientError(
                tr("unanswered: {where} is silent", where=where),
                self._hint
                or tr("check the address and the firewall, or be more patient: --timeout 5 --retries 4"),
            )
        return ClientError(f"{where}: {error.strerror or error}", tr("check the address and the network"))


def exchange(sock: socket.socket, query: bytes, is_answer: Callable[[bytes], bool], target: Target) -> Answer:
    """Send `query` on the connected `sock` until something that `is_answer` comes; TimeoutError without."""
    for _ in range(1 + target.retries):
        sent = time.monotonic()
        sock.send(query)
        while (left := sent + target.timeout - time.monotonic()) > 0:
            sock.settimeout(left)
            try:
                payload = sock.recv(RECEIVE_SIZE)
            except TimeoutError:
                break
            if is_answer(payload):
                return Answer(payload, time.monotonic() - sent)
    raise TimeoutError
