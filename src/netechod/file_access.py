"""Finds users other than the owners who can use a file, by its mode, group and POSIX access list (acl(5)).

Secret stores do not hand files out as mode 0600. systemd's LoadCredential= gives them to root and adds the
user of the service to the access list. Kubernetes gives them to a group of the pod (fsGroup).
"""

import grp
import os
import pwd
import stat
import struct
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass

_ACL = "system.posix_acl_access"
_HEADER = struct.Struct("<I")  # the version, 2 (linux/posix_acl_xattr.h)
_ENTRY = struct.Struct("<HHI")  # tag, permissions, id
_VERSION = 2
_USER, _GROUP_OBJ, _GROUP, _MASK, _OTHER = 0x02, 0x04, 0x08, 0x10, 0x20
_READ_OR_WRITE = 0o6
_WRITE = 0o2


@dataclass(frozen=True)
class Grant:
    """The rights of a user, of a group or of all others; `rights` is a digit of a mode (0 to 7)."""

    kind: str  # "user", "group" or "others"
    id: int
    rights: int

    def __str__(self) -> str:
        return self.kind if self.kind == "others" else f"{self.kind} {self.id}"


def unwelcome(fd: int, owners: Collection[int]) -> Grant | None:
    """Return a grant by which users other than `owners` (user ids) can read or write the open file, or None.

    A group may read if all its members are owners. No group may write.
    """
    for grant in _grants(fd):
        if not grant.rights & _READ_OR_WRITE:
            continue
        if grant.kind == "user" and grant.id in owners:
            continue
        if grant.kind == "group" and not grant.rights & _WRITE and _is_private(grant.id, owners):
            continue
        return grant
    return None


def has_access_list(fd: int) -> bool:
    """Return whether the open file has an access list. If so, the group digit of its mode is the mask."""
    return _access_list(fd) is not None


def _access_list(fd: int) -> bytes | None:
    """Return the access list in the kernel's format. None: the file or the file system has none."""
    try:
        return os.getxattr(fd, _ACL)
    except OSError:
        return None


def _grants(fd: int) -> Iterator[Grant]:
    """Yield the grants of the file's access list, or those of its mode if it has none."""
    status = os.fstat(fd)
    text = _access_list(fd)
    if text is None:
        mode = stat.S_IMODE(status.st_mode)
        yield Grant("group", status.st_gid, mode >> 3 & 7)
        yield Grant("others", 0, mode & 7)
    else:
        yield from parse_acl(text, status.st_gid)


def parse_acl(text: bytes, group: int) -> Iterator[Grant]:
    """Yield the grants of an access list, limited by its mask. `group` is the group of the file.

    An unreadable list yields one grant of everything to everybody.
    """
    try:
        (version,) = _HEADER.unpack_from(text)
        entries = list(_ENTRY.iter_unpack(text[_HEADER.size :]))
    except struct.error:
        version, entries = 0, []
    if version != _VERSION:
        yield Grant("others", 0, 7)
        return
    mask = next((rights for tag, rights, _ in entries if tag == _MASK), 7)
    for tag, rights, number in entries:
        if tag == _USER:
            yield Grant("user", number, rights & mask)
        elif tag in (_GROUP_OBJ, _GROUP):
            yield Grant("group", group if tag == _GROUP_OBJ else number, rights & mask)
        elif tag == _OTHER:
            yield Grant("others", 0, rights)


def _is_private(gid: int, owners: Collection[int]) -> bool:
    """Return whether all members of the group are `owners`. If it has no members: whether we are in it."""
    members = {entry.pw_uid for entry in pwd.getpwall() if entry.pw_gid == gid}
    with suppress(KeyError):
        for name in grp.getgrgid(gid).gr_mem:
            with suppress(KeyError):
                members.add(pwd.getpwnam(name).pw_uid)
    if members:
        return members <= set(owners)
    return gid in (os.getegid(), *os.getgroups())
