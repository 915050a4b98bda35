"""Giving up root: by name, whole, and for good. Who runs the tests without root sees what is refused then."""

import errno
import grp
import os
import pwd
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.daemon import Daemon, ask

from netechod.errors import NetechodError
from netechod.process.unix.control_socket import open_control, remove_control
from netechod.process.unix.pidfile import Pidfile
from netechod.process.unix.privileges import (
    Identity,
    acting_for,
    become,
    can_replace,
    identity_of,
    identity_of_uid,
    make_directory,
    set_mode,
)

ROOT = os.geteuid() == 0
ME = pwd.getpwuid(os.geteuid())
SERVICE = pwd.getpwnam("nobody") if ROOT else ME  # the user that a daemon of ours can become
SERVICE_IDENTITY = Identity(SERVICE.pw_uid, SERVICE.pw_gid, SERVICE.pw_name)
UNNAMED = 4_000_000_000  # a user id without an entry in passwd(5)
DAEMON = pwd.getpwnam("daemon")
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


def after_becoming(user: str, group: str = "") -> object:
    become(identity_of(user, group))
    return identity()


def test_without_names_everything_stays_as_it_is() -> None:
    assert in_a_child(lambda: after_becoming("", "")) == str(identity())


def test_a_user_brings_its_own_groups_and_nothing_of_ours_stays() -> None:
    uid, gid = SERVICE.pw_uid, SERVICE.pw_gid
    groups = sorted(os.getgrouplist(SERVICE.pw_name, gid)) if ROOT else sorted(os.getgroups())
    assert in_a_child(lambda: after_becoming(SERVICE.pw_name, "")) == str(((uid,) * 3, (gid,) * 3, groups))


def test_a_group_may_be_another_than_the_users_own() -> None:
    group = next(each for each in grp.getgrall() if each.gr_gid != SERVICE.pw_gid) if ROOT else None
    name, gid = (group.gr_name, group.gr_gid) if group else (GROUP, SERVICE.pw_gid)
    told = in_a_child(lambda: after_becoming(SERVICE.pw_name, name))
    assert told.startswith(str(((SERVICE.pw_uid,) * 3, (gid,) * 3))[:-1])


def test_root_does_not_come_back() -> None:
    def try_to_return() -> str:
        become(SERVICE_IDENTITY)
        try:
            os.setuid(0)
        except PermissionError:
            return "refused"
        return "root again"

    assert in_a_child(try_to_return) == "refused"


@pytest.mark.parametrize(
    ("user", "group"),
    [("no-such-user", ""), ("", "no-such-group"), ("", "x" * 300), ("4294967295", ""), ("-1", ""), ("٣", "")],
)
def test_an_unknown_name_is_refused_with_77(user: str, group: str) -> None:
    told = in_a_child(lambda: after_becoming(user, group))
    kind = "user" if user else "group"
    assert told == f"PermissionRefusedError 77: daemon.{kind}: there is no {kind} {user or group!r}"


def test_who_is_not_root_becomes_nobody_else() -> None:
    def try_to_become_another() -> object:
        if ROOT:
            become(SERVICE_IDENTITY)
        return after_becoming("daemon")

    assert in_a_child(try_to_become_another) == (
        f"PermissionRefusedError 77: cannot become user daemon, group {DAEMON.pw_gid}: not permitted\n"
        "  hint: start as root, or leave daemon.user and daemon.group empty"
    )


needs_root = pytest.mark.skipif(not ROOT, reason="only root becomes somebody else")


@needs_root
@pytest.mark.parametrize(
    ("user", "group", "ids"),
    [
        (str(SERVICE.pw_uid), "", (SERVICE.pw_uid, SERVICE.pw_gid)),
        ("1000550000", "", (1000550000, 1000550000)),
        ("1000550000", "0", (1000550000, 0)),
        ("1000550000", GROUP, (1000550000, SERVICE.pw_gid)),
    ],
)
def test_numbers_will_do_also_those_without_a_name(user: str, group: str, ids: tuple[int, int]) -> None:
    uid, gid = ids
    assert in_a_child(lambda: after_becoming(user, group)) == str(((uid,) * 3, (gid,) * 3, [gid]))


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


