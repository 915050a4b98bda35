"""Hands connections and chat members over to the next process at a restart.

The service manager keeps them meanwhile (sd_notify(3), FDSTORE=1): the connections as descriptors, and a
memfd with a JSON document. The document has the unsent bytes of each connection, the members of the chat, and
the state of the realm if the room spans several nodes.

A document is believed as a whole or not at all, but its fields are read one by one: another version of us may
write more of them. A connection goes on only if all that it is owed is known, and has the CRC-32 that was
written with it. Otherwise it is reset, because its peer must not take a stream with a hole for a whole one.
"""

import json
import logging
import os
import socket
import stat
import struct
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final
from zlib import crc32

from netechod.process.unix.service_manager import Notifier
from netechod.services.wire import escape_controls

CONNECTION = "open-echo-tcp"  # the names of the descriptors (FDNAME=)
STATE = "state"
NAMES = (CONNECTION, STATE)
VERSION: Final = 1  # of the document's format; documents of other versions are not read

MAX_OWED = 512 << 20  # unsent bytes of all connections together; connections beyond it are reset
MAX_DOCUMENT = 1 << 30  # bytes; a longer document is not ours and is not read
MAX_SECONDS = 1e9  # since a member came online: thirty years

Member = tuple[str, float, float]
"""A member of the chat: peer as text, seconds online, seconds silent."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Incoming:
    """The state that the process before us has handed over."""

    connections: list[tuple[socket.socket, bytes]] = field(default_factory=list)  # with what each is owed
    members: Sequence[Member] = ()
    bus: object = None  # the state of the realm, not checked yet; None: there is none
    names: Sequence[str] = ()  # the names under which the service manager still keeps it
    problem: str = ""  # a sentence about lost state


@dataclass(frozen=True)
class _Document:
    """The parts of a document that can be read.

    `owed` is base64 by connection, None if it is unreadable. `sums` are the CRC-32 of what each connection is
    owed, also of nothing. It is None in a document of a version that wrote none.
    """

    owed: Mapping[str, object] | None = None
    sums: Mapping[str, object] | None = None
    members: Sequence[Member] = ()
    bus: object = None
    dropped: str = "all"  # the number of unreadable members


def inherit(adopted: dict[str, list[int]]) -> Incoming:
    """Take our descriptors out of the passed ones. Connections that cannot go on are reset."""
    names = [name for name in NAMES if name in adopted]
    if not names:
        return Incoming()
    socks = _connections(adopted.pop(CONNECTION, []))
    problem, document = "", _Document()
    try:
        document = _read(adopted.pop(STATE, []))
    except (OSError, ValueError, RecursionError) as error:
        problem = f"cannot be read ({_reason(error)})"
    kept: dict[str, tuple[socket.socket, bytes]] = {}
    lost = 0
    for sock in socks:
        key = _key(sock)
        owed = _owed(document, key)
        if not key or key in kept:  # the connection has ended, or was passed twice
            sock.close()
        elif owed is None:
            reset(sock)
            lost += 1
        else:
            kept[key] = sock, owed
    if lost or document.dropped != "0":
        problem = (
            f"the state of the process before us {problem or 'can be read in part only'}: "
            f"{lost} connections are reset, {document.dropped} members of the chat are dropped"
        )
    return Incoming(list(kept.values()), document.members, document.bus, names, problem)


def reset(sock: socket.socket) -> None:
    """End a connection by a reset, so that its peer notices that bytes are missing (socket(7), SO_LINGER)."""
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def _connections(fds: Sequence[int]) -> list[socket.socket]:
    """Return the descriptors that are TCP sockets, and close the others."""
    socks = []
    for fd in fds:
        try:
            sock = socket.socket(fileno=fd)
        except OSError:
            with suppress(OSError):
                os.close(fd)
            continue
        if sock.type == socket.SOCK_STREAM and sock.family in (socket.AF_INET, socket.AF_INET6):
            socks.append(sock)
        else:
            sock.close()
    return socks


def _read(fds: Sequence[int]) -> _Document:
    """Read the one document. Raises OSError, ValueError or RecursionError for anything else."""
    texts = [_content(fd) for fd in fds]
    if len(texts) != 1:
        raise ValueError(f"{len(texts)} documents")
    document = json.loads(texts[0], object_pairs_hook=_unique)
    if not isinstance(document, dict):
        raise ValueError("no JSON object")
    version = document.get("version", VERSION)
    if type(version) is not int or version != VERSION:
        raise ValueError(f"version {escape_controls(str(version)[:20])}")
    owed, sums = document.get("owed"), document.get("sums")
    listed = document.get("members", [])
    if not isinstance(listed, list):
        raise ValueError("members are no list")
    if not isinstance(sums, dict | None):
        raise ValueError("sums are no object")
    members = {member[0]: member for member in map(_member, listed) if member is not None}
    return _Document(
        owed=owed if isinstance(owed, dict) else None,
        sums=sums,
        members=list(members.values()),
        bus=document.get("bus"),
        dropped=str(len(listed) - len(members)),
    )


def _content(fd: int) -> bytes:
    """Read a memfd and close it. Raises ValueError for any other kind of file: reading it might block."""
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_DOCUMENT:
            raise ValueError(f"{status.st_size} bytes")
        return os.pread(fd, status.st_size, 0)
    finally:
        with suppress(OSError):
            os.close(fd)


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Make a dictionary of a JSON object. Raises ValueError if a name stands twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _member(value: object) -> Member | None:
    """Read one member. Fields behind the three known ones are ignored. None: it is no member."""
    if not isinstance(value, list) or len(value) < 3:
        return None
    peer, online, silent = value[:3]
    if not isinstance(peer, str) or not (_is_duration(online) and _is_duration(silent)):
        return None
    return peer, float(online), float(silent)


def _is_duration(value: object) -> bool:
    return type(value) in (int, float) and 0 <= value <= MAX_SECONDS  # type: ignore[operator]


def _owed(document: _Document, key: str) -> bytes | None:
    """Return the unsent bytes of a connection; None if they cannot be read."""
    if document.owed is None:
        return None
    text = document.owed.get(key, "")
    if not isinstance(text, str):
        return None
    try:
        owed = b64decode(text, validate=True)
    except ValueError:
        return None
    return owed if document.sums is None or document.sums.get(key) == crc32(owed) else None


def _reason(error: Exception) -> str:
    """Return why a document cannot be read. The text does not quote the document."""
    if isinstance(error, OSError):
        return str(error.strerror)
    return (
        "no JSON"
        if isinstance(error, json.JSONDecodeError | UnicodeDecodeError | RecursionError)
        else str(error)
    )


def _key(sock: socket.socket) -> str:
    """Return the key of a connection in the document: its two addresses. Empty if it has ended."""
    try:
        return repr((sock.getsockname(), sock.getpeername()))
    except OSError:
        return ""


@dataclass
class Outgoing:
    """Collects connections, members and the state of the realm for the next process."""

    members: list[Member] = field(default_factory=list)
    bus: object = None  # as JSON has it; None: the room is alone
    _connections: list[tuple[socket.socket, bytes]] = field(default_factory=list)
    _size: int = 0

    def keep(self, sock: socket.socket, owed: bytes) -> None:
        """Take a connection and its unsent bytes. It is reset if the sum exceeds MAX_OWED."""
        self._size += len(owed)
        if self._size > MAX_OWED:
            self._size -= len(owed)
            log.warning("connection reset, there is no room to hand over what it is owed")
            reset(sock)
        else:
            self._connections.append((sock, owed))

    def leave(self, notifier: Notifier) -> None:
        """Hand everything to the service manager, and wait until it has read it."""
        try:
            taken = self._store(notifier)
        except OSError as error:
            log.error("nothing is handed over: %s", error.strerror)
            taken = 0
        for number, (sock, owed) in enumerate(self._connections):
            if number >= taken and owed:
                reset(sock)
            else:
                sock.close()

    def _store(self, notifier: Notifier) -> int:
        """Hand over the document, then the connections; returns how many of them the manager has taken."""
        by_key = {_key(sock): rest for sock, rest in self._connections}
        document: dict[str, object] = {
            "version": VERSION,
            "owed": {key: b64encode(rest).decode() for key, rest in by_key.items() if rest},
            "sums": {key: crc32(rest) for key, rest in by_key.items()},
            "members": self.members,
        }
        if self.bus is not None:  # versions without a realm do not read it
            document["bus"] = self.bus
        with os.fdopen(os.memfd_create("netechod-state"), "wb") as state:
            state.write(json.dumps(document).encode())
            state.flush()
            if not notifier.store(STATE, [state.fileno()]):
                log.error("nothing is handed over: the service manager does not read")
                return 0
            taken = notifier.store(CONNECTION, [sock.fileno() for sock, _ in self._connections])
            notifier.barrier()
        return taken
