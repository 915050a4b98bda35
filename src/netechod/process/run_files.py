"""The names under which others find the daemon: pidfile and control socket, made again when they are lost.

Cleaners of temporary files remove them, and so do people. A lost name makes scripts and netechoctl believe
that no daemon runs.
"""

import logging
import os
import socket
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from netechod.errors import NetechodError, reason_of
from netechod.process.control.server import Command, ControlServer
from netechod.process.unix.control_socket import bind_control, remove_control
from netechod.process.unix.privileges import identity_of
from netechod.reactor.loop import Loop

INTERVAL = 10.0  # seconds between two looks whether the names are still there
GRACE = 600.0  # seconds that answers on a lost control socket may take, that of a reload among them

log = logging.getLogger(__name__)


class RunFiles:
    """Watches names. Each function of `renewals` makes a lost name again and returns whether it was lost."""

    def __init__(self, loop: Loop, renewals: Mapping[str, Callable[[], bool]]) -> None:
        self._loop = loop
        self._renewals = renewals
        self._told: set[str] = set()  # names that could not be made again: that is said once
        loop.call_at(loop.now + INTERVAL, self._check_often)

    def check(self) -> None:
        """Make again what is lost, and say so."""
        for what, renew in self._renewals.items():
            try:
                if renew():
                    log.warning("the %s was lost, it is made again", what)
                self._told.discard(what)
            except (NetechodError, OSError) as error:
                if what not in self._told:
                    reason = reason_of(error) if isinstance(error, OSError) else str(error).partition("\n")[0]
                    log.error("the %s is lost, and cannot be made again: %s", what, reason)
                self._told.add(what)

    def _check_often(self) -> None:
        self.check()
        self._loop.call_at(self._loop.now + INTERVAL, self._check_often)


class ControlSocket:
    """Answers netechoctl at a path, on one socket after the other should the path be lost."""

    def __init__(
        self,
        loop: Loop,
        path: Path,
        sock: socket.socket | None,
        commands: Mapping[str, Command],
        allowed_uids: Collection[int],
    ) -> None:
        """`sock` listens at the path; None: it could not be made, and is tried again."""
        self._loop = loop
        self._path = path
        self._commands = commands
        self._allowed_uids = allowed_uids
        self._server: ControlServer | None = None
        self._name: tuple[int, int] | None = None
        if sock is not None:
            self._serve(sock)

    def renew(self) -> bool:
        """Make the socket again if its name is gone; returns whether that was so. Raises OSError."""
        if self._server is not None and _name_of(self._path) == self._name:
            return False
        self._serve(bind_control(self._path, identity_of("", "")))
        return True

    def close(self) -> None:
        """Remove the name and close all connections."""
        if self._server is not None:
            remove_control(self._path)
            self._server.close()

    def _serve(self, sock: socket.socket) -> None:
        """Answer on this socket. Questions that were asked on the one before still get their answers."""
        if self._server is not None:
            self._loop.call_at(self._loop.now + GRACE, self._server.close)
        self._server = ControlServer(self._loop, sock, self._commands, self._allowed_uids)
        self._name = _name_of(self._path)


def _name_of(path: Path) -> tuple[int, int] | None:
    """Return device and inode of the file that the path names; None if there is none."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
