"""One instance a pidfile, whatever lies there already and however the last one ended."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netechod.errors import AlreadyRunningError, NetechodError, PermissionRefusedError
from netechod.process.unix.pidfile import Pidfile

NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "netechod.pid"


def outcome_in_a_child(action: Callable[[], object]) -> str:
    """What `action` ends with in a process of its own: `done`, or the name and text of the error."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            action()
            outcome = "done"
        except NetechodError as error:
            outcome = f"{type(error).__name__}: {error}"
        os.write(write_end, outcome.encode())
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, encoding="utf-8") as told:
        outcome = told.read()
    os.waitpid(child, 0)
    return outcome


@contextmanager
def another_instance(path: Path) -> Iterator[int]:
    """A process that holds the pidfile until it is killed without a chance to clean up."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        pidfile = Pidfile(path)
        pidfile.lock()
        with pidfile:
            os.write(write_end, b"held")
            signal.pause()
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as told:
        assert told.read(4) == b"held"
    try:
        yield child
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def taken(path: Path) -> Pidfile:
    """The pidfile, locked by this process."""
    pidfile = Pidfile(path)
    pidfile.lock()
    return pidfile


def test_it_holds_the_pid_while_the_process_runs_and_goes_with_it(path: Path) -> None:
    with taken(path):
        assert path.read_bytes() == b"%d\n" % os.getpid()
    assert not path.exists()


@pytest.mark.parametrize("umask", [0o000, 0o027, 0o077])
def test_it_is_readable_by_everybody_whatever_the_umask(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with taken(path.parent / "run" / "netechod" / path.name) as pidfile:
            mode = os.fstat(pidfile.fileno()).st_mode
    finally:
        os.umask(before)
    assert mode & 0o7777 == 0o644
    assert (path.parent / "run" / "netechod").stat().st_mode & 0o7777 == 0o755


def test_a_second_instance_is_refused_with_the_first_one_s_pid(path: Path) -> None:
    with another_instance(path) as holder:
        with pytest.raises(AlreadyRunningError, match=rf"\(pid {holder}\): {path} is locked"):
            Pidfile(path).lock()
        assert path.read_bytes() == b"%d\n" % holder


def test_a_killed_instance_leaves_nothing_that_stops_the_next(path: Path) -> None:
    with another_instance(path) as holder:
        pass
    assert path.read_bytes() == b"%d\n" % holder
    with taken(path):
        assert path.read_bytes() == b"%d\n" % os.getpid()


@pytest.mark.parametrize(
    "content", [b"", b"-1\n", b"0", b"9" * 7, b"9" * 5000, b"12 34", b"\0\xff\n", b"1\n1"]
)
def test_an_implausible_pid_is_not_shown(path: Path, content: bytes) -> None:
    with another_instance(path):
        path.write_bytes(content)
        with pytest.raises(AlreadyRunningError, match=rf"^already running: {path} is locked"):
            Pidfile(path).lock()
        assert path.read_bytes() == content


@given(st.binary(max_size=100))
def test_any_stale_content_is_taken_over(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "stale.pid"
    path.write_bytes(content)
    pidfile = taken(path)
    assert path.read_bytes() == b""
    with pidfile:
        assert path.read_bytes() == b"%d\n" % os.getpid()


def test_a_live_stranger_s_pid_does_not_count(path: Path) -> None:
    path.write_text("1\n")
    with taken(path):
        pass


def test_the_lock_goes_over_to_the_forked_daemon(path: Path) -> None:
    pidfile = taken(path)
    go_read, go_write = os.pipe()
    done_read, done_write = os.pipe()
    daemon = os.fork()
    if daemon == 0:
        os.close(go_write)
        with pidfile:
            os.write(done_write, path.read_bytes())
            os.read(go_read, 1)
        os._exit(0)
    os.close(go_read)
    assert os.read(done_read, 32) == b"%d\n" % daemon
    os.close(pidfile.fileno())  # as the starter's exit does
    with pytest.raises(AlreadyRunningError, match=f"pid {daemon}"):
        Pidfile(path).lock()
    for descriptor in (go_write, done_read, done_write):
        os.close(descriptor)
    os.waitpid(daemon, 0)
    assert not path.exists()


def test_only_the_process_that_wrote_it_removes_it(path: Path) -> None:
    with taken(path) as pidfile:
        assert outcome_in_a_child(pidfile.remove) == "done"
        assert path.exists()


def test_a_start_that_fails_before_there_is_a_pid_leaves_no_file(path: Path) -> None:
    taken(path).remove()
    assert not path.exists()


def test_a_file_that_took_its_place_is_left_alone(path: Path) -> None:
    with taken(path):
        path.unlink()
        path.write_text("somebody else's\n")
    assert path.read_text() == "somebody else's\n"


def test_a_deleted_one_is_no_trouble_at_the_end(path: Path) -> None:
    with taken(path):
        path.unlink()
    assert not path.exists()


def test_without_the_right_to_unlink_it_is_emptied(path: Path) -> None:
    pidfile = taken(path)

    def drop_privileges_and_end() -> None:
        with pidfile:
            path.parent.chmod(0o555)
            if os.getuid() == 0:
                os.setuid(NOBODY)

    assert outcome_in_a_child(drop_privileges_and_end) == "done"
    path.parent.chmod(0o755)
    assert path.read_bytes() == b""
    with pidfile:
        pass


def refusal(path: Path) -> str:
    with pytest.raises(PermissionRefusedError) as caught:
        Pidfile(path).lock()
    return str(caught.value)


def test_a_symbolic_link_is_refused_and_its_target_untouched(path: Path) -> None:
    target = path.with_name("precious")
    target.write_text("data")
    path.symlink_to(target)
    assert refusal(path) == f"cannot use {path} as the pidfile: it is a symbolic link"
    assert target.read_text() == "data"


def test_what_is_not_a_regular_file_is_refused_without_waiting(path: Path) -> None:
    os.mkfifo(path)
    assert refusal(path).endswith("not a regular file")
    assert refusal(Path("/dev/null")).endswith("not a regular file")
    assert refusal(path.parent).endswith("Is a directory")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path.with_name("socket")))
        assert refusal(path.with_name("socket")).endswith("No such device or address")


def test_a_path_through_a_file_is_refused(path: Path) -> None:
    path.write_text("")
    assert refusal(path / "netechod.pid").endswith("Not a directory")


def test_a_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)

    def lock_without_privileges() -> None:
        if os.getuid() == 0:
            os.setuid(NOBODY)
        Pidfile(tmp_path / "netechod.pid").lock()

    outcome = outcome_in_a_child(lock_without_privileges)
    tmp_path.chmod(0o755)
    assert outcome.startswith(f"PermissionRefusedError: cannot use {tmp_path}/netechod.pid as the pidfile: ")
    assert outcome.endswith("Permission denied")


def test_racing_instances_have_one_winner_each_round(path: Path) -> None:
    def hold_often() -> None:
        for _ in range(300):
            pidfile = Pidfile(path)
            try:
                pidfile.lock()
            except AlreadyRunningError:
                continue
            with pidfile:
                # The winner's name is on the path as long as it holds the lock: never on an unlinked file.
                assert path.read_bytes() == b"%d\n" % os.getpid()

    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                hold_often()
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
