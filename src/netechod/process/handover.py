"""From one process to the next: what the service manager keeps while we restart (sd_notify(3), FDSTORE=1).

The connections themselves are kept as descriptors; what the kernel does not know about them, and who is
online in the chat, is a JSON document in a memfd that is kept beside them.
"""

import json
import os
import socket
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import Base64Bytes, BaseModel, Field, FiniteFloat, ValidationError

from netechod.process.notify import Notifier

CONNECTION = "open-echo-tcp"  # the names under which descriptors come back (FDNAME=)
STATE = "state"
NAMES = (CONNECTION, STATE)
VERSION: Final = 1  # of the document; another one is not read

Seconds = Annotated[FiniteFloat, Field(ge=0)]


class _Document(BaseModel):
    """What is written in the memfd."""

    version: Literal[1] = VERSION
    owed: Mapping[str, Base64Bytes] = {}
    members: Sequence[tuple[str, Seconds, Seconds]] = ()


@dataclass(frozen=True)
class Legacy:
    """What the process before us has left."""

    connections: Sequence[tuple[socket.socket, bytes]] = ()  # with what each is owed
    members: Sequence[tuple[str, float, float]] = ()  # peer, seconds online, seconds silent
    names: Sequence[str] = ()  # under which the service manager has kept it, and still does


def inherit(adopted: dict[str, list[int]]) -> Legacy:
    """Take what is ours to inherit out of the descriptors that were passed."""
    names = [name for name in NAMES if name in adopted]
    socks = [socket.socket(fileno=fd) for fd in adopted.pop(CONNECTION, [])]
    document = _Document()
    for fd in adopted.pop(STATE, []):
        with os.fdopen(fd, "rb") as file:
            file.seek(0)
            document = _parsed(file.read())
    return Legacy([(sock, document.owed.get(_key(sock), b"")) for sock in socks], document.members, names)


def _parsed(text: bytes) -> _Document:
    """The document, or an empty one for what is damaged or another version of us has left."""
    try:
        return _Document.model_validate_json(text)
    except ValidationError:
        return _Document()


def _key(sock: socket.socket) -> str:
    """What tells a connection from the others: its two ends; empty for one that has ended meanwhile."""
    try:
        return repr((sock.getsockname(), sock.getpeername()))
    except OSError:
        return ""


class Estate:
    """Collects what we leave."""

    def __init__(self) -> None:
        self._connections: list[socket.socket] = []
        self._owed: dict[str, str] = {}
        self.members: list[tuple[str, float, float]] = []

    def keep(self, sock: socket.socket, owed: bytes) -> None:
        """Leave a connection, with what its peer is still owed."""
        self._connections.append(sock)
        if owed:
            self._owed[_key(sock)] = b64encode(owed).decode()

    def leave(self, notifier: Notifier) -> None:
        """Hand everything to the service manager, and wait until it has it: we are about to go."""
        document = {"version": VERSION, "owed": self._owed, "members": self.members}
        with os.fdopen(os.memfd_create("netechod-state"), "wb") as state:
            state.write(json.dumps(document).encode())
            state.flush()
            notifier.store(STATE, [state.fileno()])
            notifier.store(CONNECTION, [sock.fileno() for sock in self._connections])
            notifier.barrier()
        for sock in self._connections:
            sock.close()
