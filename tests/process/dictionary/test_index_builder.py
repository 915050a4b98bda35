"""Building an index: it is there when it is whole, it takes no other file's place, and nothing else stays."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from support.indexes import overwrite

from netechod.process.dictionary import index_builder
from netechod.process.dictionary.index import open_index
from netechod.process.dictionary.index_builder import NoPlaceError, Tally, build

GIBIBYTE = 1 << 30


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "dict.txt"
    path.write_text("apple:苹果\nBanana:香蕉\n", encoding="utf-8")
    return path


@pytest.fixture
def index(tmp_path: Path) -> Path:
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache" / "index"


def words(index: Path) -> dict[bytes, bytes]:
    """What is in an index."""
    with closing(open_index(index)) as edition:
        return dict(edition.items())


def make(source: Path, index: Path) -> None:
    build(source, index, max_size=GIBIBYTE)


def test_an_index_is_for_everybody_to_read_and_for_us_to_write(source: Path, index: Path) -> None:
    before = os.umask(0o077)
    try:
        make(source, index)
    finally:
        os.umask(before)
    assert index.stat().st_mode & 0o777 == 0o644
    assert [file.name for file in index.parent.iterdir()] == ["index"]


def test_a_new_index_takes_the_place_of_an_old_one_and_of_what_was_left_behind(
    source: Path, index: Path
) -> None:
    make(source, index)
    (index.parent / "index.new").write_text("left by somebody who was killed")
    source.write_text("cherry:樱桃\n")
    make(source, index)
    assert words(index) == {b"cherry": "樱桃".encode()}
    assert [file.name for file in index.parent.iterdir()] == ["index"]


def test_an_empty_file_may_be_replaced(source: Path, index: Path) -> None:
    index.touch()
    make(source, index)
    assert len(words(index)) == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: os.truncate(path, 4096),
        lambda path: os.truncate(path, 15),
        lambda path: overwrite(path, 0, bytes(4096)),
        lambda path: overwrite(path, 16, b"x"),
        lambda path: overwrite(path, path.stat().st_size - 100, bytes(100)),
    ],
    ids=["cut", "cut in the header", "first page zero", "no magic number", "no facts"],
)
def test_what_is_left_of_an_index_may_be_replaced(
    source: Path, index: Path, damage: Callable[[Path], object]
) -> None:
    make(source, index)
    damage(index)
    make(source, index)
    assert len(words(index)) == 2


@pytest.mark.parametrize(
    "put",
    [
        lambda path: path.write_text("root:x:0:0:root:/root:/bin/bash\n"),
        lambda path: path.write_text("x"),
        Path.mkdir,
        os.mkfifo,
        lambda path: path.symlink_to("somewhere"),
    ],
    ids=["text", "short", "directory", "fifo", "link"],
)
def test_nothing_but_an_index_is_replaced(source: Path, index: Path, put: Callable[[Path], object]) -> None:
    put(index)
    before = index.lstat()
    with pytest.raises(NoPlaceError):
        make(source, index)
    assert index.lstat() == before
    assert [file.name for file in index.parent.iterdir()] == ["index"]


def test_a_symbolic_link_beside_it_is_not_followed(source: Path, index: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (index.parent / "index.new").symlink_to(tmp_path / "precious")
    make(source, index)
    assert (tmp_path / "precious").read_text() == "precious"
    assert not index.is_symlink()


@pytest.mark.parametrize(
    ("place", "why"), [("missing/index", "No such file or directory"), ("dict.txt/index", "Not a directory")]
)
def test_without_a_directory_there_is_no_place(source: Path, place: str, why: str) -> None:
    with pytest.raises(NoPlaceError, match=f": {why}$"):
        make(source, source.parent / place)


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EROFS, errno.EACCES, errno.EISDIR])
def test_a_file_system_without_unnamed_files_is_no_place(
    source: Path, index: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    refuse_unnamed_files(monkeypatch, number)
    with pytest.raises(NoPlaceError, match=os.strerror(number)):
        make(source, index)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_a_failure(
    source: Path, index: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    refuse_unnamed_files(monkeypatch, number)
    with pytest.raises(OSError, match=os.strerror(number)):
        make(source, index)


def refuse_unnamed_files(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Have the system refuse them, as some do."""
    really_open = os.open

    def refusing(path: str, flags: int, *rest: int, dir_fd: int | None = None) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(number, os.strerror(number))
        return really_open(path, flags, *rest, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", refusing)


LIMITED = """
import resource, sys
from pathlib import Path
from netechod.process.dictionary.index_builder import build
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    build(Path(sys.argv[1]), Path(sys.argv[2]), max_size=1 << 30)
except OSError as error:
    print(error)
"""


def test_a_disk_that_takes_no_more_fails_the_build_with_a_reason_and_keeps_the_old_index(
    source: Path, index: Path
) -> None:
    make(source, index)
    source.write_text("".join(f"word{number}:{number}\n" for number in range(20_000)))
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, source, index], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"{index}: ")
    assert " MiB are free there" in done.stdout
    assert len(words(index)) == 2
    assert [file.name for file in index.parent.iterdir()] == ["index"]


