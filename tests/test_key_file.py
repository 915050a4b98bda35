"""Key files: what is taken, and what is refused without a word of what is in it."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from netechod import key_file
from netechod.key_file import KeyFileError, read_keys, read_password

ME = {os.geteuid()}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.touch(0o600)
    return path


def refusal(path: Path, owners: set[int] = ME) -> str:
    with pytest.raises(KeyFileError) as caught:
        read_keys(path, owners)
    return str(caught.value).replace(str(path), "FILE")


def test_a_line_is_a_key_and_its_secret(path: Path) -> None:
    path.write_text("# who is who\nops   0123 \n\n  guest-2\tgeheim-é\r\n", encoding="utf-8")
    keys = read_keys(path, ME)
    assert list(keys.items()) == [("ops", b"0123"), ("guest-2", "geheim-é".encode())]


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o200])
def test_a_file_that_nobody_else_can_use_is_taken(path: Path, mode: int) -> None:
    path.write_text("ops 0123\n", encoding="utf-8")
    path.chmod(mode)
    if os.geteuid() == 0 or mode & 0o400:
        assert read_keys(path, ME) == {"ops": b"0123"}
    else:
        assert refusal(path) == "FILE: Permission denied"


@pytest.mark.parametrize(
    ("mode", "why"),
    [
        (0o604, "others can use it"),
        (0o620, f"group {os.getegid()} can use it"),
        (0o700, "more than 0600"),
        (0o4600, "more than 0600"),
        (0o644, "others can use it"),
    ],
)
def test_a_file_that_others_can_use_is_refused(path: Path, mode: int, why: str) -> None:
    path.write_text("ops 0123\n", encoding="utf-8")
    path.chmod(mode)
    assert refusal(path) == f"FILE: has mode {mode:04o}, {why}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("mode", [0o440, 0o640])
def test_a_group_that_is_not_ours_alone_is_told_with_a_remedy(path: Path, mode: int) -> None:
    path.write_text("ops 0123\n", encoding="utf-8")
    path.chmod(mode)
    os.chown(path, 0, 12345)
    with pytest.raises(KeyFileError, match="group 12345 can use it") as caught:
        read_keys(path, ME)
    assert caught.value.hint == f"chmod 600 {path}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_root_that_a_group_of_ours_alone_can_read_is_taken(path: Path) -> None:
    path.write_text("ops 0123\n", encoding="utf-8")
    path.chmod(0o440)
    os.chown(path, 0, 12345)
    before = os.getgroups()
    os.setgroups([12345])
    try:
        assert read_keys(path, ME) == {"ops": b"0123"}
    finally:
        os.setgroups(before)


def test_on_a_read_only_file_system_nobody_is_sent_to_chmod(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_text("ops 0123\n", encoding="utf-8")
    path.chmod(0o444)
    monkeypatch.setattr(os, "fstatvfs", lambda fd: SimpleNamespace(f_flag=os.ST_RDONLY))
    with pytest.raises(KeyFileError, match="others can use it") as caught:
        read_keys(path, ME)
    assert caught.value.hint.startswith("the file system is read-only: have the secret store")


def test_a_file_of_somebody_else_s_is_refused(path: Path) -> None:
    path.write_text("ops 0123\n", encoding="utf-8")
    assert refusal(path, {12345}) == f"FILE: belongs to user {os.geteuid()}"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "FILE: has no keys"),
        ("# nobody\n", "FILE: has no keys"),
        ("ops\n", "FILE:1: is not <key id> <secret>, two words"),
        ("\nops geheim geheim\n", "FILE:2: is not <key id> <secret>, two words"),
        ("Ops geheim\n", "FILE:1: a key id has 1 to 32 of a-z, 0-9 and -"),
        (f"{'o' * 33} geheim\n", "FILE:1: a key id has 1 to 32 of a-z, 0-9 and -"),
        ("ops geheim\nguest geheim\nops geheim\n", "FILE:3: the id ops stands there twice"),
        ("ops geheim\udcff\n", "FILE: is not UTF-8"),
    ],
)
def test_what_is_wrong_is_told_by_its_place_and_never_shown(path: Path, text: str, why: str) -> None:
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    assert refusal(path) == why
    assert "geheim" not in why


def test_what_is_no_file_is_refused(path: Path, tmp_path: Path) -> None:
    assert refusal(tmp_path / "nothing").endswith("No such file or directory")
    tmp_path.chmod(0o600)
    assert refusal(tmp_path).endswith("is not a regular file")
    tmp_path.chmod(0o700)
    path.unlink()
    os.mkfifo(path, 0o600)
    assert refusal(path) == "FILE: is not a regular file"


def test_what_is_too_large_holds_something_else(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_file, "MAX_SIZE", 10)
    path.write_text("ops 012345\n", encoding="utf-8")
    assert refusal(path) == "FILE: is larger than 10 bytes"


def test_a_disk_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netechod.key_file._check", lambda *_: None)
    with pytest.raises(KeyFileError, match=r"^/proc/self/mem: Input/output error$"):
        read_keys(Path("/proc/self/mem"), {os.geteuid()})  # a regular file to fstat(2), and read(2) fails


def test_a_password_is_the_only_line_of_its_file(path: Path) -> None:
    path.write_text("pass word é\n", encoding="utf-8")
    assert read_password(path, ME) == "pass word é".encode()
    for text, lines in (("", 0), ("\n", 1), ("a\nb\n", 2)):
        path.write_text(text)
        with pytest.raises(KeyFileError, match=f"has {lines} lines"):
            read_password(path, ME)
    path.chmod(0o644)
    with pytest.raises(KeyFileError, match="has mode 0644"):
        read_password(path, ME)
