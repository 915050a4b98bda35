"""Reading the dictionary's file: in small steps, whatever lies there, and never waiting."""

import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from support.loading import load_file

from netechod.errors import DictionaryError
from netechod.process.dictionary.file import BLOCK, log_loaded, parsed, read_blocks, read_file
from netechod.services.dictionary.parser import DEFAULT_RULES, Rules
from netechod.services.dictionary.service import MemoryDictionary

GIBIBYTE = 1 << 30


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dict.txt"


def load(path: Path, *, max_size: int = GIBIBYTE, strict: bool = False) -> MemoryDictionary:
    """The edition in memory."""
    return load_file(path, max_size=max_size, rules=Rules(strict=strict))


def refusal(path: Path, *, max_size: int = GIBIBYTE, strict: bool = False) -> str:
    with pytest.raises(DictionaryError) as caught:
        load(path, max_size=max_size, strict=strict)
    assert caught.value.exit_code == 5
    return str(caught.value)


def test_a_file_is_read_in_blocks_of_which_none_takes_long(path: Path) -> None:
    path.write_text("".join(f"word{number}:{number}\n" for number in range(20_000)))
    blocks = read_blocks(path, max_size=GIBIBYTE)
    assert max(map(len, blocks)) == BLOCK
    count = len(blocks)
    assert sum(1 for _ in parsed(path, blocks, DEFAULT_RULES)) == count == -(-path.stat().st_size // BLOCK)
    assert blocks == [], "what is parsed is given back"
    assert load(path).entries[b"word19999"] == b"19999"


def test_the_last_line_needs_no_newline(path: Path) -> None:
    path.write_bytes("\ufeffapple:苹果\r\nbanana:香蕉".encode())
    assert load(path).entries == {b"apple": "苹果".encode(), b"banana": "香蕉".encode()}


def test_a_file_of_exactly_the_largest_size_is_loaded(path: Path) -> None:
    path.write_text("a:b\n")
    assert len(load(path, max_size=4)) == 1
    assert refusal(path, max_size=3) == f"{path}: 4 bytes, dictionary.max_size is 3"


def bound_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: None, "No such file or directory"),
        (Path.mkdir, "not a regular file"),
        (os.mkfifo, "not a regular file"),
        (bound_socket, "not a regular file"),
        (lambda path: path.symlink_to("/dev/tty"), ""),
        (lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
        (lambda path: path.symlink_to(path.parent), "not a regular file"),
    ],
    ids=["missing", "directory", "fifo", "socket", "terminal", "device", "link"],
)
def test_anything_but_a_regular_file_is_refused_without_waiting(
    path: Path, make: Callable[[Path], object], why: str
) -> None:
    make(path)
    assert refusal(path).startswith(f"{path}: {why}")


def test_a_link_to_a_file_is_followed(path: Path) -> None:
    path.with_name("other").write_text("a:b\n")
    path.symlink_to("other")
    assert len(load(path)) == 1


def test_an_unreadable_disk_is_told_as_such(path: Path) -> None:
    path.symlink_to("/proc/self/mem")  # a regular file to fstat(2), and read(2) fails with EIO
    assert refusal(path) == f"{path}: Input/output error"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", ": holds no entry at all"),
        (b"# nothing\n", ": holds no entry at all"),
        (b"apple\n", ": holds no entry at all"),
        ("apple:x\n苹果:y\n".encode("gbk"), ":2: not UTF-8"),
        (b"apple:x\n\0", ":2: a NUL byte"),
        (b"\x7fELF\x02\x01\x01\0\0\0", ":1: a NUL byte"),
    ],
    ids=["empty", "comments", "no line is good", "gbk", "nul", "binary"],
)
def test_what_is_no_dictionary_is_refused_with_its_line(path: Path, content: bytes, why: str) -> None:
    path.write_bytes(content)
    assert refusal(path).startswith(f"{path}{why}")


def test_strict_refuses_what_is_skipped_otherwise(path: Path) -> None:
    path.write_text("apple:x\npear\n")
    dictionary = load(path)
    assert (len(dictionary), dictionary.skipped) == (1, 1)
    assert refusal(path, strict=True) == f"{path}:2: no ':'; write it as key:value"


@pytest.mark.parametrize("change", ["appended", "rewritten"])
def test_a_file_that_changes_while_it_is_read_is_refused(path: Path, change: str) -> None:
    path.write_text("apple:x\n")

    def feed(block: bytes) -> None:
        if change == "rewritten":
            path.write_text("apple:y\n")
            os.utime(path, ns=(1, 1))
        elif block.startswith(b"apple"):
            with path.open("a") as file:
                file.write("half a li")

    with pytest.raises(DictionaryError, match="changed while it was read"):
        read_file(path, feed, max_size=GIBIBYTE, size=GIBIBYTE)


def test_a_file_that_is_replaced_while_it_is_read_is_loaded_as_it_was(path: Path) -> None:
    path.write_text("apple:old\n")
    read: list[bytes] = []

    def feed(block: bytes) -> None:
        read.append(block)
        path.with_name("new").write_text("apple:new\n")
        path.with_name("new").rename(path)

    read_file(path, feed, max_size=GIBIBYTE)
    assert read == [b"apple:old\n"]


def test_the_log_has_the_warnings_and_one_line_of_facts(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_text("apple:x\npear\napple:y\n")
    dictionary = load(path)
    with caplog.at_level(logging.INFO, "netechod"):
        log_loaded(dictionary, 0.25)
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", f"{path}:2: no ':'; write it as key:value; the line is skipped"),
        ("WARNING", f"{path}:3: duplicate key 'apple'; the first one stays"),
        ("INFO", f"dictionary loaded entries=1 skipped=1 sha256={dictionary.sha256[:12]} seconds=0.250"),
    ]
