"""A log file takes whole lines or says why not, through rotation, deletion, full disks and pipes."""

import os
import resource
import select
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from netechod.process.log.format import Entry
from netechod.process.log.sinks import DescriptorCopy, LogFile

ENTRY = Entry(0.0, 20, "a line", {})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "netechod" / "log.txt"


@pytest.fixture
def file(path: Path) -> Iterator[LogFile]:
    opened = LogFile(path)
    opened.reopen()
    yield opened
    opened.close()


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """A disk with room for `size` bytes in each file: what write(2) does then is what a full one does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_new_file_is_for_owner_and_group_whatever_the_umask(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        file = LogFile(path)
        file.reopen()
    finally:
        os.umask(before)
    file.close()
    assert path.stat().st_mode & 0o7777 == 0o640


def test_an_existing_file_is_continued_with_the_mode_it_has(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("old\n")
    path.chmod(0o600)
    file = LogFile(path)
    file.append(b"new\n")
    file.close()
    assert path.read_text() == "old\nnew\n"
    assert path.stat().st_mode & 0o7777 == 0o600


def test_its_directory_is_made_for_owner_and_group(file: LogFile, path: Path) -> None:
    assert path.parent.stat().st_mode & 0o7777 == 0o750


def test_no_child_inherits_it(file: LogFile, path: Path) -> None:
    (fd,) = (
        int(link.name)
        for link in Path("/proc/self/fd").iterdir()
        if link.is_symlink() and link.readlink() == path
    )
    assert not os.get_inheritable(fd)


def test_a_renamed_file_gets_a_successor(file: LogFile, path: Path) -> None:
    file.append(b"one\n")
    path.rename(path.with_suffix(".1"))
    file.append(b"two\n")
    file.follow()
    file.append(b"three\n")
    assert path.with_suffix(".1").read_bytes() == b"one\ntwo\n"
    assert path.read_bytes() == b"three\n"


def test_a_file_cut_by_copytruncate_has_no_hole(file: LogFile, path: Path) -> None:
    file.append(b"one\n")
    os.truncate(path, 0)
    file.append(b"two\n")
    assert path.read_bytes() == b"two\n"


def test_a_deleted_directory_is_made_again(file: LogFile, path: Path) -> None:
    shutil.rmtree(path.parent)
    file.follow()
    file.append(b"one\n")
    assert path.read_bytes() == b"one\n"


def test_a_directory_that_cannot_be_made_yet_is_tried_with_every_line(file: LogFile, path: Path) -> None:
    shutil.rmtree(path.parent)
    path.parent.write_text("in the way")
    file.follow()
    for _ in range(2):
        with pytest.raises(OSError, match="File exists"):
            file.append(b"lost\n")
    path.parent.unlink()
    file.append(b"one\n")
    assert path.read_bytes() == b"one\n"


def test_a_renamed_file_without_a_possible_successor_is_kept(file: LogFile, path: Path) -> None:
    path.rename(path.with_suffix(".1"))
    path.mkdir()
    file.follow()
    file.append(b"one\n")
    assert path.with_suffix(".1").read_bytes() == b"one\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to be careful in the directories of others")
@pytest.mark.parametrize("plant", ["symlink_to", "hardlink_to"])
def test_root_writes_nothing_through_a_link_in_somebody_elses_directory(path: Path, plant: str) -> None:
    victim = path.parent.with_name("victim")
    victim.write_text("secret")
    path.parent.mkdir()
    getattr(path, plant)(victim)
    os.chown(path.parent, 65534, 65534)
    with pytest.raises(OSError, match="Too many"):
        LogFile(path).reopen()
    path.unlink()
    path.write_text("before\n")
    continued = LogFile(path)
    continued.append(b"after\n")
    continued.close()
    assert path.read_text() == "before\nafter\n"
    assert victim.read_text() == "secret"


def test_a_full_disk_leaves_no_torn_line(file: LogFile, path: Path) -> None:
    with files_end_at(20):
        file.append(b"a" * 15 + b"\n")
        with pytest.raises(OSError, match="too large"):
            file.append(b"b" * 15 + b"\n")
        assert path.read_bytes() == b"a" * 15 + b"\n"
        file.append(b"ccc\n")
    file.append(b"d\n")
    assert path.read_bytes() == b"a" * 15 + b"\nccc\nd\n"


def test_a_disk_without_any_room_is_an_error_that_passes(path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to("/dev/full")
    file = LogFile(path)
    file.reopen()
    with pytest.raises(OSError, match="No space left"):
        file.append(b"lost\n")
    path.unlink()
    file.follow()
    file.append(b"one\n")
    file.close()
    assert path.read_bytes() == b"one\n"


@pytest.fixture
def fifo(path: Path) -> Path:
    path.parent.mkdir()
    os.mkfifo(path)
    return path


def test_a_fifo_waits_for_its_reader_without_blocking(fifo: Path) -> None:
    file = LogFile(fifo)
    for _ in range(2):
        with pytest.raises(OSError, match="No such device"):
            file.append(b"lost\n")
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    file.append(b"one\n")
    assert os.read(reader, 100) == b"one\n"
    os.close(reader)
    with pytest.raises(BrokenPipeError):
        file.append(b"lost\n")
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    file.append(b"two\n")
    assert os.read(reader, 100) == b"two\n"
    os.close(reader)
    file.close()


def test_a_line_that_a_full_fifo_tore_is_finished_first(fifo: Path) -> None:
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    file = LogFile(fifo)
    long = b"x" * 200_000 + b"\n"
    with pytest.raises(BlockingIOError):
        file.append(long)
    with pytest.raises(BlockingIOError):
        file.append(b"lost\n")
    received = b""
    while len(received) < len(long):
        received += os.read(reader, 200_000)
        try:
            file.append(b"next\n")
        except BlockingIOError:
            continue
    received += os.read(reader, 200_000) if select.select([reader], [], [], 0)[0] else b""
    assert received.startswith(long + b"next\n")
    assert set(received[len(long) :].splitlines()) == {b"next"}
    os.close(reader)
    file.close()


def test_a_copy_is_finished_as_far_as_the_reader_takes_it() -> None:
    read_end, write_end = os.pipe()
    copy = DescriptorCopy(write_end)
    copy.write(ENTRY, b"x" * 200_000)
    os.set_blocking(read_end, False)
    assert set(os.read(read_end, 200_000)) == set(b"x")
    copy.write(ENTRY, b"one\n")
    os.close(read_end)
    copy.write(ENTRY, b"nobody reads this\n")
    os.close(write_end)
    copy.close()