def test_who_may_not_rename_has_no_place(source: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*arguments: object, **options: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")  # a sticky directory, another's file

    monkeypatch.setattr(os, "rename", forbidden)
    with pytest.raises(NoPlaceError, match="not permitted"):
        make(source, index)


def test_of_two_that_publish_at_the_same_time_one_wins(
    source: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really_link, others = os.link, [source.with_name("other.txt")]
    others[0].write_text("cherry:樱桃\n")

    def link(*arguments: str, **options: int) -> None:
        really_link(*arguments, **options)  # type: ignore[arg-type]
        if others:
            make(others.pop(), index)  # another one comes between our link(2) and rename(2)

    monkeypatch.setattr(os, "link", link)
    make(source, index)
    assert words(index) == {b"cherry": "樱桃".encode()}
    assert [file.name for file in index.parent.iterdir()] == ["index"]


def test_without_the_library_there_is_no_place(
    source: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(NoPlaceError, match="python3-lmdb"):
        make(source, index)


def test_an_index_has_room_for_the_shortest_words_in_the_worst_order(source: Path, index: Path) -> None:
    letters = [chr(number) for number in range(0x410, 0x430)]  # capital, so that each is folded too
    source.write_text("".join(f"{a}{b}{c}:{a}\n" for a in letters for b in letters for c in letters))
    make(source, index)
    assert len(words(index)) == len(letters) ** 3


@pytest.mark.parametrize(
    ("theirs", "ours", "counts"),
    [
        ("", "", (0, 0, 0)),
        ("", "a1", (1, 0, 0)),
        ("a1", "", (0, 1, 0)),
        ("a1 b1 c1", "a1 b2 c1", (0, 0, 1)),
        ("a1 c1 e1", "b1 d1 f1", (3, 3, 0)),
        ("a1 b1 c1 d1", "c1", (0, 3, 0)),
    ],
)
def test_differences_are_counted_whatever_the_batches(
    theirs: str, ours: str, counts: tuple[int, int, int]
) -> None:
    rows = [(word[:1].encode(), word[1:].encode()) for word in ours.split()]
    for size in range(1, len(rows) + 2):
        tally = Tally(iter((word[:1].encode(), word[1:].encode()) for word in theirs.split()))
        for start in range(0, len(rows), size):
            tally.see(rows[start : start + size])
        tally.end()
        assert (tally.added, tally.removed, tally.changed) == counts


def test_little_memory_is_enough(source: Path, index: Path) -> None:
    """Measured in a process of its own; what is mapped of a file is not its own, and the system's to take."""
    source.write_text("".join(f"{number * 7919 % 300_007:06d}:{'x' * 60}\n" for number in range(300_000)))
    assert source.stat().st_size > index_builder.BLOCK * 50
    program = (
        "import sys; from pathlib import Path; from netechod.process.dictionary.index_builder import build;"
        "build(Path(sys.argv[1]), Path(sys.argv[2]), max_size=1 << 30);"
        "print(Path('/proc/self/status').read_text())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, source, index], capture_output=True, text=True, check=True
    )
    anonymous = int(done.stdout.partition("RssAnon:")[2].split()[0])
    assert anonymous < 80_000, "KiB"
    assert len(words(index)) == 300_000