@needs_root
@pytest.mark.parametrize(
    ("owner", "mode", "replaceable"),
    [
        (0, 0o755, False),
        (SERVICE.pw_uid, 0o700, True),
        (0, 0o777, True),
        (0, 0o1777, False),
        (1, 0o755, False),
    ],
)
def test_a_way_is_judged_by_every_directory_on_it(
    directory: Path, owner: int, mode: int, replaceable: bool
) -> None:
    middle = directory / "middle"
    (middle / "last").mkdir(parents=True)
    os.chown(middle, owner, 0)
    middle.chmod(mode)
    assert can_replace(SERVICE_IDENTITY, middle / "last") == replaceable
    link = directory / "link"
    link.symlink_to(middle / "last")
    assert can_replace(SERVICE_IDENTITY, link) == replaceable
    assert not can_replace(identity_of("", ""), middle / "last"), "nobody has to be protected from itself"


@needs_root
def test_a_link_of_the_users_is_its_own_wherever_it_leads(directory: Path) -> None:
    link = directory / "link"
    link.symlink_to("/etc")
    assert not can_replace(SERVICE_IDENTITY, link)
    os.chown(link, SERVICE.pw_uid, SERVICE.pw_gid, follow_symlinks=False)
    assert can_replace(SERVICE_IDENTITY, link)


@needs_root
def test_root_has_the_users_rights_where_the_user_rules_and_its_own_again_afterwards(directory: Path) -> None:
    before = identity()
    with acting_for(SERVICE_IDENTITY, directory / "log"):
        assert (os.geteuid(), os.getegid()) == (SERVICE.pw_uid, SERVICE.pw_gid)
        with pytest.raises(PermissionError):
            (directory / "x").touch()
    assert identity() == before
    with acting_for(SERVICE_IDENTITY, directory):
        assert identity() == before


@pytest.fixture
def victim(directory: Path) -> Path:
    """A directory of root's with a secret; the user has put a link to it where its own directory was."""
    victim = directory / "victim"
    victim.mkdir()
    (victim / "secret").write_text("secret")
    (victim / "secret").chmod(0o600)
    (directory / "log" / "run").symlink_to(victim)
    os.chown(directory / "log" / "run", SERVICE.pw_uid, SERVICE.pw_gid, follow_symlinks=False)
    return victim


def untouched(victim: Path) -> bool:
    found = (victim / "secret").stat()
    return (
        [each.name for each in victim.iterdir()] == ["secret"]
        and (found.st_uid, stat.S_IMODE(found.st_mode)) == (0, 0o600)
        and (victim / "secret").read_text() == "secret"
    )


@needs_root
def test_no_pidfile_is_made_or_emptied_through_a_link_of_the_users(directory: Path, victim: Path) -> None:
    for name in ("new.pid", "secret"):
        with pytest.raises(NetechodError, match="Permission denied"):
            Pidfile(directory / "log" / "run" / name, SERVICE_IDENTITY).lock()
    assert untouched(victim)


@needs_root
def test_no_pidfile_is_removed_through_a_link_of_the_users(directory: Path, victim: Path) -> None:
    run = directory / "log" / "run"
    run.unlink()
    run.mkdir()
    os.chown(run, SERVICE.pw_uid, SERVICE.pw_gid)
    pidfile = Pidfile(run / "n.pid", SERVICE_IDENTITY)
    pidfile.lock()
    (victim / "n.pid").hardlink_to(run / "n.pid")
    run.rename(directory / "log" / "before")
    run.symlink_to(victim)
    os.chown(run, SERVICE.pw_uid, SERVICE.pw_gid, follow_symlinks=False)
    pidfile.remove()
    assert (victim / "n.pid").exists()


@needs_root
def test_a_pidfile_with_a_second_name_is_refused_and_keeps_its_text(directory: Path, victim: Path) -> None:
    (directory / "n.pid").hardlink_to(victim / "secret")
    with pytest.raises(NetechodError, match="it has another name as well"):
        Pidfile(directory / "n.pid", SERVICE_IDENTITY).lock()
    assert untouched(victim)


@needs_root
def test_a_pidfile_that_root_left_in_the_users_directory_is_replaced_unless_it_is_locked(
    directory: Path,
) -> None:
    path = directory / "log" / "n.pid"
    before = Pidfile(path)
    before.lock()
    with pytest.raises(NetechodError, match="already running"):
        Pidfile(path, SERVICE_IDENTITY).lock()
    os.close(before.fileno())
    after = Pidfile(path, SERVICE_IDENTITY)
    after.lock()
    assert path.stat().st_uid == SERVICE.pw_uid
    after.remove()
    assert not path.exists()


@needs_root
def test_a_missing_directory_is_made_for_the_user(directory: Path) -> None:
    made = directory / "a" / "b"
    make_directory(made, SERVICE_IDENTITY)
    assert owner(made) == (SERVICE.pw_uid, SERVICE.pw_gid)
    assert owner(made.parent) == (0, 0)
    make_directory(directory / "log" / "c", SERVICE_IDENTITY)
    assert owner(directory / "log" / "c") == (SERVICE.pw_uid, SERVICE.pw_gid)


