"""Giving up root: for the machines where no service manager does it before the start."""

import grp
import os
import pwd
import resource
from contextlib import suppress
from pathlib import Path

from netechod.errors import PermissionRefusedError
from netechod.reactor.prctl import SET_DUMPABLE, prctl


def forbid_dumps() -> None:
    """Keep secrets in memory: no core dump, and no look at it for other programs of our user (prctl(2))."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    prctl(SET_DUMPABLE, 0)


def drop_privileges(user: str, group: str, *owned: Path) -> None:
    """Become `user` and `group`; empty names stay as they are, an empty group with a user is the user's own.

    The files `owned` go along, those that exist.

    Raises PermissionRefusedError when there is no such name, or we are not allowed to.
    """
    try:
        entry = pwd.getpwnam(user) if user else None
        gid = grp.getgrnam(group).gr_gid if group else (entry.pw_gid if entry else os.getgid())
    except KeyError as error:
        raise PermissionRefusedError(f"daemon.user, daemon.group: {error.args[0]}") from None
    uid = entry.pw_uid if entry else os.getuid()
    if (os.geteuid(), os.getegid()) == (uid, gid):
        return
    try:
        for path in owned:
            with suppress(FileNotFoundError):
                os.chown(path, uid, gid)
        if entry and os.geteuid() == 0:
            os.initgroups(entry.pw_name, gid)
        os.setgid(gid)
        os.setuid(uid)
    except PermissionError:
        wanted = ":".join(filter(None, (user, group)))
        raise PermissionRefusedError(
            f"cannot become {wanted}: not permitted\n"
            "  hint: start as root, or leave daemon.user and daemon.group empty"
        ) from None
