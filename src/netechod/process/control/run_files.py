"""Watches pidfile and control socket, and makes them again when their names are lost.

Cleaners of temporary files remove such names. Without them, scripts and netechoctl believe that no daemon
runs.
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

INTERVAL = 10.0  # seconds between two checks of the names
GRACE = 600.0  # seconds after which a lost control socket is closed; its last answer may be that of a reload

log = logging.getLogger(__name__)


class RunFiles:
    """Watches names. Each function of `renewals` makes a lost name again and returns whether it was lost."""

    def __init__(self, loop: Loop, renewals: Mapping[str, Callable[[], bool]]) -> None:
        self._loop = loop
        self._renewals = renewals
        self._told: set[str] = set()  # names that cannot be made again; each failure is logged once
        loop.call_at(loop.now + INTERVAL, self._check_often)

    def check(self) -> list[str]:
        """Make lost names again, and log it. Returns a sentence for each that cannot be made again."""
        failures = []
        for what, renew in self._renewals.items():
            try:
                if renew():
                    log.warning("the %s was lost, it is made again", what)
                self._told.discard(what)
            except (NetechodError, OSError) as error:
                reason = reason_of(error) if isinstance(error, OSError) else str(error).partition("\n")[0]
                failures.append(f"the {what} is lost, and cannot be made again: {reason}")
                if what not in self._told:
                    log.error("%s", failures[-1])
                self._told.add(what)
        return failures

    def _check_often(self) -> None:
        self.check()
        self._loop.call_at(self._loop.now + INTERVAL, self._check_often)


class ControlSocket:
    """Answers netechoctl at a path. If the path is lost, a new socket takes over."""

    def __init__(
        self,
        loop: Loop,
        path: Path,
        sock: socket.socket | None,
        commands: Mapping[str, Command],
        allowed_uids: Collection[int],
    ) -> None:
        """`sock` listens at the path. None: it cannot be made yet; `renew` tries again."""
        self._loop = loop
        self._path = path
        self._commands = commands
        self._allowed_uids = allowed_uids
        self._server: ControlServer | None = None
        self._name: tuple[int, int] | None = None
        if sock is not None:
            self._serve(sock)

    def renew(self) -> bool:
        """Make the socket again if its name is lost. Returns whether it was lost. Raises OSError."""
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
        """Answer on this socket. The socket before stays open for GRACE seconds, for its pending answers."""
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
