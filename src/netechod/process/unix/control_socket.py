"""The control socket for netechoctl. It is made for the daemon's user, and removed at the end."""

import errno
import logging
import os
import socket
import stat
from contextlib import ExitStack, suppress
from pathlib import Path

from netechod.process.unix.privileges import Identity, acting_for, identity_of, make_directory

log = logging.getLogger(__name__)


def open_control(path: Path | None, identity: Identity) -> socket.socket | None:
    """Make the control socket, or log why not and return None. The daemon serves without it, too."""
    if path is None:
        log.info("netechoctl cannot reach this daemon: daemon.control is empty")
        return None
    try:
        return bind_control(path, identity)
    except OSError as error:
        log.warning("netechoctl cannot reach this daemon: %s: %s", path, error.strerror or error)
        return None


def bind_control(path: Path, identity: Identity) -> socket.socket:
    """Make the socket, and replace a stale one. Raises OSError."""
    make_directory(path.parent, identity)
    with acting_for(identity, path.parent), ExitStack() as undo:
        sock = undo.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        _remove_stale(path)
        # Mode 0660: users who can open it may read the status. SO_PEERCRED decides who may change something.
        before = os.umask(0o117)
        try:
            sock.bind(str(path))
        finally:
            os.umask(before)
        if os.geteuid() == 0 != identity.uid:  # root alone can change the directory, so the name is safe
            os.chown(path, identity.uid, identity.gid, follow_symlinks=False)
        sock.listen()
        sock.setblocking(False)
        undo.pop_all()
    return sock


def remove_control(path: Path, identity: Identity | None = None) -> None:
    """Remove the name. Call it while the socket listens, so that no other daemon can have taken the name."""
    # We may have lost the right to write to the directory. The next start then removes the stale name.
    with suppress(OSError), acting_for(identity or identity_of("", ""), path.parent):
        path.unlink()


def is_answered(path: Path | None) -> bool:
    """Return whether a daemon answers on the control socket. False also if that cannot be found out."""
    with suppress(OSError):
        return path is not None and not _is_stale(path)
    return False


def _is_stale(path: Path) -> bool:
    """Return whether a socket has no listener. Raises OSError if that cannot be found out."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return True
        except BlockingIOError:  # its backlog is full
            return False
    return False


def _remove_stale(path: Path) -> None:
    """Remove a socket without a listener. Raises OSError for one with a listener, and for any other file."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise OSError(errno.EEXIST, "the file is there, and is no socket")
    except FileNotFoundError:
        return
    if not _is_stale(path):
        raise OSError(errno.EADDRINUSE, "another instance answers there")
    path.unlink()
