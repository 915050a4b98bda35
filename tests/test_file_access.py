"""Who can use a file: its mode, its group and its access list, as the kernel would judge."""

import grp
import os
import pwd
import struct
from pathlib import Path

import pytest

from netechod.file_access import has_access_list, parse_acl, unwelcome

ROOT = os.geteuid() == 0
ME = {0, os.geteuid()}
NOBODY = pwd.getpwnam("nobody")
USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER = 1, 2, 4, 8, 16, 32
NO_ID = 0xFFFFFFFF

needs_root = pytest.mark.skipif(not ROOT, reason="only root gives files away")


def acl(*entries: tuple[int, int, int]) -> bytes:
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.touch(0o600)
    return path


def judged(path: Path, owners: set[int] = ME) -> str:
    fd = os.open(path, os.O_RDONLY)
    try:
        return str(unwelcome(fd, owners) or "nobody")
    finally:
        os.close(fd)


def with_acl(path: Path, *entries: tuple[int, int, int]) -> None:
    try:
        os.setxattr(path, "system.posix_acl_access", acl((USER_OBJ, 4, NO_ID), *entries))
    except OSError as error:
        pytest.skip(f"no access lists here: {error}")


@pytest.mark.parametrize(("mode", "who"), [(0o600, "nobody"), (0o400, "nobody"), (0o604, "others")])
def test_without_a_list_the_mode_tells(file: Path, mode: int, who: str) -> None:
    file.chmod(mode)
    assert judged(file) == who


@needs_root
def test_a_group_without_members_may_read_if_we_are_in_it(file: Path) -> None:
    file.chmod(0o440)
    gid = next(number for number in range(50_000, 60_000) if number not in {g.gr_gid for g in grp.getgrall()})
    os.chown(file, 0, gid)
    assert judged(file) == f"group {gid}"
    before = os.getgroups()
    os.setgroups([gid])
    try:
        assert judged(file) == "nobody"
        file.chmod(0o460)
        assert judged(file) == f"group {gid}"
    finally:
        os.setgroups(before)


@needs_root
def test_a_group_with_members_may_read_if_they_are_all_rightful_users(file: Path) -> None:
    file.chmod(0o440)
    os.chown(file, 0, NOBODY.pw_gid)
    assert judged(file) == f"group {NOBODY.pw_gid}"
    members = {entry.pw_uid for entry in pwd.getpwall() if entry.pw_gid == NOBODY.pw_gid}
    assert judged(file, {0, *members}) == "nobody"


@needs_root
def test_a_list_that_names_a_rightful_user_is_fine_though_the_mode_looks_wide(file: Path) -> None:
    with_acl(file, (USER, 4, 12345), (GROUP_OBJ, 0, NO_ID), (MASK, 4, NO_ID), (OTHER, 0, NO_ID))
    assert file.stat().st_mode & 0o777 == 0o440
    assert judged(file, {0, 12345}) == "nobody"
    assert judged(file, {0, 54321}) == "user 12345"
    fd = os.open(file, os.O_RDONLY)
    assert has_access_list(fd)
    os.close(fd)


@pytest.mark.parametrize(
    ("entries", "who"),
    [
        ([(GROUP_OBJ, 0, NO_ID), (OTHER, 4, NO_ID)], "others"),
        ([(USER, 4, 7), (GROUP_OBJ, 0, NO_ID), (MASK, 0, NO_ID), (OTHER, 0, NO_ID)], "nobody"),
        ([(USER, 1, 7), (GROUP_OBJ, 0, NO_ID), (MASK, 7, NO_ID), (OTHER, 0, NO_ID)], "nobody"),
        ([(USER, 2, 7), (GROUP_OBJ, 0, NO_ID), (MASK, 7, NO_ID), (OTHER, 0, NO_ID)], "user 7"),
        ([(GROUP_OBJ, 6, NO_ID), (MASK, 7, NO_ID), (OTHER, 0, NO_ID)], "group 99"),
        ([(GROUP_OBJ, 0, NO_ID), (GROUP, 4, 98), (MASK, 7, NO_ID), (OTHER, 0, NO_ID)], "group 98"),
    ],
)
def test_a_list_is_read_with_its_mask(entries: list[tuple[int, int, int]], who: str) -> None:
    grants = [grant for grant in parse_acl(acl(*entries), 99) if grant.rights & 6]
    assert ", ".join(map(str, grants)) == (who if who != "nobody" else "")


@pytest.mark.parametrize(
    "text", [b"", b"\2\0", acl()[:-1] + b"\3", acl((OTHER, 0, 0))[:-1], struct.pack("<I", 3)]
)
def test_a_list_that_cannot_be_read_is_taken_for_a_wide_one(text: bytes) -> None:
    assert [str(grant) for grant in parse_acl(text, 0)] == ["others"]
