"""The socket on which netechoctl finds us: made for the daemon's user, and removed at the end."""

import errno
import logging
import os
import socket
import stat
from contextlib import ExitStack, suppress
from pathlib import Path

from netechod.process.unix.privileges import Identity, acting_for, identity_of, make_directory

log = logging.getLogger(__name__)


def open_control(path: Path, identity: Identity) -> socket.socket | None:
    """The control socket. A daemon without it serves all the same: the operator loses netechoctl alone."""
    try:
        return bind_control(path, identity)
    except OSError as error:
        log.warning("netechoctl cannot reach this daemon: %s: %s", path, error.strerror or error)
        return None


def bind_control(path: Path, identity: Identity) -> socket.socket:
    """Make the socket, in the place of a stale one. Raises OSError."""
    make_directory(path.parent, identity)
    with acting_for(identity, path.parent), ExitStack() as undo:
        sock = undo.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        _remove_stale(path)
        before = os.umask(
            0o117
        )  # mode 0660: those who can open it may look, SO_PEERCRED decides who may change
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
    """Remove the name. Call it while we still listen, so that no other instance can have taken it."""
    # The directory may not be ours any more. The next start then finds nobody behind the name and removes it.
    with suppress(OSError), acting_for(identity or identity_of("", ""), path.parent):
        path.unlink()


def _remove_stale(path: Path) -> None:
    """Remove a socket without a listener. Raises OSError for one with a listener, and for any other file."""
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
