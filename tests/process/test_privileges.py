"""Giving up root: by name, whole, and for good. Who runs the tests without root sees what is refused then."""

import grp
import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.daemon import Daemon, ask

from netechod.errors import NetechodError
from netechod.process.privileges import drop_privileges

ROOT = os.geteuid() == 0
ME = pwd.getpwuid(os.geteuid())
SERVICE = pwd.getpwnam("nobody") if ROOT else ME  # the user that a daemon of ours can become
GROUP = grp.getgrgid(SERVICE.pw_gid).gr_name


def in_a_child(action: Callable[[], object]) -> str:
    """What `action` returns, or the refusal that it ends with, in a process of its own."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            told = str(action())
        except NetechodError as error:
            told = f"{type(error).__name__} {error.exit_code}: {error}"
        os.write(writer, told.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as pipe:
        outcome = pipe.read()
    os.waitpid(child, 0)
    return outcome


def identity() -> tuple[tuple[int, int, int], tuple[int, int, int], list[int]]:
    """All the users and groups that a process can act as (credentials(7))."""
    return os.getresuid(), os.getresgid(), sorted(os.getgroups())


def become(user: str, group: str) -> object:
    drop_privileges(user, group)
    return identity()


def test_without_names_everything_stays_as_it_is() -> None:
    assert in_a_child(lambda: become("", "")) == str(identity())


def test_a_user_brings_its_own_groups_and_nothing_of_ours_stays() -> None:
    uid, gid = SERVICE.pw_uid, SERVICE.pw_gid
    groups = sorted(os.getgrouplist(SERVICE.pw_name, gid)) if ROOT else sorted(os.getgroups())
    assert in_a_child(lambda: become(SERVICE.pw_name, "")) == str(((uid,) * 3, (gid,) * 3, groups))


def test_a_group_may_be_another_than_the_users_own() -> None:
    group = next(each for each in grp.getgrall() if each.gr_gid != SERVICE.pw_gid) if ROOT else None
    name, gid = (group.gr_name, group.gr_gid) if group else (GROUP, SERVICE.pw_gid)
    told = in_a_child(lambda: become(SERVICE.pw_name, name))
    assert told.startswith(str(((SERVICE.pw_uid,) * 3, (gid,) * 3))[:-1])


def test_root_does_not_come_back() -> None:
    def try_to_return() -> str:
        drop_privileges(SERVICE.pw_name, "")
        try:
            os.setuid(0)
        except PermissionError:
            return "refused"
        return "root again"

    assert in_a_child(try_to_return) == "refused"


@pytest.mark.parametrize(("user", "group"), [("no-such-user", ""), ("", "no-such-group"), ("", "x" * 300)])
def test_an_unknown_name_is_refused_with_77(user: str, group: str) -> None:
    told = in_a_child(lambda: become(user, group))
    assert told.startswith("PermissionRefusedError 77: daemon.user, daemon.group: ")
    assert (user or group) in told


def test_who_is_not_root_becomes_nobody_else() -> None:
    def try_to_become_another() -> object:
        if ROOT:
            drop_privileges(SERVICE.pw_name, "")
        return become("daemon", "")

    assert in_a_child(try_to_become_another) == (
        "PermissionRefusedError 77: cannot become daemon: not permitted\n"
        "  hint: start as root, or leave daemon.user and daemon.group empty"
    )


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory that the service's user reaches: those of pytest are closed to others."""
    directory = Path(tempfile.mkdtemp(prefix="netechod-test-"))
    directory.chmod(0o755)
    log = directory / "log"
    log.mkdir()
    os.chown(log, SERVICE.pw_uid, SERVICE.pw_gid)
    yield directory
    shutil.rmtree(directory)


def owner(path: Path) -> tuple[int, int]:
    return path.stat().st_uid, path.stat().st_gid


@pytest.mark.system
def test_a_daemon_works_and_reloads_as_the_user_that_it_became(directory: Path) -> None:
    with Daemon(directory) as daemon:
        daemon.configure({"daemon.user": SERVICE.pw_name, "daemon.group": GROUP})
        daemon.start()
        assert daemon.process is not None
        status = Path(f"/proc/{daemon.process.pid}/status").read_text().splitlines()
        assert "Uid:" + f"\t{SERVICE.pw_uid}" * 4 in status
        assert "Gid:" + f"\t{SERVICE.pw_gid}" * 4 in status
        log = directory / "log" / "log.txt"
        assert owner(log) == (SERVICE.pw_uid, SERVICE.pw_gid)
        assert stat.S_IMODE(log.stat().st_mode) == 0o640
        daemon.dictionary.write_text("apple:apfel\n")
        assert "dictionary 1 words" in daemon.reload()
        assert ask(daemon.address("dictionary"), b"apple") == b"apfel"
        assert daemon.stop() == 0
        assert daemon.errors() == []
        # A directory of root's keeps the name of the pidfile, without a pid; nobody is locked out by it.
        assert not daemon.pidfile.exists() or daemon.pidfile.read_text() == ""


@pytest.mark.system
def test_a_dictionary_that_it_may_not_read_any_more_stays_in_use(directory: Path) -> None:
    with Daemon(directory) as daemon:
        daemon.configure({"daemon.user": SERVICE.pw_name})
        daemon.start()
        daemon.dictionary.chmod(0)
        why = f"{daemon.dictionary}: Permission denied"
        assert why in daemon.reload()
        assert ask(daemon.address("dictionary"), b"apple").decode() == "苹果"
        assert f"dictionary reload failed, 3 entries stay in use: {why}" in daemon.said("[ERROR]")
        daemon.dictionary.chmod(0o644)
        assert "FAILED" not in daemon.reload()


@pytest.mark.system
def test_a_log_directory_closed_to_the_user_ends_the_start_with_77(directory: Path) -> None:
    closed = directory / "closed"
    closed.mkdir(0o500)
    with Daemon(directory) as daemon:
        daemon.configure({"daemon.user": SERVICE.pw_name, "log.directory": closed})
        assert daemon.spawn().wait() == 77
        assert daemon.stderr().startswith(
            f"netechod: error: cannot write {closed}/log.txt: Permission denied\n"
        )
