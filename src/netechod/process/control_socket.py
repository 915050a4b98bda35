"""The socket on which netechoctl finds us: made for the daemon's user, and removed at the end."""

import errno
import logging
import os
import socket
import stat
from contextlib import ExitStack, suppress
from pathlib import Path

from netechod.process.privileges import Identity, acting_for, identity_of, make_directory

log = logging.getLogger(__name__)


def open_control(path: Path, identity: Identity) -> socket.socket | None:
    """The control socket. A daemon without it serves all the same: the operator loses netechoctl alone."""
    try:
        return bind_control(path, identity)
    except OSError as error:
        log.warning("netechoctl cannot reach this daemon: %s: %s", path, error.strerror or error)
        return None


def bind_control(path: Path, identity: Identity) -> socket.socket:
    """Make the socket, in the place of one that nobody answers on. Raises OSError."""
    make_directory(path.parent, identity)
    with acting_for(identity, path.parent), ExitStack() as undo:
        sock = undo.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        _remove_stale(path)
        before = os.umask(0o117)  # born 0660: whoever may open it may look, SO_PEERCRED tells who may change
        try:
            sock.bind(str(path))
        finally:
            os.umask(before)
        if os.geteuid() == 0 != identity.uid:  # the name is in a directory that is root's alone
            os.chown(path, identity.uid, identity.gid, follow_symlinks=False)
        sock.listen()
        sock.setblocking(False)
        undo.pop_all()
    return sock


def remove_control(path: Path, identity: Identity | None = None) -> None:
    """Remove the name, while we still answer there and nobody else can have taken it."""
    # The directory may not be ours any more. The next start then finds nobody behind the name and removes it.
    with suppress(OSError), acting_for(identity or identity_of("", ""), path.parent):
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
