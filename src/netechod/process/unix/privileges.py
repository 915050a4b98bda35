"""Gives up root if no service manager has done so, and limits what root does until then.

Root must not use a path in which another user can put a link meanwhile. If anybody else can replace a
directory in a path, root takes on the rights of the daemon's user first. So a link gives nobody more rights.
"""

import grp
import logging
import os
import pwd
import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from netechod.errors import PermissionRefusedError
from netechod.reactor.process_control import SET_DUMPABLE, prctl

MAX_ID = 2**32 - 2  # the largest user or group id; the next one means "no change" (chown(2))

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Identity:
    """A user and group by number. The name is empty if passwd(5) has none."""

    uid: int
    gid: int
    name: str = ""

    @property
    def groups(self) -> list[int]:
        """All groups of the user, including `gid`."""
        return os.getgrouplist(self.name, self.gid) if self.name else [self.gid]


def identity_of(user: str, group: str) -> Identity:
    """Look up a user and a group by name or number. An empty text stands for our own.

    Without `group` a user has its own group. Raises PermissionRefusedError.
    """
    identity = _user(user) if user else Identity(os.geteuid(), os.getegid())
    return replace(identity, gid=_group(group)) if group else identity


def identity_of_uid(uid: int) -> Identity:
    """Look up a user by number alone. Without an entry in passwd(5) its group has the same number."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return Identity(uid, uid)
    return Identity(uid, entry.pw_gid, entry.pw_name)


def become(identity: Identity) -> None:
    """Change user and group for good. Raises PermissionRefusedError if that is not allowed."""
    if (os.geteuid(), os.getegid()) == (identity.uid, identity.gid):
        return
    try:
        if os.geteuid() == 0 != identity.uid:
            os.setgroups(identity.groups)
        os.setgid(identity.gid)
        os.setuid(identity.uid)
    except PermissionError:
        raise _refusal(identity) from None


@contextmanager
def acting_for(identity: Identity, path: Path) -> Iterator[None]:
    """As root, have only the rights of `identity` in the block if others can replace a part of `path`.

    Otherwise nothing changes. Raises PermissionRefusedError.
    """
    if os.geteuid() == 0 != identity.uid and _is_replaceable(path):
        with _acting(identity):
            yield
    else:
        yield


def can_read(identity: Identity, path: Path) -> bool:
    """Return whether the user can read the file. Only root and that user can find out."""
    with _acting(identity):
        return os.access(path, os.R_OK, effective_ids=True)


@contextmanager
def _acting(identity: Identity) -> Iterator[None]:
    """Have the rights of another user during the block. Raises PermissionRefusedError."""
    if os.geteuid() == identity.uid:
        yield
        return
    groups, gid = os.getgroups(), os.getegid()
    try:
        os.setgroups(identity.groups)
        os.setegid(identity.gid)
        os.seteuid(identity.uid)
    except PermissionError:
        raise _refusal(identity) from None
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(gid)
        os.setgroups(groups)


def can_replace(identity: Identity, path: Path) -> bool:
    """Return whether another user can rename or replace `path` or a directory above it."""
    if identity.uid == os.geteuid():
        return False
    groups = frozenset(identity.groups)
    return any(_is_open_to(identity.uid, groups, step) for step in _steps(path))


def _is_replaceable(path: Path) -> bool:
    """Return whether any user but root can rename or replace `path` or a directory above it."""
    return any(map(_is_open, _steps(path)))


def _steps(path: Path) -> Iterator[Path]:
    """Yield the path and all directories above it, as it is named and as it is resolved."""
    for way in (path, path.resolve()):
        yield from (way, *way.parents)


def make_directory(path: Path, identity: Identity) -> None:
    """Make a missing directory for `identity`, readable by all. /run is empty after each boot."""
    with acting_for(identity, path), suppress(FileExistsError):
        path.mkdir(parents=True)
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            set_mode(fd, 0o755, path)
            if os.geteuid() == 0 != identity.uid:
                with suppress(PermissionError):  # vfat has no owners
                    os.fchown(fd, identity.uid, identity.gid)
        finally:
            os.close(fd)


def set_mode(fd: int, mode: int, path: Path) -> None:
    """Set the mode of an open file. If the file system has no modes (vfat, CIFS, DrvFs), log a warning."""
    try:
        os.fchmod(fd, mode)
    except OSError as error:
        log.warning("%s does not take mode %04o: %s", path, mode, error.strerror)


def forbid_dumps() -> None:
    """Forbid core dumps, and access to our memory by other programs of our user (prctl(2))."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    prctl(SET_DUMPABLE, 0)


def _user(user: str) -> Identity:
    """Look up a user. A name goes before a number, as chown(1) has it."""
    with suppress(KeyError):
        entry = pwd.getpwnam(user)
        return Identity(entry.pw_uid, entry.pw_gid, entry.pw_name)
    return identity_of_uid(_number(user, "user"))


def _group(group: str) -> int:
    with suppress(KeyError):
        return grp.getgrnam(group).gr_gid
    return _number(group, "group")


def _number(text: str, kind: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= MAX_ID):
        raise PermissionRefusedError(f"daemon.{kind}: there is no {kind} {text!r}")
    return int(text)


def _refusal(identity: Identity) -> PermissionRefusedError:
    return PermissionRefusedError(
        f"cannot become user {identity.name or identity.uid}, group {identity.gid}: not permitted\n"
        "  hint: start as root, or leave daemon.user and daemon.group empty"
    )


def _is_open(step: Path) -> bool:
    """Return whether any user but root owns a link or directory, or may rename files in the directory."""
    try:
        link, target = step.lstat(), step.stat()
    except OSError:  # it is missing; `make_directory` checks again after it has made it
        return False
    if link.st_uid or target.st_uid:
        return True
    if not stat.S_ISDIR(target.st_mode) or target.st_mode & stat.S_ISVTX:
        return False
    return bool(target.st_mode & (stat.S_IWOTH | (stat.S_IWGRP if target.st_gid else 0)))


def _is_open_to(uid: int, groups: frozenset[int], step: Path) -> bool:
    """Return whether the user owns a link or directory, or may rename files in the directory."""
    try:
        link, target = step.lstat(), step.stat()
    except OSError:  # it is missing; `make_directory` checks again after it has made it
        return False
    if uid in (link.st_uid, target.st_uid):
        return True
    if not stat.S_ISDIR(target.st_mode) or target.st_mode & stat.S_ISVTX:
        return False
    return bool(target.st_mode & (stat.S_IWOTH | (stat.S_IWGRP if target.st_gid in groups else 0)))