@needs_root
def test_no_directory_is_made_through_a_link_of_the_users(directory: Path, victim: Path) -> None:
    with pytest.raises(PermissionError):
        make_directory(directory / "log" / "run" / "a", SERVICE_IDENTITY)
    assert untouched(victim)


@needs_root
@pytest.mark.parametrize("where", [".", "log"])
def test_the_control_socket_belongs_to_the_user_whoever_has_the_directory(
    directory: Path, where: str
) -> None:
    path = directory / where / "control.sock"
    sock = open_control(path, SERVICE_IDENTITY)
    assert sock is not None
    assert owner(path) == (SERVICE.pw_uid, SERVICE.pw_gid)
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    sock.close()
    remove_control(path, SERVICE_IDENTITY)
    assert not path.exists()


@needs_root
def test_no_control_socket_is_made_through_a_link_of_the_users(directory: Path, victim: Path) -> None:
    assert open_control(directory / "log" / "run" / "control.sock", SERVICE_IDENTITY) is None
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(victim / "stale"))
    assert open_control(directory / "log" / "run" / "stale", SERVICE_IDENTITY) is None
    remove_control(directory / "log" / "run" / "stale", SERVICE_IDENTITY)
    (victim / "stale").unlink()
    assert untouched(victim)


@needs_root
@pytest.mark.system
def test_a_link_that_the_user_puts_in_the_place_of_the_control_socket_gives_nothing_away(
    directory: Path,
) -> None:
    run = directory / "log" / "own"
    run.mkdir()
    os.chown(run, SERVICE.pw_uid, SERVICE.pw_gid)
    secret = directory / "secret"
    secret.write_text("secret")
    secret.chmod(0o600)
    swap = (
        "import os, sys\n"
        "os.symlink(sys.argv[1], 'x')\n"
        "while True:\n"
        "    try:\n"
        "        os.stat('control.sock', follow_symlinks=False)\n"
        "    except FileNotFoundError:\n"
        "        continue\n"
        "    os.rename('x', 'control.sock')\n"
        "    break\n"
    )
    with Daemon(directory) as daemon:
        daemon.configure({"daemon.user": SERVICE.pw_name, "daemon.control": run / "control.sock"})
        swapper = subprocess.Popen(
            [sys.executable, "-I", "-c", swap, str(secret)],
            cwd=run,
            user=SERVICE.pw_uid,
            group=SERVICE.pw_gid,
        )
        daemon.start()
        assert swapper.wait(20) == 0
        assert (run / "control.sock").is_symlink()
        assert owner(secret) == (0, 0)
        assert daemon.stop() == 0
    assert secret.read_text() == "secret"


def test_a_mode_that_the_file_system_does_not_take_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(fd: int, mode: int) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "fchmod", refuse)
    set_mode(-1, 0o644, tmp_path)
    assert caplog.messages == [f"{tmp_path} does not take mode 0644: Operation not permitted"]
    with_mode = Pidfile(tmp_path / "run" / "n.pid")
    with_mode.lock()
    with_mode.remove()
    assert (tmp_path / "run").is_dir()


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


def test_a_user_by_number_is_never_one_whose_name_is_that_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pwd, "getpwnam", lambda name: ME)
    assert identity_of_uid(UNNAMED) == Identity(UNNAMED, UNNAMED)
    assert identity_of_uid(ME.pw_uid) == Identity(ME.pw_uid, ME.pw_gid, ME.pw_name)


@needs_root
@pytest.mark.parametrize(
    ("owner", "group", "mode", "acts_as_root"),
    [(0, 0, 0o755, True), (0, 0, 0o775, True), (0, 0, 0o1777, True), (0, 0, 0o777, False),
     (0, DAEMON.pw_gid, 0o775, False), (DAEMON.pw_uid, 0, 0o755, False)],
    ids=["root", "root-group", "sticky", "everybody", "a-group", "another-user"],
)  # fmt: skip
def test_root_has_the_users_rights_where_anybody_else_could_put_a_link(
    directory: Path, owner: int, group: int, mode: int, acts_as_root: bool
) -> None:
    middle = directory / "middle"
    (middle / "last").mkdir(parents=True)
    os.chown(middle, owner, group)
    middle.chmod(mode)
    with acting_for(SERVICE_IDENTITY, middle / "last"):
        assert (os.geteuid() == 0) == acts_as_root
    with acting_for(identity_of("", ""), middle / "last"):
        assert os.geteuid() == 0, "a daemon that stays root acts as root"
