"""Finds the server that takes writes: out of a list, by Sentinel, or by the redirection of a cluster.

All of it runs on the resolver's thread of the dialer, so it may block.
"""

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netechod.reactor.bus.resp import Command, NotRespError, Parser, Reply, ReplyError, pack
from netechod.reactor.bus.url import Url
from netechod.reactor.outgoing.dialer import Target

if TYPE_CHECKING:
    import ssl

SENTINEL_PATIENCE = 1.0  # seconds for each step of asking one Sentinel
READ_SIZE = 4096


@dataclass(frozen=True)
class Secrets:
    """What a connection needs besides the URL. It may change while we run: the next connection uses it."""

    password: bytes = b""
    ca_file: Path | None = None  # None: the authorities of the system


class Master:
    """Finds the targets of a round of the dialer, in the order in which they should be tried."""

    def __init__(self, url: Url, secrets: Callable[[], Secrets]) -> None:
        self.url = url
        self.secrets = secrets
        self.context: ssl.SSLContext | None = None  # for TLS, made in each round
        self._names: dict[Any, str] = {}  # of the hosts, by their addresses: their certificates have them
        self._moved: tuple[str, int] | None = None  # where the key is, as a node of the cluster says

    def moved(self, error: ReplyError) -> None:
        """Remember where a node of the cluster sends us: `MOVED slot host:port`."""
        host, _, port = str(error).split(" ")[-1].rpartition(":")
        if host and port.isascii() and port.isdigit():
            self._moved = host, int(port)

    def name_of(self, target: Target | None) -> str:
        """Return the name of a target's host."""
        return "" if target is None else self._names.get(target[1], "")

    def find(self) -> Sequence[Target]:
        """Return the targets. Raises OSError; see Resolve."""
        secrets = self.secrets()
        if self.url.path:
            return [(socket.AF_UNIX, self.url.path)]
        if self.url.tls:
            self.context = _new_context(secrets.ca_file)
        moved, self._moved = self._moved, None
        servers = [*filter(None, [moved]), *(self._masters() if self.url.sentinel else self.url.servers)]
        targets: dict[Target, None] = {}
        trouble: OSError | None = None
        for host, port in servers:
            try:
                targets |= dict.fromkeys(self._resolved(host, port))
            except OSError as error:
                trouble = error
        if not targets and trouble is not None:
            raise trouble
        return list(targets)

    def _resolved(self, host: str, port: int) -> Iterator[Target]:
        for family, _, _, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            self._names[address] = host
            yield family, address

    def _masters(self) -> Iterator[tuple[str, int]]:
        """Ask the Sentinels in turn, until one knows the master. Raises OSError with the last reason."""
        trouble = "no Sentinel"
        for host, port in self.url.servers:
            try:
                yield self._asked(host, port)
            except OSError as error:
                trouble = f"Sentinel {host}:{port}: {error.strerror or error}"
            else:
                return
        raise OSError(0, trouble)

    def _asked(self, host: str, port: int) -> tuple[str, int]:
        """Ask one Sentinel for the master's address."""
        with closing(self._connected(host, port)) as sock:
            question: Command = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.url.sentinel)
            reply = _call(sock, question)
            password = self.secrets().password
            if isinstance(reply, ReplyError) and reply.kind == "NOAUTH" and password:
                _call(sock, ("AUTH", password))
                reply = _call(sock, question)
        if isinstance(reply, ReplyError):
            raise OSError(0, str(reply))
        match reply:
            case [bytes(address), bytes(number)] if number.isdigit():
                return address.decode(), int(number)
        raise OSError(0, f"knows no master {self.url.sentinel}")

    def _connected(self, host: str, port: int) -> socket.socket:
        plain = socket.create_connection((host, port), SENTINEL_PATIENCE)  # noqa: TID251 (on a thread)
        if self.context is None:
            return plain
        try:
            return self.context.wrap_socket(plain, server_hostname=host)
        except OSError:
            plain.close()
            raise


def _call(sock: socket.socket, command: Command) -> Reply:
    """Send one command, and wait for its reply."""
    parser = Parser()
    sock.sendall(pack(command))
    replies: list[Reply] = []
    while not replies:
        data = sock.recv(READ_SIZE)
        if not data:
            raise OSError(0, "closed by the server")
        try:
            replies.extend(parser.replies(data))
        except NotRespError:
            raise OSError(0, "no reply of a Sentinel") from None
    return replies[0]


def _new_context(ca_file: Path | None) -> "ssl.SSLContext":
    import ssl

    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise OSError(0, f"{ca_file}: cannot be loaded: {error.strerror or error}") from None
